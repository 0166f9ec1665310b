"""The physical models: right in kind and size, the same for the same seed, and aware of place and season."""

from __future__ import annotations

import math
import warnings
from datetime import UTC, datetime

import pytest

from vpp_workloads.simulator.config import Location
from vpp_workloads.simulator.ev import Vehicle, charging
from vpp_workloads.simulator.horizon import Horizon
from vpp_workloads.simulator.household import household_load
from vpp_workloads.simulator.hydro import HydroTurbine, hydro_yield
from vpp_workloads.simulator.pv import Panels, panel_yield
from vpp_workloads.simulator.weather import Weather, weather
from vpp_workloads.simulator.wind import POWER_CURVE, Turbine, wind_yield

FONTANA = Location(latitude=34.09, longitude=-117.44, altitude_m=380)
SYDNEY = Location(latitude=-33.87, longitude=151.21)
PANELS = Panels(nominal_kw=4.0, tilt_deg=22, azimuth_deg=180)


def horizon(start: str, days: int = 1) -> Horizon:
    return Horizon(start=datetime.fromisoformat(start).replace(tzinfo=UTC), hours=24 * days)


def clear_sky(hours: int, temperature_c: float = 20.0) -> Weather:
    return Weather(clearness=(1.0,) * hours, temperature_c=(temperature_c,) * hours, wind_speed_m_per_s=(6.0,) * hours)


def test_weather_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    week = horizon("2022-06-21", 7)
    assert weather(FONTANA, week, 1) == weather(FONTANA, week, 1)
    assert weather(FONTANA, week, 1) != weather(FONTANA, week, 2)


def test_neighbours_share_their_clouds() -> None:
    neighbour = Location(latitude=34.0921, longitude=-117.4349)
    week = horizon("2022-06-21", 7)
    assert weather(FONTANA, week, 1).clearness == weather(neighbour, week, 1).clearness


def test_a_years_weather_is_plausible() -> None:
    year = weather(FONTANA, horizon("2022-01-01", 365), 1)
    assert 0.25 <= min(year.clearness) < 0.6 < max(year.clearness) <= 1
    assert -10 < min(year.temperature_c) < 10
    assert 25 < max(year.temperature_c) < 45
    assert 4 < sum(year.wind_speed_m_per_s) / len(year.wind_speed_m_per_s) < 7
    assert min(year.wind_speed_m_per_s) >= 0


def test_winter_is_at_the_other_end_of_the_year_in_the_south() -> None:
    january, july = horizon("2022-01-10", 5), horizon("2022-07-10", 5)
    for place, sign in ((FONTANA, 1), (SYDNEY, -1)):
        difference = sum(weather(place, july, 1).temperature_c) - sum(weather(place, january, 1).temperature_c)
        assert difference * sign > 0


def test_panels_give_nothing_at_night_and_most_at_noon() -> None:
    day = horizon("2022-06-21T08:00:00")
    result = panel_yield(PANELS, FONTANA, day, clear_sky(24))
    assert result.hourly_kwh[:4] == (0.0,) * 4
    assert result.hourly_kwh.index(max(result.hourly_kwh)) in (11, 12)
    assert 22 < sum(result.hourly_kwh) < 30
    assert max(result.hourly_kwh) < 4.0
    assert 900 < max(result.irradiance_w_per_m2) < 1150


def test_panels_give_less_in_winter_under_clouds_and_when_hot() -> None:
    summer, winter = horizon("2022-06-21T08:00:00"), horizon("2022-12-21T08:00:00")
    clear = sum(panel_yield(PANELS, FONTANA, summer, clear_sky(24)).hourly_kwh)
    cloudy = Weather(clearness=(0.4,) * 24, temperature_c=(20.0,) * 24, wind_speed_m_per_s=(1.0,) * 24)
    assert sum(panel_yield(PANELS, FONTANA, winter, clear_sky(24)).hourly_kwh) < 0.8 * clear
    assert sum(panel_yield(PANELS, FONTANA, summer, cloudy).hourly_kwh) < 0.6 * clear
    assert sum(panel_yield(PANELS, FONTANA, summer, clear_sky(24, 40.0)).hourly_kwh) < clear


def test_the_models_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        day = horizon("2022-06-21")
        panel_yield(PANELS, FONTANA, day, weather(FONTANA, day, 1))
        wind_yield(Turbine(nominal_kw=10, hub_height_m=24, altitude_m=330), weather(FONTANA, day, 1))
        household_load(4000, "h0", day, -8, seed="1/a")


def test_the_models_leave_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    household_load(4000, "g6", horizon("2019-06-21"), -8, seed="1/a")
    assert warnings.filters == before


