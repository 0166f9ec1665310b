"""TLS of a plant in the in-memory world: certificates are made, kept, renewed and told to everyone who needs them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.plants import CLUSTER, Plant
from vpp_operator.adapters.certificates import X509Certificates
from vpp_operator.ports import CertificateFacts, ServerIdentity

DAY = 86_400
OWN = {**CLUSTER, "tls": {}}
USERS = {**CLUSTER, "tls": {"secretRef": {"name": "brokers"}}}


async def settled(cluster: dict[str, Any]) -> Plant:
    plant = Plant(houses=1, cluster=cluster)
    await plant.settle()
    return plant


def texts(plant: Plant, name: str) -> dict[str, str]:
    data = plant.world.kubernetes.there("Secret", name)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def facts(plant: Plant) -> CertificateFacts:
    server = texts(plant, "demo-broker-tls")
    return X509Certificates().facts(server["tls.crt"], texts(plant, "demo-ca")["tls.crt"])


def encoded(**values: str) -> dict[str, str]:
    return {key.replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in values.items()}


def users_secret(plant: Plant, **values: str) -> None:
    metadata = {"name": "brokers", "namespace": "plants"}
    plant.world.kubernetes.add({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded(**values)})


def pem() -> str:
    return X509Certificates().authority("theirs", now=1_700_000_000, days=36500).certificate


async def test_the_operator_makes_authority_and_certificate_for_all_brokers() -> None:
    plant = await settled(OWN)
    assert plant.condition("VPPCluster", "demo")["status"] == "True"
    found = facts(plant)
    assert found.is_of_authority
    assert {"ingest.plants.svc", "*.ingest-nodes.plants.svc", "demo-control.plants.svc", "localhost"} <= set(
        found.names
    )
    assert texts(plant, "demo-broker-ca") == {"ca.crt": texts(plant, "demo-ca")["tls.crt"]}


async def test_pods_of_brokers_never_see_the_authoritys_key() -> None:
    plant = await settled(OWN)
    for name in plant.world.kubernetes.names("StatefulSet"):
        template = plant.world.kubernetes.there("StatefulSet", name)["spec"]["template"]
        assert '"demo-ca"' not in json.dumps(template), name


async def test_brokers_close_their_plain_ports_and_services_show_those_with_tls() -> None:
    plant = await settled(OWN)
    for name in ("ingest", "demo-control"):
        configuration = plant.world.kubernetes.there("ConfigMap", name)["data"]["rabbitmq.conf"].splitlines()
        for line in ("listeners.tcp = none", "stream.listeners.tcp = none", "mqtt.listeners.tcp = none"):
            assert line in configuration
        assert not [line for line in configuration if line.startswith("management.tcp")]
        ports = plant.world.kubernetes.there("Service", name)["spec"]["ports"]
        assert {port["port"] for port in ports} == {5671, 8883}
        nodes = plant.world.kubernetes.there("Service", f"{name}-nodes")["spec"]["ports"]
        assert {port["port"] for port in nodes} == {5671, 8883, 15671, 15692, 5551}


async def test_plain_ports_that_are_asked_for_stay() -> None:
    plant = await settled({**CLUSTER, "tls": {"plainPorts": ["Amqp", "Stream"]}})
    nodes = plant.world.kubernetes.there("Service", "ingest-nodes")["spec"]["ports"]
    assert {port["port"] for port in nodes} == {5672, 5671, 8883, 15671, 15692, 5552, 5551}


async def test_gateways_readers_and_the_operator_are_told() -> None:
    plant = await settled(OWN)
    authority = texts(plant, "demo-ca")["tls.crt"]
    settings = json.loads(texts(plant, "house-01-gateway")["gateway.json"])
    assert settings["channels"] == {"host": "ingest.plants.svc", "amqp_port": 5671, "mqtt_port": 8883, "tls": True}
    assert settings["control"] == {"host": "demo-control.plants.svc", "amqp_port": 5671, "tls": True}
    assert settings["authority"] == authority
    (channel,) = plant.world.broker("demo-control-0").topologies[-1].channels
    assert (channel.amqp_port, channel.stream_port, channel.tls) == (5671, 5551, True)
    (container,) = plant.world.kubernetes.there("StatefulSet", "demo-driver")["spec"]["template"]["spec"]["containers"]
    environment = {one["name"]: one for one in container["env"]}
    assert environment["VPP_CONTROL_TLS"]["value"] == "true"
    assert environment["VPP_BROKER_AUTHORITY"]["valueFrom"]["secretKeyRef"] == {
        "name": "demo-broker-ca",
        "key": "ca.crt",
    }
    assert environment["VPP_CONTROL_PORT"]["value"] == "5671"


@pytest.mark.parametrize("there", [True, False], ids=["its Secret is there", "its Secret was deleted"])
async def test_the_operator_checks_each_broker_by_its_own_name_and_the_authority(there: bool) -> None:
    plant = await settled(OWN)
    authority = texts(plant, "demo-ca")["tls.crt"]
    if not there:
        plant.world.kubernetes.remove("Secret", "demo-broker-ca")
    plant.world.brokers.identities.clear()
    await plant.look()
    assert plant.world.brokers.identities == {
        plant.world.host(pod): ServerIdentity(name=f"{pod}.{pod[:-2]}-nodes.plants.svc", authority=authority)
        for pod in ("ingest-0", "demo-control-0")
    }


async def test_at_rest_nothing_is_written() -> None:
    plant = await settled(OWN)
    plant.world.kubernetes.writes.clear()
    plant.restart_operator()
    await plant.settle(5)
    assert set(plant.world.kubernetes.writes) <= {"VPPCluster/status"}


async def test_a_certificate_is_renewed_a_month_before_it_ends_and_pods_stay() -> None:
    plant = await settled(OWN)
    authority, before = texts(plant, "demo-ca"), facts(plant)
    pods = {
        name: plant.world.kubernetes.there("Pod", name)["metadata"]["uid"] for name in ("ingest-0", "demo-control-0")
    }
    plant.world.clock.now += 59 * DAY
    await plant.settle(2)
    assert facts(plant) == before
    plant.world.clock.now += 2 * DAY
    await plant.settle(2)
    assert facts(plant).not_after > before.not_after
    assert texts(plant, "demo-ca") == authority
    for name, uid in pods.items():
        assert plant.world.kubernetes.there("Pod", name)["metadata"]["uid"] == uid


async def test_new_names_get_into_a_new_certificate() -> None:
    plant = await settled(OWN)
    plant.change("VPPCluster", "demo", {"spec": {"tls": {"names": ["readings.example.org", "192.0.2.7"]}}})
    await plant.settle(2)
    assert {"readings.example.org", "192.0.2.7"} <= set(facts(plant).names)


async def test_an_authority_that_people_put_in_signs_a_new_certificate() -> None:
    plant = await settled(OWN)
    theirs = X509Certificates().authority("theirs", now=plant.world.clock.now, days=100)
    data = encoded(tls_crt=theirs.certificate, tls_key=theirs.key)
    plant.change("Secret", "demo-ca", {"data": data})
    await plant.settle(3)
    assert texts(plant, "demo-ca")["tls.crt"] == theirs.certificate
    assert facts(plant).is_of_authority
    assert json.loads(texts(plant, "house-01-gateway")["gateway.json"])["authority"] == theirs.certificate


@pytest.mark.parametrize("name", ["demo-ca", "demo-broker-tls", "demo-broker-ca"])
async def test_a_deleted_secret_returns_as_it_was(name: str) -> None:
    plant = await settled(OWN)
    before = texts(plant, name)
    plant.world.kubernetes.remove("Secret", name)
    await plant.look()
    assert texts(plant, name) == before


async def test_an_authority_that_cannot_be_read_stops_the_look_and_is_told() -> None:
    plant = await settled(OWN)
    plant.change("Secret", "demo-ca", {"data": encoded(tls_crt="nonsense")})
    before = texts(plant, "house-01-gateway")
    await plant.settle(2)
    condition = plant.condition("VPPCluster", "demo")
    assert (condition["status"], condition["reason"]) == ("False", "CertificateUnusable")
    assert texts(plant, "house-01-gateway") == before


async def test_with_the_users_secret_nothing_is_made_but_the_authority_is_told() -> None:
    plant = Plant(houses=1, cluster=USERS)
    authority = pem()
    users_secret(plant, tls_crt="theirs", tls_key="theirs", ca_crt=authority)
    await plant.settle()
    secrets = plant.world.kubernetes.names("Secret")
    assert "demo-ca" not in secrets
    assert "demo-broker-tls" not in secrets
    assert texts(plant, "demo-broker-ca") == {"ca.crt": authority}
    volumes = plant.world.kubernetes.there("StatefulSet", "ingest")["spec"]["template"]["spec"]["volumes"]
    assert next(one for one in volumes if one["name"] == "tls")["secret"]["secretName"] == "brokers"


async def test_without_the_users_secret_nothing_is_made_until_it_is_there() -> None:
    plant = Plant(houses=1, cluster=USERS)
    await plant.settle(2)
    assert plant.condition("VPPCluster", "demo")["reason"] == "SecretMissing"
    assert plant.world.kubernetes.names("StatefulSet") == []
    users_secret(plant, tls_crt="theirs", tls_key="theirs", ca_crt=pem())
    await plant.settle()
    assert plant.condition("VPPCluster", "demo")["status"] == "True"


async def test_a_users_secret_that_goes_later_changes_nothing() -> None:
    plant = Plant(houses=1, cluster=USERS)
    users_secret(plant, tls_crt="theirs", tls_key="theirs", ca_crt=pem())
    await plant.settle()
    before = texts(plant, "house-01-gateway")
    plant.world.kubernetes.remove("Secret", "brokers")
    plant.restart_operator()
    await plant.settle(3)
    assert texts(plant, "house-01-gateway") == before
    assert plant.condition("VPPCluster", "demo")["status"] == "True"


async def test_tls_comes_to_a_running_plant_pod_by_pod() -> None:
    """While pods are renewed one by one, each is spoken to, and told to readers, as it speaks itself."""
    plant = Plant(houses=1, cluster=CLUSTER)
    plant.change("QueueChannel", "ingest", {"spec": {"min": 2}})
    await plant.settle()
    plant.change("VPPCluster", "demo", {"spec": {"tls": {}}})
    seen = set()
    for _ in range(8):
        await plant.look()
        plant.world.run_stateful_sets()
        topology = plant.world.broker("demo-control-0").topologies[-1]
        for channel in topology.channels:
            assert (channel.stream_port == 5551) is channel.tls
        seen.add(tuple(channel.tls for channel in topology.channels))
        plant.world.clock.now += 5
    assert (False, False) in seen
    assert [channel.tls for channel in topology.channels] == [True, True]
    assert plant.condition("VPPCluster", "demo")["status"] == "True"
