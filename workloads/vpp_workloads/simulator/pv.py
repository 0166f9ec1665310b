"""Photovoltaics with pvlib: sun, sky, panel, temperature, inverter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from vpp_workloads.simulator.config import Location
from vpp_workloads.simulator.horizon import Horizon
from vpp_workloads.simulator.weather import Weather

STEPS_AN_HOUR: Final = 12
_GAMMA_PER_K: Final = -0.004
_INVERTER_EFFICIENCY: Final = 0.96
_WIND_M_PER_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels:
    """Panels on a roof."""

    nominal_kw: float
    """Output of the inverter under standard test conditions, before losses."""
    tilt_deg: float
    azimuth_deg: float
    """180 is south."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yield:
    """What the panels give, and the irradiance on them, hour by hour."""

    hourly_kwh: tuple[float, ...]
    irradiance_w_per_m2: tuple[float, ...]


def panel_yield(panels: Panels, location: Location, horizon: Horizon, sky: Weather) -> Yield:
    """Return the yield of each hour, from twelve instants in it.

    Clear sky by the simplified Solis model, dimmed by the weather's clearness, split by Erbs, transposed isotropically;
    cell temperature by Faiman; DC by PVWatts (-0.4 %/K) with its 14 % of system losses, AC by its inverter model.
    """
    import pandas as pd
    import pvlib

    step = timedelta(hours=1) / STEPS_AN_HOUR
    times = pd.date_range(horizon.start + step / 2, periods=horizon.hours * STEPS_AN_HOUR, freq=step)
    sun = pvlib.solarposition.get_solarposition(times, location.latitude, location.longitude, location.altitude_m)
    clear = pvlib.clearsky.simplified_solis(
        sun["apparent_elevation"], pressure=pvlib.atmosphere.alt2pres(location.altitude_m)
    )
    ghi = clear["ghi"] * _each_step(sky.clearness)
    split = pvlib.irradiance.erbs(ghi, sun["zenith"], times)
    plane = pvlib.irradiance.get_total_irradiance(
        panels.tilt_deg, panels.azimuth_deg, sun["apparent_zenith"], sun["azimuth"],
        dni=split["dni"], ghi=ghi, dhi=split["dhi"],
    )["poa_global"].fillna(0.0).clip(lower=0.0)  # fmt: skip
    cell_c = pvlib.temperature.faiman(plane, pd.Series(_each_step(sky.temperature_c), index=times), _WIND_M_PER_S)
    dc_kw = pvlib.pvsystem.pvwatts_dc(plane, cell_c, panels.nominal_kw, _GAMMA_PER_K)
    dc_kw = dc_kw * (1 - pvlib.pvsystem.pvwatts_losses() / 100)
    ac_kw = pvlib.inverter.pvwatts(dc_kw, panels.nominal_kw / _INVERTER_EFFICIENCY, _INVERTER_EFFICIENCY)
    return Yield(hourly_kwh=_hourly_means(ac_kw.fillna(0.0).clip(lower=0.0)), irradiance_w_per_m2=_hourly_means(plane))


def _each_step(hourly: Sequence[float]) -> list[float]:
    return [value for value in hourly for _ in range(STEPS_AN_HOUR)]


def _hourly_means(steps: Sequence[float]) -> tuple[float, ...]:
    values = [float(value) for value in steps]
    return tuple(sum(values[i : i + STEPS_AN_HOUR]) / STEPS_AN_HOUR for i in range(0, len(values), STEPS_AN_HOUR))
