"""The container images that pods of a virtual power plant run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Full image references and how they are pulled."""

    rabbitmq: str
    hdfs: str
    influxdb: str
    spark: str
    edge: str
    nanogrid: str
    pull_policy: str = "IfNotPresent"
