"""`python -m vpp_workloads.gateway`: the gateway of a real site, fed with one JSON object a line by stdin or HTTP."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from vpp_workloads.gateway.errors import GatewayError, MeasurementError
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.intake import measurement_from_line
from vpp_workloads.gateway.server import Server
from vpp_workloads.gateway.settings import load_settings
from vpp_workloads.gateway.watch import SettingsWatch


def main(arguments: list[str] | None = None) -> int:
    """Run until the input ends or a signal comes. 0: all was taken and confirmed; 1: failed; 3: some was not."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    stopped = threading.Event()
    try:
        settings = load_settings(options.settings)
        gateway = Gateway(settings, options.spool)
    except GatewayError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1
    gateway.start()
    watch = SettingsWatch({options.settings: gateway.change})
    watch.start()
    refused = 0
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _interrupt)
        if options.listen is None:
            refused = take_lines(gateway, sys.stdin)
        else:
            host, _, port = options.listen.rpartition(":")
            server = Server(gateway, settings.site, (host, int(port)))
            try:
                stopped.wait()
            finally:
                server.close()
    except KeyboardInterrupt:
        pass
    except (OSError, ValueError) as error:
        print(f"gateway: cannot listen at {options.listen} ({error}); give HOST:PORT", file=sys.stderr)
        gateway.close(0.0)
        return 1
    watch.stop()
    clean = gateway.close(options.flush_seconds)
    if not clean:
        print(f"gateway: not everything is confirmed; it stays in {options.spool} for the next start", file=sys.stderr)
    return 0 if clean and not refused else 3


def take_lines(gateway: Gateway, lines: Iterable[str]) -> int:
    """Hand lines to the gateway, report those it does not take on stderr, and return how many those were."""
    refused = 0
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                gateway.accept([measurement_from_line(line)])
            except MeasurementError as error:
                refused += 1
                print(f"gateway: line {number}: {error}", file=sys.stderr)
            except GatewayError as error:
                refused += 1
                print(f"gateway: line {number} is not taken: {error}", file=sys.stderr)
    return refused


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vpp_workloads.gateway",
        description="Publishes a site's measurements until a broker has confirmed them; keeps them on disk until then.",
    )
    parser.add_argument("--settings", type=Path, required=True, help="gateway.json from the Secret <site>-gateway")
    parser.add_argument(
        "--spool", type=Path, default=Path("spool.sqlite"), help="file that keeps what is not confirmed"
    )
    parser.add_argument("--listen", metavar="HOST:PORT", help="take POST /readings here instead of lines on stdin")
    parser.add_argument("--flush-seconds", type=float, default=30.0, help="how long the end may wait for confirms")
    return parser


if __name__ == "__main__":
    sys.exit(main())
