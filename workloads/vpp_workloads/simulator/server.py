"""HTTP: progress, ledger, source, health and metrics of a simulation."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vpp_workloads.gateway.ledger import Run
from vpp_workloads.simulator.simulation import Simulation

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1
_CHUNK_LINES: Final = 2000


def ledger_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Yield `der,boot,seq` of every reading, many lines at a time."""
    lines: list[str] = []
    for run in runs:
        for seq in range(run.first_seq, run.last_seq + 1):
            lines.append(f"{run.der},{run.boot},{seq}\n")
            if len(lines) >= _CHUNK_LINES:
                yield "".join(lines)
                lines.clear()
    if lines:
        yield "".join(lines)


class ProgressCollector(Collector):
    """Turns `/progress` into Prometheus metrics."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def collect(self) -> Iterator[Metric]:
        progress = self._simulation.progress()
        confirmed = CounterMetricFamily(
            "vpp_simulator_confirmed_readings", "Readings a broker has confirmed.", labels=["site"]
        )
        refused = CounterMetricFamily(
            "vpp_simulator_refused_readings", "Readings a full spool refused.", labels=["site"]
        )
        spooled = GaugeMetricFamily(
            "vpp_simulator_spooled_readings", "Readings that wait for a confirm.", labels=["site"]
        )
        for name, site in progress["sites"].items():
            confirmed.add_metric([name], site["confirmed"])
            refused.add_metric([name], site["refused"])
            spooled.add_metric([name], site["spooled"])
        yield from (confirmed, refused, spooled)
        yield GaugeMetricFamily(
            "vpp_simulator_simulated_seconds", "The simulated time.", value=progress["simulated_us"] / 1e6
        )
        yield GaugeMetricFamily(
            "vpp_simulator_done_seconds", "Simulated seconds that are complete.", value=progress["day_seconds_done"]
        )


class Server:
    """Serves a simulation until the process ends."""

    def __init__(self, simulation: Simulation, address: tuple[str, int]) -> None:
        """Listen.

        Raises:
            OSError: the address is taken.
        """
        registry = CollectorRegistry()
        registry.register(ProgressCollector(simulation))

        class Handler(_Handler):
            served = simulation
            metrics = registry

        self._server = ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="http", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    served: Simulation
    metrics: CollectorRegistry
    protocol_version = "HTTP/1.1"
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/progress":
                self._json(self.served.progress())
            case "/source":
                self._json(self.served.source())
            case "/ledger":
                self._stream(ledger_lines(self.served.ledger()))
            case "/metrics":
                self._answer(200, _TEXT, generate_latest(self.metrics))
            case "/healthz":
                failure = self.served.failure
                self._answer(503 if failure else 200, _TEXT, f"{failure or 'ok'}\n".encode())
            case _:
                self._answer(404, _TEXT, b"there are /progress, /ledger, /source, /metrics and /healthz\n")

    def _json(self, value: Any) -> None:
        self._answer(200, "application/json", json.dumps(value).encode())

    def _answer(self, code: int, content_type: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, parts: Iterable[str]) -> None:
        """Answer in chunks, so that the reader notices when the end is missing."""
        self.send_response(200)
        self.send_header("Content-Type", "text/csv; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            body = part.encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: probes come every few seconds."""