@pytest.mark.parametrize("profile", ["h0", "h0_dyn", "g0", "l0"])
def test_a_year_of_load_is_the_annual_use(profile: str) -> None:
    year = household_load(10_600, profile, horizon("2022-01-01", 365), 0, seed="1/a")
    assert sum(year) == pytest.approx(10_600, rel=0.02)
    assert min(year) > 0


def test_a_household_uses_most_in_the_evening_of_its_own_time() -> None:
    month = household_load(4000, "h0", horizon("2022-01-01", 28), -8, seed="1/a")
    by_local_hour = [sum(month[(hour + 8) % 24 :: 24]) for hour in range(24)]
    assert by_local_hour.index(max(by_local_hour)) in (18, 19, 20)
    assert by_local_hour.index(min(by_local_hour)) in (1, 2, 3, 4)


def test_households_differ_and_are_the_same_for_the_same_seed() -> None:
    day = horizon("2022-06-21")
    assert household_load(4000, "h0", day, -8, seed="1/a") == household_load(4000, "h0", day, -8, seed="1/a")
    assert household_load(4000, "h0", day, -8, seed="1/a") != household_load(4000, "h0", day, -8, seed="1/b")


def test_the_power_curve_rises_to_its_rated_power_and_cuts_out() -> None:
    speeds = [speed for speed, _ in POWER_CURVE]
    shares = [share for _, share in POWER_CURVE]
    assert speeds == sorted(speeds)
    assert shares[:-2] == sorted(shares[:-2])
    assert shares[-2:] == [0.0, 0.0]
    # A small turbine takes about 0.3 of the wind's power at its rated speed; nowhere may it take more than Betz's 0.59.
    assert 0.3 * max(share * (12 / speed) ** 3 for speed, share in POWER_CURVE if speed > 0) < 0.59


@pytest.mark.parametrize(("speed", "least", "most"), [(0.0, 0, 0), (2.0, 0, 0.1), (8.0, 4.0, 8.0), (30.0, 0, 0)])
def test_the_turbine_follows_the_wind(speed: float, least: float, most: float) -> None:
    sky = Weather(clearness=(1.0,) * 2, temperature_c=(15.0,) * 2, wind_speed_m_per_s=(speed,) * 2)
    result = wind_yield(Turbine(nominal_kw=10, hub_height_m=24, altitude_m=0), sky)
    assert least <= result.hourly_kwh[0] <= most
    assert result.wind_speed_m_per_s[0] >= speed


def test_hydro_power_is_the_water_times_the_fall() -> None:
    turbine = HydroTurbine(nominal_kw=15, head_m=20, efficiency=0.8)
    year = hydro_yield(turbine, FONTANA, horizon("2022-01-01", 365), "1/h")
    for kwh, flow in zip(year.hourly_kwh, year.water_flow_m3_per_s, strict=True):
        assert kwh == pytest.approx(1000 * 9.81 * flow * 20 * 0.8 / 1000)
        assert 0 <= kwh <= 15 * (1 + 1e-9)
    may, november = sum(year.hourly_kwh[24 * 130 : 24 * 140]), sum(year.hourly_kwh[24 * 310 : 24 * 320])
    assert may > 1.5 * november


def test_a_vehicle_charges_at_home_what_it_drove() -> None:
    vehicle = Vehicle(capacity_kwh=60, charger_kw=7.4, drive_kwh=9)
    month = charging(vehicle, horizon("2022-06-01", 28), -8, "1/ev")
    assert min(month.hourly_kwh) >= 0
    assert max(month.hourly_kwh) == pytest.approx(7.4)
    assert 28 * 5 < sum(month.hourly_kwh) < 28 * 20
    assert all(0 <= soc <= 60 for soc in month.soc_kwh)
    daytime = sum(month.hourly_kwh[(12 + 8) % 24 :: 24])
    evening = sum(month.hourly_kwh[(19 + 8) % 24 :: 24])
    assert daytime == 0 < evening


def test_charging_raises_the_charge_by_what_the_charger_lets_in() -> None:
    month = charging(Vehicle(capacity_kwh=60, charger_kw=7.4, drive_kwh=9), horizon("2022-06-01", 28), -8, "1/ev")
    for hour, kwh in enumerate(month.hourly_kwh):
        if kwh > 0:
            assert math.isclose(month.soc_kwh[hour + 1] - month.soc_kwh[hour], 0.9 * kwh, abs_tol=1e-9)


def test_a_vehicle_too_small_for_its_driving_does_not_run_below_empty() -> None:
    month = charging(Vehicle(capacity_kwh=5, charger_kw=0.1, drive_kwh=40), horizon("2022-06-01", 7), 0, "1/ev")
    assert all(0 <= soc <= 5 for soc in month.soc_kwh)
