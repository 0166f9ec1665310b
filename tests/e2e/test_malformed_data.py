"""A data folder that the simulator refuses: the file, line and column reach the person, wherever they look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.simulator.folders import write_folder
from vppdemo import install, live, plant
from vppdemo.kube import DemoError, Kube, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
NAMESPACE = "vpp-e2e-malformed"
WHERE = "Building_1.csv, line 5, column solar_generation: 'much' is no number"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small data folder with one bad cell, in the file that is read first: it lacks the sample plant's day, too."""
    write_folder(tmp_path, days=3)
    file = tmp_path / "Building_1.csv"
    lines = file.read_text().splitlines()
    lines[4] = lines[4].rsplit(",", 1)[0] + ",much"
    file.write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def cleared(operator: Kube) -> Iterator[Kube]:
    yield operator
    install.remove(operator, NAMESPACE)


def play(kube: Kube, folder: Path) -> None:
    """Do what the demo does, without its look at the folder beforehand."""
    install.plant(kube, NAMESPACE, folder)
    # Ready may have been seen for a moment, before the simulator was started.
    live.follow_day(kube, NAMESPACE, timeout_seconds=180)


def test_a_malformed_cell_is_told_by_the_resource_and_ends_the_waiting(cleared: Kube, folder: Path) -> None:
    with pytest.raises(DemoError, match=f"{live.SIMULATOR_POD} has failed [0-9]+ times and will again; .*{WHERE}"):
        play(cleared, folder)

    def told() -> bool:
        status = cleared.get("vppcluster", plant.VPP, "-n", NAMESPACE).get("status", {})
        return any(WHERE in condition["message"] for condition in status.get("conditions", []))

    wait_until("the sentence in a condition", told, timeout_seconds=30, explain=lambda: "no condition has it")
