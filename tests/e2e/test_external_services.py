"""A plant on servers that others run: wrong credentials are told and heal by themselves, and leaving cleans up."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pika
import pytest
import yaml

from tests.e2e import outside
from vpp_contract.names import DRIVER_PORT, INGRESS_EXCHANGE, readings_key, site_username
from vppdemo import install, live
from vppdemo.kube import Kube, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]  # nine pods start, and each fault is waited for twice
NAMESPACE = "vpp-e2e-outside"
VPP, CHANNELS, SITE = "region", "region-ingest", "house-01"
KINDS = "all,secrets,configmaps,persistentvolumeclaims,networkpolicies,poddisruptionbudgets,serviceaccounts,vpp"
# As docs/installation.md says for external services: without it the chart's policy keeps the operator away from them.
EGRESS: Sequence[Mapping[str, Any]] = (
    {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}}],
        "ports": [{"port": port, "protocol": "TCP"} for port in (5672, 15672, 8086)],
    },
)
SITE_DOCUMENT: Mapping[str, Any] = {
    "apiVersion": "vpp.energy/v1alpha1",
    "kind": "NanoGrid",
    "metadata": {"name": SITE},
    "spec": {
        "vppRef": {"name": VPP},
        "source": {"type": "Simulated"},
        "location": {"latitude": 54.8, "longitude": -1.6},
        "pv": {"nominalKw": 4},
    },
}


def objects(kube: Kube) -> set[str]:
    return set(kube.run("get", KINDS, "-n", NAMESPACE, "-o", "name").split())


@dataclass(frozen=True)
class Region:
    """The plant of examples/external-services, and what was in its namespace before it."""

    kube: Kube
    before: set[str]

    def set_secret(self, name: str, **texts: str) -> None:
        metadata = {"name": name, "namespace": NAMESPACE}
        self.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts})

    def condition(self, kind: str) -> Mapping[str, str]:
        status = self.kube.get("vppcluster", VPP, "-n", NAMESPACE).get("status", {})
        found: list[Mapping[str, str]] = [one for one in status.get("conditions", []) if one["type"] == kind]
        return found[0] if found else {}

    def wait_for(self, kind: str, status: str, reason: str, seconds: float = 90) -> str:
        """Wait until a condition says so and return its message."""

        def is_so() -> bool:
            found = self.condition(kind)
            return (found.get("status"), found.get("reason")) == (status, reason)

        wait_until(
            f"{kind} {status} with the reason {reason}",
            is_so,
            timeout_seconds=seconds,
            explain=lambda: f"it is {dict(self.condition(kind))}",
        )
        return self.condition(kind)["message"]


def documents(broker_host: str, influx_url: str) -> list[Mapping[str, Any]]:
    """Return the example's resources with the servers of this test."""
    text = (install.ROOT / "examples" / "external-services" / "plant.yaml").read_text()
    plant, channels = yaml.safe_load_all(text)
    external = plant["spec"]["broker"]["external"]
    external |= {"host": broker_host, "managementUrl": f"http://{broker_host}:15672"}
    plant["spec"]["monitoring"]["influxdb"]["url"] = influx_url
    plant["spec"]["storage"] |= {
        "url": outside.hdfs_url(NAMESPACE),
        "webhdfsUrl": outside.webhdfs_url(NAMESPACE),
    }
    plant["spec"]["workerPools"][0]["memory"] = "1Gi"
    plant["spec"]["simulator"] = {"acceleration": 720}
    channels["spec"]["channel"] = {"storage": "1Gi"}
    return [
        {**one, "metadata": {**one["metadata"], "namespace": NAMESPACE}} for one in (plant, channels, SITE_DOCUMENT)
    ]


@pytest.fixture(scope="module")
def region(operator: Kube, images: Mapping[str, str]) -> Iterator[Region]:
    kube = operator
    install.chart(kube, images, f"--set-json=networkPolicy.extraEgress={json.dumps(EGRESS)}")
    install.remove(kube, NAMESPACE)
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    host = outside.run_rabbitmq(kube, NAMESPACE, images["vpp-rabbitmq"])
    url = outside.run_influxdb(kube, NAMESPACE, images["vpp-influxdb"])
    region = Region(kube, set())
    region.set_secret("region-broker", username=outside.BROKER_USERNAME, password=outside.BROKER_PASSWORD)
    region.set_secret("region-influxdb", token="not-the-token")
    before = objects(kube)
    kube.apply(*documents(host, url))
    yield Region(kube, before)
    install.remove(kube, NAMESPACE)
    install.chart(kube, images)


def test_a_wrong_token_is_told_and_the_right_one_is_enough_to_heal(region: Region) -> None:
    message = region.wait_for("MetricsAvailable", "False", "InfluxUnauthorized")
    assert "token" in message
    region.set_secret("region-influxdb", token=outside.INFLUX_TOKEN)
    region.wait_for("MetricsAvailable", "True", "InfluxAnswers")


def test_a_name_node_that_does_not_answer_is_told_and_its_coming_is_enough_to_heal(
    region: Region, images: Mapping[str, str]
) -> None:
    wait_until(
        "a condition that names the name node",
        lambda: "waiting for HDFS: outside-hdfs" in region.condition("Ready")["message"],
        timeout_seconds=180,
        explain=lambda: f"it is {dict(region.condition('Ready'))}",
    )
    assert region.condition("Ready")["status"] == "False"
    outside.run_hdfs(region.kube, NAMESPACE, images["vpp-hdfs"])
    region.before.update(name for name in objects(region.kube) if "outside-hdfs" in name)
    region.wait_for("Ready", "True", "Running", seconds=240)


