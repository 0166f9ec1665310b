"""VPPCluster: one virtual power plant with its processing cluster, storage, monitoring and policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vpp_contract.readings import KINDS
from vpp_operator.api.schema import BYTES, CPU, DNS_LABEL, Rule, described, parse
from vpp_operator.api.shared import DELETION_POLICIES, Exposure, Reference, mode_field


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
class Storage:
    """Where the twin's history and the stream's checkpoint are kept."""

    RULES: ClassVar = (
        Rule(
            name="storage-external-url",
            rule="self.type != 'External' || self.url != ''",
            message="storage of type External needs url, for example hdfs://name-node:8020/vpp",
        ),
        Rule(
            name="storage-url-external-only",
            rule="self.type == 'External' || self.url == ''",
            message="storage.url is for type External only; remove it or set type to External",
        ),
        Rule(
            name="storage-replication",
            rule="self.replication <= self.dataNodes",
            message="storage.replication must not be above storage.dataNodes; each copy needs a data node of its own",
        ),
        Rule(
            name="storage-type-fixed",
            rule="self.type == oldSelf.type",
            message="storage.type cannot change, it would leave the history behind; make a new VPPCluster",
        ),
        Rule(
            name="storage-volumes-fixed",
            rule="self.size == oldSelf.size && self.storageClassName == oldSelf.storageClassName",
            message="storage.size and storageClassName cannot change, volumes have them; make a new VPPCluster",
        ),
        Rule(
            name="storage-data-nodes-stay",
            rule="self.type != 'HDFS' || self.dataNodes >= oldSelf.dataNodes",
            message="storage.dataNodes must not shrink, a removed node takes its blocks along; keep or raise it",
        ),
    )

    type: str = described(
        "HDFS: the operator runs a name node and data nodes. Volume: one volume at the driver "
        "(for workers on the same node). External: a file system you run, by url.",
        default="HDFS",
        enum=("HDFS", "Volume", "External"),
    )
    size: str = described("Size of each node's volume.", default="4Gi", pattern=BYTES, longest=20)
    data_nodes: int = described("HDFS data nodes.", default=1, minimum=1, maximum=100)
    replication: int = described("Copies of each HDFS block.", default=1, minimum=1, maximum=10)
    storage_class_name: str = described("Storage class of the volumes; empty: the cluster's default.", default="")
    url: str = described(
        "Folder on an external file system that Spark can write: hdfs://, s3a:// or file://.",
        default="",
        pattern=r"^((hdfs|s3a|file)://.*)?$",
        longest=1024,
    )
    secret_ref: Reference | None = described(
        "Secret with the external file system's credentials.", default=None, pending=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalBroker:
    """A control broker that you run."""

    host: str = described("Host name of the RabbitMQ server.", longest=253, pattern=r"^[A-Za-z0-9][-A-Za-z0-9.]*$")
    amqp_port: int = described("AMQP 0.9.1 port.", default=5672, minimum=1, maximum=65535)
    management_url: str = described("Address of the management HTTP API.", pattern=r"^https?://.+", longest=1024)
    secret_ref: Reference = described("Secret with `username` and `password` of an administrator.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """The control broker: commands, acknowledgements, topology. Readings go over QueueChannels."""

    replicas: int = described(
        "Nodes of the control broker: 1 or 3. Three are not made yet.", default=1, minimum=1, maximum=3, pending=True
    )
    cpu: str = described("CPU limit of a node.", default="1", pattern=CPU, longest=20)
    memory: str = described("Memory limit of a node.", default="512Mi", pattern=BYTES, longest=20)
    storage: str = described("Size of a node's volume.", default="1Gi", pattern=BYTES, longest=20)
    storage_class_name: str = described("Storage class; empty: the cluster's default.", default="")
    service: Exposure = described("How the control broker is reached.", default=Exposure())
    external: ExternalBroker | None = described("Use a broker that you run instead.", default=None)

    RULES: ClassVar = (
        Rule(
            name="broker-odd",
            rule="self.replicas != 2",
            message="broker.replicas must be 1 or 3; two nodes cannot outvote a split",
        ),
        Rule(
            name="broker-volumes-fixed",
            rule="self.storage == oldSelf.storage && self.storageClassName == oldSelf.storageClassName",
            message="broker.storage and storageClassName cannot change, volumes have them; make a new VPPCluster",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxDB:
    """The time-series database of the twin."""

    RULES: ClassVar = (
        Rule(
            name="influxdb-external",
            rule="self.type != 'External' || (self.url != '' && has(self.secretRef))",
            message="monitoring.influxdb of type External needs url and secretRef (a Secret with the key token)",
        ),
        Rule(
            name="influxdb-managed",
            rule="self.type == 'External' || (self.url == '' && !has(self.secretRef))",
            message="monitoring.influxdb.url and secretRef are for type External only; remove them or set that type",
        ),
        Rule(
            name="influxdb-volume-fixed",
            rule="self.size == oldSelf.size && self.storageClassName == oldSelf.storageClassName",
            message="monitoring.influxdb.size and storageClassName cannot change, its volume has them; keep both",
        ),
    )

    type: str = described(
        "Managed: the operator runs it. External: you run it.", default="Managed", enum=("Managed", "External")
    )
    size: str = described("Size of the managed server's volume.", default="4Gi", pattern=BYTES, longest=20)
    memory: str = described("Memory limit of the managed server.", default="512Mi", pattern=BYTES, longest=20)
    storage_class_name: str = described("Storage class; empty: the cluster's default.", default="")
    url: str = described("Address of an external InfluxDB 2.", default="", pattern=r"^(https?://.+)?$", longest=1024)
    org: str = described("Organisation in InfluxDB.", default="vpp", longest=64)
    bucket: str = described("Bucket in InfluxDB.", default="vpp", longest=64)
    secret_ref: Reference | None = described(
        "Secret with the external server's `token`, which may read and write the bucket.", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """The second source of metrics."""

    url: str = described(
        "Address of a Prometheus server.", default="", pattern=r"^(https?://.+)?$", longest=1024, pending=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """Where measurements are kept and read."""

    RULES: ClassVar = (
        Rule(
            name="monitoring-stale",
            rule="self.staleAfterSeconds > self.intervalSeconds",
            message="monitoring.staleAfterSeconds must be above intervalSeconds, or every measurement is stale",
        ),
    )

    influxdb: InfluxDB = described("The time-series database.", default=InfluxDB())
    prometheus: Prometheus = described("The second source of metrics.", default=Prometheus())
    interval_seconds: float = described(
        "Seconds between two samples of an agent.", default=2.0, minimum=0.5, maximum=3600, pending=True
    )
    stale_after_seconds: float = described(
        "Age, in s, from which a measurement counts as missing; missing data never shrinks anything.",
        default=30.0,
        minimum=1,
        maximum=86400,
        pending=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Bounds of a utilisation, in per cent."""

    RULES: ClassVar = (
        Rule(
            name="threshold-band",
            rule="self.low < self.high",
            message="a threshold's low must be below its high; between them nothing changes",
        ),
    )

    low: float = described("Below it a unit may go to sleep, in per cent.", minimum=0, maximum=100)
    high: float = described("At or above it another unit wakes, in per cent.", minimum=0, maximum=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When utilisation calls for a change."""

    cpu: Band = described("CPU.", default=Band(low=30.0, high=85.0), pending=True)
    memory: Band = described("Memory.", default=Band(low=40.0, high=75.0), pending=True)
    queue_delay_seconds: float = described(
        "Longest time, in s, that a reading may wait in a channel.", default=5.0, above=0, pending=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each objective counts."""

    RULES: ClassVar = (
        Rule(
            name="weights-some",
            rule="self.delay + self.loss + self.reliability > 0.0",
            message="weights must not all be 0; give delay, loss or reliability some weight",
        ),
    )

    delay: float = described("Weight of delay.", default=1.0, minimum=0, pending=True)
    loss: float = described("Weight of loss.", default=1.0, minimum=0, pending=True)
    reliability: float = described("Weight of reliability.", default=1.0, minimum=0, pending=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """How required resources are foreseen."""

    type: str = described(
        "Auto: whichever was best on recent data.",
        default="Auto",
        enum=("Auto", "Tree", "Analytic", "LastValue"),
        pending=True,
    )
    model_ref: Reference | None = described("ConfigMap with a tree of your own.", default=None, pending=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stabilisation:
    """How long a need must last before it is followed."""

    scale_up_seconds: float = described("Before waking, in s.", default=2.0, minimum=0, maximum=3600, pending=True)
    scale_down_seconds: float = described(
        "Before sleeping, in s.", default=120.0, minimum=0, maximum=86400, pending=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """What the plant as a whole shall deliver."""

    target_kw: float = described(
        "Power of the whole plant, in kW; positive is delivery to the grid.", pending=True, default=0.0
    )
    order: tuple[str, ...] = described(
        "DER kinds in the order they are called on.", default=(), longest=6, enum=KINDS, pending=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """How the sites of a plant plan and trade as one energy community."""

    RULES: ClassVar = (
        Rule(
            name="community-interval",
            rule="60 % self.intervalMinutes == 0",
            message="community.intervalMinutes must divide an hour, for example 5, 15 or 60",
        ),
    )

    optimiser: str = described(
        "Exact: the linear or mixed-integer programme, solved to its optimum. Swarm: particle swarm, with its gap.",
        default="Exact",
        enum=("Exact", "Swarm"),
        pending=True,
    )
    settlement: str = described(
        "How traded energy is priced: at the balance's dual (ClearingPrice), halfway between the tariffs "
        "(MidMarketRate), by supply over demand, by shares of the community's bill, or by a uniform double auction.",
        default="ClearingPrice",
        enum=("ClearingPrice", "MidMarketRate", "SupplyDemandRatio", "BillSharing", "DoubleAuction"),
        pending=True,
    )
    interval_minutes: int = described(
        "Length of one interval of the plan, in minutes; divides an hour.",
        default=60,
        minimum=1,
        maximum=60,
        pending=True,
    )
    horizon_hours: int = described(
        "How far a plan reaches, in hours.", default=24, minimum=1, maximum=168, pending=True
    )
    fee_per_kwh: float = described(
        "Fee on traded energy, per kWh; a small one breaks ties.", default=0.0001, minimum=0.0001, pending=True
    )
    feeder_limit_kw: float = described(
        "Limit of the community's exchange with the grid, in kW; 0: none.", default=0.0, minimum=0, pending=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What may be awake at once."""

    channels: int = described("Channels; 0: no bound.", default=0, minimum=0, pending=True)
    workers: int = described("Spark workers; 0: no bound.", default=0, minimum=0, pending=True)
    watts: float = described("Power of all awake units, in W; 0: no bound.", default=0.0, minimum=0, pending=True)


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
class ProfileData:
    """Where measured profiles come from."""

    RULES: ClassVar = (
        Rule(
            name="profile-data-one-source",
            rule="(has(self.configMaps) && size(self.configMaps) > 0) != (self.claimName != '')",
            message="simulator.data takes either configMaps or claimName; give exactly one of them",
        ),
    )

    config_maps: tuple[str, ...] = described(
        "ConfigMaps whose keys are the files of one data folder.", default=(), longest=1000
    )
    claim_name: str = described("Volume claim that holds a data folder.", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """Simulated DERs for sites whose source is Simulated."""

    acceleration: float = described(
        "Simulated seconds in a second; 1 is real time.", default=1.0, above=0, maximum=100000
    )
    start: str = described(
        "First hour simulated, in UTC, for example 2022-06-21T00:00:00Z.",
        default="2022-06-21T00:00:00Z",
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$",
        longest=20,
    )
    days: int = described("Days simulated.", default=1, minimum=1, maximum=366)
    reading_interval_seconds: int = described(
        "Simulated seconds between two readings of a DER; must divide an hour.", default=60, minimum=1, maximum=3600
    )
    seed: int = described("Seed of everything random.", default=1, minimum=0)
    data: ProfileData | None = described("Measured profiles; without them physical models.", default=None)

    RULES: ClassVar = (
        Rule(
            name="simulator-interval",
            rule="3600 % self.readingIntervalSeconds == 0",
            message="simulator.readingIntervalSeconds must divide an hour, for example 60 or 300, so hours are whole",
        ),
        Rule(
            name="simulator-start",
            rule=(
                r"self.start.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):00:00Z$')"
            ),
            message="simulator.start must be a full hour of a real day in UTC, for example 2022-06-21T00:00:00Z",
        ),
    )


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
    monitoring: Monitoring = described("Where measurements are kept and read.", default=Monitoring())
    thresholds: Thresholds = described("When utilisation calls for a change.", default=Thresholds())
    weights: Weights = described("How much each objective counts.", default=Weights())
    policy: str = described(
        "Full: all rules. Paper: Algorithm 2 of the paper alone.", default="Full", enum=("Full", "Paper"), pending=True
    )
    predictor: Predictor = described("How required resources are foreseen.", default=Predictor())
    stabilisation: Stabilisation = described("How long a need must last.", default=Stabilisation())
    dispatch: Dispatch | None = described("What the plant shall deliver.", default=None, pending=True)
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
