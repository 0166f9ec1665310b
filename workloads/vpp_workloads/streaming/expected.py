"""What a DER should give by physics: PV from irradiance and temperature, a battery's charge from its energies. Pure.

What cannot be computed, because a quantity is not measured or a rating is not known, is None and never a guess.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from vpp_contract.plant import Rating
from vpp_contract.readings import Reading

_GAMMA_PER_K: Final = -0.004
_REFERENCE_C: Final = 25.0
_REFERENCE_W_PER_M2: Final = 1000.0
_U0_W_PER_M2_K: Final = 25.0
_U1_W_S_PER_M3_K: Final = 6.84
_WIND_M_PER_S: Final = 1.0
_LOSSES: Final = (2.0, 3.0, 0.0, 2.0, 2.0, 0.5, 1.5, 1.0, 0.0, 3.0)
"""PVWatts' system losses in per cent: soiling, shading, snow, mismatch, wiring, connections, light-induced degradation,
nameplate, age, availability."""
_KEPT: Final = math.prod(1 - loss / 100 for loss in _LOSSES)
_INVERTER: Final = 0.96
_INVERTER_REFERENCE: Final = 0.9637


def pv_power_kw(nominal_kw: float, irradiance_w_per_m2: float, temperature_c: float) -> float:
    """Return the AC power of panels of `nominal_kw` under irradiance on their plane and at an air temperature.

    Cell temperature by Faiman (2008) at 1 m/s of wind, DC power, losses and inverter by PVWatts version 5 (Dobos, NREL
    technical report TP-6A20-62641, 2014). A unit test holds it equal to pvlib's functions.
    """
    if nominal_kw <= 0 or irradiance_w_per_m2 <= 0:
        return 0.0
    cell_c = temperature_c + irradiance_w_per_m2 / (_U0_W_PER_M2_K + _U1_W_S_PER_M3_K * _WIND_M_PER_S)
    share = irradiance_w_per_m2 / _REFERENCE_W_PER_M2
    dc_kw = nominal_kw * share * (1 + _GAMMA_PER_K * (cell_c - _REFERENCE_C)) * _KEPT
    if dc_kw <= 0:
        return 0.0
    load = dc_kw * _INVERTER / nominal_kw
    efficiency = _INVERTER / _INVERTER_REFERENCE * (-0.0162 * load - 0.0059 / load + 0.9858)
    return min(max(efficiency * dc_kw, 0.0), nominal_kw)


def expected_pv_kw(reading: Reading, rating: Rating | None) -> float | None:
    """Return what a PV reading should show, None where irradiance, temperature or nominal power is not known.

    A set-point that the panels follow bounds it: curtailed panels are no faulty ones.
    """
    if reading.kind != "pv" or rating is None or rating.power_kw is None:
        return None
    if reading.irradiance_w_per_m2 is None or reading.temperature_c is None:
        return None
    power_kw = pv_power_kw(rating.power_kw, reading.irradiance_w_per_m2, reading.temperature_c)
    return power_kw if reading.setpoint_kw is None else min(power_kw, max(reading.setpoint_kw, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A battery's state of charge at a moment, and the energies at its terminals counted up to then."""

    event_time_us: int
    soc_kwh: float
    charged_kwh: float
    discharged_kwh: float


def expected_soc_kwh(before: Charge, after: Charge, efficiency: float) -> float:
    """Return the state of charge that the energies between two moments lead to; each way costs sqrt(efficiency)."""
    one_way = math.sqrt(efficiency)
    charged_kwh = after.charged_kwh - before.charged_kwh
    discharged_kwh = after.discharged_kwh - before.discharged_kwh
    return before.soc_kwh + charged_kwh * one_way - discharged_kwh / one_way
