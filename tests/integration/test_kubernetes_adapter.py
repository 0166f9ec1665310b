"""The operator's way to Kubernetes against the cluster's real API server."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiClient
from kubernetes.config import kube_config

from vpp_operator.adapters.kubernetes import KubernetesApi, find_cluster
from vpp_operator.errors import Unavailable
from vpp_operator.ports import CONFIG_MAP, EVENT, POD, SERVICE, Conflict, Kind, Manifest, Refused
from vppdemo.kube import Kube

pytestmark = pytest.mark.integration
SOMEBODY_ELSE = "somebody-else"


@pytest.fixture(scope="module")
def namespace(cluster: Kube) -> Iterator[str]:
    """A namespace for these tests alone, where pods may be made."""
    name = f"vpp-test-kubernetes-{os.getpid()}"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    cluster.run("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    yield name
    cluster.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def client(cluster: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    """The operator's own client, as it finds the cluster from outside of one."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(cluster.run("config", "view", "--raw", "--minify", "--flatten"))
    # The official client reads KUBECONFIG once, when it is imported.
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    return find_cluster()


@pytest.fixture
async def api(client: ApiClient) -> AsyncIterator[KubernetesApi]:
    made = KubernetesApi(client)
    yield made
    made.close()


def config_map(namespace: str, name: str, data: dict[str, str], **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def there(api: KubernetesApi, kind: Kind, namespace: str, name: str) -> Manifest:
    found = await api.get(kind, namespace, name)
    assert found is not None
    return found


async def test_a_list_longer_than_a_page_comes_whole_and_every_object_knows_its_kind(
    client: ApiClient, namespace: str
) -> None:
    api = KubernetesApi(client, page_items=2)
    wanted = {f"listed-{number}" for number in range(5)}
    for name in wanted:
        await api.apply(config_map(namespace, name, {}, listed="yes"))
    await api.apply(config_map(namespace, "listed-not", {}, listed="no"))
    for where in (namespace, None):
        found = await api.list(CONFIG_MAP, where, "listed=yes")
        assert {item["metadata"]["name"] for item in found} == wanted
        assert len(found) == len(wanted)
        assert {(item["apiVersion"], item["kind"]) for item in found} == {("v1", "ConfigMap")}
    api.close()


async def test_apply_leaves_what_others_own_and_takes_back_what_it_no_longer_names(
    api: KubernetesApi, cluster: Kube, namespace: str
) -> None:
    theirs = json.dumps(config_map(namespace, "shared", {"theirs": "1", "wanted-by-both": "theirs"}))
    cluster.run("apply", "--server-side", f"--field-manager={SOMEBODY_ELSE}", "-f", "-", stdin=theirs)
    applied = await api.apply(config_map(namespace, "shared", {"ours": "2", "wanted-by-both": "ours"}))
    assert applied["data"] == {"theirs": "1", "ours": "2", "wanted-by-both": "ours"}
    managers = {item["manager"] for item in applied["metadata"]["managedFields"]}
    assert {"vpp-operator", SOMEBODY_ELSE} <= managers
    await api.apply(config_map(namespace, "shared", {"wanted-by-both": "ours"}))
    assert (await there(api, CONFIG_MAP, namespace, "shared"))["data"] == {"theirs": "1", "wanted-by-both": "ours"}


async def test_what_is_applied_again_unchanged_is_not_written(api: KubernetesApi, namespace: str) -> None:
    first = await api.apply(config_map(namespace, "same", {"a": "1"}))
    again = await api.apply(config_map(namespace, "same", {"a": "1"}))
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_patch_of_status_changes_status_alone(api: KubernetesApi, namespace: str) -> None:
    containers = [{"name": "none", "image": "none"}]
    pod = {  # no scheduler takes it, so nobody else writes its status
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "unscheduled", "namespace": namespace},
        "spec": {"schedulerName": "nobody", "containers": containers},
    }
    await api.create(pod)
    patch = {"spec": {"activeDeadlineSeconds": 5}, "status": {"message": "told"}}
    patched = await api.patch(POD, namespace, "unscheduled", patch, subresource="status")
    assert patched is not None
    assert patched["status"]["message"] == "told"
    assert "activeDeadlineSeconds" not in patched["spec"]
    await api.patch(POD, namespace, "unscheduled", {"status": {"message": None}}, subresource="status")
    assert "message" not in (await there(api, POD, namespace, "unscheduled"))["status"]
    await api.patch(POD, namespace, "unscheduled", {"status": {"message": "lost"}})
    assert "message" not in (await there(api, POD, namespace, "unscheduled"))["status"]


async def test_a_patch_of_what_has_changed_meanwhile_is_a_conflict(api: KubernetesApi, namespace: str) -> None:
    stale = await api.apply(config_map(namespace, "raced", {"a": "1"}))
    await api.apply(config_map(namespace, "raced", {"a": "2"}))
    version = {"resourceVersion": stale["metadata"]["resourceVersion"]}
    with pytest.raises(Conflict, match=r"cannot patch ConfigMap .*/raced: .*modified"):
        await api.patch(CONFIG_MAP, namespace, "raced", {"metadata": version, "data": {"a": "3"}})
    assert (await there(api, CONFIG_MAP, namespace, "raced"))["data"] == {"a": "2"}


