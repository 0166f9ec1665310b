"""How a data folder becomes the demo's resources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.simulator.folders import write_folder
from vppdemo.kube import DemoError
from vppdemo.plant import check, config_map_name, data_config_maps, data_files, data_overlay

BUILDING = {
    "include": True,
    "energy_simulation": "Building_1.csv",
    "weather": "weather.csv",
    "pricing": "pricing.csv",
    "electrical_storage": {"attributes": {"capacity": 6.4, "nominal_power": 5.0, "efficiency": 0.9}},
    "pv": {"attributes": {"nominal_power": 4.0}},
}
CLUSTER = {"kind": "VPPCluster", "metadata": {"name": "demo"}, "spec": {"simulator": {"days": 1}}}
HOUSE = {"kind": "NanoGrid", "metadata": {"name": "house-01"}, "spec": {"load": {}}}
WIND = {"kind": "NanoGrid", "metadata": {"name": "wind-01"}, "spec": {"wind": {}}}


def folder(tmp_path: Path, **changes: Any) -> Path:
    schema = {"buildings": {"Building_1": {**BUILDING, **changes}}}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    for name in ("Building_1.csv", "weather.csv", "pricing.csv"):
        (tmp_path / name).write_text("a\n1\n")
    return tmp_path


def test_the_files_are_those_the_schema_names(tmp_path: Path) -> None:
    (folder(tmp_path) / "carbon.csv").write_text("not read")
    names = [file.name for file in data_files(tmp_path)]
    assert names == ["Building_1.csv", "pricing.csv", "schema.json", "weather.csv"]


def test_every_file_travels_in_a_config_map_of_its_own(tmp_path: Path) -> None:
    maps = data_config_maps(data_files(folder(tmp_path)))
    assert [config_map["metadata"]["name"] for config_map in maps] == [
        "profile-building-1",
        "profile-pricing",
        "profile-schema",
        "profile-weather",
    ]
    assert maps[0]["data"] == {"Building_1.csv": "a\n1\n"}


def test_houses_come_from_the_folder_and_other_sites_from_the_example(tmp_path: Path) -> None:
    cluster, house, wind = data_overlay(folder(tmp_path), CLUSTER, [HOUSE, WIND])
    assert cluster["spec"]["simulator"]["days"] == 1
    assert config_map_name(Path("Building_1.csv")) in cluster["spec"]["simulator"]["data"]["configMaps"]
    assert house["spec"]["source"]["profile"] == {"type": "Data", "building": "Building_1"}
    assert house["spec"]["battery"] == {"capacityKwh": 6.4, "maxPowerKw": 5.0, "efficiency": 0.9}
    assert wind == WIND


def test_a_building_that_is_not_included_is_left_out(tmp_path: Path) -> None:
    documents = data_overlay(folder(tmp_path, include=False), CLUSTER, [WIND])
    assert [document["metadata"]["name"] for document in documents] == ["demo", "wind-01"]


def test_a_folder_without_schema_is_refused_with_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"schema.json is missing; name a data folder as docs/profiles.md describes it"):
        data_files(tmp_path)


def test_a_file_that_the_schema_names_but_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    (folder(tmp_path) / "weather.csv").unlink()
    with pytest.raises(DemoError, match=r"weather.csv is missing, though .*schema.json names it"):
        data_files(tmp_path)


def test_a_file_too_large_for_a_config_map_is_refused(tmp_path: Path) -> None:
    (folder(tmp_path) / "weather.csv").write_text("x" * 1_000_001)
    with pytest.raises(DemoError, match="fits in no ConfigMap"):
        data_files(tmp_path)


def test_a_whole_folder_passes_the_check(tmp_path: Path) -> None:
    write_folder(tmp_path, days=3)
    check(tmp_path)


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ("{", r"schema.json is no JSON file that can be read: "),
        ("[]", r'schema.json: "buildings" must be an object with one entry for each building'),
        ('{"buildings": [1]}', r'schema.json: "buildings" must be an object with one entry for each building'),
        ('{"buildings": {"B": "x.csv"}}', r'schema.json: "buildings" must be an object with one entry for each'),
        (
            '{"buildings": {"B": {}}}',
            r'schema.json: "energy_simulation" of B is missing; it must be the name of a file',
        ),
    ],
)
def test_a_schema_of_another_shape_is_refused_in_a_sentence(schema: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(schema)
    with pytest.raises(DemoError, match=sentence):
        check(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"weather": None}, r'schema.json: "weather" of Building_1 is missing; it must be the name of a file'),
        (
            {"pricing": "../p.csv"},
            r"\"pricing\" of Building_1 is '../p.csv'; it must be the name of a file in the folder",
        ),
        ({"pv": {}}, r'"pv.attributes.nominal_power" of Building_1 is missing; it must be a number'),
        ({"pv": 4}, r'"pv.attributes.nominal_power" of Building_1 is missing; it must be a number'),
        (
            {"electrical_storage": None},
            r'"electrical_storage.attributes.capacity" of Building_1 is missing; it must be',
        ),
        (
            {"electrical_storage": {"attributes": {"capacity": "6.4"}}},
            r"\"electrical_storage.attributes.capacity\" of Building_1 is '6.4'; it must be a number",
        ),
    ],
)
def test_an_entry_that_a_house_needs_is_named(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=sentence):
        check(folder(tmp_path, **change))


def test_a_malformed_cell_is_told_with_file_line_and_column_before_anything_is_built(tmp_path: Path) -> None:
    write_folder(tmp_path, days=3)
    file = tmp_path / "Building_2.csv"
    lines = file.read_text().splitlines()
    lines[4] = lines[4].rsplit(",", 1)[0] + ",much"
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(DemoError, match=r"Building_2.csv, line 5, column solar_generation: 'much' is no number"):
        check(tmp_path)
