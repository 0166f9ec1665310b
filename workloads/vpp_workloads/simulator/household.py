"""A household's load: demandlib's standard load profile, scaled to a year's use, with a household's own unrest."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

from vpp_workloads.simulator.horizon import Horizon

PROFILES: Final = ("h0", "h0_dyn", "g0", "g1", "g2", "g3", "g4", "g5", "g6", "l0", "l1", "l2")
_UNREST: Final = 0.25


def household_load(
    annual_kwh: float, profile: str, horizon: Horizon, utc_offset_hours: float, *, seed: str
) -> tuple[float, ...]:
    """Return each hour's load.

    Args:
        annual_kwh: a year's use.
        profile: one of `PROFILES`, BDEW's names; h0_dyn is the household profile with its dynamic seasons.
        horizon: the hours.
        utc_offset_hours: local time of the household.
        seed: of its unrest: every hour is multiplied by a factor of mean 1, log-normal with sigma 0.25.
    """
    unrest = random.Random(seed)
    load = []
    for local in horizon.local_hour_starts(utc_offset_hours):
        share = _year(local.year, profile)[local.replace(minute=0)]
        load.append(annual_kwh * share * unrest.lognormvariate(-(_UNREST**2) / 2, _UNREST))
    return tuple(load)


@lru_cache(maxsize=4)
def _year(year: int, profile: str) -> Mapping[datetime, float]:
    """Return each hour's share of a year's use."""
    # demandlib turns all warnings of the process into errors; catch_warnings takes that back.
    with warnings.catch_warnings():
        from demandlib import bdew

        quarters = bdew.ElecSlp(year).get_profiles(profile)[profile]
    hours = quarters.resample("1h").sum()
    hours = hours / hours.sum()
    return {time.to_pydatetime(): float(share) for time, share in hours.items()}
