"""One resource that is taken and one that is refused for every rule of the API, with the sentence a user reads.

The contract tests check that every rule has its case; the integration tests show each to a real API server.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Changes = Mapping[str, Any]

POOL: Final[Changes] = {"name": "small", "min": 1, "max": 2}
SMALLEST: Final[Mapping[str, Changes]] = {
    "VPPCluster": {"workerPools": [POOL]},
    "QueueChannel": {"vppRef": {"name": "demo"}},
    "NanoGrid": {"vppRef": {"name": "demo"}},
}
PV: Final[Changes] = {"nominalKw": 4}
BATTERY: Final[Changes] = {"capacityKwh": 6.4, "maxPowerKw": 5}
MEASURED: Final[Changes] = {"type": "Simulated", "profile": {"type": "Data", "building": "Building_1"}}
EXTERNAL_BROKER: Final[Changes] = {
    "host": "rabbitmq",
    "managementUrl": "http://rabbitmq:15672",
    "secretRef": {"name": "rabbitmq"},
}
LOCATION: Final[Changes] = {"latitude": 34.1, "longitude": -117.4}
START: Final = (
    "simulator.start must be a full hour of a real day in UTC, 1900 to 2099, for example 2022-06-21T00:00:00Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A rule (by its name in the API's types), changes to the smallest spec that keep it and that break it."""

    rule: str
    kind: str
    taken: Changes
    refused: Changes
    sentence: str
    before: Changes | None = None  # the spec that is there already, for rules about what may change


@dataclass(frozen=True, slots=True, kw_only=True)
class BadField:
    """A single field that the schema refuses, and a part of what the API server says."""

    title: str
    kind: str
    refused: Changes
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameCase:
    """A name of a resource, and whether it can be part of the names of what the operator makes."""

    kind: str
    name: str
    taken: bool
    says: str = "must have at most"


def resource(kind: str, changes: Changes, *, name: str = "case") -> dict[str, Any]:
    """The smallest resource of a kind with these changes to its spec; None removes a field."""
    return {
        "apiVersion": "vpp.energy/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": merged(SMALLEST[kind], changes),
    }


def merged(base: Changes, changes: Changes) -> dict[str, Any]:
    """A copy of `base` with `changes`, as a JSON merge patch would make it."""
    made = dict(copy.deepcopy(base))
    for name, value in changes.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(made.get(name), Mapping):
            made[name] = merged(made[name], value)
        else:
            made[name] = copy.deepcopy(value)
    return made


def simulated(**changes: Any) -> Changes:
    return {"source": {"type": "Simulated"}, "load": {}, **changes}


