"""What all manifests have in common, and the few things that differ and matter."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.plants import CLUSTER, Plant
from vpp_operator.resources.quantities import amount, canonical, mebibytes


async def manifests(cluster: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    plant = Plant(cluster=cluster or CLUSTER)
    await plant.settle()
    return list(plant.world.kubernetes.objects.values())


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [document for document in objects if document["kind"] == kind]


def of_name(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(document for document in of_kind(objects, kind) if document["metadata"]["name"] == name)


def names_of(objects: list[dict[str, Any]], component: str) -> set[tuple[str, str]]:
    """Kind and name of what was made for one component."""
    return {
        (document["kind"], document["metadata"]["name"])
        for document in objects
        if document["metadata"].get("labels", {}).get("app.kubernetes.io/component") == component
    }


def containers(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for document in of_kind(objects, "StatefulSet"):
        pod = document["spec"]["template"]["spec"]
        for container in [*pod["containers"], *pod.get("initContainers", ())]:
            yield document["metadata"]["name"], pod, container


def fold_pod(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (job,) = of_kind(objects, "CronJob")
    pod: dict[str, Any] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return pod


async def test_every_container_runs_without_rights() -> None:
    objects = await manifests()
    fold = fold_pod(objects)
    for name, pod, container in [*containers(objects), ("demo-history", fold, fold["containers"][0])]:
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == 10001, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True, name
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["capabilities"] == {"drop": ["ALL"]}, name


async def test_every_container_has_probes_requests_and_a_memory_limit() -> None:
    for name, _, container in containers(await manifests()):
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
        assert amount(container["resources"]["limits"]["memory"]) >= amount(
            container["resources"]["requests"]["memory"]
        ), name


async def test_what_a_program_says_before_it_fails_is_kept_with_its_pod() -> None:
    found = list(containers(await manifests()))
    assert found
    for name, _, container in found:
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError", name


async def test_the_sample_plant_asks_for_well_under_two_cores() -> None:
    requests = [amount(container["resources"]["requests"]["cpu"]) for _, _, container in containers(await manifests())]
    assert sum(requests) <= 0.6


async def test_every_stateful_set_is_parallel_on_delete_and_keeps_its_volumes() -> None:
    for document in of_kind(await manifests(), "StatefulSet"):
        spec = document["spec"]
        assert spec["podManagementPolicy"] == "Parallel"
        assert spec["updateStrategy"] == {"type": "OnDelete"}
        assert set(spec["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


async def test_every_object_belongs_to_somebody_and_carries_the_labels() -> None:
    for document in await manifests():
        if document["kind"] in ("VPPCluster", "QueueChannel", "NanoGrid", "Event", "Pod", "PersistentVolumeClaim"):
            continue
        metadata = document["metadata"]
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "vpp-operator"
        assert metadata["labels"]["vpp.energy/vpp"] == "demo"
        (owner,) = metadata["ownerReferences"]
        assert owner["controller"] is True


async def test_secrets_are_nowhere_but_in_secrets() -> None:
    objects = await manifests()
    passwords = {
        value
        for document in of_kind(objects, "Secret")
        for key, value in document["data"].items()
        if key in ("password", "token", "cookie")
    }
    plain = {base64.b64decode(value).decode() for value in passwords}
    assert len(plain) > 5
    for document in objects:
        if document["kind"] != "Secret":
            assert not [value for value in plain if value in repr(document)], document["metadata"]["name"]


async def test_the_channels_service_holds_active_channels_only() -> None:
    service = next(item for item in of_kind(await manifests(), "Service") if item["metadata"]["name"] == "ingest")
    assert service["spec"]["selector"] == {"vpp.energy/channels": "ingest", "vpp.energy/traffic": "active"}


@pytest.mark.parametrize("service_type", ["ClusterIP", "NodePort", "LoadBalancer"])
async def test_clients_reach_amqp_and_mqtt_and_neither_management_nor_metrics(service_type: str) -> None:
    plant = Plant(cluster={**CLUSTER, "broker": {"service": {"type": service_type}}})
    plant.change("QueueChannel", "ingest", {"spec": {"service": {"type": service_type}}})
    await plant.settle()
    for name in ("ingest", "demo-control"):
        service = plant.world.kubernetes.there("Service", name)["spec"]
        assert (service["type"], {port["port"] for port in service["ports"]}) == (service_type, {5672, 1883})


async def test_streams_are_read_from_the_channels_pods_and_not_through_the_clients_service() -> None:
    objects = await manifests()
    ports = {
        item["metadata"]["name"]: {one["port"] for one in item["spec"]["ports"]} for item in of_kind(objects, "Service")
    }
    assert 5552 in ports["ingest-nodes"]
    assert 5552 not in ports["ingest"]
    (channel,) = [container for name, _, container in containers(objects) if name == "ingest"]
    assert 5552 in {one["containerPort"] for one in channel["ports"]}
    (settings,) = [item["data"] for item in of_kind(objects, "ConfigMap") if item["metadata"]["name"] == "ingest"]
    assert "stream.listeners.tcp.default = 5552" in settings["rabbitmq.conf"]


async def test_the_control_broker_is_one_node_while_three_are_not_made() -> None:
    objects = await manifests({**CLUSTER, "broker": {"replicas": 3}})
    assert of_name(objects, "StatefulSet", "demo-control")["spec"]["replicas"] == 1
    assert names_of(objects, "control") == names_of(await manifests(), "control") != set()


async def test_several_data_nodes_get_a_disruption_budget() -> None:
    storage = {"type": "HDFS", "dataNodes": 2, "replication": 2}
    budgets = of_kind(await manifests({**CLUSTER, "storage": storage}), "PodDisruptionBudget")
    assert "demo-hdfs-datanode" in {item["metadata"]["name"] for item in budgets}


@pytest.mark.parametrize(
    ("storage", "copies"),
    [
        ({"type": "HDFS", "dataNodes": 3, "replication": 2}, "2"),
        ({"type": "HDFS"}, "1"),
        ({"type": "Volume"}, "0"),
        ({"type": "External", "url": "hdfs://elsewhere/vpp"}, "0"),
    ],
)
async def test_the_driver_is_told_how_many_copies_of_a_block_to_write(storage: dict[str, Any], copies: str) -> None:
    objects = await manifests({**CLUSTER, "storage": storage})
    (driver,) = [container for name, _, container in containers(objects) if name == "demo-driver"]
    assert {"name": "VPP_STORAGE_REPLICATION", "value": copies} in driver["env"]


async def test_volume_storage_is_shared_by_driver_and_workers_on_one_node() -> None:
    objects = await manifests({**CLUSTER, "storage": {"type": "Volume", "size": "2Gi"}})
    pods = {item["metadata"]["name"]: item["spec"]["template"]["spec"] for item in of_kind(objects, "StatefulSet")}
    assert "demo-hdfs-namenode" not in pods
    worker = pods["demo-workers-small"]
    claims = [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in worker["volumes"]]
    assert "data-demo-driver-0" in claims
    assert "podAffinity" in worker["affinity"]


async def test_the_history_is_folded_by_the_clock_and_never_twice_at_once() -> None:
    compaction = {"schedule": "5 * * * *", "suspend": True, "fileSize": "1Gi", "graceSeconds": 60}
    objects = await manifests({**CLUSTER, "storage": {"compaction": compaction}})
    (job,) = of_kind(objects, "CronJob")
    assert (job["metadata"]["name"], job["spec"]["concurrencyPolicy"]) == ("demo-history", "Forbid")
    assert (job["spec"]["schedule"], job["spec"]["suspend"]) == ("5 * * * *", True)
    pod = fold_pod(objects)
    assert pod["restartPolicy"] == "Never"
    variables = {item["name"]: item["value"] for item in pod["containers"][0]["env"]}
    assert variables["VPP_HISTORY_FILE_BYTES"] == str(2**30)
    assert variables["VPP_HISTORY_GRACE_SECONDS"] == "60"
    driver = next(container for name, _, container in containers(objects) if name == "demo-driver")
    for name in ("VPP_STORAGE_URL", "VPP_WEBHDFS_URL"):
        assert variables[name] == next(item["value"] for item in driver["env"] if item["name"] == name)


async def test_the_fold_of_a_volume_runs_beside_the_driver_and_mounts_its_volume() -> None:
    pod = fold_pod(await manifests({**CLUSTER, "storage": {"type": "Volume", "size": "2Gi"}}))
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data-demo-driver-0"}} in pod["volumes"]
    assert {"name": "data", "mountPath": "/data"} in pod["containers"][0]["volumeMounts"]
    assert "podAffinity" in pod["affinity"]


@pytest.mark.parametrize(
    ("url", "webhdfs", "found"),
    [
        ("hdfs://plants/vpp", "https://name-node:9871", "https://name-node:9871"),
        ("hdfs://plants/vpp", "", None),
        ("s3a://bucket/vpp", "", None),
    ],
    ids=["HDFS with its HTTP address", "HDFS without", "an object store"],
)
async def test_external_storage_is_folded_where_it_can_be_reached(url: str, webhdfs: str, found: str | None) -> None:
    storage = {"type": "External", "url": url} | ({"webhdfsUrl": webhdfs} if webhdfs else {})
    objects = await manifests({**CLUSTER, "storage": storage})
    jobs = of_kind(objects, "CronJob")
    variables = [item for job in jobs for item in fold_pod([job])["containers"][0]["env"]]
    assert [item["value"] for item in variables if item["name"] == "VPP_WEBHDFS_URL"] == ([found] if found else [])


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("0.5", "500m"),
        ("500m", "500m"),
        ("1000m", "1"),
        ("1", "1"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1536Mi", "1536Mi"),
        ("3G", "3G"),
        ("1000M", "1G"),
        ("0", "0"),
        ("100", "100"),
        ("2000", "2k"),
        ("0.5Ki", "512"),
    ],
)
def test_quantities_are_written_as_the_api_server_stores_them(written: str, stored: str) -> None:
    assert canonical(written) == stored
    assert amount(canonical(written)) == amount(written)


@pytest.mark.parametrize("text", ["", "Mi", "1.5.2", "1gi", "-", "one"])
def test_what_is_no_quantity_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 512Mi"):
        amount(text)


def test_mebibytes_round_down() -> None:
    assert mebibytes("1.5Gi") == 1536
    assert mebibytes("1M") == 0
