"""Weather for sites without measurements: plain models with a seed, no claim to be any real day's weather."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from vpp_workloads.simulator.config import Location
from vpp_workloads.simulator.horizon import Horizon

_LAPSE_C_PER_M: Final = 0.0065
_WIND_SHAPE: Final = 2.0
_WIND_SCALE_M_PER_S: Final = 6.0
_MEMORY: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """One value an hour of the horizon."""

    clearness: tuple[float, ...]
    """Share of the clear sky's global irradiance that arrives, 0.25 to 1."""
    temperature_c: tuple[float, ...]
    wind_speed_m_per_s: tuple[float, ...]
    """At 10 m above ground."""


def weather(location: Location, horizon: Horizon, seed: int) -> Weather:
    """Return the weather of a place. Places within half a degree share clouds and gusts.

    Clouds: cover drawn day by day from Beta(0.5, 1.5) with hourly noise; clearness = 1 - 0.75 cover^3.4 (Kasten and
    Czeplak 1980). Temperature: mean and seasons by latitude, lapse 6.5 K/km, warmest at 15 h solar time. Wind: Weibull
    (shape 2, scale 6 m/s) with an hourly memory of 0.9, a little stronger in the afternoon.
    """
    region = f"{round(2 * location.latitude)}/{round(2 * location.longitude)}"
    clouds, gusts = random.Random(f"{seed}/{region}/clouds"), random.Random(f"{seed}/{region}/wind")
    normal = NormalDist()
    day, cover, noise, wind = None, 0.0, 0.0, gusts.gauss(0, 1)
    clearness, temperature, speeds = [], [], []
    for start in horizon.local_hour_starts(location.longitude / 15):
        if start.date() != day:
            day, cover = start.date(), clouds.betavariate(0.5, 1.5)
        noise = _MEMORY * noise + math.sqrt(1 - _MEMORY**2) * clouds.gauss(0, 0.15)
        clear = 1 - 0.75 * min(max(cover + noise, 0.0), 1.0) ** 3.4
        solar_hour = start.hour + start.minute / 60 + 0.5
        day_of_year = start.timetuple().tm_yday
        clearness.append(clear)
        temperature.append(_temperature_c(location, day_of_year, solar_hour, clear))
        wind = _MEMORY * wind + math.sqrt(1 - _MEMORY**2) * gusts.gauss(0, 1)
        calm = min(max(1 - normal.cdf(wind), 1e-9), 1.0)
        speed = _WIND_SCALE_M_PER_S * (-math.log(calm)) ** (1 / _WIND_SHAPE)
        speeds.append(speed * (1 + 0.15 * math.cos(2 * math.pi * (solar_hour - 15) / 24)))
    return Weather(clearness=tuple(clearness), temperature_c=tuple(temperature), wind_speed_m_per_s=tuple(speeds))


def _temperature_c(location: Location, day_of_year: int, solar_hour: float, clearness: float) -> float:
    latitude = abs(location.latitude)
    mean_c = 27.5 - 0.00825 * latitude**2 - _LAPSE_C_PER_M * location.altitude_m
    warmest_day = 205 if location.latitude >= 0 else 22
    season_c = 0.2 * latitude * math.cos(2 * math.pi * (day_of_year - warmest_day) / 365.25)
    daily_c = (2 + 5 * clearness) * math.cos(2 * math.pi * (solar_hour - 15) / 24)
    return mean_c + season_c + daily_c
