"""Memory: its peak on this machine while the demo runs, and what the operator alone needs."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

from vppdemo.kube import DemoError, Kube

OPERATOR_METRICS_PORT = 8000
_RESIDENT = re.compile(r"^process_resident_memory_bytes (\S+)$", re.MULTILINE)


def machine_used_gib(meminfo: Path = Path("/proc/meminfo")) -> float:
    """Return MemTotal - MemAvailable of this machine in GiB: all that cannot be reclaimed, the demo's or not."""
    kib = {}
    for line in meminfo.read_text().splitlines():
        name, _, rest = line.partition(":")
        kib[name] = int(rest.split()[0])
    return (kib["MemTotal"] - kib["MemAvailable"]) / 1024**2


class PeakMemory:
    """Samples memory once a second on a thread of its own until closed."""

    def __init__(self, sample: Callable[[], float] = machine_used_gib, interval_seconds: float = 1.0) -> None:
        """Start sampling."""
        self.peak_gib = sample()
        self._sample = sample
        self._interval_seconds = interval_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="peak-memory")
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            self.peak_gib = max(self.peak_gib, self._sample())

    def close(self) -> float:
        """Stop and return the peak in GiB."""
        self._stop.set()
        self._thread.join(timeout=5)
        return self.peak_gib


def operator_resident_mib(kube: Kube, namespace: str) -> float | None:
    """Return the resident memory of the largest operator pod in MiB, by its own metrics; None if none answers."""
    found = []
    try:
        pods = kube.get("pods", "-n", namespace, "-l", "app.kubernetes.io/component=operator")["items"]
        for pod in pods:
            metrics = kube.pod_http(namespace, pod["metadata"]["name"], OPERATOR_METRICS_PORT, "/metrics")
            found += [float(text) / 1024**2 for text in _RESIDENT.findall(metrics)]
    except DemoError:
        return None
    return max(found, default=None)
