"""The battery keeps surplus for later, within its limits, and no energy comes from nowhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_workloads.simulator.battery import Battery, self_consumption

batteries = st.builds(
    Battery,
    capacity_kwh=st.floats(0, 100),
    max_power_kw=st.floats(0, 50),
    efficiency=st.floats(0.3, 1),
    depth_of_discharge=st.floats(0, 1),
    initial_soc=st.floats(0, 1),
)
surpluses = st.lists(st.floats(-20, 20), min_size=1, max_size=48)


@given(batteries, surpluses)
def test_power_and_charge_stay_within_their_limits(battery: Battery, surplus: list[float]) -> None:
    result = self_consumption(battery, surplus)
    lowest = battery.capacity_kwh * (1 - battery.depth_of_discharge)
    assert all(lowest <= soc <= battery.capacity_kwh for soc in result.soc_kwh)
    assert all(abs(kwh) <= battery.max_power_kw for kwh in result.hourly_kwh)


@given(batteries, surpluses)
def test_it_never_takes_more_than_the_surplus_nor_gives_more_than_the_deficit(
    battery: Battery, surplus: list[float]
) -> None:
    result = self_consumption(battery, surplus)
    for kwh, hour in zip(result.hourly_kwh, surplus, strict=True):
        assert min(hour, 0) <= kwh <= max(hour, 0)


@given(batteries, surpluses)
def test_the_charge_changes_by_what_passes_the_terminals(battery: Battery, surplus: list[float]) -> None:
    result = self_consumption(battery, surplus)
    one_way = math.sqrt(battery.efficiency)
    for hour, kwh in enumerate(result.hourly_kwh):
        change = kwh * one_way if kwh > 0 else kwh / one_way
        assert result.soc_kwh[hour + 1] - result.soc_kwh[hour] == pytest.approx(change, abs=1e-9)


def test_a_cycle_costs_the_round_trip() -> None:
    battery = Battery(capacity_kwh=10, max_power_kw=10, efficiency=0.81, depth_of_discharge=1, initial_soc=0)
    assert self_consumption(battery, [5, -10]).hourly_kwh == pytest.approx((5, -4.05))
