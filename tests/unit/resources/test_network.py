"""Network policies of a plant, as manifests; tests/e2e/test_network_policies.py knocks at the doors they shut."""

from __future__ import annotations

from typing import Any

import pytest

from vpp_operator.api.queuechannel import parse_queuechannel_spec
from vpp_operator.api.vppcluster import parse_vppcluster_spec
from vpp_operator.resources.metadata import Owner
from vpp_operator.resources.network import network_policies
from vpp_operator.resources.tls import BrokerTls

OWNER = Owner(api_version="v1", kind="VPPCluster", name="demo", namespace="plants", uid="u", vpp="demo")
POOLS = [{"name": "small"}]
EXTERNAL = {"host": "rabbit", "managementUrl": "http://rabbit:15672", "secretRef": {"name": "rabbit"}}


def policies(
    *, channels: list[dict[str, Any]] | None = None, broker: dict[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    spec = parse_vppcluster_spec({"workerPools": POOLS, "broker": broker or {}})
    services = [{"vppRef": {"name": "demo"}, **one} for one in ([{}] if channels is None else channels)]
    made = network_policies(OWNER, spec, [parse_queuechannel_spec(one) for one in services], "vpp-system")
    return {policy["metadata"]["name"]: policy["spec"] for policy in made}


def test_other_namespaces_reach_metrics_ports_and_nothing_else() -> None:
    own, metrics = policies()["demo"]["ingress"]
    assert own["from"] == [
        {"podSelector": {"matchLabels": {"vpp.energy/vpp": "demo"}}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "vpp-system"}}},
    ]
    assert "ports" not in own
    assert "from" not in metrics
    assert {port["port"] for port in metrics["ports"]} == {8086, 8090, 8091, 15692}


@pytest.mark.parametrize("component", ["channel", "control"])
def test_client_ports_are_open_to_the_plants_namespace_only(component: str) -> None:
    (rule,) = policies()[f"demo-{component}-clients"]["ingress"]
    assert rule["from"] == [{"podSelector": {}}]
    assert {port["port"] for port in rule["ports"]} == {5672, 1883}


@pytest.mark.parametrize("component", ["channel", "control"])
def test_a_service_outside_the_cluster_opens_client_ports_to_everyone(component: str) -> None:
    service = {"service": {"type": "LoadBalancer"}}
    made = policies(channels=[service]) if component == "channel" else policies(broker=service)
    (rule,) = made[f"demo-{component}-clients"]["ingress"]
    assert "from" not in rule


@pytest.mark.parametrize(
    ("tls", "ports"),
    [
        (BrokerTls(secret="s", authority="a"), {5671, 8883}),
        (BrokerTls(secret="s", authority="a", plain_ports=("Mqtt", "Stream", "Management")), {5671, 8883, 1883}),
    ],
)
def test_with_tls_its_ports_take_the_place_of_the_plain_ones(tls: BrokerTls, ports: set[int]) -> None:
    spec = parse_vppcluster_spec({"workerPools": POOLS})
    made = network_policies(OWNER, spec, [parse_queuechannel_spec({"vppRef": {"name": "demo"}})], "vpp-system", tls)
    for policy in made[1:]:
        (rule,) = policy["spec"]["ingress"]
        assert {port["port"] for port in rule["ports"]} == ports, "streams and management are for the plant alone"
        assert rule["from"] == [{"podSelector": {}}]


def test_there_is_no_policy_for_brokers_that_the_plant_does_not_run() -> None:
    assert set(policies(channels=[], broker={"external": EXTERNAL})) == {"demo"}
