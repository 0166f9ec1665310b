"""What the network policies forbid is shut and what they allow is open, between real pods on a network that enforces.

A cluster that does not enforce policies (CONTEXT= may name one) is known by a policy that shuts nothing, and the tests
are skipped with that reason. The local node enforces; there the same finding is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.e2e.policed import Door, Knocker, declared_doors, own_door, start_knockers
from vpp_contract.names import VPP_LABEL
from vppdemo import install
from vppdemo.kube import DemoError, Kube, wait_until
from vpplocal.cluster import selected

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
NAMESPACE, FOREIGN = "vpp-e2e-policed", "vpp-e2e-foreign"
VPP, CHANNELS = "policed", "policed-ingest"
PLANT_LABEL = {VPP_LABEL: VPP}
UNNAMED = 9999
API = "vpp.energy/v1alpha1"
RESOURCES: tuple[Mapping[str, Any], ...] = (
    {
        "apiVersion": API,
        "kind": "VPPCluster",
        "metadata": {"name": VPP, "namespace": NAMESPACE},
        "spec": {
            "workerPools": [{"name": "small", "min": 1, "max": 1, "memory": "1Gi"}],
            "simulator": {"acceleration": 720},
        },
    },
    {
        "apiVersion": API,
        "kind": "QueueChannel",
        "metadata": {"name": CHANNELS, "namespace": NAMESPACE},
        "spec": {"vppRef": {"name": VPP}, "min": 1, "max": 1, "channel": {"storage": "1Gi"}},
    },
    {
        "apiVersion": API,
        "kind": "NanoGrid",
        "metadata": {"name": "house-01", "namespace": NAMESPACE},
        "spec": {
            "vppRef": {"name": VPP},
            "source": {"type": "Simulated"},
            "location": {"latitude": 54.8, "longitude": -1.6},
            "pv": {"nominalKw": 4},
        },
    },
)
METRICS: frozenset[Door] = frozenset(
    {("channel", 15692), ("control", 15692), ("influxdb", 8086), ("driver", 8090), ("simulator", 8091)}
)
CLIENTS: frozenset[Door] = frozenset({("channel", 5672), ("channel", 1883), ("control", 5672), ("control", 1883)})
SHUT: frozenset[Door] = frozenset(
    {
        ("channel", 15672), ("control", 15672), ("channel", 5552),
        ("spark-master", 7077), ("spark-master", 8080), ("worker", 8081), ("driver", 7078),
        ("hdfs-namenode", 8020), ("hdfs-namenode", 9870), ("hdfs-datanode", 9866),
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def knockers(operator: Kube, images: Mapping[str, str]) -> Iterator[Mapping[str, Knocker]]:
    """Pods in the plant's namespace, the operator's and a foreign one, before there is a plant."""
    kube, image = operator, images["vpp-edge"]
    for namespace in (NAMESPACE, FOREIGN):
        install.remove(kube, namespace)
    kube.apply(
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in (NAMESPACE, FOREIGN))
    )
    yield start_knockers(
        kube,
        image,
        (
            (NAMESPACE, "own", PLANT_LABEL),
            (NAMESPACE, "gateway", {}),
            (FOREIGN, "stranger", {}),
            (FOREIGN, "impostor", PLANT_LABEL),
            (FOREIGN, "closed", {}),
            (install.OPERATOR_NAMESPACE, "colleague", {}),
        ),
    )
    kube.run("delete", "pod", "colleague", "-n", install.OPERATOR_NAMESPACE, "--ignore-not-found", "--grace-period=0")
    for namespace in (NAMESPACE, FOREIGN):
        install.remove(kube, namespace)


@pytest.fixture(scope="module")
def enforced(knockers: Mapping[str, Knocker]) -> Mapping[str, Knocker]:
    """The same pods, on a network that has just been seen to shut a pod that a policy shuts."""
    stranger, door = knockers["stranger"], own_door(knockers["closed"])
    stranger.wait_until_reaches(door, door)
    shut = {"podSelector": {"matchLabels": {"test": "closed"}}, "policyTypes": ["Ingress"], "ingress": []}
    metadata = {"name": "closed", "namespace": FOREIGN}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": shut}
    stranger.kube.apply(policy)
    try:
        stranger.wait_until_reaches(set(), door)
    except DemoError:
        if selected().kind == "node":
            raise
        pytest.skip(
            "this cluster's network enforces no NetworkPolicy: it needs a CNI plugin that does, as `make up` has"
        )
    return knockers


@pytest.fixture(scope="module")
def doors(enforced: Mapping[str, Knocker]) -> Mapping[Door, list[str]]:
    """Every port that the pods of a running plant declare and that a pod of the plant reaches."""
    kube = enforced["own"].kube
    kube.apply(*RESOURCES)
    found: list[Mapping[str, Any]] = [{}]

    def is_ready() -> bool:
        found.append(kube.get("vppcluster", VPP, "-n", NAMESPACE).get("status", {}))
        return any(one["type"] == "Ready" and one["status"] == "True" for one in found[-1].get("conditions", []))

    wait_until("the plant's Ready condition", is_ready, timeout_seconds=240, explain=lambda: str(dict(found[-1])))
    wanted = METRICS | CLIENTS | SHUT

    def pods_doors() -> dict[Door, list[str]]:
        return declared_doors(kube, NAMESPACE, f"app.kubernetes.io/managed-by=vpp-operator,{VPP_LABEL}={VPP}")

    wait_until(
        "pods for every door of the test's tables",
        lambda: wanted <= set(pods_doors()),
        timeout_seconds=120,
        explain=lambda: f"no pod declares {sorted(wanted - set(pods_doors()))}",
    )
    declared = pods_doors()
    open_doors: list[set[Door]] = [set()]

    def all_answer() -> bool:
        open_doors.append(enforced["own"].reaches(declared))
        return wanted <= open_doors[-1]

    wait_until(
        "an answer at every door of the test's tables to a pod of the plant",
        all_answer,
        timeout_seconds=120,
        explain=lambda: f"shut to it: {sorted(wanted - open_doors[-1])}",
    )
    return {door: addresses for door, addresses in declared.items() if door in open_doors[-1]}


def test_a_pod_of_another_namespace_reaches_metrics_and_neither_brokers_nor_spark_nor_hdfs(
    enforced: Mapping[str, Knocker], doors: Mapping[Door, list[str]]
) -> None:
    enforced["stranger"].wait_until_reaches(METRICS, doors)


def test_a_pod_of_another_namespace_gains_nothing_by_wearing_the_plants_label(
    enforced: Mapping[str, Knocker], doors: Mapping[Door, list[str]]
) -> None:
    enforced["impostor"].wait_until_reaches(METRICS, doors)


def test_a_gateway_in_the_plants_namespace_reaches_brokers_and_metrics_and_nothing_else(
    enforced: Mapping[str, Knocker], doors: Mapping[Door, list[str]]
) -> None:
    enforced["gateway"].wait_until_reaches(METRICS | CLIENTS, doors)


def test_the_operators_namespace_reaches_every_door(
    enforced: Mapping[str, Knocker], doors: Mapping[Door, list[str]]
) -> None:
    enforced["colleague"].wait_until_reaches(set(doors), doors)


def test_the_clients_service_is_open_to_the_plants_namespace_and_shut_to_others(
    enforced: Mapping[str, Knocker], doors: Mapping[Door, list[str]]
) -> None:
    by_name = {("channel", port): [f"{CHANNELS}.{NAMESPACE}.svc"] for port in (5672, 1883)}
    enforced["gateway"].wait_until_reaches(by_name, by_name)
    enforced["stranger"].wait_until_reaches(set(), by_name)


def test_channels_that_a_service_exposes_are_open_to_everybody_until_it_does_not(
    enforced: Mapping[str, Knocker], doors: Mapping[Door, list[str]]
) -> None:
    stranger = enforced["stranger"]
    channel_clients = {door for door in CLIENTS if door[0] == "channel"}
    for service, expected in (("NodePort", METRICS | channel_clients), ("ClusterIP", METRICS)):
        patch = f'{{"spec":{{"service":{{"type":"{service}"}}}}}}'
        stranger.kube.run("patch", "queuechannel", CHANNELS, "-n", NAMESPACE, "--type=merge", "-p", patch)
        stranger.wait_until_reaches(expected, doors)


@pytest.fixture(scope="module")
def operator_pod(enforced: Mapping[str, Knocker]) -> Knocker:
    """The operator's own pod, which has Python in it and the chart's policy on it."""
    kube = enforced["own"].kube
    selector = f"app.kubernetes.io/component=operator,app.kubernetes.io/instance={install.RELEASE}"
    pod = kube.get("pods", "-n", install.OPERATOR_NAMESPACE, "-l", selector)["items"][0]
    return Knocker(kube, install.OPERATOR_NAMESPACE, pod["metadata"]["name"])


def test_the_operator_reaches_its_plant_names_and_the_api_server_and_no_pod_that_it_did_not_make(
    enforced: Mapping[str, Knocker], doors: Mapping[Door, list[str]], operator_pod: Knocker
) -> None:
    api_server = {("API server by name", 443): ["kubernetes.default.svc"]}
    others = {**own_door(enforced["gateway"]), **own_door(enforced["stranger"]), **own_door(enforced["colleague"])}
    enforced["own"].wait_until_reaches(others, others)
    operator_pod.wait_until_reaches({*doors, *api_server}, {**doors, **api_server, **others})


def test_the_operators_metrics_and_health_are_open_to_everybody_and_no_other_door(
    enforced: Mapping[str, Knocker], operator_pod: Knocker
) -> None:
    declared = declared_doors(operator_pod.kube, operator_pod.namespace, "app.kubernetes.io/component=operator")
    (address,) = declared["operator", 8080]
    # A port that no policy names, on which the operator's pod listens for this test alone.
    program = f"import socket, time; server = socket.create_server(('', {UNNAMED})); time.sleep(120)"
    command = f'python -c "{program}" > /dev/null 2>&1 &'
    operator_pod.kube.run("exec", "-n", operator_pod.namespace, operator_pod.pod, "--", "sh", "-c", command)
    doors = {**declared, ("operator", UNNAMED): [address]}
    operator_pod.wait_until_reaches(doors, doors)
    enforced["stranger"].wait_until_reaches(declared, doors)
