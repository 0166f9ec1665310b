"""What one DER does over the horizon: energy hour by hour, known before and apart from any reading of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vpp_workloads.gateway.measurement import Measurement
from vpp_workloads.simulator.horizon import HOUR_SECONDS, HOUR_US, Horizon
from vpp_workloads.simulator.spread import smooth_weights, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A battery or a vehicle as its terminals see it, see `steering`."""

    capacity_kwh: float
    lowest_kwh: float
    """Charge below which it gives nothing."""
    charge_limit_kw: float
    discharge_limit_kw: float
    in_efficiency: float
    out_efficiency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DerProfile:
    """One DER's hours. All sequences have one value an hour of the horizon, `soc_kwh` one more."""

    der: str
    kind: str
    hourly_kwh: Sequence[float]
    smooth: bool
    """Whether power changes gradually within an hour; a battery's and a vehicle's is constant."""
    soc_kwh: Sequence[float] | None = None
    """State of charge at the beginning of each hour and at the end of the last."""
    temperature_c: Sequence[float] | None = None
    irradiance_w_per_m2: Sequence[float] | None = None
    wind_speed_m_per_s: Sequence[float] | None = None
    water_flow_m3_per_s: Sequence[float] | None = None
    storage: Storage | None = None
    """What holds the energy, of a battery or vehicle; it can follow set-points."""
    driven_kwh: Sequence[float | None] | None = None
    """Of a vehicle: what driving takes in each hour, None while it is at its charging point."""


def measurements_of_hour(profile: DerProfile, horizon: Horizon, hour: int, interval_seconds: int) -> list[Measurement]:
    """Return an hour's measurements, stamped with the ends of their intervals; their energies sum to the hour's."""
    count = HOUR_SECONDS // interval_seconds
    energies = spread(profile.hourly_kwh[hour], _weights(profile, hour, count))
    begin_us = horizon.start_us + hour * HOUR_US
    irradiances = _irradiances(profile, hour, count)
    measurements = []
    for i, energy_kwh in enumerate(energies):
        soc_kwh = available_kw = None
        if profile.soc_kwh is not None:
            before, after = profile.soc_kwh[hour], profile.soc_kwh[hour + 1]
            soc_kwh = before + (after - before) * (i + 1) / count
            available_kw = vehicle_can_take_kw(profile, hour, soc_kwh, interval_seconds)
        measurements.append(
            Measurement(
                der=profile.der,
                kind=profile.kind,
                event_time_us=begin_us + (i + 1) * interval_seconds * 1_000_000,
                interval_seconds=float(interval_seconds),
                power_kw=energy_kwh * HOUR_SECONDS / interval_seconds,
                energy_kwh=energy_kwh,
                state_of_charge_kwh=soc_kwh,
                available_kw=available_kw,
                temperature_c=_at(profile.temperature_c, hour),
                irradiance_w_per_m2=irradiances[i] if irradiances is not None else None,
                wind_speed_m_per_s=_at(profile.wind_speed_m_per_s, hour),
                water_flow_m3_per_s=_at(profile.water_flow_m3_per_s, hour),
            )
        )
    return measurements


def vehicle_can_take_kw(profile: DerProfile, hour: int, soc_kwh: float, interval_seconds: int) -> float | None:
    """Return what a vehicle could charge with after a moment, 0 while it is away; None for anything else."""
    if profile.driven_kwh is None or profile.storage is None:
        return None
    if profile.driven_kwh[hour] is not None:
        return 0.0
    room_kwh = max(profile.storage.capacity_kwh - soc_kwh, 0.0) / profile.storage.in_efficiency
    return min(profile.storage.charge_limit_kw, room_kwh * HOUR_SECONDS / interval_seconds)


def _irradiances(profile: DerProfile, hour: int, count: int) -> list[float] | None:
    """Return the irradiance of each interval: it changes within the hour as the power does, and keeps its mean."""
    hours = profile.irradiance_w_per_m2
    return None if hours is None else spread(hours[hour] * count, _smooth(hours, hour, count))


def _weights(profile: DerProfile, hour: int, count: int) -> list[float]:
    return _smooth(profile.hourly_kwh, hour, count) if profile.smooth else [1.0] * count


def _smooth(hours: Sequence[float], hour: int, count: int) -> list[float]:
    before = hours[max(hour - 1, 0)]
    after = hours[min(hour + 1, len(hours) - 1)]
    return smooth_weights(before, hours[hour], after, count)


def _at(values: Sequence[float] | None, hour: int) -> float | None:
    return None if values is None else values[hour]
