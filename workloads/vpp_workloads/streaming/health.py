"""Whether a DER is well: named rules on its newest values, each a pure function that finds something or nothing.

A rule that lacks what it needs (a rating, a quantity, a history) finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vpp_contract.plant import Rating
from vpp_workloads.streaming.expected import expected_pv_kw, expected_soc_kwh
from vpp_workloads.streaming.watch import Watch

SILENT_SECONDS: Final = 60.0
SILENT_GAPS: Final = 5.0
STUCK_SECONDS: Final = 3 * 3600.0
OFF_SECONDS: Final = 1800.0
"""How long PV must be off before it is told: clouds pass."""
RATING_MARGIN: Final = 0.25
"""Gusts, and the edges of clouds, carry producers past their rating for a while."""
SOC_MARGIN: Final = 0.02
BALANCE_CAPACITY: Final = 0.02
BALANCE_THROUGHPUT: Final = 0.05
SETPOINT_MARGIN: Final = 0.05
_AT_REST_KW: Final = 0.001
_BOUNDS: Final = {
    "interval_seconds": (0.0, 7 * 86400.0),
    "voltage_v": (0.0, 1e6),
    "frequency_hz": (0.0, 70.0),
    "temperature_c": (-70.0, 150.0),
    "irradiance_w_per_m2": (-20.0, 1800.0),
    "wind_speed_m_per_s": (0.0, 100.0),
    "water_flow_m3_per_s": (0.0, 1e5),
}
"""What a sound sensor can show on earth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong: the rule's reason in a word, and the figures behind it in a sentence."""

    reason: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A DER as it is judged."""

    watch: Watch
    rating: Rating | None
    now_us: int
    """The driver's clock."""
    heard_since_us: int = 0
    """Since when the driver has taken readings without a pause: a driver that hears nothing says nothing of silence."""


def silent(case: Case) -> Finding | None:
    """No reading has arrived for much longer than readings are apart, and for longer than its gateway may filter."""
    age_seconds = (case.now_us - max(case.watch.arrived_us, case.heard_since_us)) / 1e6
    allowed_seconds = silence_seconds(case)
    if age_seconds <= allowed_seconds:
        return None
    return Finding(
        reason="silent",
        evidence=f"no reading has arrived for {age_seconds:.0f} s, {allowed_seconds:.0f} s at most are usual",
    )


def silence_seconds(case: Case) -> float:
    """Return how long a DER may say nothing."""
    gap_seconds = case.watch.gap_seconds
    if gap_seconds is None:
        gap_seconds = case.watch.reading.interval_seconds
    quiet_seconds = case.rating.quiet_seconds + SILENT_SECONDS if case.rating is not None else 0.0
    return max(SILENT_SECONDS, SILENT_GAPS * gap_seconds, quiet_seconds)


def stuck(case: Case) -> Finding | None:
    """Every measured quantity stays the same to the last digit, though the DER is at work and not at a limit."""
    reading = case.watch.reading
    hours = (reading.event_time_us - case.watch.unchanged_since_us) / 3.6e9
    if hours * 3600 < STUCK_SECONDS or abs(reading.power_kw) <= _AT_REST_KW or _is_held(case):
        return None
    return Finding(
        reason="stuck",
        evidence=f"every measured quantity has been the same for {hours:.1f} h, power {reading.power_kw:g} kW",
    )


def _is_held(case: Case) -> bool:
    """Whether a constant power has a reason: the DER's limit, or the set-point that it follows."""
    reading, rating = case.watch.reading, case.rating
    bounds = [reading.setpoint_kw, rating.power_kw if rating is not None else None]
    return any(
        bound is not None and abs(abs(reading.power_kw) - abs(bound)) <= 0.01 * max(abs(bound), 1.0) for bound in bounds
    )


