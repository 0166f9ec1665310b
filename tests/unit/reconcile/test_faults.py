"""What goes wrong with a plant's servers becomes a sentence in a condition, and heals by itself."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes import running
from tests.plants import CLUSTER, NAMESPACE, Plant, resource
from vpp_operator.reconcile import retention

EXTERNAL_INFLUX = {
    **CLUSTER,
    "monitoring": {
        "influxdb": {
            "type": "External",
            "url": "http://influx.example.org:8086",
            "org": "energy",
            "bucket": "region",
            "secretRef": {"name": "influx-token"},
        }
    },
}
EXTERNAL_BROKER = {
    **CLUSTER,
    "broker": {
        "external": {
            "host": "rabbit.example.org",
            "managementUrl": "http://rabbit.example.org:15672",
            "secretRef": {"name": "rabbit-admin"},
        }
    },
}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_STANDING_SECONDS", 0.0)


def user_secret(plant: Plant, name: str, **values: str) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    plant.world.kubernetes.add(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "plants"}, "data": data}
    )


def own_influx(plant: Plant) -> None:
    url = EXTERNAL_INFLUX["monitoring"]["influxdb"]["url"]  # type: ignore[index] # a plain test value
    plant.world.influx.tokens[url], plant.world.influx.buckets[url] = "right", "region"


def unreachable(plant: Plant) -> None:
    own_influx(plant)
    plant.world.influx.down = True
    user_secret(plant, "influx-token", token="right")


def reachable(plant: Plant) -> None:
    plant.world.influx.down = False


def wrong_token(plant: Plant) -> None:
    own_influx(plant)
    user_secret(plant, "influx-token", token="wrong")


def right_token(plant: Plant) -> None:
    user_secret(plant, "influx-token", token="right")


def no_bucket(plant: Plant) -> None:
    own_influx(plant)
    plant.world.influx.buckets["http://influx.example.org:8086"] = "other"
    user_secret(plant, "influx-token", token="right")


def no_secret(plant: Plant) -> None:
    own_influx(plant)


@pytest.mark.parametrize(
    ("fault", "reason", "words", "cure"),
    [
        (no_secret, "SecretMissing", "Secret influx-token with the key token is missing", right_token),
        (wrong_token, "InfluxUnauthorized", "refuses the token", right_token),
        (no_bucket, "InfluxBucketMissing", "no bucket region", own_influx),
        (unreachable, "InfluxDBUnavailable", "does not answer", reachable),
    ],
)
async def test_an_external_influxdb_that_cannot_be_used_is_said_and_heals(
    fault: Callable[[Plant], None], reason: str, words: str, cure: Callable[[Plant], None]
) -> None:
    plant = Plant(cluster=EXTERNAL_INFLUX)
    fault(plant)
    await plant.settle()
    ready = plant.condition("VPPCluster", "demo")
    assert (ready["status"], ready["reason"]) == ("False", reason)
    assert words in ready["message"]
    assert plant.condition("VPPCluster", "demo", "Degraded")["status"] == "True"
    assert plant.condition("VPPCluster", "demo", "MetricsAvailable")["status"] == "False"
    cure(plant)
    await plant.settle()
    assert plant.condition("VPPCluster", "demo")["status"] == "True"
    assert plant.condition("VPPCluster", "demo", "MetricsAvailable")["status"] == "True"
    assert "demo-influxdb" not in plant.world.kubernetes.names("StatefulSet")


async def test_an_external_broker_gets_its_exchanges_and_loses_them_with_the_plant() -> None:
    plant = Plant(cluster=EXTERNAL_BROKER)
    await plant.settle(3)
    assert "rabbit-admin" in plant.condition("VPPCluster", "demo")["message"]
    user_secret(plant, "rabbit-admin", username="boss", password="secret")
    await plant.settle()
    assert plant.condition("VPPCluster", "demo")["status"] == "True"
    broker = plant.world.brokers.at("rabbit.example.org")
    assert broker.topologies
    assert "topology" in broker.names("queues")
    for kind in ("NanoGrid", "QueueChannel", "VPPCluster"):
        for name in plant.world.kubernetes.names(kind):
            plant.world.kubernetes.remove(kind, name)
    await plant.settle(2)
    assert broker.names("queues") == []
    assert broker.names("users") == []


async def test_a_managed_influxdb_whose_token_is_lost_gets_a_new_one() -> None:
    plant = Plant()
    await plant.settle()
    influx = plant.world.influx
    (url,) = influx.tokens
    influx.tokens[url] = "somebody changed it"
    await plant.settle()
    assert influx.recovered == 1
    data = plant.world.kubernetes.there("Secret", "demo-influxdb-access")["data"]
    assert base64.b64decode(data["token"]).decode() == influx.tokens[url] == "recovered-1"
    assert plant.condition("VPPCluster", "demo")["status"] == "True"


async def test_an_object_of_somebody_else_is_left_alone_and_named() -> None:
    plant = Plant()
    user_secret(plant, "demo-reader", username="mine", password="precious")
    await plant.settle()
    theirs = plant.world.kubernetes.there("Secret", "demo-reader")
    assert base64.b64decode(theirs["data"]["password"]) == b"precious"
    assert "ownerReferences" not in theirs["metadata"]
    ready = plant.condition("VPPCluster", "demo")
    assert (ready["status"], ready["reason"]) == ("False", "Refused")
    assert "Secret plants/demo-reader is there already and is not the operator's" in ready["message"]
    plant.world.kubernetes.remove("Secret", "demo-reader")
    await plant.settle()
    assert plant.condition("VPPCluster", "demo")["status"] == "True"


async def test_an_object_that_lost_its_labels_is_still_known_by_its_owner() -> None:
    plant = Plant()
    await plant.settle()
    plant.change("ConfigMap", "demo-hdfs", {"metadata": {"labels": None}})
    await plant.settle()
    assert plant.world.kubernetes.there("ConfigMap", "demo-hdfs")["metadata"]["labels"]["vpp.energy/vpp"] == "demo"
    assert plant.condition("VPPCluster", "demo")["status"] == "True"


async def test_a_lost_volume_is_a_lost_stream_with_a_new_name_and_a_report() -> None:
    plant = Plant()
    await plant.settle()
    stream = plant.stream()
    plant.world.spark.driver = running(committed={f"ingest-0/{stream}": 41})
    await plant.settle(2)
    plant.world.lose_volume("ingest-0")
    await plant.settle()
    assert plant.stream() != stream
    degraded = plant.condition("QueueChannel", "ingest", "Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "DataLoss")
    assert f"ingest-0/{stream} from offset 41" in degraded["message"]
    topology = plant.world.broker("demo-control-0").topologies[-1]
    assert topology.channels[0].stream == plant.stream()
    assert plant.condition("QueueChannel", "ingest")["status"] == "True"


async def test_channels_made_anew_on_kept_volumes_go_on_with_their_streams() -> None:
    plant = Plant()
    await plant.settle()
    stream = plant.stream()
    kubernetes = plant.world.kubernetes
    spec = kubernetes.there("QueueChannel", "ingest")["spec"]
    kubernetes.remove("QueueChannel", "ingest")
    await plant.settle(2)
    assert kubernetes.names("QueueChannel") == []
    kubernetes.add(resource("QueueChannel", "ingest", spec))
    await plant.settle()
    assert plant.stream() == stream
    assert plant.world.broker("ingest-0").names("queues") == [stream]


async def test_a_head_beyond_the_committed_offset_is_data_loss() -> None:
    plant = Plant()
    await plant.settle()
    broker, stream = plant.world.broker("ingest-0"), plant.stream()
    broker.messages[stream], broker.first[stream] = 500, 100
    committed = {f"ingest-0/{stream}": 60}
    plant.world.spark.driver = running(committed=committed, planned_us={f"ingest-0/{stream}": 1})
    plant.world.clock.now += 60
    await plant.settle(2)
    degraded = plant.condition("QueueChannel", "ingest", "Degraded")
    assert degraded["reason"] == "DataLoss"
    assert "from offset 60 to 100" in degraded["message"]


async def test_retention_lets_go_only_what_is_older_than_the_committed_plan_and_is_lifted() -> None:
    plant = Plant()
    await plant.settle()
    broker, stream = plant.world.broker("ingest-0"), plant.stream()
    broker.messages[stream] = 10_000
    planned = plant.world.clock.now - 100
    key = f"ingest-0/{stream}"
    plant.world.spark.driver = running(committed={key: 10_000}, planned_us={key: int(planned * 1e6)})
    plant.world.clock.now += 60
    looked_at = plant.world.clock.now
    await plant.settle(2)
    (policy,) = broker.policies_set
    age = int(str(policy["definition"]["max-age"]).removesuffix("s"))
    assert looked_at - age <= planned - 300, "margin and more"
    assert policy["pattern"] == f"^{stream}$"
    assert broker.definitions["policies"] == [], "lifted"


async def test_retention_waits_while_the_broker_counts_messages_beyond_the_committed_offset() -> None:
    plant = Plant()
    await plant.settle()
    broker, stream = plant.world.broker("ingest-0"), plant.stream()
    broker.messages[stream] = 10_000
    key = f"ingest-0/{stream}"
    planned_us = int(plant.world.clock.now * 1e6)
    plant.world.spark.driver = running(committed={key: 9_000}, planned_us={key: planned_us})
    plant.world.clock.now += 60
    await plant.settle(2)
    assert broker.policies_set == [], "the driver may have taken a pause of the broker's for the end of the stream"


@pytest.mark.parametrize("messages", [10_000, 100])
async def test_without_the_drivers_word_nothing_is_let_go(messages: int) -> None:
    plant = Plant()
    await plant.settle()
    broker = plant.world.broker("ingest-0")
    broker.messages[plant.stream()] = messages
    plant.world.spark.driver = None
    await plant.settle(5, driver=False)
    assert broker.policies_set == []


async def test_a_policy_that_a_dead_operator_left_behind_is_lifted() -> None:
    plant = Plant()
    await plant.settle()
    broker = plant.world.broker("ingest-0")
    broker.definitions["policies"].append({"name": "vpp-retention-readings-1", "vhost": "/"})
    broker.definitions["policies"].append({"name": "a-users-own", "vhost": "/"})
    plant.restart_operator()
    await plant.look()
    assert broker.names("policies") == ["a-users-own"]


async def test_a_channel_that_is_down_is_said_and_stays_in_the_topology() -> None:
    plant = Plant()
    await plant.settle()
    plant.world.broker("ingest-0").down = True
    await plant.settle(2)
    ready = plant.condition("QueueChannel", "ingest")
    assert (ready["status"], ready["reason"]) == ("False", "ChannelsDown")
    assert len(plant.world.broker("demo-control-0").topologies[-1].channels) == 1
    plant.world.broker("ingest-0").down = False
    await plant.settle(2)
    assert plant.condition("QueueChannel", "ingest")["status"] == "True"


async def test_why_a_pod_could_not_be_made_is_in_the_condition_until_it_is_there() -> None:
    plant = Plant()
    await plant.look()
    kubernetes = plant.world.kubernetes
    control = kubernetes.there("StatefulSet", "demo-control")["metadata"]["uid"]
    for number, (uid, at, message) in enumerate(
        (
            (control, "2026-01-01T00:00:02Z", "create Pod demo-control-0 failed: exceeded quota: no-pods"),
            (control, "2026-01-01T00:00:01Z", "an older reason"),
            ("of-an-earlier-one", "2026-01-01T00:00:03Z", "a reason of a StatefulSet that is gone"),
        )
    ):
        involved = {"kind": "StatefulSet", "name": "demo-control", "uid": uid}
        metadata = {"name": f"failed.{number}", "namespace": NAMESPACE}
        event = {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": involved}
        kubernetes.add(event | {"reason": "FailedCreate", "lastTimestamp": at, "message": message})
    await plant.look()
    ready = plant.condition("VPPCluster", "demo")
    assert ready["reason"] == "PodsStarting"
    assert "demo-control 0/1 (create Pod demo-control-0 failed: exceeded quota: no-pods)" in ready["message"]
    assert "an older reason" not in ready["message"]
    assert "that is gone" not in ready["message"]
    await plant.settle()
    assert plant.condition("VPPCluster", "demo")["reason"] == "Running"


async def test_a_driver_that_fails_is_the_plants_reason() -> None:
    plant = Plant()
    await plant.settle()
    plant.world.spark.driver = running(state="Failed", reason="waiting for HDFS: demo-hdfs-namenode:8020 is away")
    await plant.look()
    ready = plant.condition("VPPCluster", "demo")
    assert (ready["reason"], ready["message"]) == (
        "DriverFailed",
        "waiting for HDFS: demo-hdfs-namenode:8020 is away",
    )


async def test_two_looks_at_once_of_different_plants_do_not_mix() -> None:
    one, other = Plant(houses=1), Plant(houses=3)
    await asyncio.gather(one.settle(), other.settle())
    assert len(one.world.broker("ingest-0").names("users")) == 2
    assert len(other.world.broker("ingest-0").names("users")) == 4


def _container(state: dict[str, Any], ended: dict[str, Any] | None = None, ready: bool = False) -> dict[str, Any]:
    last = {"terminated": {"exitCode": 1, "reason": "Error", **ended}} if ended is not None else {}
    return {"containerStatuses": [{"ready": ready, "state": state, "lastState": last}]}


BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
DIED = {"message": "INFO starting\nsimulator: Building_1.csv, line 5, column hour: 'x' is no whole number\n"}
SAID = "simulator: Building_1.csv, line 5, column hour: 'x' is no whole number"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (_container(BACK_OFF, DIED), f"CrashLoopBackOff: {SAID}"),
        (_container(BACK_OFF, {}), "CrashLoopBackOff: back-off 10s restarting failed container"),
        (_container(BACK_OFF, {**DIED, "reason": "OOMKilled", "exitCode": 137}), "CrashLoopBackOff: OOMKilled"),
        (_container({"running": {}}, DIED), f"Restarted: {SAID}"),
        (_container({"running": {}}, DIED, ready=True), ""),
        (_container({"terminated": {"exitCode": 1, "reason": "Error", **DIED}}), f"Restarted: {SAID}"),
        (_container({"running": {}}, {"exitCode": 0, **DIED}), ""),
        (_container({"waiting": {"reason": "ContainerCreating"}}), ""),
        (_container(BACK_OFF, {"message": "x" * 1000}), f"CrashLoopBackOff: {'x' * 300}"),
    ],
)
async def test_a_pod_that_keeps_failing_is_told_with_its_last_words(status: dict[str, Any], told: str) -> None:
    plant = Plant()
    await plant.settle()
    pod = plant.world.kubernetes.there("Pod", "demo-simulator-0")
    pod["status"] = {**status, "conditions": [{"type": "Ready", "status": "False"}]}
    live = plant.world.kubernetes.there("StatefulSet", "demo-simulator")
    live["status"]["readyReplicas"] = 0
    await plant.look()
    message = plant.condition("VPPCluster", "demo")["message"]
    assert message == f"Waiting for demo-simulator 0/1{f' ({told})' if told else ''}."
