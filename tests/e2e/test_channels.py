"""A channel stands by, wakes and sleeps in the middle of a day, and not a reading is lost on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running_day import finish_without_loss, kill, wait_for_more_readings, wait_for_return
from vpp_contract.names import TRAFFIC_LABEL
from vppdemo import install, plant
from vppdemo.kube import Kube, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]  # a day of two minutes, and a drain in it
NAMESPACE = "vpp-e2e-channels"
FIRST, SECOND = f"{plant.CHANNELS}-0", f"{plant.CHANNELS}-1"


@pytest.fixture(scope="module")
def running_plant(operator: Kube, data_folder: Path | None) -> Iterator[Kube]:
    """A plant in the middle of its day; removed with its volumes afterwards."""
    install.plant(operator, NAMESPACE, data_folder)
    yield operator
    install.remove(operator, NAMESPACE)


def second_channel(kube: Kube) -> Mapping[str, Any]:
    status = kube.get("queuechannel", plant.CHANNELS, "-n", NAMESPACE)["status"]
    found: list[Mapping[str, Any]] = [entry for entry in status["channels"] if entry["name"] == SECOND]
    return found[0] if found else {}


def wait_for_second(kube: Kube, what: str, state: str, seconds: float = 120) -> None:
    wait_until(
        what,
        lambda: second_channel(kube).get("state") == state,
        timeout_seconds=seconds,
        explain=lambda: f"it is {dict(second_channel(kube))}",
    )


def scale(kube: Kube, channels: int) -> None:
    kube.run("scale", "queuechannel", plant.CHANNELS, "-n", NAMESPACE, f"--replicas={channels}")


def labels(kube: Kube) -> dict[str, str]:
    """Return the traffic label of each channel's pod."""
    pods = kube.get("pods", "-n", NAMESPACE, "-l", f"vpp.energy/channels={plant.CHANNELS}")["items"]
    return {pod["metadata"]["name"]: pod["metadata"]["labels"].get(TRAFFIC_LABEL, "") for pod in pods}


def gateways(kube: Kube, pod: str) -> int:
    """Return how many sites are connected to a channel, as its broker says."""
    rabbitmqctl = ("exec", "-n", NAMESPACE, pod, "--", "rabbitmqctl", "--quiet", "list_connections", "user")
    return sum(line.strip().startswith("site-") for line in kube.run(*rabbitmqctl).splitlines())


def test_a_channel_stands_by_wakes_drains_and_sleeps_by_kubectl_and_loses_nothing(running_plant: Kube) -> None:
    kube = running_plant
    wait_for_more_readings(kube, NAMESPACE)
    kube.run(
        *("patch", "queuechannel", plant.CHANNELS, "-n", NAMESPACE, "--type=merge"), "-p", '{"spec":{"standby":1}}'
    )
    wait_for_second(kube, "the second channel's standing by", "Standby")
    assert (labels(kube)[FIRST], labels(kube)[SECOND]) == ("active", "standby")
    assert gateways(kube, SECOND) == 0
    everyone = gateways(kube, FIRST)
    assert everyone >= 17
    stream = second_channel(kube)["stream"]
    scale(kube, 2)
    wait_for_second(kube, "the second channel's waking", "Active")
    wait_until(
        "the second channel's share of the gateways",
        lambda: "fillingSince" not in second_channel(kube) and set(labels(kube).values()) == {"active"},
        timeout_seconds=30,
        explain=lambda: f"it is {dict(second_channel(kube))}",
    )
    assert abs(gateways(kube, SECOND) - everyone // 2) <= 2
    wait_until(
        "readings over the second channel",
        lambda: second_channel(kube).get("committedOffset", 0) > 0,
        timeout_seconds=60,
        explain=lambda: f"it is {dict(second_channel(kube))}",
    )
    kube.run(
        *("patch", "queuechannel", plant.CHANNELS, "-n", NAMESPACE, "--type=merge"), "-p", '{"spec":{"standby":0}}'
    )
    scale(kube, 1)
    wait_for_second(kube, "the drain's begin", "Draining")
    uid = kill(kube, install.OPERATOR_NAMESPACE, "operator")
    wait_for_return(kube, install.OPERATOR_NAMESPACE, "operator", uid)
    wait_for_second(kube, "the second channel's sleep", "Asleep")
    wait_until(
        "the end of its pod",
        lambda: not kube.run("get", "pod", SECOND, "-n", NAMESPACE, "--ignore-not-found", "-o", "name").strip(),
        timeout_seconds=60,
        explain=lambda: "it is still there",
    )
    kube.run("get", "persistentvolumeclaim", f"data-{SECOND}", "-n", NAMESPACE)
    scale(kube, 2)
    wait_for_second(kube, "the second channel's waking from sleep", "Active")
    assert second_channel(kube)["stream"] == stream
    finish_without_loss(kube, NAMESPACE)
    assert "lost" not in kube.get("queuechannel", plant.CHANNELS, "-n", NAMESPACE)["status"]
