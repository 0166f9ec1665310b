"""Where a plant keeps and reads measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vpp_operator.api.schema import BYTES, Rule, described
from vpp_operator.api.shared import Reference


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
            name="influxdb-memory",
            rule="quantity(self.memory).compareTo(quantity('256Mi')) >= 0",
            message="monitoring.influxdb.memory must be at least 256Mi; raise it",
        ),
        Rule(
            name="influxdb-size",
            rule="quantity(self.size).compareTo(quantity('256Mi')) >= 0",
            message="monitoring.influxdb.size must be at least 256Mi; the twin's points have no room in less",
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
