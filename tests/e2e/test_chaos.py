"""Minutes of faults of every kind while channels wake, fill, stand by, drain and sleep; `make chaos` takes longer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from vppchaos.report import counted, verdict
from vppchaos.run import Size, run
from vppdemo import install
from vppdemo.kube import Kube

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]  # five minutes of faults, and what comes back after them
NAMESPACE = "vpp-e2e-chaos"
SHORT = Size(days=1, acceleration=300, reading_interval_seconds=30, most_faults=1000, seconds=240)
SEED = 1


@pytest.fixture(scope="module")
def result(operator: Kube, images: Mapping[str, str]) -> Any:
    """A plant through faults to its end; removed with its volumes afterwards."""
    yield run(operator, NAMESPACE, images, SHORT, SEED)
    install.remove(operator, NAMESPACE)


def test_nothing_is_lost_doubled_or_out_of_order(result: dict[str, Any]) -> None:
    assert verdict(result) == []


def test_faults_fell_into_the_transitions(result: dict[str, Any]) -> None:
    done = counted(result["events"])
    assert done["faults"] >= 10
    assert len(done["by_moment"]) >= 3
