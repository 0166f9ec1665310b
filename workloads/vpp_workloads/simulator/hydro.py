"""A run-of-river turbine: P = ρ g Q H η with a flow that follows the year."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from vpp_workloads.simulator.config import Location
from vpp_workloads.simulator.horizon import Horizon

_DENSITY_KG_PER_M3: Final = 1000.0
_GRAVITY_M_PER_S2: Final = 9.81
_LOWEST_FLOW: Final = 0.35
_MELT_DAY_NORTH: Final = 135
_MELT_DAY_SOUTH: Final = 318


@dataclass(frozen=True, slots=True, kw_only=True)
class HydroTurbine:
    """A turbine at the foot of a fall."""

    nominal_kw: float
    head_m: float
    efficiency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HydroYield:
    """What the turbine gives, and the water through it, hour by hour."""

    hourly_kwh: tuple[float, ...]
    water_flow_m3_per_s: tuple[float, ...]


def hydro_yield(turbine: HydroTurbine, location: Location, horizon: Horizon, seed: str) -> HydroYield:
    """Return each hour's yield.

    The river's flow, as a share of what the turbine can take, is 0.35 + 0.75 cos⁴ of half the year's angle from the
    snow melt (mid-May in the north, mid-November in the south), times a slow noise of about 5 %; what exceeds 1 passes
    by.
    """
    design_m3_per_s = turbine.nominal_kw * 1000 / (
        _DENSITY_KG_PER_M3 * _GRAVITY_M_PER_S2 * turbine.head_m * turbine.efficiency
    )  # fmt: skip
    melt_day = _MELT_DAY_NORTH if location.latitude >= 0 else _MELT_DAY_SOUTH
    unrest, noise = random.Random(seed), 0.0
    energy, flows = [], []
    for start in horizon.local_hour_starts(location.utc_offset_hours):
        noise = 0.98 * noise + unrest.gauss(0, 0.01)
        angle = math.pi * (start.timetuple().tm_yday - melt_day) / 365.25
        share = (_LOWEST_FLOW + 0.75 * math.cos(angle) ** 4) * (1 + noise)
        flow = design_m3_per_s * min(max(share, 0.0), 1.0)
        power_w = _DENSITY_KG_PER_M3 * _GRAVITY_M_PER_S2 * flow * turbine.head_m * turbine.efficiency
        energy.append(power_w / 1000)
        flows.append(flow)
    return HydroYield(hourly_kwh=tuple(energy), water_flow_m3_per_s=tuple(flows))
