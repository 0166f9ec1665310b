"""What one DER does over the horizon: energy hour by hour, known before and apart from any reading of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vpp_workloads.gateway.measurement import Measurement
from vpp_workloads.simulator.horizon import HOUR_SECONDS, HOUR_US, Horizon
from vpp_workloads.simulator.spread import smooth_weights, spread


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


def measurements_of_hour(profile: DerProfile, horizon: Horizon, hour: int, interval_seconds: int) -> list[Measurement]:
    """Return an hour's measurements, stamped with the ends of their intervals; their energies sum to the hour's."""
    count = HOUR_SECONDS // interval_seconds
    energies = spread(profile.hourly_kwh[hour], _weights(profile, hour, count))
    begin_us = horizon.start_us + hour * HOUR_US
    measurements = []
    for i, energy_kwh in enumerate(energies):
        soc_kwh = None
        if profile.soc_kwh is not None:
            before, after = profile.soc_kwh[hour], profile.soc_kwh[hour + 1]
            soc_kwh = before + (after - before) * (i + 1) / count
        measurements.append(
            Measurement(
                der=profile.der,
                kind=profile.kind,
                event_time_us=begin_us + (i + 1) * interval_seconds * 1_000_000,
                interval_seconds=float(interval_seconds),
                power_kw=energy_kwh * HOUR_SECONDS / interval_seconds,
                energy_kwh=energy_kwh,
                state_of_charge_kwh=soc_kwh,
                temperature_c=_at(profile.temperature_c, hour),
                irradiance_w_per_m2=_at(profile.irradiance_w_per_m2, hour),
                wind_speed_m_per_s=_at(profile.wind_speed_m_per_s, hour),
                water_flow_m3_per_s=_at(profile.water_flow_m3_per_s, hour),
            )
        )
    return measurements


def _weights(profile: DerProfile, hour: int, count: int) -> list[float]:
    if not profile.smooth:
        return [1.0] * count
    hours = profile.hourly_kwh
    before = hours[max(hour - 1, 0)]
    after = hours[min(hour + 1, len(hours) - 1)]
    return smooth_weights(before, hours[hour], after, count)


def _at(values: Sequence[float] | None, hour: int) -> float | None:
    return None if values is None else values[hour]
