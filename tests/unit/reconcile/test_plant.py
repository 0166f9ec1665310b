"""From resources to a running plant, at rest, after drift, and away again: in the in-memory world."""

from __future__ import annotations

import pytest

from tests.plants import CLUSTER, HOUSE, Plant, resource
from vpp_contract.topology import ChannelState
from vpp_operator.api.status import STATUS
from vpp_operator.decide.pace import Next

SOMETIMES = {
    "reason",
    "committedOffset",
    "firstOffset",
    "drainingSince",
    "markerOffset",
    "gaveUpGeneration",
    "fillingSince",
}


async def test_a_plant_comes_up_from_its_resources() -> None:
    plant = Plant()
    await plant.settle()
    kubernetes = plant.world.kubernetes
    assert kubernetes.names("StatefulSet") == [
        "demo-control",
        "demo-driver",
        "demo-hdfs-datanode",
        "demo-hdfs-namenode",
        "demo-influxdb",
        "demo-simulator",
        "demo-spark-master",
        "demo-workers-small",
        "ingest",
    ]
    for kind, name in (("VPPCluster", "demo"), ("QueueChannel", "ingest"), ("NanoGrid", "house-01")):
        condition = plant.condition(kind, name)
        assert (condition["status"], condition["observedGeneration"]) == ("True", 1), condition


@pytest.mark.parametrize(
    ("kind", "name"), [("VPPCluster", "demo"), ("QueueChannel", "ingest"), ("NanoGrid", "house-01")]
)
async def test_a_resource_has_the_conditions_that_its_status_promises(kind: str, name: str) -> None:
    plant = Plant()
    await plant.settle()
    found = {item["type"] for item in plant.world.kubernetes.there(kind, name)["status"]["conditions"]}
    promised = STATUS[kind]["properties"]["conditions"]["description"].partition(": ")[2].rstrip(".")
    assert found == set(promised.split(", "))


async def test_a_channel_has_exchanges_stream_and_accounts_before_it_gets_traffic() -> None:
    plant = Plant()
    await plant.settle()
    broker = plant.world.broker("ingest-0")
    assert broker.names("exchanges") == ["ingress", "readings"]
    assert broker.names("queues") == [plant.stream()]
    assert broker.names("users") == ["site-house-01", "site-house-02", "vpp-reader"]
    assert {(item["source"], item["destination"]) for item in broker.definitions["bindings"]} == {
        ("ingress", "readings"),
        ("readings", plant.stream()),
    }
    assert plant.world.kubernetes.there("Pod", "ingest-0")["metadata"]["labels"]["vpp.energy/traffic"] == "active"


async def test_a_site_may_write_its_own_routing_keys_and_nothing_else() -> None:
    plant = Plant(houses=1)
    await plant.settle()
    definitions = plant.world.broker("ingest-0").definitions
    permission = next(item for item in definitions["permissions"] if item["user"] == "site-house-01")
    topic = next(item for item in definitions["topic_permissions"] if item["user"] == "site-house-01")
    assert (permission["configure"], permission["write"], permission["read"]) == ("^$", "^ingress$", "^$")
    assert (topic["exchange"], topic["write"]) == ("ingress", r"^readings\.house\-01(\..*)?$")


async def test_the_topology_names_the_channels_streams() -> None:
    plant = Plant()
    await plant.settle()
    topology = plant.world.broker("demo-control-0").topologies[-1]
    (channel,) = topology.channels
    assert (channel.name, channel.queue_channel, channel.stream, channel.state) == (
        "ingest-0",
        "ingest",
        plant.stream(),
        ChannelState.ACTIVE,
    )
    assert channel.host == "ingest-0.ingest-nodes.plants.svc"


async def test_at_rest_nothing_is_written() -> None:
    plant = Plant()
    await plant.settle()
    kubernetes = plant.world.kubernetes
    kubernetes.writes.clear()
    before = plant.broker_writes()
    await plant.settle(5)
    assert not kubernetes.writes
    assert plant.broker_writes() == before


async def test_a_restarted_operator_applies_nothing_anew() -> None:
    plant = Plant()
    await plant.settle()
    kubernetes = plant.world.kubernetes
    kubernetes.writes.clear()
    plant.restart_operator()
    await plant.settle(3)
    assert set(kubernetes.writes) <= {"VPPCluster/status"}  # the topology's generation
    assert sum(kubernetes.writes.values()) <= 1


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("StatefulSet", "demo-hdfs-datanode"),
        ("StatefulSet", "ingest"),
        ("Service", "ingest"),
        ("ConfigMap", "demo-hdfs"),
        ("Secret", "demo-reader"),
        ("Secret", "house-01-gateway"),
        ("Secret", "ingest-admin"),
        ("Secret", "demo-influxdb-access"),
        ("NetworkPolicy", "demo"),
    ],
)
async def test_a_deleted_object_is_back_after_one_look(kind: str, name: str) -> None:
    plant = Plant()
    await plant.settle()
    kubernetes = plant.world.kubernetes
    data = kubernetes.there(kind, name).get("data")
    kubernetes.remove(kind, name)
    await plant.look()
    assert kubernetes.there(kind, name).get("data") == data, "a Secret returns as it was"
    await plant.settle(2)
    assert plant.condition("VPPCluster", "demo")["status"] == "True"


