"""Audits a plant: `python -m vpp_workloads.streaming.audit --ledger-url http://SIMULATOR:8091`, in the driver's pod.

Prints one JSON document (docs/streaming.md). Its settings are the driver's own environment.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyspark

from vpp_contract import environment as env
from vpp_contract.names import TWIN_BATCHES_MEASUREMENT, TWIN_ENERGY_MEASUREMENT, TWIN_STATE_MEASUREMENT
from vpp_workloads.streaming.audit.compare import (
    HISTORY_FIELDS,
    LEDGER_FIELDS,
    Energies,
    State,
    compare_energies,
    current_values,
    join_identities,
    latencies_ms,
    percentiles,
    site_rows,
)
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.files import open_files
from vpp_workloads.streaming.history.rows import read_all
from vpp_workloads.streaming.influx import Influx
from vpp_workloads.streaming.settings import influx_settings, storage_settings

_DEADLINE_SECONDS: Final = 120.0


def read_ledger(url: str) -> pa.Table:
    """Return every confirmed identity, read while it streams.

    Raises:
        StreamingError: the simulator does not answer, or sends something else.
    """
    try:
        with urlopen(f"{url}/ledger", timeout=_DEADLINE_SECONDS) as response:
            options = pa_csv.ReadOptions(column_names=LEDGER_FIELDS.names)
            types = pa_csv.ConvertOptions(column_types={field.name: field.type for field in LEDGER_FIELDS})
            reader = pa_csv.open_csv(pa.PythonFile(response, "r"), options, convert_options=types)
            return pa.Table.from_batches(reader, LEDGER_FIELDS)
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return LEDGER_FIELDS.empty_table()
        raise StreamingError(f"{url}/ledger is no ledger: {error}") from None
    except OSError as error:
        raise StreamingError(f"{url}/ledger does not answer: {error}") from None


def read_source(url: str) -> Energies:
    """Return what the profiles say, apart from the readings' path.

    Raises:
        StreamingError: the simulator does not answer.
    """
    try:
        with urlopen(f"{url}/source", timeout=_DEADLINE_SECONDS) as response:
            document: Mapping[str, Mapping[str, float]] = json.load(response)
    except (OSError, ValueError) as error:
        raise StreamingError(f"{url}/source does not answer as it should: {error}") from None
    return {(der, _hour(hour)): kwh for der, hours in document.items() for hour, kwh in hours.items()}


def _hour(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_twin(influx: Influx, vpp: str) -> tuple[Energies, dict[int, int]]:
    """Return the twin's hourly energies, and when each batch was committed.

    Raises:
        StreamingError: the database does not answer.
    """
    start = f'from(bucket: "{influx.bucket}") |> range(start: 0, stop: 2200-01-01T00:00:00Z)'
    energies = {
        (row["der"], row["_time"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")): float(row["_value"])
        for row in influx.rows(
            f'{start} |> filter(fn: (r) => r._measurement == "{TWIN_ENERGY_MEASUREMENT}" and r.vpp == "{vpp}"'
            ' and r._field == "energy_kwh")'
        )
    }
    committed: dict[int, int] = {}
    for row in influx.rows(
        f'{start} |> filter(fn: (r) => r._measurement == "{TWIN_BATCHES_MEASUREMENT}" and r.vpp == "{vpp}"'
        ' and (r._field == "batch_id" or r._field == "committed_us"))'
        ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
    ):
        batch = int(row["batch_id"])
        committed[batch] = max(committed.get(batch, 0), int(row["committed_us"]))
    return energies, committed


def read_states(influx: Influx, vpp: str) -> list[State]:
    """Return every value that was a DER's current one at the end of a batch.

    Raises:
        StreamingError: the database does not answer.
    """
    rows = influx.rows(
        f'from(bucket: "{influx.bucket}") |> range(start: 0, stop: 2200-01-01T00:00:00Z)'
        f' |> filter(fn: (r) => r._measurement == "{TWIN_STATE_MEASUREMENT}" and r.vpp == "{vpp}"'
        ' and (r._field == "batch_id" or r._field == "boot" or r._field == "seq"))'
        ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
    )
    return [(row["der"], int(row["batch_id"]), int(row["boot"]), int(row["seq"])) for row in rows]


def audit(ledger_url: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the audit's document.

    Raises:
        StreamingError: something needed does not answer.
        SettingError: the environment is not the driver's.
    """
    influx = Influx(influx_settings(environ))
    try:
        energies, committed_us = read_twin(influx, env.text(environ, env.VPP_NAME))
        states = read_states(influx, env.text(environ, env.VPP_NAME))
    finally:
        influx.close()
    ledger, source = read_ledger(ledger_url), read_source(ledger_url)
    history = read_all(open_files(storage_settings(environ)), HISTORY_FIELDS)
    identities = join_identities(ledger, history)
    latency = latencies_ms(history, committed_us)
    return {
        "readings": identities.total(),
        "current_values": current_values(states, history),
        **compare_energies(source, energies),
        "latency_ms": percentiles(latency),
        "sites": site_rows(identities, history, latency, source, energies),
        "versions": {"spark": pyspark.__version__},
    }


def main() -> int:
    """Print the audit; return the exit status (0 also when the audit finds faults: they are in the document)."""
    parser = argparse.ArgumentParser(prog="python -m vpp_workloads.streaming.audit", description=__doc__)
    parser.add_argument(
        "--ledger-url", required=True, help="address of the simulator, such as http://demo-simulator:8091"
    )
    arguments = parser.parse_args()
    try:
        print(json.dumps(audit(arguments.ledger_url.rstrip("/"), os.environ)))
    except (StreamingError, env.SettingError) as error:
        print(f"audit: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
