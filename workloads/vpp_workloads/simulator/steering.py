"""Batteries and vehicles that follow set-points: what they do instead of their profile, interval by interval.

The first command that a DER accepts takes it off its profile for good, for its charge is another from then on: without
a command it goes on by itself, a battery keeping the site's own surplus, a vehicle charging as it can. What it does is
written down before the gateway takes it (see `record`), so that what was simulated is known also after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vpp_contract.commands import Command
from vpp_workloads.gateway.measurement import Measurement
from vpp_workloads.simulator.horizon import HOUR_SECONDS, HOUR_US, Horizon
from vpp_workloads.simulator.profile import DerProfile, Storage, vehicle_can_take_kw

_PRODUCERS: Final = ("pv", "wind", "hydro")
SetPoint = Callable[[str], Command | None]
"""Returns the command a DER has to follow now."""


def moved(storage: Storage, soc_kwh: float, wanted_kwh: float, hours: float) -> tuple[float, float]:
    """Return the energy at the terminals (+ charging) and the charge after it, as near to `wanted_kwh` as can be."""
    if wanted_kwh >= 0:
        room_kwh = max(storage.capacity_kwh - soc_kwh, 0.0) / storage.in_efficiency
        kwh = min(wanted_kwh, storage.charge_limit_kw * hours, room_kwh)
        return kwh, min(soc_kwh + kwh * storage.in_efficiency, storage.capacity_kwh)
    held_kwh = max(soc_kwh - storage.lowest_kwh, 0.0) * storage.out_efficiency
    kwh = min(-wanted_kwh, storage.discharge_limit_kw * hours, held_kwh)
    return 0.0 - kwh, soc_kwh - kwh / storage.out_efficiency


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """What the steered DERs of a site do, and their charges after it."""

    measurements: list[Measurement]
    charges_kwh: dict[str, float]
    """Of every DER that has left its profile."""


class Steering:
    """The storages of one site. Pure apart from asking for set-points."""

    def __init__(self, profiles: Sequence[DerProfile], horizon: Horizon, interval_seconds: int) -> None:
        self._ders = frozenset(profile.der for profile in profiles)
        self._storages = {profile.der: profile for profile in profiles if profile.storage is not None}
        # Vehicles first: batteries take what the site leaves, each in its order.
        self._order = sorted(self._storages.values(), key=lambda profile: profile.kind == "battery")
        self._horizon = horizon
        self._hours = interval_seconds / HOUR_SECONDS
        self._interval_seconds = interval_seconds

    @property
    def ders(self) -> tuple[str, ...]:
        """The DERs that can be steered."""
        return tuple(self._storages)

    def decide(self, command: Command) -> str | None:
        """Say whether a command is followed, see `CommandDesk.decide_by`."""
        if command.der not in self._ders:
            return None
        profile = self._storages.get(command.der)
        if profile is None:
            return f"{command.der} follows no set-points; the simulator steers batteries and vehicles"
        if profile.kind == "ev" and command.setpoint_kw < 0:
            return f"{command.der} does not discharge into the site; its set-point must be at least 0"
        return ""

    def steer(self, measurements: Sequence[Measurement], charges_kwh: dict[str, float], set_point: SetPoint) -> Steered:
        """Return measurements, in order of time, with those of steered DERs replaced.

        Args:
            measurements: as the profiles have them.
            charges_kwh: of the DERs that have left their profile before.
            set_point: what is to be followed now.
        """
        commands = {der: set_point(der) for der in self._storages}
        if not charges_kwh and not any(commands.values()):
            return Steered(measurements=list(measurements), charges_kwh={})
        charges, result = dict(charges_kwh), dict[tuple[int, str], Measurement]()
        for measurement in measurements:
            result[measurement.event_time_us, measurement.der] = measurement
        for at_us in sorted({measurement.event_time_us for measurement in measurements}):
            self._interval(at_us, result, charges, commands)
        return Steered(measurements=list(result.values()), charges_kwh=charges)

    def _interval(
        self,
        at_us: int,
        result: dict[tuple[int, str], Measurement],
        charges: dict[str, float],
        commands: dict[str, Command | None],
    ) -> None:
        now = {der: one for (time_us, der), one in result.items() if time_us == at_us}
        surplus_kwh = sum(
            one.energy_kwh if one.kind in _PRODUCERS else -one.energy_kwh
            for one in now.values()
            if one.der not in self._storages
        )
        for profile in self._order:
            planned = now.get(profile.der)
            if planned is None:
                continue
            command = commands[profile.der]
            if profile.der not in charges and command is not None:
                charges[profile.der] = self._planned_charge(profile, at_us - self._interval_seconds * 1_000_000)
            if profile.der in charges:
                planned = self._replaced(profile, planned, charges, surplus_kwh, command)
                result[at_us, profile.der] = planned
            surplus_kwh -= planned.energy_kwh

    def _replaced(
        self,
        profile: DerProfile,
        planned: Measurement,
        charges: dict[str, float],
        surplus_kwh: float,
        command: Command | None,
    ) -> Measurement:
        assert profile.storage is not None
        hour = self._hour(planned.event_time_us - 1)
        soc_kwh, wanted_kwh = charges[profile.der], surplus_kwh
        if profile.driven_kwh is not None:
            driven_kwh = profile.driven_kwh[hour]
            soc_kwh = max(soc_kwh - (driven_kwh or 0.0) * self._hours, 0.0)
            wanted_kwh = 0.0 if driven_kwh is not None else profile.storage.charge_limit_kw * self._hours
        if command is not None:
            setpoint_kwh = command.setpoint_kw * self._hours
            wanted_kwh = setpoint_kwh if profile.driven_kwh is None else min(wanted_kwh, max(setpoint_kwh, 0.0))
        kwh, soc_kwh = moved(profile.storage, soc_kwh, wanted_kwh, self._hours)
        charges[profile.der] = soc_kwh
        return replace(
            planned,
            energy_kwh=kwh,
            power_kw=kwh / self._hours,
            state_of_charge_kwh=soc_kwh,
            setpoint_kw=None if command is None else command.setpoint_kw,
            available_kw=vehicle_can_take_kw(profile, hour, soc_kwh, self._interval_seconds),
        )

    def _hour(self, time_us: int) -> int:
        return (time_us - self._horizon.start_us) // HOUR_US

    def _planned_charge(self, profile: DerProfile, at_us: int) -> float:
        """Return the charge that the profile has at a moment."""
        assert profile.soc_kwh is not None
        hour = min(self._hour(at_us), self._horizon.hours - 1)
        share = (at_us - self._horizon.start_us - hour * HOUR_US) / HOUR_US
        return profile.soc_kwh[hour] + (profile.soc_kwh[hour + 1] - profile.soc_kwh[hour]) * share
