"""The chart on the real cluster: install, test, upgrade, upgrade of the resource definitions, uninstall.

A release of its own, which watches one namespace of its own. The cluster-wide operator that other tests share is asleep
meanwhile, because two operators must not look after the same resources.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from vppdemo import install
from vppdemo.kube import DemoError, Kube, wait_until

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
RELEASE = "lifecycle"
FULLNAME = "lifecycle-vpp-operator"
NAMESPACE = "vpp-e2e-chart"
WATCHED = "vpp-e2e-chart-plants"
SITE = "lonely-house"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{FULLNAME}"
CRDS = ("vppclusters.vpp.energy", "queuechannels.vpp.energy", "nanogrids.vpp.energy")
RIGHTS = {
    "patch a NanoGrid's finalizers in its namespace": ("patch", "nanogrids.vpp.energy", WATCHED, True),
    "write a VPPCluster's status": ("patch", "vppclusters.vpp.energy/status", WATCHED, True),
    "make a StatefulSet": ("create", "statefulsets.apps", WATCHED, True),
    "read a Secret that a resource names": ("get", "secrets", WATCHED, True),
    "remove a volume": ("delete", "persistentvolumeclaims", WATCHED, True),
    "make a StatefulSet elsewhere": ("create", "statefulsets.apps", "default", False),
    "read Secrets elsewhere": ("list", "secrets", "default", False),
    "list plants of all namespaces": ("list", "vppclusters.vpp.energy", "", False),
    "exec into a pod": ("create", "pods/exec", WATCHED, False),
    "change a role": ("patch", "roles.rbac.authorization.k8s.io", WATCHED, False),
    "change a resource definition": ("patch", "customresourcedefinitions.apiextensions.k8s.io", "", False),
    "make a Lease in its own namespace": ("create", "leases.coordination.k8s.io", NAMESPACE, True),
    "change a Lease of others": ("patch", "leases.coordination.k8s.io/other", "kube-system", False),
}


def release_values(images: Mapping[str, str], *settings: str) -> list[str]:
    named = [f"images.{name.removeprefix('vpp-')}={reference}" for name, reference in images.items()]
    return [f"--set={setting}" for setting in (*named, f"watch.namespaces={{{WATCHED}}}", *settings)]


def helm_upgrade(kube: Kube, images: Mapping[str, str], *settings: str) -> None:
    options = ("--install", "--namespace", NAMESPACE, "--wait", "--timeout", "120s")
    kube.run_helm("upgrade", RELEASE, str(install.CHART), *options, *release_values(images, *settings))


@pytest.fixture(scope="module")
def quiet_cluster(operator: Kube) -> Iterator[Kube]:
    """The cluster, with the shared operator asleep and two namespaces of this test's own."""
    shared = ("-n", install.OPERATOR_NAMESPACE, f"deployment/{install.RELEASE}")
    operator.run("scale", "--replicas=0", *shared)
    operator.apply(
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in (NAMESPACE, WATCHED))
    )
    yield operator
    operator.run("scale", "--replicas=1", *shared)
    operator.run("rollout", "status", "--timeout=120s", *shared, timeout_seconds=150)
    # The shared operator frees what this test left, as it would after a move from one release to another.
    operator.run("delete", "nanogrids", "--all", "-n", WATCHED, "--timeout=60s", timeout_seconds=90)
    operator.run("delete", "namespace", NAMESPACE, WATCHED, "--timeout=120s", timeout_seconds=150)


@pytest.fixture(scope="module")
def release(quiet_cluster: Kube, images: Mapping[str, str]) -> Iterator[Kube]:
    """The cluster with the release installed."""
    helm_upgrade(quiet_cluster, images)
    yield quiet_cluster
    quiet_cluster.run_helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")


def pods(kube: Kube) -> list[Mapping[str, Any]]:
    selector = "app.kubernetes.io/instance=lifecycle,app.kubernetes.io/component=operator"
    return [
        pod
        for pod in kube.get("pods", "-n", NAMESPACE, "-l", selector)["items"]
        if "deletionTimestamp" not in pod["metadata"]
    ]


def pod_names(kube: Kube) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods(kube)}


def leftovers(kube: Kube, kinds: str, *where: str) -> list[str]:
    return kube.run("get", kinds, *where, "-l", f"app.kubernetes.io/instance={RELEASE}", "-o", "name").split()


def holder(kube: Kube) -> str:
    return str(kube.get("lease", FULLNAME, "-n", NAMESPACE)["spec"].get("holderIdentity", ""))


