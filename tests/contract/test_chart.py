"""What the chart renders: rights, names, security, and the sentences that bad values get. No cluster is needed."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from vpp_operator.api.group import GROUP
from vpp_operator.handlers import LEASES, OWNED_RESOURCES
from vpp_operator.ports import OWNED_KINDS, PLANT_KINDS
from vppimages import catalogue
from vppimages.build import Built
from vppimages.load import push
from vpplocal import toolchain_binary

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "vpp-operator"
NAMESPACE = "vpp-system"
ALL_OPTIONS = (
    "metrics.serviceMonitor.enabled=true",
    "metrics.podMonitor.enabled=true",
    "watch.namespaces={north,south}",
)
TABLE_OF_RIGHTS = {
    ("vpp.energy", "vppclusters"): "get list watch patch",
    ("vpp.energy", "queuechannels"): "get list watch patch",
    ("vpp.energy", "nanogrids"): "get list watch patch",
    ("vpp.energy", "vppclusters/status"): "patch",
    ("vpp.energy", "queuechannels/status"): "patch",
    ("vpp.energy", "nanogrids/status"): "patch",
    ("apps", "statefulsets"): "get list watch create patch delete",
    ("", "services"): "get list watch create patch delete",
    ("", "configmaps"): "get list watch create patch delete",
    ("", "secrets"): "get list watch create patch delete",
    ("policy", "poddisruptionbudgets"): "get list create patch delete",
    ("networking.k8s.io", "networkpolicies"): "get list create patch delete",
    ("batch", "cronjobs"): "get list create patch delete",
    ("", "pods"): "list watch patch delete",
    ("", "persistentvolumeclaims"): "list delete",
    ("", "events"): "create list",
    ("coordination.k8s.io", "leases"): "list watch",
}
RIGHTS_BESIDE_THE_WATCHED_NAMESPACES = {
    ("coordination.k8s.io", "leases"): "create get patch list watch",
    ("vpp.energy", "vppclusters"): "list watch",
    ("vpp.energy", "queuechannels"): "list watch",
    ("vpp.energy", "nanogrids"): "list watch",
    ("apps", "statefulsets"): "list watch",
    ("", "pods"): "list watch",
    ("", "services"): "list watch",
    ("", "secrets"): "list watch",
    ("", "configmaps"): "list watch",
}

Object = Mapping[str, Any]


def helm(*args: str) -> subprocess.CompletedProcess[str]:
    command = (str(toolchain_binary("helm")), *args)
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@functools.cache
def render(*settings: str, release: str = "vpp-operator") -> Sequence[Object]:
    options = [f"--set={setting}" for setting in settings]
    done = helm("template", release, str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.34.0", *options)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(kind: str, *settings: str) -> list[Object]:
    return [document for document in render(*settings) if document["kind"] == kind]


def only(kind: str, *settings: str) -> Object:
    found = of_kind(kind, *settings)
    assert len(found) == 1, f"{len(found)} objects of kind {kind}"
    return found[0]


def pod_specs(*settings: str) -> list[Object]:
    return [only("Deployment", *settings)["spec"]["template"]["spec"], only("Pod", *settings)["spec"]]


def environment(*settings: str) -> dict[str, Any]:
    container = only("Deployment", *settings)["spec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable.get("value") for variable in container["env"]}


def rights(role: Object) -> dict[tuple[str, str], set[str]]:
    table: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                table.setdefault((group, resource), set()).update(rule["verbs"])
    return table


def expected(table: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], set[str]]:
    return {resource: set(verbs.split()) for resource, verbs in table.items()}


def operator_cluster_role() -> Object:
    return next(role for role in of_kind("ClusterRole") if role["metadata"]["name"] == "vpp-operator")


def test_every_image_that_the_chart_takes_from_a_registry_is_pushed_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$*" >> {calls}\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    images = [Built(image=image, names=catalogue.names(image, {}), stored=None) for image in catalogue.IMAGES]
    told = push(images, "registry.example.org/vpp/")
    pushed = {line.removeprefix("push ") for line in calls.read_text().splitlines() if line.startswith("push ")}
    assert pushed == set(told)
    setting = "images.repository=registry.example.org/vpp"
    taken = {str(value) for name, value in environment(setting).items() if name.startswith("VPP_IMAGE_")}
    taken |= {container["image"] for spec in pod_specs(setting) for container in spec["containers"]}
    taken.discard("IfNotPresent")
    assert len(taken) == len(catalogue.IMAGES)
    assert taken <= pushed


@pytest.mark.parametrize("settings", [(), ALL_OPTIONS], ids=["defaults", "all options"])
def test_lint_finds_nothing(settings: tuple[str, ...]) -> None:
    done = helm("lint", "--strict", str(CHART), *(f"--set={setting}" for setting in settings))
    assert done.returncode == 0, done.stdout


def test_the_operator_has_exactly_the_rights_in_the_table_over_all_namespaces() -> None:
    assert rights(operator_cluster_role()) == expected(TABLE_OF_RIGHTS)


def test_with_a_list_of_namespaces_the_rights_are_the_same_in_each_and_nowhere_else() -> None:
    roles = {role["metadata"]["namespace"]: role for role in of_kind("Role", "watch.namespaces={north,south}")}
    assert set(roles) == {"north", "south", NAMESPACE}
    assert rights(roles["north"]) == rights(roles["south"]) == expected(TABLE_OF_RIGHTS)
    assert rights(roles[NAMESPACE]) == expected(RIGHTS_BESIDE_THE_WATCHED_NAMESPACES)


@pytest.mark.parametrize("kind", ["ClusterRole", "ClusterRoleBinding"])
def test_with_a_list_of_namespaces_there_is_no(kind: str) -> None:
    assert of_kind(kind, "watch.namespaces={north,south}") == []


def test_the_operators_own_namespace_may_be_a_watched_one() -> None:
    roles = [rights(role) for role in of_kind("Role", f"watch.namespaces={{{NAMESPACE}}}")]
    assert roles[0] == expected(TABLE_OF_RIGHTS)
    assert set(roles[1]) == {("coordination.k8s.io", "leases")}


def test_everything_the_operator_makes_may_be_made_changed_and_removed() -> None:
    given = rights(operator_cluster_role())
    for kind in OWNED_KINDS:
        group = kind.api_version.rpartition("/")[0]
        assert {"get", "list", "create", "patch", "delete"} <= given[group, kind.plural]


def test_everything_the_operator_watches_may_be_listed_and_watched() -> None:
    given = rights(operator_cluster_role())
    groups = [
        (group.rpartition("/")[0] if "/" in group else group.removeprefix("v1"), plural)
        for group, plural in OWNED_RESOURCES
    ]
    for resource in [*groups, LEASES, *((GROUP, kind.plural) for kind in PLANT_KINDS)]:
        assert {"list", "watch"} <= given[resource]


def test_no_right_is_a_wildcard_and_none_reaches_into_pods_nodes_or_roles() -> None:
    for role in [*of_kind("ClusterRole"), *of_kind("Role")]:
        for (group, resource), verbs in rights(role).items():
            assert "*" not in {group, resource, *verbs}
            assert resource not in {"pods/exec", "pods/attach", "nodes", "roles", "clusterroles", "namespaces"}
            assert not verbs & {"escalate", "bind", "impersonate"}


def test_in_its_own_namespace_the_operator_has_the_lease_and_nothing_else() -> None:
    assert set(rights(only("Role"))) == {("coordination.k8s.io", "leases")}


@pytest.mark.parametrize("settings", [(), ("watch.namespaces={north}",)], ids=["all namespaces", "one namespace"])
def test_leases_but_its_own_can_be_made_and_neither_read_nor_changed(settings: tuple[str, ...]) -> None:
    for role in [*of_kind("ClusterRole", *settings), *of_kind("Role", *settings)]:
        for rule in role["rules"]:
            if rule["resources"] == ["leases"] and rule["verbs"] != ["create"]:
                assert rule["resourceNames"] == [environment()["VPP_LEASE_NAME"]]


def test_every_binding_is_for_the_operators_own_account() -> None:
    account = only("ServiceAccount")["metadata"]
    assert account["name"] == only("Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    for binding in [*of_kind("ClusterRoleBinding"), *of_kind("RoleBinding")]:
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]


def test_users_who_may_edit_deployments_may_edit_plants_but_not_their_status() -> None:
    roles = {role["metadata"]["name"]: role for role in of_kind("ClusterRole")}
    edit, view = roles["vpp-operator-edit"], roles["vpp-operator-view"]
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert rights(view)["vpp.energy", "nanogrids"] == {"get", "list", "watch"}
    assert rights(edit)["vpp.energy", "nanogrids"] == {"create", "update", "patch", "delete", "deletecollection"}
    assert ("vpp.energy", "nanogrids/status") not in {*rights(edit), *rights(view)}


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        ((), "VPP_WATCH_NAMESPACES", ""),
        (("watch.namespaces={north,south}",), "VPP_WATCH_NAMESPACES", "north,south"),
        ((), "VPP_IMAGE_SPARK", "localhost/vpp-spark:0.1.0"),
        (("images.tag=1.2.3",), "VPP_IMAGE_SPARK", "localhost/vpp-spark:1.2.3"),
        (("images.repository=r.example.org:5000/vpp/",), "VPP_IMAGE_EDGE", "r.example.org:5000/vpp/vpp-edge:0.1.0"),
        (
            ("images.rabbitmq=docker.io/library/rabbitmq:4.0.5",),
            "VPP_IMAGE_RABBITMQ",
            "docker.io/library/rabbitmq:4.0.5",
        ),
        ((), "VPP_IMAGE_PULL_POLICY", "IfNotPresent"),
        (("images.pullPolicy=Never",), "VPP_IMAGE_PULL_POLICY", "Never"),
        (("logging.format=json",), "VPP_LOG_FORMAT", "json"),
        (("health.port=9080",), "VPP_HEALTH_PORT", "9080"),
        (("metrics.port=9090",), "VPP_METRICS_PORT", "9090"),
    ],
)
def test_the_operator_is_told(settings: tuple[str, ...], variable: str, value: str) -> None:
    assert environment(*settings)[variable] == value


def test_every_image_the_operator_may_start_is_named() -> None:
    names = {name.removeprefix("VPP_IMAGE_") for name in environment() if name.startswith("VPP_IMAGE_")}
    assert names == {"EDGE", "SPARK", "NANOGRID", "RABBITMQ", "HDFS", "INFLUXDB", "PULL_POLICY"}


def test_no_pod_runs_as_root_writes_to_its_image_or_keeps_a_capability() -> None:
    for spec in pod_specs():
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_only_the_operator_gets_a_token() -> None:
    operator, check = pod_specs()
    assert only("ServiceAccount")["automountServiceAccountToken"] is False
    assert operator["automountServiceAccountToken"] is True
    assert check["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
)
def test_probe(probe: str, path: str) -> None:
    container = only("Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container[probe]["httpGet"] == {"path": path, "port": "health"}
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {"health": 8080, "metrics": 8000}


def test_one_replica_can_be_evicted_so_that_a_node_can_be_drained() -> None:
    assert only("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_manifest_only_the_operators_own_connections_are_open() -> None:
    spec = only("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert {port["port"] for rule in spec["ingress"] for port in rule["ports"]} == {"health", "metrics"}
    dns, api_server, own = spec["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert {port["port"] for port in api_server["ports"]} == {443, 6443}
    assert own["to"][0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/managed-by": "vpp-operator"}
    assert own["to"][0]["namespaceSelector"] == {}


def test_manifest_with_a_list_of_namespaces_connections_stay_in_them() -> None:
    own = only("NetworkPolicy", "watch.namespaces={north,south}")["spec"]["egress"][2]
    selector = own["to"][0]["namespaceSelector"]["matchExpressions"]
    assert selector == [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["north", "south"]}]


@pytest.mark.parametrize(
    ("settings", "kind", "count"),
    [
        ((), "ServiceMonitor", 0),
        ((), "PodMonitor", 0),
        (("metrics.serviceMonitor.enabled=true",), "ServiceMonitor", 1),
        (("metrics.podMonitor.enabled=true",), "PodMonitor", 1),
        (("networkPolicy.enabled=false",), "NetworkPolicy", 0),
        (("podDisruptionBudget.enabled=false",), "PodDisruptionBudget", 0),
        (("tests.enabled=false",), "Pod", 0),
        (("rbac.create=false",), "ClusterRole", 0),
        (("rbac.aggregateToUserRoles=false",), "ClusterRole", 1),
        (("serviceAccount.create=false",), "ServiceAccount", 0),
    ],
)
def test_optional_objects(settings: tuple[str, ...], kind: str, count: int) -> None:
    assert len(of_kind(kind, *settings)) == count


def test_a_monitor_selects_the_service_or_pods_by_labels_they_carry() -> None:
    wanted = only("ServiceMonitor", *ALL_OPTIONS)["spec"]["selector"]["matchLabels"].items()
    assert wanted <= only("Service", *ALL_OPTIONS)["metadata"]["labels"].items()
    wanted = only("PodMonitor", *ALL_OPTIONS)["spec"]["selector"]["matchLabels"].items()
    assert wanted <= only("Deployment", *ALL_OPTIONS)["spec"]["template"]["metadata"]["labels"].items()


def test_prometheus_finds_the_operator_by_annotations_unless_told_not_to() -> None:
    annotations = only("Deployment", "metrics.port=9000")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == "9000"
    without = only("Deployment", "metrics.scrapeAnnotations=false")["spec"]["template"]["metadata"]["annotations"]
    assert not any(name.startswith("prometheus.io/") for name in without)


def test_the_test_pod_gets_no_traffic_of_the_service() -> None:
    selector = only("Service")["spec"]["selector"].items()
    assert not selector <= only("Pod")["metadata"]["labels"].items()


def test_every_object_carries_the_labels_helm_recommends() -> None:
    for document in render(*ALL_OPTIONS):
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/instance"] == "vpp-operator"
        assert labels["helm.sh/chart"] == "vpp-operator-0.1.0"


@pytest.mark.parametrize(
    ("release", "setting", "name"),
    [
        ("vpp-operator", "replicas=1", "vpp-operator"),
        ("energy", "replicas=1", "energy-vpp-operator"),
        ("energy", "nameOverride=plants", "energy-plants"),
        ("energy", "fullnameOverride=plants", "plants"),
        ("e" * 53, "replicas=1", "e" * 53 + "-vpp-opera"),
    ],
)
def test_names_follow_the_release(release: str, setting: str, name: str) -> None:
    deployments = [document for document in render(setting, release=release) if document["kind"] == "Deployment"]
    assert [deployment["metadata"]["name"] for deployment in deployments] == [name]


BAD_VALUES = {
    "a word for a number": ("replicas=two", "at '/replicas': got string, want integer"),
    "too many replicas": ("replicas=9", "at '/replicas': maximum: got 9, want 5"),
    "an unknown setting": ("replica=1", "additional properties 'replica' not allowed"),
    "an unknown image": ("images.oprator=x", "at '/images': additional properties 'oprator' not allowed"),
    "an unknown pull policy": (
        "images.pullPolicy=Sometimes",
        "at '/images/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
    ),
    "an image name with a space": ("images.edge=vpp edge", "at '/images/edge': 'vpp edge' does not match pattern"),
    "a namespace in capitals": ("watch.namespaces={North}", "at '/watch/namespaces/0': 'North' does not match pattern"),
    "a namespace twice": ("watch.namespaces={a,a}", "at '/watch/namespaces': items at 0 and 1 are equal"),
    "one namespace instead of a list": ("watch.namespaces=a", "at '/watch/namespaces': got string, want array"),
    "an unknown log level": ("logging.level=loud", "at '/logging/level': value must be one of 'debug', 'info'"),
    "a privileged port": ("metrics.port=80", "at '/metrics/port': minimum: got 80, want 1,024"),
    "an interval without unit": (
        "metrics.serviceMonitor.interval=30",
        "at '/metrics/serviceMonitor/interval': got number, want string",
    ),
    "an address that is no range": (
        "networkPolicy.apiServer.cidrs={10.0.0.1}",
        "at '/networkPolicy/apiServer/cidrs/0': '10.0.0.1' does not match pattern",
    ),
    "a negative disruption budget": (
        "podDisruptionBudget.maxUnavailable=-1",
        "at '/podDisruptionBudget/maxUnavailable'",
    ),
}


@pytest.mark.parametrize(("setting", "sentence"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values_are_refused_before_anything_is_installed(setting: str, sentence: str) -> None:
    done = helm("template", "x", str(CHART), "--kube-version", "1.34.0", f"--set={setting}")
    assert done.returncode != 0
    assert sentence in done.stderr


def test_every_value_is_described_and_every_default_is_valid() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert _undescribed(schema, values, "") == []


def _undescribed(schema: Object, values: Object, path: str) -> list[str]:
    found = []
    for name, value in values.items():
        field = schema["properties"].get(name)
        if field is None or not field.get("description"):
            found.append(f"{path}/{name}")
        elif isinstance(value, dict) and "properties" in field:
            found += _undescribed(field, value, f"{path}/{name}")
    return found


def test_the_chart_has_the_projects_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    line = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("version ="))
    assert chart["version"] == chart["appVersion"] == line.split('"')[1]
