"""Pods are killed in the middle of a day, and the twin still ends with every reading exactly once."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.running_day import finish_without_loss, kill, wait_for_more_readings, wait_for_return
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


def test_killing_servers_driver_worker_and_operator_loses_and_duplicates_nothing(running_plant: Kube) -> None:
    kube = running_plant
    outage = ("influxdb", "hdfs-namenode", "hdfs-datanode")
    wait_for_more_readings(kube, NAMESPACE)
    uids = {component: kill(kube, NAMESPACE, component) for component in outage}
    for component, uid in uids.items():
        wait_for_return(kube, NAMESPACE, component, uid)
    victims = (("driver", NAMESPACE), ("worker", NAMESPACE), ("operator", install.OPERATOR_NAMESPACE))
    for component, namespace in victims:
        wait_for_more_readings(kube, NAMESPACE)
        wait_for_return(kube, namespace, component, kill(kube, namespace, component))
    finish_without_loss(kube, NAMESPACE)


def test_a_run_of_the_histories_job_folds_what_the_day_has_brought(running_plant: Kube) -> None:
    kube = running_plant
    kube.run("create", "job", "fold", f"--from=cronjob/{plant.VPP}-history", "-n", NAMESPACE)

    def is_done() -> bool:
        return bool(kube.get("job", "fold", "-n", NAMESPACE)["status"].get("succeeded"))

    wait_until(
        "the fold of the history",
        is_done,
        timeout_seconds=120,
        explain=lambda: kube.run("logs", "job/fold", "-n", NAMESPACE),
    )
    done = json.loads(kube.run("logs", "job/fold", "-n", NAMESPACE).splitlines()[-1])
    assert done["files"] > 0
    assert done["folded_batch"] >= 0
    readings = live.audit(kube, NAMESPACE)["readings"]
    assert readings["confirmed"] == readings["in_twin"] > 0
    assert (readings["lost"], readings["duplicated"], readings["phantom"]) == (0, 0, 0)


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


def test_history_and_checkpoint_have_as_many_copies_as_the_storage_says(running_plant: Kube) -> None:
    files = "hdfs dfs -stat %r /vpp/checkpoint/metadata $(hdfs dfs -find /vpp -name '*.parquet' | tail -n 5)"
    pod = f"{plant.VPP}-hdfs-datanode-0"
    copies = running_plant.run("exec", "-n", NAMESPACE, pod, "--", "sh", "-c", files).split()
    assert copies == ["1"] * 6


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
