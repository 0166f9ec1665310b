"""Follows a power target: which DER gives how much, by merit order within each DER's limits. Pure.

All power here is delivery to the grid: positive out of the DER, whatever its own readings' sign is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vpp_contract.plant import Rating
from vpp_contract.readings import Reading
from vpp_workloads.streaming.expected import expected_pv_kw

DEFAULT_ORDER: Final = ("battery", "ev")
HORIZON_HOURS: Final = 0.25
"""A battery is asked for no more than it can keep up so long."""
_FREE_KW: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A DER that can be told what to give: between `low_kw` and `high_kw`, `rest_kw` if nothing is asked of it."""

    der: str
    kind: str
    low_kw: float
    rest_kw: float
    high_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What each unit shall deliver; `unserved_kw` is what of the target no unit could give (negative: take)."""

    target_kw: float
    fixed_kw: float
    delivery_kw: Mapping[str, float]
    unserved_kw: float

    @property
    def dispatched_kw(self) -> float:
        """What all units deliver together."""
        return math.fsum(self.delivery_kw.values())


def plan(target_kw: float, fixed_kw: float, units: Sequence[Unit], order: Sequence[str]) -> Plan:
    """Return who delivers what so that the plant gives `target_kw`.

    Kinds are called on in their order; DERs of one kind share by the room each has. Kinds that are not in the order
    keep what they do: they are in `fixed_kw`, with all that cannot be told.
    """
    called = [unit for unit in units if unit.kind in order]
    delivery = {unit.der: unit.rest_kw for unit in called}
    missing_kw = target_kw - fixed_kw - math.fsum(delivery.values())
    for kind in order:
        ranked = [unit for unit in called if unit.kind == kind]
        rooms = [(unit.high_kw if missing_kw > 0 else unit.low_kw) - unit.rest_kw for unit in ranked]
        room_kw = math.fsum(rooms)
        if room_kw == 0:
            continue
        share = min(missing_kw / room_kw, 1.0)
        for unit, room in zip(ranked, rooms, strict=True):
            # Rounding must not carry a DER past its limit.
            delivery[unit.der] = min(max(unit.rest_kw + share * room, unit.low_kw), unit.high_kw)
        missing_kw = 0.0 if share < 1.0 else missing_kw - room_kw
    return Plan(target_kw=target_kw, fixed_kw=fixed_kw, delivery_kw=delivery, unserved_kw=missing_kw)


def delivery_of(kind: str, power_kw: float) -> float:
    """Return a DER's power, in its readings' sign, as delivery to the grid; it is its own inverse."""
    return power_kw if kind in ("pv", "wind", "hydro") else 0.0 - power_kw


def setpoint_kw(unit: Unit, delivery_kw: float, rating: Rating | None) -> tuple[float, bool]:
    """Return the set-point, in the readings' sign, that makes a unit deliver this, and whether that leaves it free.

    A producer or a vehicle that gives or takes all it can is free: its set-point is what its rating allows, so that the
    next cloud or arrival asks for no new command.
    """
    at_rest = abs(delivery_kw - unit.rest_kw) <= _FREE_KW
    if unit.kind != "battery" and at_rest and rating is not None and rating.power_kw is not None:
        return rating.power_kw, True
    return delivery_of(unit.kind, delivery_kw), False


def unit_of(reading: Reading, rating: Rating | None) -> Unit | None:
    """Return what a DER can be told, by its newest reading; None: it takes no set-point, or its limits are unknown."""
    if rating is None or rating.power_kw is None:
        return None
    match reading.kind:
        case "battery":
            return _battery(reading, rating, rating.power_kw)
        case "ev":
            return _vehicle(reading, rating.power_kw)
        case "pv" | "wind" | "hydro":
            available_kw = min(max(_available_kw(reading, rating), 0.0), rating.power_kw)
            return Unit(der=reading.der, kind=reading.kind, low_kw=0.0, rest_kw=available_kw, high_kw=available_kw)
    return None


def _battery(reading: Reading, rating: Rating, limit_kw: float) -> Unit | None:
    if reading.state_of_charge_kwh is None or rating.capacity_kwh is None:
        return None
    if rating.efficiency is None or rating.depth_of_discharge is None:
        return None
    one_way = math.sqrt(rating.efficiency)
    held_kwh = reading.state_of_charge_kwh - rating.capacity_kwh * (1 - rating.depth_of_discharge)
    room_kwh = rating.capacity_kwh - reading.state_of_charge_kwh
    out_kw = min(limit_kw, max(held_kwh, 0.0) * one_way / HORIZON_HOURS)
    in_kw = min(limit_kw, max(room_kwh, 0.0) / one_way / HORIZON_HOURS)
    return Unit(der=reading.der, kind=reading.kind, low_kw=0.0 - in_kw, rest_kw=0.0, high_kw=out_kw)


def _vehicle(reading: Reading, limit_kw: float) -> Unit | None:
    """A vehicle charges as it can, and may be told to take less. It must say what it can take; away or full: 0."""
    if reading.available_kw is None:
        return None
    charge_kw = 0.0 - min(max(reading.available_kw, 0.0), limit_kw)
    return Unit(der=reading.der, kind=reading.kind, low_kw=charge_kw, rest_kw=charge_kw, high_kw=0.0)


def _available_kw(reading: Reading, rating: Rating) -> float:
    """Return what a producer could give: what it says, else what is expected of it, else what it gives."""
    if reading.available_kw is not None:
        return reading.available_kw
    if reading.setpoint_kw is None:
        return reading.power_kw
    free = Reading(**{**{name: getattr(reading, name) for name in Reading.__slots__}, "setpoint_kw": None})
    expected_kw = expected_pv_kw(free, rating)
    return reading.power_kw if expected_kw is None else expected_kw
