"""Runs the streaming driver: `python -m vpp_workloads.streaming`. Its settings are in the environment."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from vpp_contract.environment import SettingError
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.job import run
from vpp_workloads.streaming.settings import read_settings


def main() -> int:
    """Run until SIGTERM; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name, level in (("pika", logging.CRITICAL), ("py4j", logging.WARNING)):
        logging.getLogger(name).setLevel(level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        run(read_settings(os.environ), stop)
    except (SettingError, StreamingError) as error:
        print(f"vpp streaming: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