CASES: Final = (
    Case(
        rule="pool-min-max",
        kind="VPPCluster",
        taken={"workerPools": [{"name": "small", "min": 2, "max": 2}]},
        refused={"workerPools": [{"name": "small", "min": 3, "max": 2}]},
        sentence="a worker pool's min must not be above its max; lower min or raise max",
    ),
    Case(
        rule="pool-memory",
        kind="VPPCluster",
        taken={"workerPools": [{"name": "small", "memory": "1024Mi"}]},
        refused={"workerPools": [{"name": "small", "memory": "1023Mi"}]},
        sentence="a worker pool's memory must be at least 1Gi; executors do not run in less",
    ),
    Case(
        rule="vpp-pinned",
        kind="VPPCluster",
        taken={"pinned": 5, "workerPools": [POOL, {"name": "large", "min": 2, "max": 4}]},
        refused={"pinned": 7, "workerPools": [POOL, {"name": "large", "min": 2, "max": 4}]},
        sentence="pinned must lie between the sums of the pools' min and max; change pinned or the pools",
    ),
    Case(
        rule="storage-external-url",
        kind="VPPCluster",
        taken={"storage": {"type": "External", "url": "hdfs://name-node:8020/vpp"}},
        refused={"storage": {"type": "External"}},
        sentence="storage of type External needs url, for example hdfs://name-node:8020/vpp",
    ),
    Case(
        rule="storage-url-external-only",
        kind="VPPCluster",
        taken={"storage": {"type": "Volume"}},
        refused={"storage": {"type": "Volume", "url": "hdfs://name-node:8020/vpp"}},
        sentence="storage.url is for type External only; remove it or set type to External",
    ),
    Case(
        rule="storage-url-hdfs",
        kind="VPPCluster",
        taken={"storage": {"type": "External", "url": "hdfs://name-node.example.org/vpp/region"}},
        refused={"storage": {"type": "External", "url": "s3a://bucket/vpp"}},
        sentence="storage.url must be a folder in HDFS, such as hdfs://name-node:8020/vpp; no other kind works yet",
    ),
    Case(
        rule="storage-url-hdfs",
        kind="VPPCluster",
        taken={"storage": {"type": "HDFS"}},
        refused={"storage": {"type": "External", "url": "file:///data/vpp"}},
        sentence="storage.url must be a folder in HDFS, such as hdfs://name-node:8020/vpp; no other kind works yet",
    ),
    Case(
        rule="storage-webhdfs-external-only",
        kind="VPPCluster",
        taken={
            "storage": {
                "type": "External",
                "url": "hdfs://plants/vpp",
                "webhdfsUrl": "http://name-node:9870",
            }
        },
        refused={"storage": {"webhdfsUrl": "http://name-node:9870"}},
        sentence="storage.webhdfsUrl is for type External only; remove it or set type to External",
    ),
    Case(
        rule="compaction-file-size",
        kind="VPPCluster",
        taken={"storage": {"compaction": {"fileSize": "1Mi"}}},
        refused={"storage": {"compaction": {"fileSize": "64k"}}},
        sentence="storage.compaction.fileSize must be at least 1Mi; smaller files make every query slow",
    ),
    Case(
        rule="storage-replication",
        kind="VPPCluster",
        taken={"storage": {"dataNodes": 3, "replication": 3}},
        refused={"storage": {"dataNodes": 2, "replication": 3}},
        sentence="storage.replication must not be above storage.dataNodes; each copy needs a data node of its own",
    ),
    Case(
        rule="storage-size",
        kind="VPPCluster",
        taken={"storage": {"size": "0.25Gi"}},
        refused={"storage": {"size": "1"}},
        sentence="storage.size must be at least 256Mi; history and checkpoint have no room in less",
    ),
    Case(
        rule="storage-type-fixed",
        kind="VPPCluster",
        before={"storage": {"type": "HDFS", "dataNodes": 1}},
        taken={"storage": {"type": "HDFS", "dataNodes": 2}},
        refused={"storage": {"type": "Volume", "dataNodes": 1}},
        sentence="storage.type cannot change, it would leave the history behind; make a new VPPCluster",
    ),
    Case(
        rule="storage-volumes-fixed",
        kind="VPPCluster",
        before={"storage": {"size": "4Gi", "dataNodes": 1}},
        taken={"storage": {"size": "4Gi", "dataNodes": 2}},
        refused={"storage": {"size": "8Gi", "dataNodes": 1}},
        sentence="storage.size and storageClassName cannot change, volumes have them; make a new VPPCluster",
    ),
    Case(
        rule="storage-data-nodes-stay",
        kind="VPPCluster",
        before={"storage": {"dataNodes": 2}},
        taken={"storage": {"dataNodes": 3}},
        refused={"storage": {"dataNodes": 1}},
        sentence="storage.dataNodes must not shrink, a removed node takes its blocks along; keep or raise it",
    ),
    Case(
        rule="broker-odd",
        kind="VPPCluster",
        taken={"broker": {"replicas": 3}},
        refused={"broker": {"replicas": 2}},
        sentence="broker.replicas must be 1 or 3; two nodes cannot outvote a split",
    ),
    Case(
        rule="broker-external-alone",
        kind="VPPCluster",
        taken={"broker": {"external": EXTERNAL_BROKER, "service": {"type": "ClusterIP"}}},
        refused={"broker": {"external": EXTERNAL_BROKER, "replicas": 3}},
        sentence="broker.replicas and service are for a broker that the operator runs; remove them or external",
    ),
    Case(
        rule="broker-external-alone",
        kind="VPPCluster",
        taken={"broker": {"replicas": 1, "service": {"type": "NodePort"}}},
        refused={"broker": {"external": EXTERNAL_BROKER, "service": {"type": "NodePort"}}},
        sentence="broker.replicas and service are for a broker that the operator runs; remove them or external",
    ),
    Case(
        rule="broker-memory",
        kind="VPPCluster",
        taken={"broker": {"memory": "256Mi"}},
        refused={"broker": {"memory": "255Mi"}},
        sentence="broker.memory must be at least 256Mi; a broker with its streams does not run in less",
    ),
    Case(
        rule="broker-storage",
        kind="VPPCluster",
        taken={"broker": {"storage": "128Mi"}},
        refused={"broker": {"storage": "0"}},
        sentence="broker.storage must be at least 128Mi; with less than 50Mi free a broker takes no messages",
    ),
    Case(
        rule="broker-volumes-fixed",
        kind="VPPCluster",
        before={"broker": {"storage": "1Gi", "memory": "512Mi"}},
        taken={"broker": {"storage": "1Gi", "memory": "1Gi"}},
        refused={"broker": {"storage": "2Gi", "memory": "512Mi"}},
        sentence="broker.storage and storageClassName cannot change, volumes have them; make a new VPPCluster",
    ),
    Case(
        rule="influxdb-external",
        kind="VPPCluster",
        taken={
            "monitoring": {
                "influxdb": {"type": "External", "url": "http://influx:8086", "secretRef": {"name": "influx"}}
            }
        },
        refused={"monitoring": {"influxdb": {"type": "External", "url": "http://influx:8086"}}},
        sentence="monitoring.influxdb of type External needs url and secretRef (a Secret with the key token)",
    ),
    Case(
        rule="influxdb-managed",
        kind="VPPCluster",
        taken={"monitoring": {"influxdb": {"type": "Managed"}}},
        refused={"monitoring": {"influxdb": {"type": "Managed", "url": "http://influx:8086"}}},
        sentence="monitoring.influxdb.url and secretRef are for type External only; remove them or set that type",
    ),
    Case(
        rule="influxdb-managed",
        kind="VPPCluster",
        taken={"monitoring": {"influxdb": {"type": "Managed", "org": "energy"}}},
        refused={"monitoring": {"influxdb": {"type": "Managed", "secretRef": {"name": "influx"}}}},
        sentence="monitoring.influxdb.url and secretRef are for type External only; remove them or set that type",
    ),
    Case(
        rule="influxdb-memory",
        kind="VPPCluster",
        taken={"monitoring": {"influxdb": {"memory": "256Mi"}}},
        refused={"monitoring": {"influxdb": {"memory": "1Mi"}}},
        sentence="monitoring.influxdb.memory must be at least 256Mi; raise it",
    ),
    Case(
        rule="influxdb-size",
        kind="VPPCluster",
        taken={"monitoring": {"influxdb": {"size": "256Mi"}}},
        refused={"monitoring": {"influxdb": {"size": "0"}}},
        sentence="monitoring.influxdb.size must be at least 256Mi; the twin's points have no room in less",
    ),
    Case(
        rule="influxdb-volume-fixed",
        kind="VPPCluster",
        before={"monitoring": {"influxdb": {"size": "4Gi", "memory": "512Mi"}}},
        taken={"monitoring": {"influxdb": {"size": "4Gi", "memory": "1Gi"}}},
        refused={"monitoring": {"influxdb": {"size": "8Gi", "memory": "512Mi"}}},
        sentence="monitoring.influxdb.size and storageClassName cannot change, its volume has them; keep both",
    ),
    Case(
        rule="monitoring-stale",
        kind="VPPCluster",
        taken={"monitoring": {"intervalSeconds": 10, "staleAfterSeconds": 11}},
        refused={"monitoring": {"intervalSeconds": 60}},
        sentence="monitoring.staleAfterSeconds must be above intervalSeconds, or every measurement is stale",
    ),
    Case(
        rule="weights-some",
        kind="VPPCluster",
        taken={"weights": {"delay": 0, "loss": 0, "reliability": 0.5}},
        refused={"weights": {"delay": 0, "loss": 0, "reliability": 0}},
        sentence="weights must not all be 0; give delay, loss or reliability some weight",
    ),
    Case(
        rule="community-interval",
        kind="VPPCluster",
        taken={"community": {"intervalMinutes": 15}},
        refused={"community": {"intervalMinutes": 7}},
        sentence="community.intervalMinutes must divide an hour, for example 5, 15 or 60",
    ),
    Case(
        rule="driver-memory",
        kind="VPPCluster",
        taken={"streaming": {"driver": {"memory": "1Gi"}}},
        refused={"streaming": {"driver": {"memory": "512Mi"}}},
        sentence="streaming.driver.memory must be at least 1Gi; Spark's driver does not start in less",
    ),
    Case(
        rule="streaming-shards-fixed",
        kind="VPPCluster",
        before={"streaming": {"shufflePartitions": 4, "triggerSeconds": 1}},
        taken={"streaming": {"shufflePartitions": 4, "triggerSeconds": 2}},
        refused={"streaming": {"shufflePartitions": 8, "triggerSeconds": 1}},
        sentence="streaming.shufflePartitions cannot change, the twin's state is cut by it; make a new VPPCluster",
    ),
    Case(
        rule="threshold-band",
        kind="VPPCluster",
        taken={"thresholds": {"cpu": {"low": 30, "high": 31}}},
        refused={"thresholds": {"cpu": {"low": 85, "high": 85}}},
        sentence="a threshold's low must be below its high; between them nothing changes",
    ),
    Case(
        rule="profile-data-one-source",
        kind="VPPCluster",
        taken={"simulator": {"data": {"configMaps": ["houses-1", "houses-2"]}}},
        refused={"simulator": {"data": {"configMaps": ["houses-1"], "claimName": "houses"}}},
        sentence="simulator.data takes either configMaps or claimName; give exactly one of them",
    ),
    Case(
        rule="profile-data-one-source",
        kind="VPPCluster",
        taken={"simulator": {"data": {"claimName": "houses"}}},
        refused={"simulator": {"data": {}}},
        sentence="simulator.data takes either configMaps or claimName; give exactly one of them",
    ),
    Case(
        rule="simulator-start",
        kind="VPPCluster",
        taken={"simulator": {"start": "2022-12-31T23:00:00Z"}},
        refused={"simulator": {"start": "2022-12-31T23:30:00Z"}},
        sentence=START,
    ),
    Case(
        rule="simulator-start",
        kind="VPPCluster",
        taken={"simulator": {"start": "2024-02-29T00:00:00Z"}},
        refused={"simulator": {"start": "2022-13-01T00:00:00Z"}},
        sentence=START,
    ),
    Case(
        rule="simulator-start",
        kind="VPPCluster",
        taken={"simulator": {"start": "2022-04-30T00:00:00Z"}},
        refused={"simulator": {"start": "2022-02-30T00:00:00Z"}},
        sentence=START,
    ),
    Case(
        rule="simulator-interval",
        kind="VPPCluster",
        taken={"simulator": {"readingIntervalSeconds": 900}},
        refused={"simulator": {"readingIntervalSeconds": 7}},
        sentence="simulator.readingIntervalSeconds must divide an hour, for example 60 or 300, so hours are whole",
    ),
    Case(
        rule="channel-min-max",
        kind="QueueChannel",
        taken={"min": 2, "max": 2},
        refused={"min": 2, "max": 1},
        sentence="min must not be above max; lower min or raise max",
    ),
    Case(
        rule="channel-standby",
        kind="QueueChannel",
        taken={"min": 1, "max": 3, "standby": 2},
        refused={"min": 1, "max": 3, "standby": 3},
        sentence="standby must fit between min and max; lower standby or raise max",
    ),
    Case(
        rule="channel-pinned",
        kind="QueueChannel",
        taken={"min": 1, "max": 3, "pinned": 3},
        refused={"min": 1, "max": 3, "pinned": 4},
        sentence="pinned must lie between min and max; change pinned or the bounds",
    ),
    Case(
        rule="channel-headers-mqtt",
        kind="QueueChannel",
        taken={"exchange": "headers", "mqtt": {"enabled": False}},
        refused={"exchange": "headers"},
        sentence="exchange headers cannot route MQTT 3.1.1, which has no headers; set mqtt.enabled to false",
    ),
    Case(
        rule="channel-exchange-fixed",
        kind="QueueChannel",
        before={"exchange": "topic", "max": 1},
        taken={"exchange": "topic", "max": 2},
        refused={"exchange": "fanout", "max": 1},
        sentence="exchange cannot change on existing channels; make a new QueueChannel",
    ),
    Case(
        rule="channel-memory",
        kind="QueueChannel",
        taken={"channel": {"memory": "256Mi"}},
        refused={"channel": {"memory": "128Mi"}},
        sentence="channel.memory must be at least 256Mi; a broker with its streams does not run in less",
    ),
    Case(
        rule="channel-storage",
        kind="QueueChannel",
        taken={"channel": {"storage": "128Mi"}},
        refused={"channel": {"storage": "1Mi"}},
        sentence="channel.storage must be at least 128Mi; with less than 50Mi free a broker takes no readings",
    ),
    Case(
        rule="channel-volumes-fixed",
        kind="QueueChannel",
        before={"channel": {"storage": "2Gi", "cpu": "1"}},
        taken={"channel": {"storage": "2Gi", "cpu": "2"}},
        refused={"channel": {"storage": "4Gi", "cpu": "1"}},
        sentence="channel.storage and storageClassName cannot change, volumes have them; make a new QueueChannel",
    ),
    Case(
        rule="retention-segments-fixed",
        kind="QueueChannel",
        before={"retention": {"segmentBytes": 1000000, "marginSeconds": 300}},
        taken={"retention": {"segmentBytes": 1000000, "marginSeconds": 600}},
        refused={"retention": {"segmentBytes": 2000000, "marginSeconds": 300}},
        sentence="retention.segmentBytes cannot change, streams are made with it; make a new QueueChannel",
    ),
    Case(
        rule="vpp-ref-fixed",
        kind="NanoGrid",
        before={"vppRef": {"name": "demo"}},
        taken={"vppRef": {"name": "demo"}, "pv": PV},
        refused={"vppRef": {"name": "other"}},
        sentence="vppRef.name cannot change; delete this resource and make it anew in the other VPPCluster",
    ),
    Case(
        rule="battery-initial-soc",
        kind="NanoGrid",
        taken={"battery": {**BATTERY, "depthOfDischarge": 0.8, "initialSoc": 0.3}},
        refused={"battery": {**BATTERY, "depthOfDischarge": 0.8, "initialSoc": 0.1}},
        sentence="battery.initialSoc must not be below 1 - depthOfDischarge; raise one of them",
    ),
    Case(
        rule="ev-drive",
        kind="NanoGrid",
        taken={"ev": {"capacityKwh": 40, "chargerKw": 7.4, "driveKwh": 40}},
        refused={"ev": {"capacityKwh": 40, "chargerKw": 7.4, "driveKwh": 41}},
        sentence="ev.driveKwh must not be above capacityKwh; it is what a day's driving takes from the battery",
    ),
    Case(
        rule="tariff-hours",
        kind="NanoGrid",
        taken={"tariff": {"importPriceByHour": [0.3] * 23 + [-0.05], "exportPriceByHour": []}},
        refused={"tariff": {"exportPriceByHour": [0.08] * 23}},
        sentence="tariff prices by hour must be 24, one for each hour of the day; a single price is importPrice",
    ),
    Case(
        rule="profile-building-data-only",
        kind="NanoGrid",
        taken=simulated(source={"type": "Simulated", "profile": {"type": "Physical", "building": ""}}),
        refused=simulated(source={"type": "Simulated", "profile": {"type": "Physical", "building": "Building_1"}}),
        sentence="profile.building is for type Data only; remove it or set type to Data",
    ),
    Case(
        rule="profile-building",
        kind="NanoGrid",
        taken=simulated(source={"type": "Simulated", "profile": {"type": "Data", "building": "Building_1"}}),
        refused=simulated(source={"type": "Simulated", "profile": {"type": "Data"}}),
        sentence="profile of type Data needs building, a name from the data folder's schema.json",
    ),
    Case(
        rule="nanogrid-simulated-ders",
        kind="NanoGrid",
        taken=simulated(),
        refused=simulated(load=None),
        sentence="a simulated site needs at least one of pv, battery, load, wind, hydro, ev",
    ),
    Case(
        rule="nanogrid-profile-simulated",
        kind="NanoGrid",
        taken=simulated(source={"type": "Simulated", "profile": {"type": "Physical"}}),
        refused={"source": {"type": "Gateway", "profile": {"type": "Physical"}}},
        sentence="source.profile is for simulated sites only; remove it or set source.type to Simulated",
    ),
    Case(
        rule="source-spool-least",
        kind="NanoGrid",
        taken={"source": {"spool": "128Ki"}},
        refused={"source": {"spool": "127Ki"}},
        sentence="source.spool must be at least 128Ki; a smaller one has no room for a few hundred readings",
    ),
    Case(
        rule="tls-names-own-authority",
        kind="VPPCluster",
        taken={"tls": {"secretRef": {"name": "brokers"}}},
        refused={"tls": {"secretRef": {"name": "brokers"}, "names": ["ingest.example.org"]}},
        sentence="tls.names are for certificates of the operator's authority; put them into yours, or remove them",
    ),
    Case(
        rule="credentials-forward",
        kind="NanoGrid",
        before={"source": {"credentials": {"generation": 2}}},
        taken={"source": {"credentials": {"generation": 3}}},
        refused={"source": {"credentials": {"generation": 1}}},
        sentence="source.credentials.generation cannot go back, that account is gone; raise it instead",
    ),
    Case(
        rule="source-filter-gateway-only",
        kind="NanoGrid",
        taken={"source": {"type": "Gateway", "filter": {"quantities": [{"quantity": "power_kw", "deadband": 0.1}]}}},
        refused=simulated(source={"type": "Simulated", "filter": {"quantities": [{"quantity": "power_kw"}]}}),
        sentence="source.filter is for gateways only; remove it or set source.type to Gateway",
    ),
    Case(
        rule="nanogrid-physical-location",
        kind="NanoGrid",
        taken=simulated(pv=PV, location=LOCATION),
        refused=simulated(pv=PV),
        sentence="simulated wind, and pv without a profile of type Data, need location (latitude and longitude)",
    ),
    Case(
        rule="nanogrid-physical-location",
        kind="NanoGrid",
        taken=simulated(pv=PV, source=MEASURED),
        refused=simulated(wind={"nominalKw": 5}, source=MEASURED),
        sentence="simulated wind, and pv without a profile of type Data, need location (latitude and longitude)",
    ),
)

