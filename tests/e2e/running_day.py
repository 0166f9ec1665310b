"""A plant in the middle of its day: what it has done so far, pods that are killed in it, and the account at its end."""

from __future__ import annotations

from collections.abc import Callable

from vpp_contract.names import SIMULATOR_PORT
from vppdemo import live
from vppdemo.kube import Kube, wait_until

COMPONENT = "app.kubernetes.io/component"


def confirmed(kube: Kube, namespace: str) -> int:
    """Return how many readings brokers have confirmed to the gateways."""
    return int(live.progress(kube, namespace, live.SIMULATOR_POD, SIMULATOR_PORT).get("confirmed", 0))


def wait_for_more_readings(kube: Kube, namespace: str) -> None:
    """Wait until more readings are confirmed than now."""
    before = confirmed(kube, namespace)
    wait_until(
        "more readings",
        lambda: confirmed(kube, namespace) > before,
        timeout_seconds=60,
        explain=lambda: f"the day stands still at {before} confirmed readings",
    )


def kill(kube: Kube, namespace: str, component: str) -> str:
    """Delete one pod of a component without grace and return its uid."""
    pod = kube.get("pods", "-n", namespace, "-l", f"{COMPONENT}={component}")["items"][0]
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    kube.run("delete", "pod", name, "-n", namespace, "--grace-period=0", "--force", "--wait=false")
    return str(uid)


def wait_for_return(kube: Kube, namespace: str, component: str, old_uid: str) -> None:
    """Wait until another pod of a component is ready."""
    wait_until(
        f"the return of the {component}",
        _is_back(kube, namespace, component, old_uid),
        timeout_seconds=120,
        explain=lambda: "it was killed, and no new pod is ready",
    )


def _is_back(kube: Kube, namespace: str, component: str, old_uid: str) -> Callable[[], bool]:
    def probe() -> bool:
        pods = kube.get("pods", "-n", namespace, "-l", f"{COMPONENT}={component}")["items"]
        return any(
            pod["metadata"]["uid"] != old_uid
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
            for pod in pods
        )

    return probe


def finish_without_loss(kube: Kube, namespace: str) -> None:
    """Follow the day to its end; every confirmed reading is in the twin exactly once."""
    live.follow_day(kube, namespace, timeout_seconds=420)
    result = live.audit(kube, namespace)
    readings = result["readings"]
    assert readings["confirmed"] > 0
    assert (readings["lost"], readings["duplicated"], readings["phantom"]) == (0, 0, 0)
    assert result["current_values"] == {"inversions": 0, "behind": 0}
    assert result["energy_max_relative_error"] <= 1e-6