async def test_what_exists_cannot_be_created_and_a_generated_name_is_told(api: KubernetesApi, namespace: str) -> None:
    await api.create(config_map(namespace, "made", {}))
    with pytest.raises(Conflict, match=r'cannot create ConfigMap in .*"made" already exists'):
        await api.create(config_map(namespace, "made", {"a": "1"}))
    event = {  # an Event's name may be anything that fits a path, other kinds' must be a name all along
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "made.", "namespace": namespace},
        "involvedObject": {"kind": "ConfigMap", "name": "made", "namespace": namespace},
    }
    created = await api.create(event)
    assert await api.get(EVENT, namespace, created["metadata"]["name"]) is not None
    assert created["metadata"]["name"].startswith("made.")


async def test_what_is_not_there_is_none_and_deleting_it_is_no_error(api: KubernetesApi, namespace: str) -> None:
    assert await api.get(CONFIG_MAP, namespace, "absent") is None
    assert await api.patch(CONFIG_MAP, namespace, "absent", {"data": {}}) is None
    await api.delete(CONFIG_MAP, namespace, "absent")


async def test_only_the_very_object_that_was_meant_is_deleted(api: KubernetesApi, namespace: str) -> None:
    earlier = await api.apply(config_map(namespace, "reborn", {"a": "1"}))
    await api.delete(CONFIG_MAP, namespace, "reborn", uid=earlier["metadata"]["uid"])
    assert await api.get(CONFIG_MAP, namespace, "reborn") is None
    await api.apply(config_map(namespace, "reborn", {"a": "2"}))
    await api.delete(CONFIG_MAP, namespace, "reborn", uid=earlier["metadata"]["uid"])
    assert (await there(api, CONFIG_MAP, namespace, "reborn"))["data"] == {"a": "2"}
    await api.delete(CONFIG_MAP, namespace, "reborn")
    assert await api.get(CONFIG_MAP, namespace, "reborn") is None


async def test_why_a_pod_could_not_be_made_is_found_by_field(api: KubernetesApi, namespace: str) -> None:
    pod = {"serviceAccountName": "absent", "containers": [{"name": "none", "image": "none"}]}
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "podless", "namespace": namespace},
        "spec": {
            "serviceName": "podless",
            "selector": {"matchLabels": {"app": "podless"}},
            "template": {"metadata": {"labels": {"app": "podless"}}, "spec": pod},
        },
    }
    uid = (await api.apply(stateful_set))["metadata"]["uid"]
    wanted = "involvedObject.kind=StatefulSet,reason=FailedCreate"
    for _ in range(100):
        found = await api.list(EVENT, namespace, fields=wanted)
        if found:
            break
        await asyncio.sleep(0.1)
    assert {event["involvedObject"]["uid"] for event in found} == {uid}
    assert 'serviceaccount "absent" not found' in found[0]["message"]
    assert await api.list(EVENT, namespace, fields="involvedObject.kind=StatefulSet,reason=Other") == []


async def test_a_refusal_comes_in_the_servers_own_words(api: KubernetesApi, client: ApiClient, namespace: str) -> None:
    metadata = {"name": "bad", "namespace": namespace}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 70000}]}}
    with pytest.raises(Refused, match=r"cannot apply Service .*/bad: .*70000: must be between 1 and 65535"):
        await api.apply(service)
    assert await api.get(SERVICE, namespace, "bad") is None
    with pytest.raises(Refused, match='namespaces "vpp-test-absent" not found'):
        await api.apply(config_map("vpp-test-absent", "homeless", {}))
    client.set_default_header("Impersonate-User", SOMEBODY_ELSE)
    with pytest.raises(Refused, match=f'cannot list configmaps: configmaps is forbidden: User "{SOMEBODY_ELSE}"'):
        await api.list(CONFIG_MAP, namespace)


async def test_a_server_that_is_not_there_or_says_nothing_is_unavailable_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        for port in (9, silent.getsockname()[1]):
            kubeconfig = tmp_path / f"kubeconfig-{port}"
            kubeconfig.write_text(json.dumps(kubeconfig_of(f"https://127.0.0.1:{port}")))
            monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
            api = KubernetesApi(find_cluster(), timeout_seconds=0.5)
            started = time.monotonic()
            with pytest.raises(Unavailable, match="cannot get ConfigMap default/any: ") as caught:
                await api.get(CONFIG_MAP, "default", "any")
            assert caught.value.reason == "KubernetesUnavailable"
            assert time.monotonic() - started < 5
            api.close()


def kubeconfig_of(server: str) -> dict[str, Any]:
    """A kubeconfig of nobody's for a server."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "nobody"}}],
        "current-context": "it",
    }


def test_without_a_cluster_a_sentence_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "absent"))
    with pytest.raises(Unavailable, match="no kubeconfig that can be used; set KUBECONFIG to one"):
        find_cluster()
