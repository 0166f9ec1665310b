"""PV's expected power against pvlib's own functions, and a battery's charge against a step-by-step one."""

from __future__ import annotations

import math
from typing import Any

import pvlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.streaming.ders import BATTERY, PV, a_reading
from vpp_workloads.simulator.battery import Battery, self_consumption
from vpp_workloads.streaming.expected import Charge, expected_pv_kw, expected_soc_kwh, pv_power_kw


@given(
    nominal_kw=st.floats(0.1, 1e4),
    irradiance=st.just(0.0) | st.floats(1e-9, 1500.0),
    temperature_c=st.floats(-40.0, 60.0),
)
def test_pv_power_is_pvlibs(nominal_kw: float, irradiance: float, temperature_c: float) -> None:
    cell_c = pvlib.temperature.faiman(irradiance, temperature_c, wind_speed=1.0)
    dc_kw = pvlib.pvsystem.pvwatts_dc(irradiance, cell_c, nominal_kw, -0.004)
    dc_kw *= 1 - pvlib.pvsystem.pvwatts_losses() / 100
    theirs = float(pvlib.inverter.pvwatts(dc_kw, nominal_kw / 0.96, 0.96))
    assert pv_power_kw(nominal_kw, irradiance, temperature_c) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "expected_kw"),
    [
        ({"irradiance_w_per_m2": 0.0, "temperature_c": 10.0}, 0.0),
        ({"irradiance_w_per_m2": 800.0, "temperature_c": 20.0}, pv_power_kw(10.0, 800.0, 20.0)),
        ({"irradiance_w_per_m2": 800.0, "temperature_c": 20.0, "setpoint_kw": 3.0}, 3.0),
        ({"irradiance_w_per_m2": 800.0}, None),
        ({"temperature_c": 20.0}, None),
    ],
    ids=["night", "day", "curtailed", "temperature not measured", "irradiance not measured"],
)
def test_expected_pv_is_known_only_where_everything_is_measured(
    values: dict[str, Any], expected_kw: float | None
) -> None:
    assert expected_pv_kw(a_reading(**values), PV) == expected_kw


def test_expected_pv_is_not_known_without_a_rating_and_of_other_kinds() -> None:
    values: dict[str, Any] = {"irradiance_w_per_m2": 800.0, "temperature_c": 20.0}
    assert expected_pv_kw(a_reading(**values), None) is None
    assert expected_pv_kw(a_reading(der="house-01/load", **values), PV) is None


@given(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=48))
def test_a_batterys_charge_follows_its_energies(surplus_kwh: list[float]) -> None:
    battery = Battery(
        capacity_kwh=BATTERY.capacity_kwh or 0,
        max_power_kw=5.0,
        efficiency=0.81,
        depth_of_discharge=0.9,
        initial_soc=0.5,
    )
    run = self_consumption(battery, surplus_kwh)
    before = Charge(event_time_us=0, soc_kwh=run.soc_kwh[0], charged_kwh=0.0, discharged_kwh=0.0)
    after = Charge(
        event_time_us=1,
        soc_kwh=run.soc_kwh[-1],
        charged_kwh=math.fsum(max(kwh, 0.0) for kwh in run.hourly_kwh),
        discharged_kwh=math.fsum(max(-kwh, 0.0) for kwh in run.hourly_kwh),
    )
    assert expected_soc_kwh(before, after, 0.81) == pytest.approx(run.soc_kwh[-1], abs=1e-9)
