"""The demo's resources: one virtual power plant, its queue channel and its sites.

With physical profiles they are examples/plant as it stands. With a data folder the houses are those the folder's
schema.json names, and the folder travels into the cluster as one ConfigMap a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vpp_workloads.simulator.data import load_building
from vpp_workloads.simulator.errors import DataError
from vppdemo.kube import DemoError

Manifest = Mapping[str, Any]

VPP = "demo"
CHANNELS = "demo-ingest"
CONFIG_MAP_BYTES = 1_000_000
API_VERSION = "vpp.energy/v1alpha1"


def check(folder: Path) -> None:
    """Read a whole data folder as the simulator will, so that a fault in it is told before anything is built.

    Raises:
        DemoError: see `data_overlay`; or a file is malformed, and the text names file, line and column.
    """
    data_files(folder)
    for position, (name, building) in enumerate(_buildings(folder).items(), start=1):
        _house(folder, position, name, building)
        try:
            load_building(folder, name)
        except DataError as error:
            raise DemoError(str(error)) from None


def data_files(folder: Path) -> list[Path]:
    """Return the files of a data folder that the simulator reads.

    Raises:
        DemoError: the folder or its schema.json is missing, unreadable or not as documented, or a file is missing or
            does not fit in a ConfigMap.
    """
    names = {"schema.json"}
    for name, building in _buildings(folder).items():
        for key in ("energy_simulation", "weather", "pricing"):
            value = building.get(key)
            if not isinstance(value, str) or Path(value).name != value:
                raise DemoError(_wrong(folder, name, key, "the name of a file in the folder", value))
            names.add(value)
    files = [folder / name for name in sorted(names)]
    for file in files:
        if not file.is_file():
            raise DemoError(
                f"{file} is missing, though {folder / 'schema.json'} names it; add it or choose another folder"
            )
        if file.stat().st_size > CONFIG_MAP_BYTES:
            raise DemoError(f"{file} is larger than {CONFIG_MAP_BYTES:,} bytes and fits in no ConfigMap; shorten it")
    return files


def data_config_maps(files: list[Path]) -> list[Manifest]:
    """Return one ConfigMap for each file of the data folder."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": config_map_name(file)},
            "data": {file.name: file.read_text()},
        }
        for file in files
    ]


def config_map_name(file: Path) -> str:
    """Return the name of the ConfigMap that carries a file: `profile-building-1` for Building_1.csv."""
    return "profile-" + file.stem.lower().replace("_", "-").replace(".", "-")


def data_overlay(folder: Path, cluster: Manifest, examples: list[Manifest]) -> list[Manifest]:
    """Return the plant with the houses of a data folder instead of the example's.

    Args:
        folder: a data folder, see docs/profiles.md.
        cluster: the example's VPPCluster.
        examples: the example's NanoGrids; those without a `load` (wind, hydro, vehicles) are kept.

    Raises:
        DemoError: see `data_files`; or schema.json lacks a building's battery or panels.
    """
    spec = {**cluster["spec"]}
    config_maps = [config_map_name(file) for file in data_files(folder)]
    spec["simulator"] = {**spec.get("simulator", {}), "data": {"configMaps": config_maps}}
    houses = [
        _house(folder, i, name, building) for i, (name, building) in enumerate(_buildings(folder).items(), start=1)
    ]
    others = [grid for grid in examples if "load" not in grid["spec"]]
    return [{**cluster, "spec": spec}, *houses, *others]


def _buildings(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    schema = folder / "schema.json"
    try:
        content = json.loads(schema.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DemoError(f"{schema} is missing; name a data folder as docs/profiles.md describes it") from None
    except (OSError, ValueError) as error:
        raise DemoError(f"{schema} is no JSON file that can be read: {error}") from None
    buildings = content.get("buildings") if isinstance(content, Mapping) else None
    if not isinstance(buildings, Mapping) or not all(isinstance(one, Mapping) for one in buildings.values()):
        raise DemoError(
            f'{schema}: "buildings" must be an object with one entry for each building, see docs/profiles.md'
        )
    return {name: building for name, building in buildings.items() if building.get("include", True)}


def _house(folder: Path, position: int, name: str, building: Mapping[str, Any]) -> Manifest:
    def number(device: str, attribute: str) -> float:
        part = building.get(device)
        attributes = part.get("attributes") if isinstance(part, Mapping) else None
        value = attributes.get(attribute) if isinstance(attributes, Mapping) else None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise DemoError(_wrong(folder, name, f"{device}.attributes.{attribute}", "a number", value))
        return value

    return {
        "apiVersion": API_VERSION,
        "kind": "NanoGrid",
        "metadata": {"name": f"house-{position:02d}"},
        "spec": {
            "vppRef": {"name": VPP},
            "source": {"type": "Simulated", "profile": {"type": "Data", "building": name}},
            "pv": {"nominalKw": number("pv", "nominal_power")},
            "battery": {
                "capacityKwh": number("electrical_storage", "capacity"),
                "maxPowerKw": number("electrical_storage", "nominal_power"),
                "efficiency": number("electrical_storage", "efficiency"),
            },
            "load": {},
        },
    }


def _wrong(folder: Path, building: str, entry: str, wanted: str, value: object) -> str:
    found = "is missing" if value is None else f"is {value!r}"
    return f'{folder / "schema.json"}: "{entry}" of {building} {found}; it must be {wanted}, see docs/profiles.md'
