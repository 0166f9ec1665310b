"""A channel is put to sleep and woken in the middle of a day, and not a reading is lost on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running_day import finish_without_loss, kill, wait_for_more_readings, wait_for_return
from vppdemo import install, plant
from vppdemo.kube import Kube, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]  # a day of two minutes, and a drain in it
NAMESPACE = "vpp-e2e-channels"
SECOND = f"{plant.CHANNELS}-1"


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


def test_a_channel_wakes_drains_and_sleeps_by_kubectl_scale_and_loses_nothing(running_plant: Kube) -> None:
    kube = running_plant
    wait_for_more_readings(kube, NAMESPACE)
    scale(kube, 2)
    wait_for_second(kube, "the second channel's start", "Active")
    stream = second_channel(kube)["stream"]
    rabbitmqctl = ("exec", "-n", NAMESPACE, f"{plant.CHANNELS}-0", "--", "rabbitmqctl", "--quiet")
    kube.run(*rabbitmqctl, "close_all_connections", "half of the gateways come back elsewhere")
    wait_until(
        "readings over the second channel",
        lambda: second_channel(kube).get("committedOffset", 0) > 0,
        timeout_seconds=60,
        explain=lambda: f"it is {dict(second_channel(kube))}",
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
    wait_for_second(kube, "the second channel's waking", "Active")
    assert second_channel(kube)["stream"] == stream
    finish_without_loss(kube, NAMESPACE)
    assert "lost" not in kube.get("queuechannel", plant.CHANNELS, "-n", NAMESPACE)["status"]
