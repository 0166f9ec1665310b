"""An electric vehicle: it leaves in the morning, drives, returns, and charges at home until it is full."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from vpp_workloads.simulator.horizon import Horizon

EFFICIENCY: Final = 0.9
_WARM_UP_HOURS: Final = 48
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """A vehicle and its charging point."""

    capacity_kwh: float
    charger_kw: float
    drive_kwh: float
    """What an average day's driving takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charging:
    """Energy at the charging point hour by hour, and the vehicle's charge before each hour and after the last."""

    hourly_kwh: tuple[float, ...]
    soc_kwh: tuple[float, ...]
    driven_kwh: tuple[float | None, ...]
    """What driving takes in each hour; None while it is at its charging point."""


def charging(vehicle: Vehicle, horizon: Horizon, utc_offset_hours: float, seed: int | str) -> Charging:
    """Charge at full power from arrival until full, at 90 % efficiency.

    On working days it leaves at about 8 h and returns at about 18 h, on weekends at 11 h and 17 h (normal, sigma one
    hour, whole hours of local time); a day's driving is normal about `drive_kwh` with a third of it as sigma, between
    10 and 80 % of the battery. It begins full two days before the horizon.
    """
    early = Horizon(start=horizon.start - timedelta(hours=_WARM_UP_HOURS), hours=horizon.hours + _WARM_UP_HOURS)
    soc = [vehicle.capacity_kwh]
    energy: list[float] = []
    driven: list[float | None] = []
    for start in early.local_hour_starts(utc_offset_hours):
        leaves, returns, drive_kwh = _day(vehicle, f"{seed}/{start.date()}", weekend=start.weekday() >= _SATURDAY)
        if leaves <= start.hour < returns:
            energy.append(0.0)
            driven.append(drive_kwh / (returns - leaves))
            soc.append(soc[-1] - drive_kwh / (returns - leaves))
        else:
            charge = min(vehicle.charger_kw, (vehicle.capacity_kwh - soc[-1]) / EFFICIENCY)
            energy.append(charge)
            driven.append(None)
            soc.append(min(soc[-1] + charge * EFFICIENCY, vehicle.capacity_kwh))
        soc[-1] = max(soc[-1], 0.0)
    return Charging(
        hourly_kwh=tuple(energy[_WARM_UP_HOURS:]),
        soc_kwh=tuple(soc[_WARM_UP_HOURS:]),
        driven_kwh=tuple(driven[_WARM_UP_HOURS:]),
    )


def _day(vehicle: Vehicle, seed: str, *, weekend: bool) -> tuple[int, int, float]:
    """Return when it leaves and returns that day, and what the driving takes."""
    draw = random.Random(seed)
    leaves, returns = (11, 17) if weekend else (8, 18)
    leave_hour = min(max(round(draw.gauss(leaves, 1)), 5), 13)
    return_hour = min(max(round(draw.gauss(returns, 1)), leave_hour + 1), 23)
    drive_kwh = draw.gauss(vehicle.drive_kwh, vehicle.drive_kwh / 3)
    return leave_hour, return_hour, min(max(drive_kwh, 0.1 * vehicle.capacity_kwh), 0.8 * vehicle.capacity_kwh)
