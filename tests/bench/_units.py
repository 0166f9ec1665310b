"""Broker units for benchmarks: single RabbitMQ brokers as the operator furnishes channels, each under a CPU limit."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import pika

from tests import servers as real
from tests.bench._publisher import Access, Load, Outcome
from tests.bench._reader import Beside, Stored, event, read
from tests.bench._workload import Workload
from tests.integration.management import call
from vpp_contract.names import STREAM_PREFIX, site_username
from vpp_contract.topology import STREAM_PORT
from vpp_operator.ports import BrokerAddress
from vpp_operator.reconcile.definitions import Site, channel_definitions, missing
from vpp_workloads.streaming.amqp import Broker
from vppdemo import install
from vppdemo.kube import Kube

SITES: Final = tuple(f"bench-{number:02}" for number in range(1, 31))
PASSWORD: Final = "site-password"
SEGMENT_BYTES: Final = 50_000_000
MOST_UNITS: Final = 3
"""On two cores; more units would compete for them, and add nothing."""


@dataclass(slots=True, kw_only=True)
class Unit:
    """One channel's broker."""

    address: BrokerAddress
    cpu_seconds: Callable[[], float]
    stream_port: int = STREAM_PORT
    stream: str = field(default="", init=False)

    def renew(self) -> None:
        """Give it an empty stream, and the accounts of all sites; what was in the old stream is gone."""
        old, self.stream = self.stream, f"{STREAM_PREFIX}{uuid.uuid4().hex[:10]}"
        if old:
            call(self.address, "DELETE", f"queues/%2F/{old}")
        definitions = channel_definitions(
            exchange="topic",
            stream=self.stream,
            segment_bytes=SEGMENT_BYTES,
            reader=("reader", "x"),
            sites=[Site(name=site, password=PASSWORD) for site in SITES],
        )
        call(self.address, "POST", "definitions", missing({}, definitions))

    def access(self, site: str) -> Access:
        """Return how a site publishes here."""
        return Access(
            host=self.address.host,
            port=self.address.amqp_port,
            username=site_username(site),
            password=PASSWORD,
            site=site,
        )

    def messages(self, at_least: int, timeout_seconds: float = 15.0) -> int:
        """Return how many messages its stream holds, as soon as they are enough or the time is over.

        The broker's own statistics follow what it confirmed with a delay.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            found = int(call(self.address, "GET", f"queues/%2F/{self.stream}").get("messages", 0))
            if found >= at_least or time.monotonic() > deadline:
                return found
            time.sleep(0.25)

    def versions(self) -> dict[str, str]:
        """Return the versions of what is measured."""
        overview = call(self.address, "GET", "overview")
        python = sys.version.split()[0]
        return {"rabbitmq": str(overview["rabbitmq_version"]), "python": python, "pika": pika.__version__}

    @property
    def reader(self) -> Broker:
        """How its stream is read."""
        at = self.address
        return Broker(host=at.host, port=self.stream_port, username=at.username, password=at.password)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of a load over some units."""

    sent: Outcome
    stored: Stored
    cpu_cores: tuple[float, ...]
    """Of each unit's broker, on average over the run."""

    @property
    def lost(self) -> int:
        """Messages that were confirmed and are in no stream, or were accepted and never confirmed."""
        return len(set(self.sent.confirmed) - set(self.stored.identities)) + self.sent.left

    @property
    def surplus(self) -> int:
        """Messages in the streams beyond those that were published."""
        return max(0, self.stored.messages - self.sent.published)


def run_load(
    units: Sequence[Unit], workload: Workload, *, connections: int, seconds: float, bound: int, window: int = 64
) -> Measured:
    """Publish a workload over connections spread evenly over units, and read their streams meanwhile."""
    for unit in units:
        unit.renew()
    accesses = [units[at % len(units)].access(SITES[at]) for at in range(connections)]
    stop = event()
    reader = Beside(read, [(unit.reader, unit.stream) for unit in units], stop)
    try:
        before = [unit.cpu_seconds() for unit in units]
        publisher = Beside(publish, workload, accesses, seconds, bound, window)
        sent: Outcome = publisher.result(seconds + 120.0)
        used = [unit.cpu_seconds() - start for unit, start in zip(units, before, strict=True)]
        stop.set()
        stored: Stored = reader.result()
    finally:
        reader.end()
    lasted = max(sent.confirmed_at, default=seconds)
    return Measured(sent=sent, stored=stored, cpu_cores=tuple(one / lasted for one in used))


def publish(workload: Workload, accesses: Sequence[Access], seconds: float, bound: int, window: int) -> Outcome:
    """Run a load; what `Beside` calls."""
    return Load(workload, accesses, seconds=seconds, bound=bound, window=window).run()


def container_cpu_seconds(kube: Kube, namespace: str, pod: str) -> float:
    """Return the CPU seconds that a pod's first container has used."""
    script = (
        "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || "
        "awk '/usage_usec/ {print $2 * 1000}' /sys/fs/cgroup/cpu.stat"
    )
    return int(kube.run("exec", "-n", namespace, pod, "--", "sh", "-c", script).split()[0]) / 1e9


@contextmanager
def units_on_cluster(namespace: str, count: int, cpu: str) -> Iterator[list[Unit]]:
    """Start broker units as pods with a CPU limit; they go with their namespace."""
    if count > MOST_UNITS:
        raise ValueError(f"{count} units were asked for; two cores carry {MOST_UNITS} at most")
    kube = install.cluster()
    images: Mapping[str, str] = install.images()
    _remove(kube, namespace)
    servers = real.start(kube, namespace, images)
    try:
        names = [f"unit-{number}" for number in range(count)]
        with ThreadPoolExecutor(count) as threads:  # under a small limit a broker needs half a minute to start
            addresses = list(threads.map(lambda name: servers.rabbitmq(name, cpu=cpu), names))
        yield [
            Unit(address=address, cpu_seconds=partial(container_cpu_seconds, kube, namespace, f"{name}-0"))
            for name, address in zip(names, addresses, strict=True)
        ]
    finally:
        _remove(kube, namespace)


def _remove(kube: Kube, namespace: str) -> None:
    """Remove the namespace with all that is in it."""
    kube.run("delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s", timeout_seconds=150)
