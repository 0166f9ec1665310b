"""The plant as a whole: sums over the DERs whose values are current. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vpp_contract.readings import KINDS, Reading
from vpp_workloads.streaming.dispatch import delivery_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """Powers in kW; `event_time_us` is the median of the DERs' newest event times, so no single clock leads it."""

    event_time_us: int
    delivery_kw: float
    """To the grid: what is produced less what is consumed and charged."""
    generation_kw: float
    load_kw: float
    charging_kw: float
    """Of batteries and vehicles; negative while they give."""
    state_of_charge_kwh: float
    ders: int
    current_ders: int
    """Those that are not silent; the sums hold no others."""


def aggregate(readings: Sequence[Reading], silent: Collection[str]) -> Aggregate | None:
    """Return the sums, None while there is no reading at all."""
    if not readings:
        return None
    current = [reading for reading in readings if reading.der not in silent]
    by_kind = {kind: math.fsum(one.power_kw for one in current if one.kind == kind) for kind in KINDS}
    return Aggregate(
        event_time_us=statistics.median_high(one.event_time_us for one in current or readings),
        delivery_kw=math.fsum(delivery_of(kind, power_kw) for kind, power_kw in by_kind.items()),
        generation_kw=by_kind["pv"] + by_kind["wind"] + by_kind["hydro"],
        load_kw=by_kind["load"],
        charging_kw=by_kind["battery"] + by_kind["ev"],
        state_of_charge_kwh=math.fsum(
            one.state_of_charge_kwh for one in current if one.state_of_charge_kwh is not None
        ),
        ders=len(readings),
        current_ders=len(current),
    )