def test_readings_reach_the_twin_without_a_server_of_the_plants_own(region: Region) -> None:
    assert not {name for name in objects(region.kube) if f"{VPP}-control" in name or f"{VPP}-influxdb-0" in name}
    accepted: list[int] = [0]

    def some_are_in() -> bool:
        progress = live.progress(region.kube, NAMESPACE, f"{VPP}-driver-0", DRIVER_PORT)
        accepted[0] = progress["readings"]["accepted"]
        return accepted[0] > 100

    wait_until(
        "a hundred readings in the twin",
        some_are_in,
        timeout_seconds=120,
        explain=lambda: f"it has accepted {accepted[0]}",
    )
    assert f"site-{SITE}" in outside.broker_users(region.kube, NAMESPACE)
    assert [path for path in outside.hdfs_files(region.kube, NAMESPACE) if path.endswith(".parquet")]


def test_the_driver_keeps_nothing_and_goes_on_from_its_checkpoint_in_that_hdfs(region: Region) -> None:
    kube, pod = region.kube, f"{VPP}-driver-0"
    assert not [name for name in objects(kube) if name.startswith("persistentvolumeclaim/") and pod in name]
    before = live.progress(kube, NAMESPACE, pod, DRIVER_PORT)
    kube.run("delete", "pod", pod, "-n", NAMESPACE, "--wait=true")
    after: dict[str, Any] = {}

    def runs_again() -> bool:
        after.update(live.progress(kube, NAMESPACE, pod, DRIVER_PORT))
        return after.get("state") == "Running"

    wait_until("the driver's next run", runs_again, timeout_seconds=120, explain=lambda: f"it says {after}")
    assert (after["query_id"], after["run_id"] == before["run_id"]) == (before["query_id"], False)
    assert after["batch_id"] >= before["batch_id"]


def test_channels_are_exposed_as_their_spec_says(region: Region) -> None:
    service = region.kube.get("service", CHANNELS, "-n", NAMESPACE)
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["metadata"]["annotations"]["service.beta.kubernetes.io/aws-load-balancer-type"] == "nlb"
    assert {port["name"] for port in service["spec"]["ports"]} == {"amqp", "mqtt"}, "no management for the outside"


def test_a_device_outside_the_cluster_publishes_through_the_exposed_port(region: Region) -> None:
    kube = region.kube
    (port,) = [one for one in kube.get("service", CHANNELS, "-n", NAMESPACE)["spec"]["ports"] if one["name"] == "amqp"]
    addresses = kube.get("nodes")["items"][0]["status"]["addresses"]
    host = next(one["address"] for one in addresses if one["type"] == "InternalIP")
    password = base64.b64decode(kube.get("secret", f"{SITE}-gateway", "-n", NAMESPACE)["data"]["password"]).decode()
    reading = {
        "der": f"{SITE}/meter",
        "kind": "load",
        "event_time_us": 1_750_500_060_000_000,
        "interval_seconds": 60,
        "power_kw": 1.5,
        "energy_kwh": 0.025,
    }
    parameters = pika.ConnectionParameters(
        host,
        port["nodePort"],
        credentials=pika.PlainCredentials(site_username(SITE), password),
        socket_timeout=10,
        blocked_connection_timeout=10,
    )
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # a publish that is not confirmed raises
        properties = pika.BasicProperties(content_type="application/json", delivery_mode=2)
        channel.basic_publish(INGRESS_EXCHANGE, readings_key(SITE), json.dumps(reading).encode(), properties)


def test_a_wrong_password_of_the_control_broker_is_told_and_heals(region: Region) -> None:
    region.set_secret("region-broker", username=outside.BROKER_USERNAME, password="wrong")
    message = region.wait_for("Ready", "False", "ControlBrokerUnavailable")
    assert "region-broker" in message or "outside-rabbitmq" in message
    region.set_secret("region-broker", username=outside.BROKER_USERNAME, password=outside.BROKER_PASSWORD)
    region.wait_for("Ready", "True", "Running", seconds=120)


def test_deleted_the_plant_leaves_the_volumes_that_its_policies_keep_and_nothing_else(region: Region) -> None:
    kube = region.kube
    volumes = {name for name in objects(kube) if name.startswith("persistentvolumeclaim/")}
    kept = {name for name in volumes if f"-{CHANNELS}-" not in name}
    assert kept
    assert kept < volumes
    delete = json.dumps({"spec": {"deletionPolicy": "Delete"}})  # the VPPCluster's own volumes are retained
    kube.run("patch", "queuechannel", CHANNELS, "-n", NAMESPACE, "--type=merge", "-p", delete)
    kube.run("delete", "nanogrids,queuechannels,vppclusters", "--all", "-n", NAMESPACE, timeout_seconds=120)
    wait_until(
        "the removal of everything but the volumes to keep",
        lambda: objects(kube) == region.before | kept,
        timeout_seconds=120,
        explain=lambda: f"too many: {objects(kube) - region.before - kept}, gone: {region.before - objects(kube)}",
    )
    assert outside.broker_users(kube, NAMESPACE) == {outside.BROKER_USERNAME}
