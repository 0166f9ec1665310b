"""What must answer before the query can start: visible in `/progress` instead of a pod that crashes again and again."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.influx import Influx
from vpp_workloads.streaming.settings import Settings

_LOG = logging.getLogger(__name__)
_CONNECT_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Something to wait for: `check` raises while it is not ready."""

    name: str
    check: Callable[[], None]


def neighbours(settings: Settings, influx: Influx) -> list[Neighbour]:
    """Return what this driver needs, in the order in which it asks."""
    found = [
        Neighbour(name="the control broker", check=lambda: _reach(settings.control.host, settings.control.port)),
        Neighbour(name="InfluxDB", check=influx.check),
    ]
    for name, url in (("HDFS", settings.storage.url), ("the Spark master", settings.spark_master)):
        parts = urlsplit(url.split(",")[0])
        if parts.hostname and parts.port:
            host, port = parts.hostname, parts.port
            found.append(Neighbour(name=name, check=lambda host=host, port=port: _reach(host, port)))  # type: ignore[misc] # defaults bind the loop's values
    return found


def wait_for(needed: Sequence[Neighbour], say: Callable[[str], None], stop: threading.Event) -> bool:
    """Wait until all have answered; False when told to stop before."""
    for neighbour in needed:
        last = ""
        while not stop.is_set():
            try:
                neighbour.check()
                break
            except (OSError, StreamingError) as error:
                reason = f"waiting for {neighbour.name}: {error}"
                if reason != last:
                    _LOG.warning("%s", reason)
                last = reason
                say(reason)
                stop.wait(_PAUSE_SECONDS)
    return not stop.is_set()


def _reach(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise OSError(f"{host}:{port} does not answer: {error}") from None
