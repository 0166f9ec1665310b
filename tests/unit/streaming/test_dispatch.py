"""Dispatch: limits are never passed, a target within reach is met, and the merit order is kept."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.streaming.ders import BATTERY, EV, PV, a_reading
from vpp_contract.plant import Rating
from vpp_contract.readings import KINDS
from vpp_workloads.streaming.dispatch import Unit, delivery_of, plan, setpoint_kw, unit_of

LEAST_KW = 1e-6
powers = st.floats(-1e4, 1e4)
limits = st.tuples(powers, powers, powers).map(sorted)
kinds = st.sampled_from(KINDS)
orders = st.lists(kinds, unique=True).map(tuple)


@st.composite
def plants(draw: st.DrawFn) -> tuple[float, float, list[Unit], tuple[str, ...]]:
    units = [
        Unit(der=f"s/{number}", kind=draw(kinds), low_kw=low, rest_kw=rest, high_kw=high)
        for number, (low, rest, high) in enumerate(draw(st.lists(limits, max_size=12)))
    ]
    return draw(powers), draw(powers), units, draw(orders)


def called(units: list[Unit], order: tuple[str, ...]) -> list[Unit]:
    return [unit for unit in units if unit.kind in order]


@given(plants())
def test_no_der_passes_its_limits(plant: tuple[float, float, list[Unit], tuple[str, ...]]) -> None:
    target, fixed, units, order = plant
    result = plan(target, fixed, units, order)
    assert set(result.delivery_kw) == {unit.der for unit in called(units, order)}
    for unit in called(units, order):
        assert unit.low_kw <= result.delivery_kw[unit.der] <= unit.high_kw


@given(plants())
def test_a_target_within_reach_is_met_and_the_rest_is_told(
    plant: tuple[float, float, list[Unit], tuple[str, ...]],
) -> None:
    target, fixed, units, order = plant
    result = plan(target, fixed, units, order)
    reach = called(units, order)
    lowest = fixed + math.fsum(unit.low_kw for unit in reach)
    highest = fixed + math.fsum(unit.high_kw for unit in reach)
    nearest = min(max(target, lowest), highest)
    assert fixed + result.dispatched_kw == pytest.approx(nearest, abs=LEAST_KW)
    assert result.unserved_kw == pytest.approx(target - nearest, abs=LEAST_KW)


@given(plants())
def test_a_kind_is_called_on_only_when_those_before_it_have_given_all(
    plant: tuple[float, float, list[Unit], tuple[str, ...]],
) -> None:
    target, fixed, units, order = plant
    result = plan(target, fixed, units, order)
    moved = {unit.kind for unit in called(units, order) if abs(result.delivery_kw[unit.der] - unit.rest_kw) > LEAST_KW}
    if not moved:
        return
    last = max(order.index(kind) for kind in moved)
    up = target > fixed + math.fsum(unit.rest_kw for unit in called(units, order))
    for unit in called(units, order[:last]):
        bound = unit.high_kw if up else unit.low_kw
        assert result.delivery_kw[unit.der] == pytest.approx(bound, abs=LEAST_KW)


def test_ders_of_one_kind_share_by_their_room() -> None:
    units = [
        Unit(der="a/battery", kind="battery", low_kw=-5.0, rest_kw=0.0, high_kw=5.0),
        Unit(der="b/battery", kind="battery", low_kw=-5.0, rest_kw=0.0, high_kw=15.0),
    ]
    assert plan(10.0, 2.0, units, ("battery",)).delivery_kw == {"a/battery": 2.0, "b/battery": 6.0}
    assert plan(-3.0, 2.0, units, ("battery",)).delivery_kw == {"a/battery": -2.5, "b/battery": -2.5}


def test_vehicles_wait_for_what_batteries_cannot_give() -> None:
    units = [
        Unit(der="a/battery", kind="battery", low_kw=-5.0, rest_kw=0.0, high_kw=5.0),
        Unit(der="a/ev", kind="ev", low_kw=-11.0, rest_kw=-11.0, high_kw=0.0),
    ]
    result = plan(0.0, 4.0, units, ("battery", "ev"))
    assert result.delivery_kw == pytest.approx({"a/battery": 5.0, "a/ev": -9.0})
    assert result.unserved_kw == 0.0


@pytest.mark.parametrize(
    ("der", "values", "rating", "limits_kw"),
    [
        ("house-01/battery", {"state_of_charge_kwh": 5.0}, BATTERY, (-5.0, 0.0, 5.0)),
        ("house-01/battery", {"state_of_charge_kwh": 1.0}, BATTERY, (-5.0, 0.0, 0.0)),
        ("house-01/battery", {"state_of_charge_kwh": 1.25}, BATTERY, (-5.0, 0.0, 0.9)),
        ("house-01/battery", {"state_of_charge_kwh": 10.0}, BATTERY, (0.0, 0.0, 5.0)),
        ("house-01/battery", {}, BATTERY, None),
        ("house-01/battery", {"state_of_charge_kwh": 5.0}, None, None),
        ("house-01/ev", {"available_kw": 7.0}, EV, (-7.0, -7.0, 0.0)),
        ("house-01/ev", {"available_kw": 0.0}, EV, (0.0, 0.0, 0.0)),
        ("house-01/ev", {}, EV, None),
        ("house-01/pv", {"power_kw": 4.0}, PV, (0.0, 4.0, 4.0)),
        ("house-01/pv", {"power_kw": 2.0, "setpoint_kw": 2.0, "available_kw": 6.0}, PV, (0.0, 6.0, 6.0)),
        ("house-01/load", {}, Rating(site="house-01", kind="load"), None),
    ],
    ids=[
        "half full", "empty", "nearly empty", "full", "charge not reported", "rating not known", "plugged in", "away",
        "says nothing", "sun", "curtailed", "a load",
    ],
)  # fmt: skip
def test_what_a_der_can_be_told(
    der: str, values: dict[str, Any], rating: Rating | None, limits_kw: tuple[float, float, float] | None
) -> None:
    unit = unit_of(a_reading(der=der, **values), rating)
    found = None if unit is None else (unit.low_kw, unit.rest_kw, unit.high_kw)
    assert found == (None if limits_kw is None else pytest.approx(limits_kw))


@pytest.mark.parametrize(
    ("kind", "rest_kw", "delivery_kw", "rating", "expected"),
    [
        ("battery", 0.0, 0.0, BATTERY, (0.0, False)),
        ("battery", 0.0, 2.0, BATTERY, (-2.0, False)),
        ("ev", -7.0, -7.0, EV, (11.0, True)),
        ("ev", -7.0, -3.0, EV, (3.0, False)),
        ("pv", 4.0, 4.0, PV, (10.0, True)),
        ("pv", 4.0, 1.0, PV, (1.0, False)),
    ],
)
def test_set_points_have_the_readings_sign(
    kind: str, rest_kw: float, delivery_kw: float, rating: Rating, expected: tuple[float, bool]
) -> None:
    unit = Unit(der="s/d", kind=kind, low_kw=-20.0, rest_kw=rest_kw, high_kw=20.0)
    assert setpoint_kw(unit, delivery_kw, rating) == expected


@given(kinds, powers)
def test_delivery_is_its_own_inverse(kind: str, power_kw: float) -> None:
    assert delivery_of(kind, delivery_of(kind, power_kw)) == power_kw
