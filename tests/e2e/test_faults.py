"""Pods are killed in the middle of a day, and the twin still ends with every reading exactly once."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vpp_contract.names import SIMULATOR_PORT
from vppdemo import install, live, plant
from vppdemo.kube import Kube, wait_until
from vppdemo.memory import OPERATOR_METRICS_PORT, operator_resident_mib

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]  # a day of two minutes, and pods that come back
NAMESPACE = "vpp-e2e-faults"


@pytest.fixture(scope="module")
def running_plant(operator: Kube, data_folder: Path | None) -> Iterator[Kube]:
    """A plant in the middle of its day; removed with its volumes afterwards."""
    install.plant(operator, NAMESPACE, data_folder)
    yield operator
    install.remove(operator, NAMESPACE)


def confirmed(kube: Kube) -> int:
    return int(live.progress(kube, NAMESPACE, live.SIMULATOR_POD, SIMULATOR_PORT).get("confirmed", 0))


def wait_for_more_readings(kube: Kube) -> None:
    before = confirmed(kube)
    wait_until(
        "more readings",
        lambda: confirmed(kube) > before,
        timeout_seconds=60,
        explain=lambda: f"the day stands still at {before} confirmed readings",
    )


def kill(kube: Kube, namespace: str, selector: str) -> str:
    """Delete one pod of a selection without grace and return its uid."""
    pod = kube.get("pods", "-n", namespace, "-l", selector)["items"][0]
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    kube.run("delete", "pod", name, "-n", namespace, "--grace-period=0", "--force", "--wait=false")
    return str(uid)


def is_back(kube: Kube, namespace: str, selector: str, old_uid: str) -> Callable[[], bool]:
    def probe() -> bool:
        pods = kube.get("pods", "-n", namespace, "-l", selector)["items"]
        return any(
            pod["metadata"]["uid"] != old_uid
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
            for pod in pods
        )

    return probe


def wait_for_return(kube: Kube, name: str, namespace: str, selector: str, old_uid: str) -> None:
    wait_until(
        f"the return of the {name}",
        is_back(kube, namespace, selector, old_uid),
        timeout_seconds=120,
        explain=lambda: "it was killed, and no new pod is ready",
    )


def audit(kube: Kube) -> dict[str, Any]:
    command = ("python", "-m", "vpp_workloads.streaming.audit", "--ledger-url", f"http://{plant.VPP}-simulator:8091")
    text = kube.run("exec", "-n", NAMESPACE, live.DRIVER_POD, "--", *command, timeout_seconds=180)
    result: dict[str, Any] = json.loads(text)
    return result


def test_killing_servers_driver_worker_and_operator_loses_and_duplicates_nothing(running_plant: Kube) -> None:
    kube = running_plant
    outage = ("influxdb", "hdfs-namenode", "hdfs-datanode")
    wait_for_more_readings(kube)
    uids = {name: kill(kube, NAMESPACE, f"app.kubernetes.io/component={name}") for name in outage}
    for name, uid in uids.items():
        wait_for_return(kube, name, NAMESPACE, f"app.kubernetes.io/component={name}", uid)
    victims = (
        ("driver", NAMESPACE, "app.kubernetes.io/component=driver"),
        ("worker", NAMESPACE, "app.kubernetes.io/component=worker"),
        ("operator", install.OPERATOR_NAMESPACE, "app.kubernetes.io/component=operator"),
    )
    for name, namespace, selector in victims:
        wait_for_more_readings(kube)
        wait_for_return(kube, name, namespace, selector, kill(kube, namespace, selector))
    live.follow_day(kube, NAMESPACE, timeout_seconds=420)
    result = audit(kube)
    assert result["readings"]["confirmed"] > 0
    assert result["readings"]["lost"] == 0
    assert result["readings"]["duplicated"] == 0
    assert result["readings"]["phantom"] == 0
    assert result["energy_max_relative_error"] <= 1e-6


def seconds_until(what: str, probe: Callable[[], bool]) -> float:
    started = time.monotonic()
    wait_until(what, probe, timeout_seconds=30, explain=lambda: "the operator did not repair it", interval_seconds=0.5)
    return time.monotonic() - started


def test_a_deleted_stateful_set_is_back_within_ten_seconds(running_plant: Kube) -> None:
    kube = running_plant
    name = f"{plant.VPP}-hdfs-datanode"
    kube.run("delete", "statefulset", name, "-n", NAMESPACE, "--cascade=orphan")

    def is_there() -> bool:
        return bool(kube.run("get", "statefulset", name, "-n", NAMESPACE, "--ignore-not-found", "-o", "name").strip())

    assert seconds_until("the StatefulSet's return", is_there) <= 10


def test_a_deleted_secret_is_back_within_ten_seconds_with_the_same_password(running_plant: Kube) -> None:
    kube = running_plant
    name = "house-01-gateway"
    password = kube.get("secret", name, "-n", NAMESPACE)["data"]["password"]
    kube.run("delete", "secret", name, "-n", NAMESPACE)

    def is_there() -> bool:
        return bool(kube.get("secret", name, "-n", NAMESPACE)["data"]["password"] == password)

    assert seconds_until("the Secret's return", is_there) <= 10


def management(kube: Kube, method: str, path: str) -> int:
    """Call a channel's management API from inside the cluster, as its administrator; return the HTTP status."""
    secret = kube.get("secret", f"{plant.CHANNELS}-admin", "-n", NAMESPACE)["data"]
    account = ":".join(base64.b64decode(secret[key]).decode() for key in ("username", "password"))
    url = f"http://{plant.CHANNELS}-0.{plant.CHANNELS}-nodes.{NAMESPACE}.svc:15672/api/{path}"
    program = (
        "import sys, urllib.request as r, urllib.error as e\n"
        "q = r.Request(sys.argv[2], method=sys.argv[1], headers={'Authorization': 'Basic ' + sys.argv[3]})\n"
        "try: print(r.urlopen(q, timeout=10).status)\n"
        "except e.HTTPError as error: print(error.code)\n"
    )
    basic = base64.b64encode(account.encode()).decode()
    return int(kube.run("exec", "-n", NAMESPACE, live.SIMULATOR_POD, "--", "python", "-c", program, method, url, basic))


