"""A data folder is read as documented: its rows find their hours, its energies stay what they are."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.simulator.folders import sun, write_folder
from vpp_workloads.simulator import __main__ as program
from vpp_workloads.simulator.config import Config
from vpp_workloads.simulator.data import load_building
from vpp_workloads.simulator.horizon import Horizon


def horizon(start: str, hours: int = 24) -> Horizon:
    return Horizon(start=datetime.fromisoformat(start).replace(tzinfo=UTC), hours=hours)


def test_columns_are_read_and_others_ignored(tmp_path: Path) -> None:
    write_folder(tmp_path, days=3)
    building = load_building(tmp_path, "Building_2")
    assert len(building.load_kwh) == 72
    assert building.pv_nominal_kw == 5.0
    assert building.calendar[0] == (7, 31, 24)
    assert building.pv_w_per_kw[13] == sun(13)
    assert building.price_per_kwh[17] == 0.5
    assert building.temperature_c[1] == 20.1


def test_a_simulated_day_finds_its_rows(tmp_path: Path) -> None:
    write_folder(tmp_path, days=3)
    building = load_building(tmp_path, "Building_1")
    assert building.rows(horizon("2022-08-01"), 0) == list(range(1, 25))


def test_the_year_does_not_matter(tmp_path: Path) -> None:
    write_folder(tmp_path, days=3)
    building = load_building(tmp_path, "Building_1")
    assert building.rows(horizon("2031-08-02"), 0) == list(range(25, 49))


def test_local_time_may_differ_from_simulated_time(tmp_path: Path) -> None:
    write_folder(tmp_path, days=3)
    building = load_building(tmp_path, "Building_1")
    assert building.rows(horizon("2022-08-01T08:00:00"), -8) == list(range(1, 25))


@pytest.mark.parametrize("number", [1, 17])
def test_the_folder_that_vpp_data_names_is_read(number: int, tmp_path: Path) -> None:
    folder = os.environ.get("VPP_DATA")
    if not folder:
        write_folder(tmp_path, days=365, buildings=17)
        folder = str(tmp_path)
    building = load_building(Path(folder), f"Building_{number}")
    assert len(building.load_kwh) == len(set(building.calendar)) == 8760
    rows = building.rows(horizon("2022-06-21"), 0)
    noon, midnight = rows[12], rows[0]
    assert building.pv_w_per_kw[noon] > building.pv_w_per_kw[midnight] == 0


@pytest.mark.parametrize("named", [{}, {"data_folder": "/elsewhere"}], ids=["none", "another"])
def test_the_folder_of_the_programs_argument_comes_before_the_configured_one(
    named: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = {"type": "Data", "building": "Building_1"}
    site = {"site": "s", "gateway_file": "s.json", "profile": profile, "ders": [{"name": "load", "kind": "load"}]}
    file = tmp_path / "simulator.json"
    file.write_text(json.dumps({"vpp": "d", "start": "2022-08-01T00:00:00Z", "sites": [site], **named}))
    taken: list[Config] = []

    def run(config: Config, *_: object) -> int:
        taken.append(config)
        return 0

    monkeypatch.setenv("VPP_SIMULATOR_CONFIG", str(file))
    monkeypatch.setattr(program, "run", run)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert program.main(["--data", str(tmp_path)]) == 0
    assert [config.data_folder for config in taken] == [tmp_path]
