"""`python -m vpp_workloads.simulator`: drives the sites of simulator.json and stays up to tell what it did."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from vpp_contract.environment import SIMULATOR_CONFIG, STATE_DIR, text
from vpp_contract.names import SIMULATOR_PORT
from vpp_workloads.gateway.errors import GatewayError
from vpp_workloads.simulator.config import Config, load_config
from vpp_workloads.simulator.errors import SimulatorError
from vpp_workloads.simulator.server import Server
from vpp_workloads.simulator.simulation import Simulation


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns 1 after a failure, with one sentence on stderr."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    config_file = Path(text(os.environ, SIMULATOR_CONFIG, "/etc/vpp/simulator.json"))
    state_folder = Path(text(os.environ, STATE_DIR, "/data"))
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        return run(load_config(config_file, options.data), state_folder, ("", SIMULATOR_PORT), stopped)
    except (SimulatorError, GatewayError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"simulator: {error}; check {state_folder} and port {SIMULATOR_PORT}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vpp_workloads.simulator", description="simulate a plant's sites")
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the data folder, instead of the one in simulator.json"
    )
    return parser


def run(config: Config, state_folder: Path, address: tuple[str, int], stopped: threading.Event) -> int:
    """Run a simulation until `stopped` is set; 1 if a site stopped by itself."""
    simulation = Simulation(config, state_folder, stopped)
    try:
        server = Server(simulation, address)
        server.start()
        try:
            simulation.start()
            while not stopped.wait(0.5) and simulation.failure is None:
                pass
        finally:
            server.close()
    finally:
        simulation.close()
    if simulation.failure is not None:
        print(f"simulator: {simulation.failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
