"""Writes small data folders of the documented format."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

BUILDING_COLUMNS = (
    "month,hour,day_type,daylight_savings_status,indoor_dry_bulb_temperature,average_unmet_cooling_setpoint_difference,"
    "indoor_relative_humidity,non_shiftable_load,dhw_demand,cooling_demand,heating_demand,solar_generation"
)
WEATHER_COLUMNS = (
    "outdoor_dry_bulb_temperature,outdoor_relative_humidity,diffuse_solar_irradiance,direct_solar_irradiance"
)


def sun(hour: int) -> float:
    """Return the output of panels in W per kW in an hour of the day, 1 to 24."""
    return round(max(900 * math.sin(math.pi * (hour - 6.5) / 12), 0.0), 3)


def write_folder(folder: Path, *, days: int, buildings: int = 2) -> None:
    """Write a folder that begins, like the real ones, with hour 24 of a month's last day (31 July)."""
    first = datetime(2022, 7, 31, 23, tzinfo=UTC)
    starts = [first + timedelta(hours=i) for i in range(24 * days)]
    hours = [(start.hour + 1, start.month) for start in starts]
    schema: dict[str, object] = {}
    for number in range(1, buildings + 1):
        name = f"Building_{number}"
        schema[name] = {
            "energy_simulation": f"{name}.csv",
            "weather": "weather.csv",
            "pricing": "pricing.csv",
            "pv": {"attributes": {"nominal_power": 3.0 + number}},
            "electrical_storage": {"attributes": {"capacity": 6.4, "efficiency": 0.9, "nominal_power": 5.0}},
        }
        rows = [
            f"{month},{hour},1,0,,,,{round(0.3 + 0.01 * number + 0.02 * hour, 4)},0,0,0,{sun(hour)}"
            for hour, month in hours
        ]
        (folder / f"{name}.csv").write_text("\n".join([BUILDING_COLUMNS, *rows]) + "\n")
    weather = [f"{20 + hour / 10},50,{sun(hour) / 10},{sun(hour)}" for hour, _ in hours]
    (folder / "weather.csv").write_text("\n".join([WEATHER_COLUMNS, *weather]) + "\n")
    prices = [str(0.5 if 16 < hour < 22 else 0.2) for hour, _ in hours]
    (folder / "pricing.csv").write_text("\n".join(["electricity_pricing", *prices]) + "\n")
    (folder / "schema.json").write_text(json.dumps({"buildings": schema}))
