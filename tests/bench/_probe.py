"""Single readings into a silent plant: what the smallest batch costs, with the plant's own state and sinks."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

import pika

from vpp_contract.names import DRIVER_PORT, INGRESS_EXCHANGE, readings_key
from vpp_contract.readings import BATCH_CONTENT_TYPE, Reading, encode_batch
from vppdemo import live, plant
from vppdemo.kube import Kube, wait_until


class Driver:
    """The driver's `/progress`, asked at its pod: kubectl would cost more than what is measured."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace
        self.refresh()

    def refresh(self) -> None:
        """Look the address up anew, after a restart."""
        pod = self._kube.get("pod", live.DRIVER_POD, "-n", self._namespace)
        self._url = f"http://{pod['status'].get('podIP', 'unknown')}:{DRIVER_PORT}/progress"

    def progress(self) -> Mapping[str, Any]:
        """Return the document; empty while there is none."""
        try:
            with urllib.request.urlopen(self._url, timeout=2) as answer:
                found: Mapping[str, Any] = json.load(answer)
        except (OSError, ValueError):
            return {}
        return found

    def batch(self) -> int:
        """Return the last finished batch's number, -1 if there is none."""
        return int(self.progress().get("batch_id", -1))

    def behind_seconds(self) -> float:
        """Return how old the newest reading may be that is not in a finished batch yet, of the first channel."""
        planned = self.progress().get("planned_us", {})
        times = [at for stream, at in planned.items() if stream.startswith(f"{plant.CHANNELS}-0/")]
        return time.time() - min(times, default=0) / 1e6

    def durations(self, seconds: float) -> list[float]:
        """Watch for some seconds; return how long each batch took that finished meanwhile (s)."""
        found: dict[int, float] = {}
        deadline, first = time.monotonic() + seconds, self.batch()
        while time.monotonic() < deadline:
            document = self.progress()
            if document.get("batch_id", -1) > first:
                found[document["batch_id"]] = document["durations_ms"]["triggerExecution"] / 1000
            time.sleep(0.05)
        return list(found.values())


def site(namespace: str, name: str) -> dict[str, Any]:
    """Return the NanoGrid that the readings belong to."""
    return {
        "apiVersion": plant.API_VERSION,
        "kind": "NanoGrid",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"vppRef": {"name": plant.VPP}, "source": {"type": "Gateway"}, "load": {}},
    }


def one_at_a_time(kube: Kube, namespace: str, name: str, driver: Driver, count: int) -> list[float]:
    """Publish readings one by one, each when the batch of the one before is finished; return the batches' seconds."""
    secret = kube.get("secret", f"{name}-gateway", "-n", namespace)["data"]
    credentials = pika.PlainCredentials(*(base64.b64decode(secret[key]).decode() for key in ("username", "password")))
    address = kube.get("pod", f"{plant.CHANNELS}-0", "-n", namespace)["status"]["podIP"]
    connection = pika.BlockingConnection(pika.ConnectionParameters(address, credentials=credentials))
    durations: list[float] = []
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(content_type=BATCH_CONTENT_TYPE, delivery_mode=2)
        for seq in range(count):
            before, body = driver.batch(), encode_batch([_reading(name, seq)])
            channel.basic_publish(INGRESS_EXCHANGE, readings_key(name), body, properties)
            wait_until(
                "the batch of a single reading",
                lambda before=before: driver.batch() > before,  # type: ignore[misc]
                timeout_seconds=30,
                explain=lambda: f"the driver says {dict(driver.progress())}",
                interval_seconds=0.02,
            )
            durations.append(driver.progress()["durations_ms"]["triggerExecution"] / 1000)
    finally:
        connection.close()
    return durations


def _reading(name: str, seq: int) -> Reading:
    now_us = time.time_ns() // 1000
    return Reading(
        der=f"{name}/load",
        kind="load",
        boot=1,
        seq=seq,
        event_time_us=now_us,
        created_us=now_us,
        interval_seconds=60.0,
        power_kw=1.2,
        energy_kwh=0.02,
    )