BAD_FIELDS: Final = (
    BadField(title="no pools", kind="VPPCluster", refused={"workerPools": []}, says="at least 1 items"),
    BadField(title="no pools at all", kind="VPPCluster", refused={"workerPools": None}, says="Required value"),
    BadField(
        title="two pools of one name",
        kind="VPPCluster",
        refused={"workerPools": [POOL, POOL]},
        says="duplicate entries",
    ),
    BadField(
        title="a pool name with a dot",
        kind="VPPCluster",
        refused={"workerPools": [{"name": "a.b"}]},
        says="spec.workerPools[0].name",
    ),
    BadField(
        title="a broker without a CPU", kind="VPPCluster", refused={"broker": {"cpu": "0"}}, says="spec.broker.cpu"
    ),
    BadField(
        title="a channel of no thousandth of a CPU",
        kind="QueueChannel",
        refused={"channel": {"cpu": "0.0m"}},
        says="spec.channel.cpu",
    ),
    BadField(title="a mode that is none", kind="VPPCluster", refused={"mode": "Manual"}, says='"Observe"'),
    BadField(
        title="memory in thousandths of a byte",
        kind="VPPCluster",
        refused={"workerPools": [{"name": "small", "memory": "512m"}]},
        says="spec.workerPools[0].memory",
    ),
    BadField(
        title="a size of words", kind="VPPCluster", refused={"storage": {"size": "big"}}, says="spec.storage.size"
    ),
    BadField(
        title="an HDFS without a folder",
        kind="VPPCluster",
        refused={"storage": {"type": "External", "url": "hdfs://name-node:8020"}},
        says="spec.storage.url",
    ),
    BadField(
        title="time that stands still",
        kind="VPPCluster",
        refused={"simulator": {"acceleration": 0}},
        says="greater than 0",
    ),
    BadField(
        title="a start without a zone",
        kind="VPPCluster",
        refused={"simulator": {"start": "2022-06-21 00:00"}},
        says="spec.simulator.start",
    ),
    BadField(
        title="a trigger of no time",
        kind="VPPCluster",
        refused={"streaming": {"triggerSeconds": 0}},
        says="spec.streaming.triggerSeconds",
    ),
    BadField(
        title="more than a year of simulated days",
        kind="VPPCluster",
        refused={"simulator": {"days": 367}},
        says="spec.simulator.days",
    ),
    BadField(
        title="a kind of DER that is none",
        kind="VPPCluster",
        refused={"dispatch": {"order": ["battery", "fusion"]}},
        says="spec.dispatch.order[1]",
    ),
    BadField(title="a worker count below nothing", kind="VPPCluster", refused={"pinned": -1}, says="spec.pinned"),
    BadField(title="no VPPCluster", kind="QueueChannel", refused={"vppRef": None}, says="spec.vppRef"),
    BadField(
        title="a VPPCluster's name with capitals",
        kind="QueueChannel",
        refused={"vppRef": {"name": "Demo"}},
        says="spec.vppRef.name",
    ),
    BadField(title="no channel", kind="QueueChannel", refused={"min": 0}, says="spec.min"),
    BadField(title="a text for a number", kind="QueueChannel", refused={"max": "two"}, says="spec.max"),
    BadField(title="an exchange that is none", kind="QueueChannel", refused={"exchange": "ring"}, says='"fanout"'),
    BadField(
        title="a share above one",
        kind="QueueChannel",
        refused={"rebalanceShare": 1.5},
        says="spec.rebalanceShare",
    ),
    BadField(
        title="segments of nothing",
        kind="QueueChannel",
        refused={"retention": {"segmentBytes": 0}},
        says="spec.retention.segmentBytes",
    ),
    BadField(
        title="a service that is none", kind="QueueChannel", refused={"service": {"type": "Host"}}, says="NodePort"
    ),
    BadField(
        title="a misspelt field", kind="QueueChannel", refused={"standBy": 1}, says=".spec.standBy: field not declared"
    ),
    BadField(
        title="a place off the earth",
        kind="NanoGrid",
        refused={"location": {"latitude": 91, "longitude": 0}},
        says="spec.location.latitude",
    ),
    BadField(title="panels without power", kind="NanoGrid", refused={"pv": {"nominalKw": 0}}, says="greater than 0"),
    BadField(title="a battery without a size", kind="NanoGrid", refused={"battery": {}}, says="capacityKwh"),
    BadField(
        title="a battery that gains energy",
        kind="NanoGrid",
        refused={"battery": {**BATTERY, "efficiency": 1.1}},
        says="spec.battery.efficiency",
    ),
    BadField(
        title="a load profile that is none",
        kind="NanoGrid",
        refused={"load": {"profile": "h1"}},
        says='"h0_dyn"',
    ),
    BadField(
        title="a Secret's name with a slash",
        kind="VPPCluster",
        refused={"storage": {"secretRef": {"name": "a/b"}}},
        says="spec.storage.secretRef.name",
    ),
    BadField(title="a source that is none", kind="NanoGrid", refused={"source": {"type": "Wire"}}, says='"Gateway"'),
    BadField(
        title="a currency in words",
        kind="NanoGrid",
        refused={"tariff": {"currency": "Euro"}},
        says="spec.tariff.currency",
    ),
)

NAMES: Final = (
    NameCase(kind="VPPCluster", name="v" * 30, taken=True),
    NameCase(kind="VPPCluster", name="v" * 31, taken=False),
    NameCase(kind="VPPCluster", name="a.b", taken=False),
    NameCase(kind="VPPCluster", name="1st", taken=False),
    NameCase(kind="QueueChannel", name="q" * 50, taken=True),
    NameCase(kind="QueueChannel", name="q" * 51, taken=False),
    NameCase(kind="QueueChannel", name="a.b", taken=False),
    NameCase(kind="QueueChannel", name="1st", taken=False),
    NameCase(kind="QueueChannel", name="demo-ingest", taken=True),
    NameCase(kind="QueueChannel", name="demo-control", taken=False, says="a part of its VPPCluster"),
    NameCase(kind="QueueChannel", name="demo-workers-small", taken=False, says="a part of its VPPCluster"),
    NameCase(kind="NanoGrid", name="1-main-street", taken=True),
    NameCase(kind="NanoGrid", name="n" * 41, taken=False),
    NameCase(kind="NanoGrid", name="house.01", taken=False),
)
