"""Minutes of faults of every kind while channels wake, fill, stand by, drain and sleep; `make chaos` takes longer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from vppchaos.report import counted, verdict
from vppchaos.run import Size, run
from vppdemo import install
from vppdemo.kube import Kube

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]  # usually five minutes, with what comes back after the faults
NAMESPACE = "vpp-e2e-chaos"
SHORT = Size(days=1, acceleration=540, reading_interval_seconds=30, most_faults=1000, seconds=150)
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
    assert done["faults"] >= 8
    assert len(done["by_moment"]) >= 3
