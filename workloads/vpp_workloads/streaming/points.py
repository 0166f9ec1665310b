"""Results of a batch as InfluxDB line protocol. They overwrite themselves, so a batch may come twice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from vpp_contract.names import (
    TWIN_BATCHES_MEASUREMENT,
    TWIN_ENERGY_MEASUREMENT,
    TWIN_HEALTH_MEASUREMENT,
    TWIN_PLANT_MEASUREMENT,
    TWIN_SETPOINTS_MEASUREMENT,
    TWIN_STATE_MEASUREMENT,
)
from vpp_contract.readings import QUANTITIES

_ESCAPES: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n"})


def energy_line(vpp: str, row: Mapping[str, Any]) -> str:
    """Return an hour's energy of one DER, stamped with the START of the hour."""
    fields = f"energy_kwh={row['energy_kwh']!r},readings={row['seq']}i"
    return f"{TWIN_ENERGY_MEASUREMENT},{_tags(vpp, row)} {fields} {row['event_time_us'] * 1000}"


def state_line(vpp: str, row: Mapping[str, Any], batch_id: int) -> str:
    """Return the newest values of one DER, stamped with their event time; the batch says when they became current."""
    values = [f"{name}={row[name]!r}" for name in QUANTITIES if row[name] is not None and math.isfinite(row[name])]
    values += [f"{name}={row[name]}i" for name in ("boot", "seq", "created_us")]
    values.append(f"batch_id={batch_id}i")
    return f"{TWIN_STATE_MEASUREMENT},{_tags(vpp, row)} {','.join(values)} {row['event_time_us'] * 1000}"


def batch_line(vpp: str, batch_id: int, time_us: int, fields: Mapping[str, int]) -> str:
    """Return one batch, stamped with its newest `created_us`; its number in the nanoseconds keeps batches apart."""
    values = ",".join(f"{name}={value}i" for name, value in {"batch_id": batch_id, **fields}.items())
    return f"{TWIN_BATCHES_MEASUREMENT},vpp={_escape(vpp)} {values} {time_us * 1000 + batch_id % 1000}"


def health_line(vpp: str, der: Mapping[str, str], fields: Mapping[str, Any], time_us: int) -> str:
    """Return what is found of a DER (`site`, `der`, `kind`), stamped with the plant's event time."""
    return f"{TWIN_HEALTH_MEASUREMENT},{_tags(vpp, der)} {_fields(fields)} {time_us * 1000}"


def setpoint_line(vpp: str, der: Mapping[str, str], fields: Mapping[str, Any], time_us: int) -> str:
    """Return a DER's desired and reported set-points, stamped with the plant's event time."""
    return f"{TWIN_SETPOINTS_MEASUREMENT},{_tags(vpp, der)} {_fields(fields)} {time_us * 1000}"


def plant_line(vpp: str, fields: Mapping[str, Any], time_us: int) -> str:
    """Return the plant's sums, stamped with its event time."""
    return f"{TWIN_PLANT_MEASUREMENT},vpp={_escape(vpp)} {_fields(fields)} {time_us * 1000}"


def _fields(fields: Mapping[str, Any]) -> str:
    """Write fields: floats as they are, whole numbers with `i`, texts quoted; what is None is left out."""
    return ",".join(f"{name}={_value(value)}" for name, value in fields.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return f"{value}i" if isinstance(value, int) else repr(float(value))


def _tags(vpp: str, row: Mapping[str, Any]) -> str:
    tags = {"vpp": vpp, "site": row["site"], "der": row["der"], "kind": row["kind"]}
    return ",".join(f"{name}={_escape(value)}" for name, value in sorted(tags.items()))


def _escape(value: str) -> str:
    return value.translate(_ESCAPES)


def chunks(lines: Iterable[str], size: int = 5000) -> Iterable[list[str]]:
    """Yield lines in requests of a size that the server takes well."""
    chunk: list[str] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) >= size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