def site_condition(kube: Kube) -> Mapping[str, Any]:
    site = kube.get("nanogrid", SITE, "-n", WATCHED)
    conditions = {item["type"]: item for item in site.get("status", {}).get("conditions", ())}
    ready: Mapping[str, Any] = conditions.get("Ready", {})
    return ready


def test_installed_one_operator_is_ready_and_holds_the_lease(release: Kube) -> None:
    (pod,) = pods(release)
    wait_until(
        "the lease to have its holder",
        lambda: holder(release) == pod["metadata"]["name"],
        timeout_seconds=30,
        explain=lambda: f"it names {holder(release)!r}",
    )
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


def test_helm_test_passes(release: Kube) -> None:
    assert "Phase:          Succeeded" in release.run_helm("test", RELEASE, "--namespace", NAMESPACE)


@pytest.mark.parametrize(("verb", "resource", "namespace", "allowed"), RIGHTS.values(), ids=RIGHTS)
def test_the_operator_may_or_may_not(release: Kube, verb: str, resource: str, namespace: str, allowed: bool) -> None:
    where = ("-n", namespace) if namespace else ("--all-namespaces",)
    try:
        answer = release.run("auth", "can-i", verb, resource, f"--as={ACCOUNT}", *where)
    except DemoError as error:
        answer = str(error)
    assert answer.strip().endswith("yes") is allowed, answer


def test_a_resource_in_the_watched_namespace_gets_its_status(release: Kube) -> None:
    site = {"vppRef": {"name": "nowhere"}, "pv": {"nominalKw": 4}, "source": {"type": "Gateway"}}
    release.apply(
        {
            "apiVersion": "vpp.energy/v1alpha1",
            "kind": "NanoGrid",
            "metadata": {"name": SITE, "namespace": WATCHED},
            "spec": site,
        }
    )
    wait_until(
        "the site's condition",
        lambda: bool(site_condition(release)),
        timeout_seconds=30,
        explain=lambda: release.run("logs", "-n", NAMESPACE, f"deployment/{FULLNAME}", "--tail=5"),
    )
    assert site_condition(release)["reason"] == "VPPNotFound"


def test_upgraded_to_two_replicas_one_leads_and_both_are_ready(release: Kube, images: Mapping[str, str]) -> None:
    helm_upgrade(release, images, "replicas=2", "logging.format=json")
    wait_until(
        "two pods, and one of them to lead",
        lambda: len(pod_names(release)) == 2 and holder(release) in pod_names(release),
        timeout_seconds=60,
        explain=lambda: f"the lease names {holder(release)!r}, the pods are {sorted(pod_names(release))}",
    )


def test_when_the_leader_dies_the_other_takes_over(release: Kube) -> None:
    first = holder(release)
    release.run("delete", "pod", first, "-n", NAMESPACE, "--grace-period=0", "--force")
    wait_until(
        "another pod to lead",
        lambda: holder(release) not in ("", first),
        timeout_seconds=40,
        explain=lambda: f"the lease still names {holder(release)}",
    )


def test_the_operator_met_no_refusal_with_its_rights(release: Kube) -> None:
    log = release.run("logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/instance=lifecycle", "--tail=-1", "--prefix")
    assert [line for line in log.splitlines() if "forbidden" in line.lower()] == []


def test_the_documented_command_upgrades_definitions_that_helm_installed(release: Kube) -> None:
    path = "/spec/versions/0/schema/openAPIV3Schema/description"
    old = json.dumps([{"op": "replace", "path": path, "value": "An earlier release."}])
    release.run("patch", "crd", CRDS[2], "--type=json", "--field-manager=helm", "-p", old)
    release.run("apply", "--server-side", "--force-conflicts", "-f", str(install.CHART / "crds"))
    schema = release.get("crd", CRDS[2])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema["description"] != "An earlier release."


def test_uninstalled_nothing_of_the_release_is_left_but_definitions_and_users_resources(release: Kube) -> None:
    release.run_helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
    wait_until(
        "the operator's pods to end",
        lambda: leftovers(release, "pods", "-n", NAMESPACE) == [],
        timeout_seconds=60,
        explain=lambda: str(leftovers(release, "pods", "-n", NAMESPACE)),
    )
    kinds = "deployments,services,serviceaccounts,networkpolicies,poddisruptionbudgets,roles,rolebindings"
    assert leftovers(release, kinds, "-n", NAMESPACE) == leftovers(release, kinds, "-n", WATCHED) == []
    assert leftovers(release, "clusterroles,clusterrolebindings") == []
    assert len(release.run("get", "crd", *CRDS, "-o", "name").split()) == len(CRDS)
    assert release.get("nanogrid", SITE, "-n", WATCHED)["metadata"]["name"] == SITE
