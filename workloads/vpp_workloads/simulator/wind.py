"""A small wind turbine with windpowerlib's formulas and a power curve of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vpp_workloads.simulator.weather import Weather

POWER_CURVE: Final = (
    (0.0, 0.0), (2.9, 0.0), (3.0, 0.01), (4.0, 0.04), (5.0, 0.09), (6.0, 0.17), (7.0, 0.28), (8.0, 0.42), (9.0, 0.58),
    (10.0, 0.76), (11.0, 0.92), (12.0, 1.0), (25.0, 1.0), (25.1, 0.0), (60.0, 0.0),
)  # fmt: skip
"""(Wind speed at the hub in m/s, share of nominal power) of a typical small pitch-regulated turbine: cut-in at 3 m/s,
rated at 12 m/s, cut-out at 25 m/s. windpowerlib's own turbines begin at 800 kW."""
_WEATHER_HEIGHT_M: Final = 10.0
_ROUGHNESS_M: Final = 0.15
_PRESSURE_PA: Final = 101_325.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turbine:
    """A turbine and where it stands."""

    nominal_kw: float
    hub_height_m: float
    altitude_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindYield:
    """What the turbine gives, and the wind at its hub, hour by hour."""

    hourly_kwh: tuple[float, ...]
    wind_speed_m_per_s: tuple[float, ...]


def wind_yield(turbine: Turbine, sky: Weather) -> WindYield:
    """Return each hour's yield: logarithmic wind profile (roughness 0.15 m), barometric air density, power curve."""
    import pandas as pd
    from windpowerlib import density, power_output, wind_speed

    speed = wind_speed.logarithmic_profile(
        pd.Series(sky.wind_speed_m_per_s), _WEATHER_HEIGHT_M, turbine.hub_height_m, _ROUGHNESS_M
    )
    temperature_k = pd.Series(sky.temperature_c) + 273.15
    pressure_pa = pd.Series(_PRESSURE_PA, index=speed.index)
    air = density.barometric(pressure_pa, 0.0, turbine.altitude_m + turbine.hub_height_m, temperature_k)
    power_kw = power_output.power_curve(
        speed,
        pd.Series([step for step, _ in POWER_CURVE]),
        pd.Series([share * turbine.nominal_kw for _, share in POWER_CURVE]),
        density=air,
        density_correction=True,
    )
    return WindYield(
        hourly_kwh=tuple(min(max(float(value), 0.0), turbine.nominal_kw) for value in power_kw),
        wind_speed_m_per_s=tuple(float(value) for value in speed),
    )