@pytest.mark.parametrize(
    ("section", "name"),
    [("exchanges", "ingress"), ("exchanges", "readings"), ("users", "site-house-01"), ("users", "vpp-reader")],
)
async def test_what_is_deleted_on_a_broker_is_back_after_one_look(section: str, name: str) -> None:
    plant = Plant()
    await plant.settle()
    broker = plant.world.broker("ingest-0")
    broker.drop(section, name)
    await plant.look()
    assert name in broker.names(section)


async def test_a_deleted_binding_is_back_after_one_look() -> None:
    plant = Plant()
    await plant.settle()
    broker = plant.world.broker("ingest-0")
    broker.definitions["bindings"].clear()
    await plant.look()
    assert len(broker.definitions["bindings"]) == 2


async def test_a_changed_field_is_set_back() -> None:
    plant = Plant()
    await plant.settle()
    plant.change("StatefulSet", "demo-workers-small", {"spec": {"replicas": 0}})
    await plant.look()
    assert plant.world.kubernetes.there("StatefulSet", "demo-workers-small")["spec"]["replicas"] == 1


async def test_a_password_changed_in_its_secret_is_set_at_the_brokers() -> None:
    plant = Plant(houses=1)
    await plant.settle()
    before = plant.world.broker("ingest-0").definitions["users"]
    plant.change("Secret", "house-01-gateway", {"data": {"password": "bmV3"}})
    await plant.settle(3)
    assert plant.world.broker("ingest-0").definitions["users"] != before
    assert plant.world.kubernetes.there("Secret", "house-01-gateway")["data"]["password"] == "bmV3"


async def test_the_simulator_waits_for_channels_and_driver() -> None:
    plant = Plant()
    await plant.settle(driver=False)
    assert "demo-simulator" not in plant.world.kubernetes.names("StatefulSet")
    await plant.settle()
    assert "demo-simulator" in plant.world.kubernetes.names("StatefulSet")


async def test_a_simulated_site_is_ready_only_while_somebody_simulates_it() -> None:
    plant = Plant()
    plant.change("NanoGrid", "house-02", {"spec": {"source": {"type": "Gateway"}}})

    async def said(house: str) -> tuple[str, str]:
        await plant.look()
        found = plant.condition("NanoGrid", house)
        return found["reason"], found["message"]

    await plant.settle(driver=False)
    assert await said("house-01") == ("SimulatorStarting", "The simulator starts when the twin takes readings.")
    await plant.settle()
    assert (await said("house-01"))[0] == "AccountMade"
    waiting = {"reason": "CrashLoopBackOff", "message": "weather.csv: line 3"}
    down = {"conditions": [], "containerStatuses": [{"state": {"waiting": waiting}}]}
    plant.change("Pod", "demo-simulator-0", {"status": down})
    reason, message = await said("house-01")
    assert (reason, "demo-simulator-0" in message, "weather.csv: line 3" in message) == ("SimulatorDown", True, True)
    assert (await said("house-02"))[0] == "AccountMade", "a real site needs no simulator"


async def test_a_simulated_site_without_a_simulator_says_what_to_set() -> None:
    plant = Plant(cluster={name: value for name, value in CLUSTER.items() if name != "simulator"})
    await plant.settle()
    found = plant.condition("NanoGrid", "house-01")
    assert (found["status"], found["reason"]) == ("False", "NoSimulator")
    assert "VPPCluster demo has no spec.simulator" in found["message"]


async def test_a_new_site_renews_the_simulator_and_gets_its_account() -> None:
    plant = Plant(houses=1)
    await plant.settle()
    uid = plant.world.kubernetes.there("Pod", "demo-simulator-0")["metadata"]["uid"]
    plant.world.kubernetes.add(resource("NanoGrid", "house-09", HOUSE))
    await plant.settle()
    assert plant.world.kubernetes.there("Pod", "demo-simulator-0")["metadata"]["uid"] != uid
    assert "site-house-09" in plant.world.broker("ingest-0").names("users")
    assert "house-09.json" in plant.world.kubernetes.there("Secret", "demo-simulator-sites")["data"]


async def test_a_site_that_goes_loses_its_account_everywhere() -> None:
    plant = Plant()
    await plant.settle()
    kubernetes = plant.world.kubernetes
    kubernetes.remove("NanoGrid", "house-01")
    await plant.settle(3)
    assert kubernetes.names("NanoGrid") == ["house-02"]
    assert "house-01-gateway" not in kubernetes.names("Secret")
    assert set(kubernetes.there("Secret", "demo-simulator-sites")["data"]) == {"house-02.json"}
    for pod in ("ingest-0", "demo-control-0"):
        assert "site-house-01" not in plant.world.broker(pod).names("users")


