"""VPPCluster: one virtual power plant with its processing cluster, storage, monitoring and policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vpp_operator.api.broker import Broker
from vpp_operator.api.monitoring import Monitoring
from vpp_operator.api.policy import Community, Dispatch, Predictor, Quota, Stabilisation, Thresholds, Weights
from vpp_operator.api.schema import BYTES, CPU, DNS_LABEL, Rule, described, parse
from vpp_operator.api.shared import DELETION_POLICIES, mode_field
from vpp_operator.api.simulator import Simulator
from vpp_operator.api.storage import Storage
from vpp_operator.api.tls import Tls


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPool:
    """Spark workers of one size."""

    RULES: ClassVar = (
        Rule(
            name="pool-min-max",
            rule="self.min <= self.max",
            message="a worker pool's min must not be above its max; lower min or raise max",
        ),
        Rule(
            name="pool-memory",
            rule="quantity(self.memory).compareTo(quantity('1Gi')) >= 0",
            message="a worker pool's memory must be at least 1Gi; executors do not run in less",
        ),
    )

    name: str = described("Name of the pool; it is part of the workers' names.", pattern=DNS_LABEL, longest=13)
    min: int = described("Workers that always run.", default=1, minimum=0, maximum=1000)
    max: int = described("Workers that may run at most.", default=1, minimum=1, maximum=1000)
    cores: int = described("Tasks one worker runs at once.", default=1, minimum=1, maximum=256)
    memory: str = described(
        "Memory limit of one worker, as a Kubernetes quantity: its JVM, its executors and their Python processes.",
        default="1536Mi",
        pattern=BYTES,
        longest=20,
    )
    max_watts: float = described(
        "Power one busy worker draws, in W. Pools are compared by it when workers wake.", default=65.0, above=0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """Resources of the streaming driver."""

    RULES: ClassVar = (
        Rule(
            name="driver-memory",
            rule="quantity(self.memory).compareTo(quantity('1Gi')) >= 0",
            message="streaming.driver.memory must be at least 1Gi; Spark's driver does not start in less",
        ),
    )

    cpu: str = described("CPU limit.", default="2", pattern=CPU, longest=20)
    memory: str = described("Memory limit.", default="2Gi", pattern=BYTES, longest=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """The job that keeps the digital twin."""

    RULES: ClassVar = (
        Rule(
            name="streaming-shards-fixed",
            rule="self.shufflePartitions == oldSelf.shufflePartitions",
            message="streaming.shufflePartitions cannot change, the twin's state is cut by it; make a new VPPCluster",
        ),
    )

    trigger_seconds: float = described(
        "Seconds from the start of one micro-batch to the next.", default=1.0, above=0, maximum=3600
    )
    shuffle_partitions: int = described(
        "Shards of the twin's state; 2 to 4 times the cores the pools can reach. Frozen with the first checkpoint.",
        default=4,
        minimum=1,
        maximum=10000,
    )
    energy_window_hours: int = described(
        "Hours of event time in which late readings still count towards an hour's energy.",
        default=48,
        minimum=1,
        maximum=8760,
    )
    driver: Driver = described("Resources of the driver.", default=Driver())


@dataclass(frozen=True, slots=True, kw_only=True)
class VPPClusterSpec:
    """One virtual power plant."""

    RULES: ClassVar = (
        Rule(
            name="vpp-pinned",
            rule=(
                "!has(self.pinned) || (self.pinned >= self.workerPools.map(p, p.min).sum()"
                " && self.pinned <= self.workerPools.map(p, p.max).sum())"
            ),
            message="pinned must lie between the sums of the pools' min and max; change pinned or the pools",
        ),
    )

    mode: str = mode_field()
    pinned: int | None = described(
        "Spark workers over all pools, whatever the load; the cheapest pools first. It wins over the autoscaler "
        "until it is removed; `kubectl scale` sets it.",
        default=None,
        minimum=0,
    )
    worker_pools: tuple[WorkerPool, ...] = described("Pools of Spark workers.", fewest=1, longest=16, map_key="name")
    storage: Storage = described("Where history and checkpoint are kept.", default=Storage())
    broker: Broker = described("The control broker.", default=Broker())
    tls: Tls | None = described(
        "TLS on the ports of channels and control broker; without it all of them are plain.", default=None
    )
    monitoring: Monitoring = described("Where measurements are kept and read.", default=Monitoring())
    thresholds: Thresholds = described("When utilisation calls for a change.", default=Thresholds())
    weights: Weights = described("How much each objective counts.", default=Weights())
    policy: str = described(
        "Full: all rules. Paper: Algorithm 2 of the paper alone.", default="Full", enum=("Full", "Paper"), pending=True
    )
    predictor: Predictor = described("How required resources are foreseen.", default=Predictor())
    stabilisation: Stabilisation = described("How long a need must last.", default=Stabilisation())
    dispatch: Dispatch | None = described(
        "What the plant shall deliver; without it every DER does as it likes.", default=None
    )
    community: Community | None = described(
        "How the sites plan and trade as one energy community; without it each site is on its own.",
        default=None,
        pending=True,
    )
    quota: Quota = described("What may be awake at once.", default=Quota())
    streaming: Streaming = described("The job that keeps the digital twin.", default=Streaming())
    simulator: Simulator | None = described("Simulated DERs; without it nothing is simulated.", default=None)
    deletion_policy: str = described(
        "What happens to volumes when this resource is deleted. Retain: they stay. Delete: they go, with all history.",
        default="Retain",
        enum=DELETION_POLICIES,
    )


def parse_vppcluster_spec(values: Mapping[str, Any]) -> VPPClusterSpec:
    """Return a VPPCluster's spec.

    Raises:
        InvalidSpec: see `vpp_operator.api.schema.parse`.
    """
    return parse(VPPClusterSpec, values)
