"""Folds the history once: `python -m vpp_workloads.streaming.history`. Prints what it did as one JSON document.

Its settings are in the environment, the storage's are the driver's own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time

from vpp_contract import environment as env
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.files import open_files
from vpp_workloads.streaming.history.fold import fold
from vpp_workloads.streaming.history.plan import describe
from vpp_workloads.streaming.settings import history_limits, storage_settings


def main() -> int:
    """Fold; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    started = time.monotonic()
    try:
        storage, limits = storage_settings(os.environ), history_limits(os.environ)
        done = fold(open_files(storage), storage.url, limits, lambda: time.time_ns() // 1_000_000)
    except (env.SettingError, StreamingError, OSError) as error:
        print(f"vpp history: {error}", file=sys.stderr)
        return 1
    document = {
        **describe(done.version, limits),
        "folded_batches": done.batches,
        "removed_files": done.removed_files,
        "removed_batches": done.removed_batches,
        "seconds": round(time.monotonic() - started, 3),
    }
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
