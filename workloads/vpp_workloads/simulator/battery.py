"""A battery that keeps the site's own surplus: it charges on surplus, discharges on deficit, and never trades."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """A battery as seen at its terminals."""

    capacity_kwh: float
    max_power_kw: float
    efficiency: float
    """Of a whole round trip; each way costs its square root."""
    depth_of_discharge: float
    initial_soc: float
    """Share of the capacity at the beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Energy at the terminals hour by hour (+ charging), and the charge before each hour and after the last."""

    hourly_kwh: tuple[float, ...]
    soc_kwh: tuple[float, ...]


def self_consumption(battery: Battery, surplus_kwh: Sequence[float]) -> Dispatch:
    """Run the battery against the site's surplus of each hour (negative: deficit).

    The state of charge stays between (1 - depth of discharge) and all of the capacity, power within its limit.
    """
    one_way = math.sqrt(battery.efficiency)
    lowest_kwh = battery.capacity_kwh * (1 - battery.depth_of_discharge)
    soc = [min(max(battery.initial_soc * battery.capacity_kwh, lowest_kwh), battery.capacity_kwh)]
    energy = []
    for surplus in surplus_kwh:
        if surplus >= 0:
            room_kwh = (battery.capacity_kwh - soc[-1]) / one_way
            charge = min(surplus, battery.max_power_kw, room_kwh)
            energy.append(charge)
            soc.append(min(soc[-1] + charge * one_way, battery.capacity_kwh))
        else:
            held_kwh = (soc[-1] - lowest_kwh) * one_way
            discharge = min(-surplus, battery.max_power_kw, held_kwh)
            energy.append(0.0 - discharge)
            soc.append(max(soc[-1] - discharge / one_way, lowest_kwh))
    return Dispatch(hourly_kwh=tuple(energy), soc_kwh=tuple(soc))
