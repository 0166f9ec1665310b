"""The demo's resources: one virtual power plant, its queue channel and its sites.

With physical profiles they are examples/plant as it stands. With a data folder the houses are those the folder's
schema.json names, and the folder travels into the cluster as one ConfigMap a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vppdemo.kube import DemoError

Manifest = Mapping[str, Any]

VPP = "demo"
CHANNELS = "demo-ingest"
CONFIG_MAP_BYTES = 1_000_000
API_VERSION = "vpp.energy/v1alpha1"


def data_files(folder: Path) -> list[Path]:
    """Return the files of a data folder that the simulator reads.

    Raises:
        DemoError: the folder or its schema.json is missing or unreadable, or a file does not fit in a ConfigMap.
    """
    buildings = _buildings(folder)
    names = {"schema.json"}
    for building in buildings.values():
        names |= {building["energy_simulation"], building["weather"], building["pricing"]}
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
        DemoError: see `data_files`.
    """
    spec = {**cluster["spec"]}
    config_maps = [config_map_name(file) for file in data_files(folder)]
    spec["simulator"] = {**spec.get("simulator", {}), "data": {"configMaps": config_maps}}
    houses = [_house(i, name, building) for i, (name, building) in enumerate(_buildings(folder).items(), start=1)]
    others = [grid for grid in examples if "load" not in grid["spec"]]
    return [{**cluster, "spec": spec}, *houses, *others]


def _buildings(folder: Path) -> Mapping[str, Any]:
    schema = folder / "schema.json"
    try:
        buildings = json.loads(schema.read_text())["buildings"]
    except FileNotFoundError:
        raise DemoError(f"{schema} is missing; VPP_DATA must name a folder as docs/profiles.md describes it") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DemoError(f"{schema} does not list buildings as docs/profiles.md describes: {error!r}") from None
    return {name: building for name, building in buildings.items() if building.get("include", True)}


def _house(position: int, name: str, building: Mapping[str, Any]) -> Manifest:
    battery = building["electrical_storage"]["attributes"]
    return {
        "apiVersion": API_VERSION,
        "kind": "NanoGrid",
        "metadata": {"name": f"house-{position:02d}"},
        "spec": {
            "vppRef": {"name": VPP},
            "source": {"type": "Simulated", "profile": {"type": "Data", "building": name}},
            "pv": {"nominalKw": building["pv"]["attributes"]["nominal_power"]},
            "battery": {
                "capacityKwh": battery["capacity"],
                "maxPowerKw": battery["nominal_power"],
                "efficiency": battery["efficiency"],
            },
            "load": {},
        },
    }
