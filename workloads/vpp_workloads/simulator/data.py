"""Reads a data folder: measured hours of buildings, in the format that docs/profiles.md describes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpp_workloads.simulator.calendar import Hour, hours_of_rows
from vpp_workloads.simulator.errors import DataError
from vpp_workloads.simulator.horizon import Horizon
from vpp_workloads.simulator.table import Column, read_columns

_BUILDING: Final = (
    Column(name="month", minimum=1, maximum=12, whole=True),
    Column(name="hour", minimum=1, maximum=24, whole=True),
    Column(name="non_shiftable_load", minimum=0, maximum=1e6),
    Column(name="solar_generation", minimum=0, maximum=1500),
)
_WEATHER: Final = (
    Column(name="outdoor_dry_bulb_temperature", minimum=-90, maximum=60),
    Column(name="diffuse_solar_irradiance", minimum=0, maximum=1500),
    Column(name="direct_solar_irradiance", minimum=0, maximum=1500),
)
_PRICING: Final = (Column(name="electricity_pricing"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """One building's measured hours, all sequences of one length."""

    name: str
    calendar: Sequence[Hour]
    load_kwh: Sequence[float]
    pv_w_per_kw: Sequence[float]
    pv_nominal_kw: float
    temperature_c: Sequence[float]
    price_per_kwh: Sequence[float]

    def rows(self, horizon: Horizon, utc_offset_hours: float) -> list[int]:
        """Return the row of each hour of a horizon, by month, day and hour in the building's local time.

        Raises:
            DataError: the folder has no such hour.
        """
        by_hour: dict[Hour, int] = {}
        for position, key in enumerate(self.calendar):
            by_hour.setdefault(key, position)
        rows = []
        for hour, local in enumerate(horizon.local_hour_starts(utc_offset_hours)):
            row = by_hour.get((local.month, local.day, local.hour + 1))
            if row is None:
                raise DataError(
                    f"{self.name}: has no row for {local:%d %B}, hour {local.hour + 1} "
                    f"(simulated {horizon.hour_name(hour)}); choose another start or fewer days"
                )
            rows.append(row)
        return rows


def load_building(folder: Path, name: str) -> Building:
    """Read one building.

    Args:
        folder: the data folder.
        name: as in its schema.json.

    Raises:
        DataError: a file is missing or malformed, or has a gap; the text names file, line and column.
    """
    schema_file = folder / "schema.json"
    schema = _building_schema(schema_file, name)
    values = {key: _schema_text(schema, key, schema_file, name) for key in ("energy_simulation", "weather", "pricing")}
    file = folder / values["energy_simulation"]
    hours = read_columns(file, _BUILDING)
    months = [int(month) for month in hours["month"]]
    calendar = hours_of_rows(months, [int(hour) for hour in hours["hour"]], str(file))
    weather = read_columns(folder / values["weather"], _WEATHER)
    pricing = read_columns(folder / values["pricing"], _PRICING)
    count = len(hours["hour"])
    for other, columns in ((values["weather"], weather), (values["pricing"], pricing)):
        rows = len(next(iter(columns.values())))
        if rows != count:
            raise DataError(
                f"{folder / other}: has {rows} rows, {file.name} has {count}; they must be about the same hours"
            )
    return Building(
        name=name,
        calendar=calendar,
        load_kwh=hours["non_shiftable_load"],
        pv_w_per_kw=hours["solar_generation"],
        pv_nominal_kw=_nominal_kw(schema, schema_file, name),
        temperature_c=weather["outdoor_dry_bulb_temperature"],
        price_per_kwh=pricing["electricity_pricing"],
    )


def _building_schema(file: Path, name: str) -> Mapping[str, Any]:
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); a data folder needs it") from None
    except ValueError as error:
        raise DataError(f"{file}: no JSON ({error})") from None
    buildings = schema.get("buildings") if isinstance(schema, Mapping) else None
    if not isinstance(buildings, Mapping):
        raise DataError(f'{file}: "buildings" must be an object with one entry for each building')
    building = buildings.get(name)
    if not isinstance(building, Mapping):
        known = ", ".join(sorted(buildings)[:4]) + (", ..." if len(buildings) > 4 else "")
        raise DataError(f"{file}: has no building {name!r}; it names {len(buildings)}: {known}")
    return building


def _schema_text(schema: Mapping[str, Any], key: str, file: Path, name: str) -> str:
    value = schema.get(key)
    if not isinstance(value, str) or not value or Path(value).name != value:
        raise DataError(f'{file}: "{key}" of {name} must be the name of a file in the folder, not {value!r}')
    return value


def _nominal_kw(schema: Mapping[str, Any], file: Path, name: str) -> float:
    try:
        value = schema["pv"]["attributes"]["nominal_power"]
    except (KeyError, TypeError):
        value = None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1e6:
        raise DataError(
            f'{file}: "pv.attributes.nominal_power" of {name} must be the panels\' size in kW, not {value!r}'
        )
    return float(value)
