"""HTTP for a site's own devices: `POST /readings` takes measurements, `GET /setpoints/<device>` tells what to follow,
`/status` and `/metrics` tell how the gateway is.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from vpp_workloads.gateway.commands import Asking
from vpp_workloads.gateway.errors import GatewayError, MeasurementError, SpoolFullError
from vpp_workloads.gateway.gateway import Gateway, Status, wall_clock_us
from vpp_workloads.gateway.intake import measurements_from_lines

_SETPOINTS: Final = "/setpoints/"
_TEXT: Final = "text/plain; charset=utf-8"
_MAX_BODY_BYTES: Final = 16 * 1024 * 1024
_REQUEST_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


def metrics_text(site: str, status: Status) -> str:
    """Return the gateway's counts in Prometheus' text format."""
    metrics = (
        ("accepted_readings_total", "counter", "Readings taken since the start.", status.accepted),
        ("refused_readings_total", "counter", "Readings refused for lack of room.", status.refused),
        ("confirmed_readings_total", "counter", "Readings a broker has confirmed, ever.", status.confirmed),
        ("filtered_readings_total", "counter", "Readings joined to others by the filter.", status.filtered),
        ("waits_total", "counter", "Times a caller had to wait for room in the spool.", status.waits),
        ("spooled_readings", "gauge", "Readings that wait for a confirm.", status.spooled),
        ("retained_readings", "gauge", "Confirmed readings that wait for the twin's mark.", status.retained),
        ("sent_again_total", "counter", "Messages sent once more for want of a mark.", status.sent_again),
        ("spool_bytes", "gauge", "Bytes that wait for a confirm or mark.", status.spool_bytes),
        ("connected", "gauge", "1 while a broker takes readings.", int(status.state == "Connected")),
    )
    return "".join(
        f"# HELP vpp_gateway_{name} {text}\n# TYPE vpp_gateway_{name} {kind}\n"
        f'vpp_gateway_{name}{{site="{site}"}} {value}\n'
        for name, kind, text, value in metrics
    )


class Server:
    """Serves a gateway until it is closed."""

    def __init__(self, gateway: Gateway, site: str, address: tuple[str, int]) -> None:
        """Listen.

        Raises:
            OSError: the address is taken.
        """

        class Handler(_Handler):
            served = gateway
            asking = Asking(gateway.commands, site, wall_clock_us)
            site_name = site

        self._server = ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="http", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    served: Gateway
    asking: Asking
    site_name: str
    protocol_version = "HTTP/1.1"
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        status = self.served.status()
        match self.path:
            case "/status":
                self._answer(200, json.dumps(asdict(status)), "application/json")
            case "/metrics":
                self._answer(200, metrics_text(self.site_name, status), "text/plain; version=0.0.4; charset=utf-8")
            case "/healthz":
                self._answer(200, "ok\n")
            case path if path.startswith(_SETPOINTS) and len(path) > len(_SETPOINTS):
                command = self.asking.ask(path.removeprefix(_SETPOINTS))
                told = {} if command is None else asdict(command)
                self._answer(200, json.dumps({"setpoint_kw": None, **told}), "application/json")
            case _:
                self._answer(404, "there are POST /readings, /setpoints/<device>, /status, /metrics and /healthz\n")

    def do_POST(self) -> None:
        """204: all are on disk. 400: none was taken, fix the request. 503: none was taken, send it again later."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/readings":
            self._refuse(404, "readings go to POST /readings")
        elif not length.isdigit():
            self._refuse(411, "the request must say its Content-Length")
        elif int(length) > _MAX_BODY_BYTES:
            self._refuse(413, f"a request may hold {_MAX_BODY_BYTES} bytes; send several")
        else:
            try:
                self.served.accept(measurements_from_lines(self.rfile.read(int(length)).splitlines()))
            except MeasurementError as error:
                self._answer(400, f"{error}\n")
            except SpoolFullError as error:
                self._answer(503, f"{error}\n")
            except GatewayError as error:
                self._answer(500, f"{error}\n")
            else:
                self._answer(204, "")

    def _refuse(self, code: int, text: str) -> None:
        # What the request still holds is not read, so the connection cannot go on.
        self.close_connection = True
        self._answer(code, f"{text}\n")

    def _answer(self, code: int, text: str, content_type: str = _TEXT) -> None:
        body = text.encode()
        self.send_response(code)
        if code == 503:
            self.send_header("Retry-After", "5")
        if self.close_connection:
            self.send_header("Connection", "close")
        if code != 204:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: devices report every few seconds."""
