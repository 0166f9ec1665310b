"""Each rule: what it finds, and what looks like it and is nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.streaming.ders import BATTERY, EV, MINUTE_US, PV, T0, a_reading, flow_after, watched
from vpp_contract.plant import Rating
from vpp_workloads.streaming.expected import pv_power_kw
from vpp_workloads.streaming.health import (
    Case,
    Finding,
    findings,
    off_energy_balance,
    off_expected_power,
    off_setpoint,
    out_of_range,
    silent,
    stuck,
)
from vpp_workloads.streaming.watch import CHARGES, Watch, begin, observe

Rule = Callable[[Case], Finding | None]
HOUR_MINUTES = 60
SUN: dict[str, Any] = {"irradiance_w_per_m2": 700.0, "temperature_c": 20.0}
SUNNY_KW = pv_power_kw(10.0, 700.0, 20.0)


def case(watch: Watch, rating: Rating | None = PV, seconds_later: float = 0.0) -> Case:
    return Case(watch=watch, rating=rating, now_us=watch.arrived_us + round(seconds_later * 1e6))


@pytest.mark.parametrize(
    ("rating", "gap_minutes", "seconds_later", "found"),
    [
        (PV, 1, 299, False),
        (PV, 1, 301, True),
        (PV, 15, 4499, False),
        (PV, 15, 4501, True),
        (Rating(site="house-01", kind="pv", quiet_seconds=3600.0), 1, 3659, False),
        (Rating(site="house-01", kind="pv", quiet_seconds=3600.0), 1, 3661, True),
        (None, 1, 301, True),
    ],
    ids=[
        "five minutes of readings a minute", "longer", "readings a quarter of an hour", "longer than five of them",
        "its gateway may filter an hour", "longer than that", "nothing known of it",
    ],
)  # fmt: skip
def test_silent(rating: Rating | None, gap_minutes: int, seconds_later: float, found: bool) -> None:
    watch = watched([a_reading(seq, created_us=seq * gap_minutes * MINUTE_US) for seq in range(4)])
    result = silent(case(watch, rating, seconds_later))
    assert (result is not None) == found
    if result is not None:
        assert result.evidence.startswith(f"no reading has arrived for {seconds_later:g} s")


def test_readings_that_come_fast_are_not_missed_within_a_minute() -> None:
    watch = watched([a_reading(seq, created_us=seq * 80_000) for seq in range(4)])
    assert silent(case(watch, PV, 59)) is None
    assert silent(case(watch, PV, 61)) is not None


def test_of_a_silent_der_nothing_else_is_told() -> None:
    broken = watched([a_reading(power_kw=99.0)])
    assert [found.reason for found in findings(case(broken))] == ["out_of_range"]
    assert [found.reason for found in findings(case(broken, PV, 9999))] == ["silent"]


def constant(hours: float, der: str = "house-01/pv", **values: Any) -> Watch:
    minutes = round(hours * HOUR_MINUTES)
    return watched([a_reading(seq, der, **values) for seq in range(0, minutes + 1, 10)])


@pytest.mark.parametrize(
    ("watch", "rating", "found"),
    [
        (constant(3, power_kw=2.0), PV, True),
        (constant(2.5, power_kw=2.0), PV, False),
        (constant(5, power_kw=0.0), PV, False),
        (constant(5, power_kw=10.0), PV, False),
        (constant(5, power_kw=10.0), None, True),
        (constant(5, power_kw=2.0, setpoint_kw=2.0), PV, False),
    ],
    ids=["three hours", "less", "night", "at its rated power", "no rating known", "held by its set-point"],
)
def test_stuck(watch: Watch, rating: Rating | None, found: bool) -> None:
    assert (stuck(case(watch, rating)) is not None) == found


def test_a_changing_charge_shows_that_a_constant_power_is_alive() -> None:
    moving = [
        a_reading(seq, "house-01/battery", power_kw=2.0, state_of_charge_kwh=1 + seq / 100) for seq in range(0, 301, 10)
    ]
    assert stuck(case(watched(moving), BATTERY)) is None


@pytest.mark.parametrize(
    ("der", "values", "rating", "evidence"),
    [
        ("house-01/pv", {"power_kw": 12.6}, PV, "power_kw is 12.6, outside -2.5 to 12.5"),
        ("house-01/pv", {"power_kw": 12.6}, None, None),
        ("house-01/pv", {"power_kw": -0.5}, PV, None),
        ("house-01/pv", {"power_kw": -3.0}, PV, "power_kw is -3, outside -2.5 to 12.5"),
        ("house-01/load", {"power_kw": -2.0}, None, "power_kw is -2, outside -0.25 to inf"),
        ("house-01/battery", {"power_kw": -6.2}, BATTERY, None),
        ("house-01/battery", {"power_kw": -6.3}, BATTERY, "power_kw is -6.3, outside -6.25 to 6.25"),
        ("house-01/battery", {"state_of_charge_kwh": 11.0}, BATTERY, "state_of_charge_kwh is 11, outside -0.2 to 10.2"),
        ("house-01/battery", {"state_of_charge_kwh": -1.0}, BATTERY, "state_of_charge_kwh is -1, outside -0.2 to 10.2"),
        ("house-01/pv", {"temperature_c": 200.0}, PV, "temperature_c is 200, outside -70 to 150"),
        ("house-01/pv", {"irradiance_w_per_m2": 2000.0}, None, "irradiance_w_per_m2 is 2000, outside -20 to 1800"),
        ("house-01/pv", {"interval_seconds": -1.0}, None, "interval_seconds is -1, outside 0 to 604800"),
        ("house-01/load", {"frequency_hz": 50.01}, None, None),
    ],
)  # fmt: skip
def test_out_of_range(der: str, values: dict[str, Any], rating: Rating | None, evidence: str | None) -> None:
    found = out_of_range(case(watched([a_reading(der=der, **values)]), rating))
    assert (found.evidence if found else None) == evidence


def sunny(minutes: int, power_kw: float, **values: Any) -> Watch:
    values = {**SUN, "power_kw": power_kw, **values}
    return watched([a_reading(seq, **values) for seq in range(0, minutes + 1, 5)], PV)


@pytest.mark.parametrize(
    ("watch", "found"),
    [
        (sunny(30, 0.6 * SUNNY_KW), True),
        (sunny(25, 0.6 * SUNNY_KW), False),
        (sunny(60, 0.9 * SUNNY_KW), False),
        (sunny(60, 1.5 * SUNNY_KW), True),
        (sunny(60, 2.0, setpoint_kw=2.0), False),
        (sunny(60, 0.0, temperature_c=None), False),
        (sunny(60, 0.2, irradiance_w_per_m2=5.0), False),
    ],
    ids=[
        "half an hour too little", "not yet", "a little dust", "too much", "curtailed", "temperature not measured",
        "dusk",
    ],
)  # fmt: skip
def test_off_expected_power(watch: Watch, found: bool) -> None:
    result = off_expected_power(case(watch))
    assert (result is not None) == found
    if result is not None:
        assert f"{SUNNY_KW:.2f} kW expected from 700 W/m² and 20 °C" in result.evidence


def test_one_good_reading_begins_the_half_hour_anew() -> None:
    powers = [0.5 * SUNNY_KW] * 5 + [SUNNY_KW] + [0.5 * SUNNY_KW] * 5
    readings = [a_reading(5 * number, power_kw=power, **SUN) for number, power in enumerate(powers)]
    assert off_expected_power(case(watched(readings, PV))) is None


def balance(soc_kwh: list[float], kwh: list[float], gap_at: int | None = None) -> Watch:
    """A battery that reports this charge after these energies, a quarter of an hour apart in one reading each."""
    der = "house-01/battery"
    watch = begin(a_reading(0, der, state_of_charge_kwh=soc_kwh[0], event_time_us=T0), BATTERY, 0)
    for number, (soc, energy) in enumerate(zip(soc_kwh[1:], kwh, strict=True), start=1):
        at_us = T0 + number * 15 * MINUTE_US
        reading = a_reading(number, der, state_of_charge_kwh=soc, energy_kwh=energy, event_time_us=at_us)
        flow = flow_after(watch.reading, energy, readings=0 if number == gap_at else 1)
        watch = observe(watch, reading, flow, BATTERY, number)
    return watch


@pytest.mark.parametrize(
    ("watch", "found"),
    [
        (balance([5.0, 5.9, 6.8], [1.0, 1.0]), False),
        (balance([5.0, 5.0 - 1 / 0.9], [-1.0]), False),
        (balance([5.0, 5.0], [0.0]), False),
        (balance([5.0, 5.0, 5.0], [1.0, 1.0]), True),
        (balance([5.0, 6.5], [0.0]), True),
        (balance([5.0, 5.9, 9.0], [1.0, 1.0], gap_at=2), False),
        (balance([5.0, 9.0, 9.9], [1.0, 1.0], gap_at=1), False),
    ],
    ids=[
        "charging", "discharging", "at rest", "energy goes in and the charge stays", "the charge moves by itself",
        "a reading is missing", "and it counts anew behind it",
    ],
)  # fmt: skip
def test_off_energy_balance(watch: Watch, found: bool) -> None:
    assert (off_energy_balance(case(watch, BATTERY)) is not None) == found


def test_the_balance_says_what_it_compared() -> None:
    found = off_energy_balance(case(balance([5.0, 5.0, 5.0], [1.0, 1.0]), BATTERY))
    assert found is not None
    assert found.evidence == "5.00 kWh reported, 6.80 kWh expected after 2.00 kWh in and out over 0.5 h"


def test_a_slow_drift_adds_up_over_hours_and_the_memory_stays_bounded() -> None:
    steps = 200
    watch = balance([5.0 + 0.015 * number for number in range(steps + 1)], [0.0] * steps)
    assert len(watch.charges) == CHARGES
    assert off_energy_balance(case(watch, BATTERY)) is not None


def test_without_a_rating_there_is_no_balance() -> None:
    assert off_energy_balance(case(balance([5.0, 6.5], [0.0]), None)) is None


@pytest.mark.parametrize(
    ("der", "power_kw", "setpoint_kw", "rating", "found"),
    [
        ("house-01/battery", 3.0, 3.0, BATTERY, False),
        ("house-01/battery", 0.5, 3.0, BATTERY, False),
        ("house-01/battery", -2.0, 3.0, BATTERY, True),
        ("house-01/battery", 4.0, 3.0, BATTERY, True),
        ("house-01/battery", -4.0, None, BATTERY, False),
        ("house-01/ev", 11.0, 0.0, EV, True),
    ],
    ids=["follows", "full, so less", "the other way", "more", "follows none", "charges though held back"],
)
def test_off_setpoint(der: str, power_kw: float, setpoint_kw: float | None, rating: Rating, found: bool) -> None:
    watch = watched([a_reading(der=der, power_kw=power_kw, setpoint_kw=setpoint_kw)])
    assert (off_setpoint(case(watch, rating)) is not None) == found


def test_an_older_reading_changes_nothing() -> None:
    watch = watched([a_reading(0), a_reading(1)])
    assert observe(watch, a_reading(0, power_kw=5.0), flow_after(watch.reading), PV, 99) is watch
