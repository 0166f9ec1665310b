"""Pods are killed in the middle of a day, and the twin still ends with every reading exactly once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vpp_contract.names import SIMULATOR_PORT
from vppdemo import install, live, plant
from vppdemo.kube import Kube, wait_until

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


def audit(kube: Kube) -> dict[str, Any]:
    command = ("python", "-m", "vpp_workloads.streaming.audit", "--ledger-url", f"http://{plant.VPP}-simulator:8091")
    text = kube.run("exec", "-n", NAMESPACE, live.DRIVER_POD, "--", *command, timeout_seconds=180)
    result: dict[str, Any] = json.loads(text)
    return result


def test_killing_driver_worker_and_operator_loses_and_duplicates_nothing(running_plant: Kube) -> None:
    kube = running_plant
    victims = (
        ("driver", NAMESPACE, "app.kubernetes.io/component=driver"),
        ("worker", NAMESPACE, "app.kubernetes.io/component=worker"),
        ("operator", install.OPERATOR_NAMESPACE, "app.kubernetes.io/component=operator"),
    )
    for name, namespace, selector in victims:
        wait_for_more_readings(kube)
        uid = kill(kube, namespace, selector)
        wait_until(
            f"the return of the {name}",
            is_back(kube, namespace, selector, uid),
            timeout_seconds=120,
            explain=lambda: "it was killed, and no new pod is ready",
        )
    live.follow_day(kube, NAMESPACE, timeout_seconds=420)
    result = audit(kube)
    assert result["readings"]["confirmed"] > 0
    assert result["readings"]["lost"] == 0
    assert result["readings"]["duplicated"] == 0
    assert result["readings"]["phantom"] == 0
    assert result["energy_max_relative_error"] <= 1e-6


def test_a_deleted_stateful_set_is_back_within_ten_seconds(running_plant: Kube) -> None:
    kube = running_plant
    name = f"{plant.VPP}-hdfs-datanode"
    kube.run("delete", "statefulset", name, "-n", NAMESPACE, "--cascade=orphan")
    started = time.monotonic()
    wait_until(
        "the StatefulSet's return",
        lambda: bool(kube.run("get", "statefulset", name, "-n", NAMESPACE, "--ignore-not-found", "-o", "name").strip()),
        timeout_seconds=20,
        explain=lambda: "the operator did not repair it",
        interval_seconds=0.5,
    )
    assert time.monotonic() - started <= 10
