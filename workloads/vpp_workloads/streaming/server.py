"""The driver's HTTP port: `/progress` for the operator, `/healthz` for the kubelet, `/metrics` for Prometheus."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from vpp_workloads.streaming.progress import Progress


class _Metrics(Collector):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def collect(self) -> Iterator[Metric]:
        values = self._progress.document()
        labels = ["vpp"]
        for name, text in (
            ("accepted", "Readings taken into the twin"),
            ("duplicates", "Readings that had been taken before"),
            ("poison", "Messages or readings that could not be accepted"),
            ("late_beyond_window", "Readings accepted too late for their hour's energy"),
            ("lost_offsets", "Stream offsets that were deleted before they were read"),
        ):
            counter = CounterMetricFamily(f"vpp_streaming_readings_{name}", text, labels=labels)
            counter.add_metric([values["vpp"]], values["readings"][name])
            yield counter
        for name, text, value in (
            ("batch_id", "Last finished batch", values["batch_id"]),
            ("running", "1 while the query runs", float(values["state"] == "Running")),
            ("restarts", "Restarts of the query in this process", values["restarts"]),
            ("unreachable_streams", "Streams whose end is unknown", len(values["unreachable"])),
            ("input_rows_per_second", "Rate of arrival", values["rates"]["input_rows_per_second"]),
            ("processed_rows_per_second", "Rate of processing", values["rates"]["processed_rows_per_second"]),
            ("batch_seconds", "Duration of the last batch", values["durations_ms"].get("triggerExecution", 0) / 1000),
        ):
            gauge = GaugeMetricFamily(f"vpp_streaming_{name}", text, labels=labels)
            gauge.add_metric([values["vpp"]], value)
            yield gauge
        yield from _twin_metrics(values["vpp"], values["twin"])
        committed = GaugeMetricFamily(
            "vpp_streaming_committed_offset", "Next offset to read", labels=["vpp", "channel", "stream"]
        )
        for key, offset in values["committed"].items():
            channel, _, stream = key.partition("/")
            committed.add_metric([values["vpp"], channel, stream], offset)
        yield committed


def _twin_metrics(vpp: str, twin: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield what the twin thinks of the plant, as far as it is known."""
    unhealthy = GaugeMetricFamily("vpp_twin_unhealthy_ders", "DERs with this finding", labels=["vpp", "reason"])
    for reason, count in twin.get("unhealthy_by_reason", {}).items():
        unhealthy.add_metric([vpp, reason], count)
    yield unhealthy
    for name, text in (
        ("ders", "DERs that have reported"),
        ("delivery_kw", "Power of the plant, to the grid"),
        ("target_kw", "Power it shall deliver"),
        ("unserved_kw", "What of the target no DER can give"),
    ):
        if twin.get(name) is not None:
            gauge = GaugeMetricFamily(f"vpp_twin_{name}", text, labels=["vpp"])
            gauge.add_metric([vpp], twin[name])
            yield gauge


def serve(progress: Progress, port: int, host: str = "") -> ThreadingHTTPServer:
    """Start answering in a thread of its own; close the returned server to stop."""
    registry = CollectorRegistry()
    registry.register(_Metrics(progress))

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/progress":
                self._answer(200, "application/json", json.dumps(progress.document()).encode())
            elif self.path == "/healthz":
                alive = progress.alive()
                self._answer(200 if alive else 503, "text/plain", b"ok\n" if alive else b"the query gives no sign\n")
            elif self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            else:
                self._answer(404, "text/plain", b"there are /progress, /healthz and /metrics\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Keep probes out of the log."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="progress", daemon=True).start()
    return server