def test_a_deleted_binding_is_back_within_ten_seconds(running_plant: Kube) -> None:
    kube = running_plant
    binding = "bindings/%2F/e/ingress/e/readings/%23"
    assert management(kube, "DELETE", binding) == 204
    assert seconds_until("the binding's return", lambda: management(kube, "GET", binding) == 200) <= 10


def test_at_rest_the_operator_writes_nothing(running_plant: Kube) -> None:
    kube = running_plant
    pods = kube.get("pods", "-n", install.OPERATOR_NAMESPACE, "-l", "app.kubernetes.io/component=operator")["items"]

    def writes() -> list[str]:
        text = kube.pod_http(install.OPERATOR_NAMESPACE, pods[0]["metadata"]["name"], OPERATOR_METRICS_PORT, "/metrics")
        return [line for line in text.splitlines() if line.startswith("vpp_operator_writes_total")]

    settled: list[list[str]] = [[]]

    def is_settled() -> bool:
        settled.append(writes())
        return settled[-1] == settled[-2]

    wait_until(
        "the end of the repairs' writes",
        is_settled,
        timeout_seconds=120,
        explain=lambda: str(settled[-1]),
        interval_seconds=8,
    )
    time.sleep(20)
    assert writes() == settled[-1]


def test_at_rest_the_operator_needs_little_memory(running_plant: Kube) -> None:
    resident = operator_resident_mib(running_plant, install.OPERATOR_NAMESPACE)
    assert resident is not None
    assert resident <= 150
