"""The readings of an hour hold exactly the hour's energy."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vpp_workloads.simulator.spread import smooth_weights, spread

energies = st.floats(0, 1e4)
counts = st.sampled_from([1, 2, 4, 12, 60, 360, 3600])


@given(energies, energies, energies, counts)
@example(4096.157757362146, 9.287330727844348e-268, 0.0, 4)
def test_the_readings_of_an_hour_sum_to_its_energy(before: float, hour: float, after: float, count: int) -> None:
    readings = spread(hour, smooth_weights(before, hour, after, count))
    assert len(readings) == count
    assert abs(math.fsum(readings) - hour) <= 1e-9
    assert min(readings) >= 0


@given(st.floats(-1e4, 1e4), st.lists(st.floats(0, 1e6), min_size=1, max_size=100))
def test_any_weights_keep_the_energy_and_its_sign(energy: float, weights: list[float]) -> None:
    readings = spread(energy, weights)
    assert abs(math.fsum(readings) - energy) <= 1e-9
    assert all(reading * energy >= 0 for reading in readings)


def test_weights_that_are_all_zero_share_evenly() -> None:
    assert spread(3.0, [0.0, 0.0, 0.0]) == [1.0, 1.0, 1.0]


def test_power_rises_towards_an_hour_with_more() -> None:
    readings = spread(1.0, smooth_weights(0.5, 1.0, 1.5, 60))
    assert readings == sorted(readings)


@pytest.mark.parametrize("hour", [0.0, 1.0, 5.0])
def test_a_steady_hour_is_steady(hour: float) -> None:
    assert spread(hour, smooth_weights(hour, hour, hour, 4)) == pytest.approx([hour / 4] * 4)