def out_of_range(case: Case) -> Finding | None:
    """A quantity shows what the DER, or any sensor, cannot."""
    reading, rating = case.watch.reading, case.rating
    bounds: dict[str, tuple[float, float]] = dict(_BOUNDS)
    limit_kw = rating.power_kw if rating is not None else None
    slack_kw = RATING_MARGIN * (limit_kw if limit_kw is not None else 1.0)
    highest_kw = float("inf") if limit_kw is None else limit_kw + slack_kw
    lowest_kw = -highest_kw if reading.kind in ("battery", "ev") else -slack_kw
    bounds["power_kw"] = (lowest_kw, highest_kw)
    if rating is not None and rating.capacity_kwh is not None:
        margin_kwh = SOC_MARGIN * rating.capacity_kwh
        bounds["state_of_charge_kwh"] = (-margin_kwh, rating.capacity_kwh + margin_kwh)
    for name, (lowest, highest) in bounds.items():
        value = getattr(reading, name)
        if value is not None and not lowest <= value <= highest:
            return Finding(reason="out_of_range", evidence=f"{name} is {value:g}, outside {lowest:g} to {highest:g}")
    return None


def off_expected_power(case: Case) -> Finding | None:
    """PV gives less or more than irradiance and temperature say, for longer than clouds explain."""
    reading, since_us = case.watch.reading, case.watch.off_since_us
    expected_kw = expected_pv_kw(reading, case.rating)
    if since_us is None or expected_kw is None or reading.event_time_us - since_us < OFF_SECONDS * 1e6:
        return None
    minutes = (reading.event_time_us - since_us) / 6e7
    return Finding(
        reason="off_expected_power",
        evidence=f"{reading.power_kw:.2f} kW measured, {expected_kw:.2f} kW expected from "
        f"{reading.irradiance_w_per_m2:.0f} W/m² and {reading.temperature_c:.0f} °C, for {minutes:.0f} min",
    )


def off_energy_balance(case: Case) -> Finding | None:
    """A battery's state of charge is not what the energies at its terminals lead to, over the last hours."""
    charges, rating = case.watch.charges, case.rating
    if rating is None or rating.capacity_kwh is None or rating.efficiency is None or len(charges) < 2:
        return None
    before, after = charges[0], charges[-1]
    expected_kwh = expected_soc_kwh(before, after, rating.efficiency)
    through_kwh = after.charged_kwh - before.charged_kwh + after.discharged_kwh - before.discharged_kwh
    tolerance_kwh = BALANCE_CAPACITY * rating.capacity_kwh + BALANCE_THROUGHPUT * through_kwh
    if abs(after.soc_kwh - expected_kwh) <= tolerance_kwh:
        return None
    hours = (after.event_time_us - before.event_time_us) / 3.6e9
    return Finding(
        reason="off_energy_balance",
        evidence=f"{after.soc_kwh:.2f} kWh reported, {expected_kwh:.2f} kWh expected after {through_kwh:.2f} kWh "
        f"in and out over {hours:.1f} h",
    )


def off_setpoint(case: Case) -> Finding | None:
    """The DER gives more, or takes more, than the set-point it says it follows; less can be its own limit."""
    reading, rating = case.watch.reading, case.rating
    if reading.setpoint_kw is None or rating is None or rating.power_kw is None:
        return None
    slack_kw = SETPOINT_MARGIN * rating.power_kw
    highest_kw, lowest_kw = max(reading.setpoint_kw, 0.0) + slack_kw, min(reading.setpoint_kw, 0.0) - slack_kw
    if lowest_kw <= reading.power_kw <= highest_kw:
        return None
    return Finding(
        reason="off_setpoint",
        evidence=f"{reading.power_kw:.2f} kW measured, though it follows a set-point of {reading.setpoint_kw:.2f} kW",
    )


RULES: Final[tuple[Callable[[Case], Finding | None], ...]] = (
    silent,
    stuck,
    out_of_range,
    off_expected_power,
    off_energy_balance,
    off_setpoint,
)


def findings(case: Case) -> tuple[Finding, ...]:
    """Return what the rules find, in their order. Of a silent DER nothing else is told: its values are old."""
    quiet = silent(case)
    if quiet is not None:
        return (quiet,)
    return tuple(found for rule in RULES if (found := rule(case)) is not None)