@pytest.mark.parametrize(("policy", "left"), [("Retain", True), ("Delete", False)])
async def test_a_plant_that_goes_leaves_nothing_but_volumes_by_policy(policy: str, left: bool) -> None:
    plant = Plant(cluster={**CLUSTER, "deletionPolicy": policy})
    plant.change("QueueChannel", "ingest", {"spec": {"deletionPolicy": policy}})
    await plant.settle()
    kubernetes = plant.world.kubernetes
    for kind in ("NanoGrid", "QueueChannel", "VPPCluster"):
        for name in kubernetes.names(kind):
            kubernetes.remove(kind, name)
    assert await plant.look() is Next.LATER
    assert await plant.look() is Next.NEVER
    assert {kind for kind, _, _ in kubernetes.objects} - {"Event"} == ({"PersistentVolumeClaim"} if left else set())


async def test_without_its_vppcluster_a_resource_says_so_and_goes_when_told() -> None:
    plant = Plant(houses=1)
    kubernetes = plant.world.kubernetes
    kubernetes.remove("VPPCluster", "demo")
    await plant.look()
    for kind, name in (("QueueChannel", "ingest"), ("NanoGrid", "house-01")):
        condition = plant.condition(kind, name)
        assert condition["reason"] == "VPPNotFound"
        assert "demo" in condition["message"]
        kubernetes.remove(kind, name)
    assert await plant.look() is Next.NEVER


async def test_pods_of_an_older_template_are_renewed_one_at_a_time() -> None:
    plant = Plant()
    plant.change("QueueChannel", "ingest", {"spec": {"min": 2}})
    await plant.settle()
    kubernetes = plant.world.kubernetes
    uids = {name: kubernetes.there("Pod", name)["metadata"]["uid"] for name in ("ingest-0", "ingest-1")}
    plant.change("QueueChannel", "ingest", {"spec": {"channel": {"memory": "1Gi"}}})
    await plant.look()
    plant.world.run_stateful_sets()
    await plant.look()
    left = [name for name in uids if name in kubernetes.names("Pod")]
    assert len(left) == 1
    await plant.settle()
    assert all(kubernetes.there("Pod", name)["metadata"]["uid"] != uid for name, uid in uids.items())


async def test_an_object_that_is_refused_is_reported_and_keeps_no_other_waiting() -> None:
    plant = Plant()
    plant.world.kubernetes.refuse = lambda manifest: (
        "volume claims cannot change" if manifest["metadata"]["name"] == "demo-control" else ""
    )
    await plant.settle(2)
    assert "demo-driver" in plant.world.kubernetes.names("StatefulSet")
    ready = plant.condition("VPPCluster", "demo")
    assert ready["status"] == "False"
    plant.world.kubernetes.refuse = lambda _: ""
    await plant.settle()
    assert plant.condition("VPPCluster", "demo")["status"] == "True"


async def test_a_resource_that_cannot_be_read_keeps_what_it_has() -> None:
    plant = Plant()
    await plant.settle()
    plant.change("QueueChannel", "ingest", {"spec": {"exchange": "unheard-of"}})
    await plant.settle(2)
    assert plant.condition("QueueChannel", "ingest")["reason"] == "InvalidSpec"
    assert "ingest" in plant.world.kubernetes.names("StatefulSet")


async def test_events_are_written_when_a_condition_turns_and_only_then() -> None:
    plant = Plant()
    await plant.settle()
    kubernetes = plant.world.kubernetes
    events = len(kubernetes.names("Event"))
    plant.world.brokers.at(plant.world.host("demo-control-0")).down = True
    await plant.settle(3)
    assert plant.condition("VPPCluster", "demo")["reason"] == "ControlBrokerUnavailable"
    turned = len(kubernetes.names("Event")) - events
    assert turned == 4, "the plant's Ready and Degraded, and the two sites' Ready, once each"


@pytest.mark.parametrize(
    ("kind", "name"), [("VPPCluster", "demo"), ("QueueChannel", "ingest"), ("NanoGrid", "house-01")]
)
async def test_a_status_has_every_field_of_its_schema_but_those_that_say_so(kind: str, name: str) -> None:
    plant = Plant()
    await plant.settle()
    declared = STATUS[kind]["properties"]
    status = plant.world.kubernetes.there(kind, name)["status"]
    missing = {
        field for field in declared if field not in status and "Not written yet" not in declared[field]["description"]
    }
    assert missing <= {"lost"}  # there only after a loss
    for entry in status.get("channels", ()):
        assert set(declared["channels"]["items"]["properties"]) - set(entry) <= SOMETIMES
