"""How fast a channel wakes and sleeps in a running day, and what that costs: nothing may be lost.

Wake: from the command to the first reading on the woken channel, for one that stands by. Sleep: from the command
until the twin has read the channel to its end and it sleeps.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pika

from tests.bench._document import percentile, result, write
from tests.reach import open_to_this_machine
from vppdemo import install, live, plant
from vppdemo.kube import Kube, wait_until
from vppdemo.versions import running_versions

NAMESPACE: Final = "vpp-bench-channels"
SECOND: Final = f"{plant.CHANNELS}-1"
WAKE_TARGET_SECONDS: Final = 3.0


def add_arguments(parser: ArgumentParser) -> None:
    """Add this part's options."""
    repeats = int(os.environ.get("REPEATS") or 20)
    parser.add_argument("--wakes", type=int, default=repeats, help="how often a channel wakes and sleeps")


class FirstMessage:
    """Consumes what is new in a stream and remembers when the first message came (monotonic seconds)."""

    def __init__(self, host: str, username: str, password: str, stream: str) -> None:
        credentials = pika.PlainCredentials(username, password)
        self._connection = pika.BlockingConnection(pika.ConnectionParameters(host, credentials=credentials))
        channel = self._connection.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(stream, self._came, arguments={"x-stream-offset": "next"})
        self.at: float | None = None
        self.came = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _came(self, *_: Any) -> None:
        self.at = time.monotonic()
        self.came.set()

    def _run(self) -> None:
        while not self.came.is_set() and self._connection.is_open:
            self._connection.process_data_events(time_limit=0.05)
        if self._connection.is_open:
            self._connection.close()


def lasting(seconds: float) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Return a change of the demo's resources: a day of so many seconds, and two channels at most."""

    def change(document: Mapping[str, Any]) -> Mapping[str, Any]:
        spec = document["spec"]
        if document["kind"] == "VPPCluster":
            simulator = {**spec["simulator"], "acceleration": int(86400 // seconds)}
            return {**document, "spec": {**spec, "simulator": simulator}}
        return {**document, "spec": {**spec, "max": 2}} if document["kind"] == "QueueChannel" else document

    return change


def wish(kube: Kube, active: int, standby: int, namespace: str = NAMESPACE) -> float:
    """Tell the channels what to be; return when (monotonic seconds)."""
    patch = f'{{"spec":{{"pinned":{active},"standby":{standby}}}}}'
    told = time.monotonic()
    kube.run("patch", "queuechannel", plant.CHANNELS, "-n", namespace, "--type=merge", "-p", patch)
    return told


def second(kube: Kube, namespace: str = NAMESPACE) -> Mapping[str, Any]:
    """Return what status says of the second channel."""
    channels = kube.get("queuechannel", plant.CHANNELS, "-n", namespace)["status"]["channels"]
    return next((channel for channel in channels if channel["name"] == SECOND), {})


def seconds_until(kube: Kube, told: float, state: str, namespace: str = NAMESPACE) -> float:
    """Wait until the second channel is in a state and fills no more; return the seconds since the command."""

    def reached() -> bool:
        found = second(kube, namespace)
        return found.get("state") == state and "fillingSince" not in found

    wait_until(
        f"{SECOND} {state}",
        reached,
        timeout_seconds=180,
        explain=lambda: f"it is {dict(second(kube, namespace))}",
        interval_seconds=0.1,
    )
    return time.monotonic() - told


def is_gone(kube: Kube) -> bool:
    """Tell whether the second channel has no pod."""
    return not kube.run("get", "pod", SECOND, "-n", NAMESPACE, "--ignore-not-found", "-o", "name").strip()


def wake(kube: Kube) -> float:
    """Make the channel that stands by active; return the seconds from the command to the first reading on it."""
    secret = kube.get("secret", f"{plant.CHANNELS}-admin", "-n", NAMESPACE)["data"]
    username, password = (base64.b64decode(secret[key]).decode() for key in ("username", "password"))
    address = kube.get("pod", SECOND, "-n", NAMESPACE)["status"]["podIP"]
    first = FirstMessage(address, username, password, second(kube)["stream"])
    told = wish(kube, active=2, standby=0)
    assert first.came.wait(60), "no reading came over the woken channel within a minute"
    assert first.at is not None
    seconds_until(kube, told, "Active")
    return first.at - told


def run(arguments: Namespace, command: Sequence[str]) -> int:
    """Measure and write; 1 if anything was lost."""
    repeats: int = arguments.wakes
    kube = install.cluster()
    install.chart(kube, install.images())
    install.plant(kube, NAMESPACE, None, lasting(repeats * 45 + 60))
    open_to_this_machine(kube, NAMESPACE)
    woken: list[float] = []
    up: list[float] = []
    asleep: list[float] = []
    for number in range(1, repeats + 1):
        up.append(seconds_until(kube, wish(kube, active=1, standby=1), "Standby"))
        woken.append(wake(kube))
        asleep.append(seconds_until(kube, wish(kube, active=1, standby=0), "Asleep"))
        wait_until("the end of its pod", lambda: is_gone(kube), timeout_seconds=60, explain=lambda: "it is there")
        print(
            f"  {number}/{repeats}: asleep to standby {up[-1]:.1f} s, standby to first reading {woken[-1]:.2f} s, "
            f"active to asleep {asleep[-1]:.1f} s",
            flush=True,
        )
    live.follow_day(kube, NAMESPACE, timeout_seconds=1800)
    readings = live.audit(kube, NAMESPACE)["readings"]
    results = [
        result("(c) wake, standby to first reading, p50", "s", woken),
        result(
            "(c) wake, standby to first reading, p95",
            "s",
            woken,
            value=percentile(woken, 0.95),
            target=WAKE_TARGET_SECONDS,
        ),
        result("(c) asleep to standby (a pod's start), p50", "s", up),
        result("(d) sleep, active to asleep, p50", "s", asleep),
        result("(d) sleep, active to asleep, p95", "s", asleep, value=percentile(asleep, 0.95)),
        result("(d) readings confirmed meanwhile", "1", [readings["confirmed"]]),
        result("(d) readings lost", "1", [readings["lost"]], target=0),
        result("(d) readings duplicated", "1", [readings["duplicated"]], target=0),
    ]
    limits = {"channel cpu": "500m", "channel memory": "512Mi"}
    write(
        "channels",
        part="waking",
        arguments=command,
        limits=limits,
        versions=running_versions(kube, NAMESPACE, plant.VPP),
        repeats=repeats,
        results=results,
    )
    install.remove(kube, NAMESPACE)
    return 1 if readings["lost"] or readings["duplicated"] else 0
