"""The stateful step as Spark runs it: pandas in and out, one binary state value a shard. What it does is in `twin`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's custom
from pyspark.sql.streaming.state import GroupState, GroupStateTimeout

from vpp_contract.readings import KINDS, QUANTITIES, site_of
from vpp_workloads.streaming import columns
from vpp_workloads.streaming.sharding import shard_keys
from vpp_workloads.streaming.state import dump, load
from vpp_workloads.streaming.twin import EMPTY, HOUR_US, ShardState, Step, advance

_INTEGERS = ("boot", "seq", "event_time_us", "created_us", "offset", "end_offset")
_PYSPARK_CONCATENATES = "The behavior of DataFrame concatenation"
"""pyspark itself joins what a step yields with empty frames; pandas warns of that in every batch."""
_RESULT = tuple(field.name for field in columns.RESULT_SCHEMA.fields)


def with_twin(readings: DataFrame, *, partitions: int, window_hours: int, marks: bool = False) -> DataFrame:
    """Return rows of `RESULT_SCHEMA` for the source's: new readings, faults, changed energies and values, marks."""
    keys = F.array(*(F.lit(key) for key in shard_keys(partitions)))
    spread: Column = F.crc32(F.coalesce("der", "stream")) % partitions
    prepared = readings.select(
        F.element_at(keys, (spread + 1).cast("int")).alias("shard"),
        *(F.coalesce(name, F.lit(0)).alias(name) if name in _INTEGERS else F.col(name) for name in readings.columns),
    )
    return prepared.groupBy("shard").applyInPandasWithState(
        _step(window_hours, marks),
        outputStructType=columns.RESULT_SCHEMA,
        stateStructType="state binary",
        outputMode="append",
        timeoutConf=GroupStateTimeout.NoTimeout,
    )


def _step(
    window_hours: int,
    marks: bool,
) -> Callable[[tuple[Any, ...], Iterator[pd.DataFrame], GroupState], Iterator[pd.DataFrame]]:
    def step(_key: tuple[Any, ...], frames: Iterator[pd.DataFrame], state: GroupState) -> Iterator[pd.DataFrame]:
        warnings.filterwarnings("ignore", _PYSPARK_CONCATENATES, FutureWarning)
        shard = load(bytes(state.get[0])) if state.exists else EMPTY
        for frame in frames:
            faulty = frame["fault"].notna().to_numpy()
            if faulty.any():
                yield _frame(columns.FAULT_ROW, frame[faulty])
                frame = frame[~faulty]
            if len(frame):
                shard, results = _advance(shard, frame, window_hours, marks)
                yield from results
        state.update((dump(shard),))

    return step


def _advance(
    shard: ShardState, frame: pd.DataFrame, window_hours: int, marks: bool
) -> tuple[ShardState, Sequence[pd.DataFrame]]:
    batch = {name: frame[name].to_numpy() for name in frame.columns}
    step = advance(shard, batch, window_hours=window_hours, marks=marks)
    accepted = int(step.accepted.sum())
    names = [der.decode() for der in step.state.newest["der"].tolist()]
    results = [
        _frame(columns.READING_ROW, frame[step.accepted]),
        _table(
            columns.ENERGY_ROW,
            [names[der] for der in step.energy["der"]],
            step.state.newest["kind"][step.energy["der"]],
            event_time_us=step.energy["hour"].astype(np.int64) * HOUR_US,
            energy_kwh=step.energy["kwh"],
            seq=step.energy["readings"].astype(np.int64),
        ),
        _table(
            columns.TWIN_ROW,
            [der.decode() for der in step.twin["der"].tolist()],
            step.twin["kind"],
            **{name: step.twin[name] for name in ("boot", "seq", "event_time_us", "created_us", *QUANTITIES)},
            **{name: step.flow[name] for name in ("after_boot", "after_seq", "charged_kwh", "discharged_kwh")},
            flow_readings=step.flow["readings"],
        ),
        *([_marks(step, names)] if len(step.received) else ()),
        _frame(
            columns.COUNTERS_ROW,
            pd.DataFrame(
                {
                    "seq": [accepted],
                    "boot": [len(frame) - accepted],
                    "offset": [step.late],
                    "created_us": [frame["created_us"][step.accepted].max() if accepted else 0],
                }
            ),
        ),
    ]
    return step.state, [result for result in results if len(result)]


def _marks(step: Step, names: list[str]) -> pd.DataFrame:
    """Return what was received, of gateways alone: a device without boot and sequence keeps nothing."""
    boot = (step.received["owner"] & np.uint64(0xFFFFFFFF)).astype(np.int64)
    received, boot = step.received[boot > 0], boot[boot > 0]
    der = (received["owner"] >> np.uint64(32)).astype(np.int64)
    return _table(
        columns.MARK_ROW,
        [names[index] for index in der],
        step.state.newest["kind"][der],
        boot=boot,
        seq=received["start"].astype(np.int64),
        end_offset=received["end"].astype(np.int64),
    )


def _table(row: str, ders: list[str], kinds: Any, **values: Any) -> pd.DataFrame:
    names = {"der": ders, "site": [site_of(der) for der in ders], "kind": [KINDS[kind] for kind in kinds]}
    return _frame(row, pd.DataFrame({**names, **values}))


def _frame(row: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with all columns of the result in their order; those not given are null."""
    result = frame.reindex(columns=list(_RESULT))
    result[columns.ROW] = row
    return result
