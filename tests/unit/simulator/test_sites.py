"""A site's profiles: data and models come together, and a battery follows its own site."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.unit.simulator.folders import sun, write_folder
from vpp_workloads.simulator.config import Config, parse_config
from vpp_workloads.simulator.profile import DerProfile, measurements_of_hour
from vpp_workloads.simulator.sites import site_profiles

PV = {"name": "pv", "kind": "pv", "nominal_kw": 4.0}
BATTERY = {"name": "battery", "kind": "battery", "capacity_kwh": 6.4, "max_power_kw": 5.0}
LOAD = {"name": "load", "kind": "load", "annual_kwh": 10_600}
ALL = [
    PV, BATTERY, LOAD,
    {"name": "wind", "kind": "wind", "nominal_kw": 10},
    {"name": "hydro", "kind": "hydro", "nominal_kw": 15},
    {"name": "ev", "kind": "ev", "capacity_kwh": 60, "charger_kw": 7.4},
]  # fmt: skip


def config(*ders: dict[str, Any], folder: Path | None = None, **changes: Any) -> Config:
    site: dict[str, Any] = {"site": "s", "gateway_file": "s.json", "ders": list(ders)}
    if folder is not None:
        site["profile"] = {"type": "Data", "building": "Building_1"}
    values = {
        "vpp": "demo", "start": "2022-08-01T00:00:00Z", "data_folder": str(folder) if folder else None, "sites": [site],
    }  # fmt: skip
    return parse_config({**values, **changes}, "simulator.json")


def profiles(config: Config) -> dict[str, DerProfile]:
    return {profile.der: profile for profile in site_profiles(config.sites[0], config)}


def test_a_building_gives_load_and_panels(tmp_path: Path) -> None:
    write_folder(tmp_path, days=3)
    made = profiles(config({**PV, "nominal_kw": 2.0}, LOAD, folder=tmp_path))
    assert made["s/load"].hourly_kwh[0] == 0.33
    assert made["s/pv"].hourly_kwh[12] == pytest.approx(2.0 * sun(13) / 1000)
    assert made["s/pv"].temperature_c is not None


def test_panels_without_a_size_have_the_buildings(tmp_path: Path) -> None:
    write_folder(tmp_path, days=3)
    made = profiles(config({"name": "pv", "kind": "pv"}, folder=tmp_path))
    assert made["s/pv"].hourly_kwh[12] == pytest.approx(4.0 * sun(13) / 1000)


def test_a_battery_charges_from_its_sites_surplus_and_feeds_its_load(tmp_path: Path) -> None:
    write_folder(tmp_path, days=3)
    made = profiles(config(BATTERY, PV, LOAD, folder=tmp_path))
    battery, pv, load = (made[f"s/{name}"].hourly_kwh for name in ("battery", "pv", "load"))
    assert any(kwh > 0 for kwh in battery)
    assert any(kwh < 0 for kwh in battery)
    for kwh, produced, used in zip(battery, pv, load, strict=True):
        assert min(produced - used, 0) <= kwh <= max(produced - used, 0)


def test_two_batteries_share_the_surplus(tmp_path: Path) -> None:
    write_folder(tmp_path, days=3)
    made = profiles(config(BATTERY, {**BATTERY, "name": "second"}, PV, LOAD, folder=tmp_path))
    for hour in range(24):
        surplus = made["s/pv"].hourly_kwh[hour] - made["s/load"].hourly_kwh[hour]
        both = made["s/battery"].hourly_kwh[hour] + made["s/second"].hourly_kwh[hour]
        assert min(surplus, 0) - 1e-12 <= both <= max(surplus, 0) + 1e-12


def test_the_order_of_ders_is_kept() -> None:
    assert list(profiles(config(*ALL))) == [f"s/{der['name']}" for der in ALL]


@pytest.mark.parametrize("interval", [1, 60, 900, 3600])
def test_every_hour_of_every_der_sums_to_its_source(interval: int) -> None:
    setting = config(*ALL, reading_interval_seconds=interval)
    made = list(profiles(setting).values())
    for profile in made:
        for hour in (0, 1, 12, 19, 23) if interval == 1 else range(24):
            measurements = measurements_of_hour(profile, setting.horizon, hour, interval)
            assert len(measurements) == 3600 // interval
            total = math.fsum(one.energy_kwh for one in measurements)
            assert abs(total - profile.hourly_kwh[hour]) <= 1e-9


def test_the_same_configuration_gives_the_same_profiles() -> None:
    assert profiles(config(*ALL)) == profiles(config(*ALL))
    assert profiles(config(LOAD)) != profiles(config(LOAD, seed=2))


def test_measurements_are_stamped_with_the_ends_of_their_intervals() -> None:
    setting = config(*ALL, reading_interval_seconds=900)
    battery = profiles(setting)["s/battery"]
    start_us = setting.horizon.start_us
    measurements = measurements_of_hour(battery, setting.horizon, 2, 900)
    assert [(one.event_time_us - start_us) / 60e6 for one in measurements] == [135, 150, 165, 180]
    assert battery.soc_kwh is not None
    assert measurements[-1].state_of_charge_kwh == pytest.approx(battery.soc_kwh[3])
    assert measurements[0].power_kw == pytest.approx(measurements[0].energy_kwh * 4)


def test_what_moves_a_der_is_measured_with_it() -> None:
    setting = config(*ALL, location={"latitude": 34, "longitude": -117})
    found = {}
    for name, profile in profiles(setting).items():
        one = measurements_of_hour(profile, setting.horizon, 20, 3600)[0]
        found[name] = (
            one.irradiance_w_per_m2 is not None, one.wind_speed_m_per_s is not None,
            one.water_flow_m3_per_s is not None, one.state_of_charge_kwh is not None,
        )  # fmt: skip
    assert found == {
        "s/pv": (True, False, False, False),
        "s/battery": (False, False, False, True),
        "s/load": (False, False, False, False),
        "s/wind": (False, True, False, False),
        "s/hydro": (False, False, True, False),
        "s/ev": (False, False, False, True),
    }


def test_a_data_profile_needs_none_of_the_heavy_packages(tmp_path: Path) -> None:
    import subprocess
    import sys

    write_folder(tmp_path, days=3)
    program = (
        "import sys\n"
        "from vpp_workloads.simulator.config import parse_config\n"
        "from vpp_workloads.simulator.sites import site_profiles\n"
        "import vpp_workloads.simulator.__main__\n"
        "ders = [{'name': 'pv', 'kind': 'pv'}, {'name': 'load', 'kind': 'load'}]\n"
        "profile = {'type': 'Data', 'building': 'Building_1'}\n"
        "site = {'site': 's', 'gateway_file': 's.json', 'profile': profile, 'ders': ders}\n"
        f"values = {{'vpp': 'd', 'start': '2022-08-01T00:00:00Z', 'data_folder': {str(tmp_path)!r}, 'sites': [site]}}\n"
        "config = parse_config(values, 'simulator.json')\n"
        "site_profiles(config.sites[0], config)\n"
        "print([name for name in ('numpy', 'pandas', 'pvlib', 'demandlib', 'windpowerlib') if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"
