"""What becomes of one batch outside Spark's state: history, poison, points. All of it may be done twice.

Files are written into a folder per batch number, points overwrite themselves. The batch's own point comes last:
where it is, everything before it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's custom

from vpp_contract.marks import Mark
from vpp_workloads.streaming import columns
from vpp_workloads.streaming.history.rows import BATCH_FOLDER
from vpp_workloads.streaming.influx import Influx
from vpp_workloads.streaming.points import batch_line, energy_line, state_line
from vpp_workloads.streaming.settings import StorageSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What batches held, one of them or all so far."""

    accepted: int = 0
    duplicates: int = 0
    poison: int = 0
    late_beyond_window: int = 0
    lost_offsets: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A batch whose results are out: what is counted with it, and where its time went."""

    batch_id: int
    totals: Counts
    durations_ms: Mapping[str, int]


class BatchSink:
    """The function that Spark calls with each batch. `totals` grows by the batches that were written.

    `mirror` gets the DERs' newest values, rows of `columns.TWIN_ROW`, once everything of the batch is out.
    """

    def __init__(
        self,
        *,
        vpp: str,
        storage: StorageSettings,
        influx: Influx,
        totals: Counts,
        report: Callable[[Written], None],
        taken: Callable[[int, list[Mark]], None] | None = None,
        mirror: Callable[[Sequence[Mapping[str, Any]]], None] = lambda _rows: None,
    ) -> None:
        self._vpp, self._storage, self._influx, self._report = vpp, storage, influx, report
        self._taken, self._mirror = taken, mirror
        self._totals = totals

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        """Write one batch.

        Raises:
            SinkError: InfluxDB did not take it; Spark's own errors come as they are.
        """
        clock = _Clock()
        frame = frame.persist()
        try:
            results = frame.where(F.col(columns.ROW) != columns.READING_ROW).toArrow()
            counts, newest_us = _counts(results)
            clock.lap("process")
            with ThreadPoolExecutor(1, thread_name_prefix="influx") as other:
                twins = _only(results, columns.TWIN_ROW).to_pylist()
                points = other.submit(self._influx.write, self._lines(results, twins, batch_id))
                self._write_files(frame, batch_id, counts)
                clock.lap("write_files")
                points.result()
                clock.lap("wait_for_points")
        finally:
            frame.unpersist()
        totals = self._totals + counts
        fields = {"committed_us": time.time_ns() // 1000, "readings": counts.accepted}
        for prefix, values in (("batch", counts), ("total", totals)):
            fields |= {f"{prefix}_{name}": value for name, value in asdict(values).items()}
        self._influx.write([batch_line(self._vpp, batch_id, newest_us or fields["committed_us"], fields)])
        clock.lap("write_batch_point")
        self._totals = totals
        if self._taken is not None:
            self._taken(batch_id, _marks(results))
        self._mirror(twins)
        self._report(Written(batch_id=batch_id, totals=totals, durations_ms=clock.laps))

    def _write_files(self, frame: DataFrame, batch_id: int, counts: Counts) -> None:
        kinds = (
            (counts.accepted, columns.READING_ROW, columns.HISTORY_COLUMNS, self._storage.recent),
            (counts.poison + counts.lost_offsets, columns.FAULT_ROW, columns.POISON_COLUMNS, self._storage.poison),
        )
        for count, row, names, folder in kinds:
            if count:
                rows = frame.where(F.col(columns.ROW) == row).select(*names)
                rows.coalesce(1).write.mode("overwrite").parquet(f"{folder}/{BATCH_FOLDER}{batch_id}")

    def _lines(self, results: pa.Table, twins: Sequence[Mapping[str, Any]], batch_id: int) -> list[str]:
        energies = [energy_line(self._vpp, row) for row in _only(results, columns.ENERGY_ROW).to_pylist()]
        states = [state_line(self._vpp, row, batch_id) for row in twins]
        return energies + states


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, int] = {}
        self._at = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round((now - self._at) * 1000)
        self._at = now


def _marks(results: pa.Table) -> list[Mark]:
    rows = _only(results, columns.MARK_ROW).select(["der", "boot", "seq", "end_offset"]).to_pylist()
    return [Mark(der=row["der"], boot=row["boot"], first_seq=row["seq"], end_seq=row["end_offset"]) for row in rows]


def _only(results: pa.Table, row: str) -> pa.Table:
    return results.filter(pc.equal(results[columns.ROW], row))


def _counts(results: pa.Table) -> tuple[Counts, int]:
    """Return what the batch held, and the newest `created_us` among what was accepted (0 if nothing was)."""
    counters = _only(results, columns.COUNTERS_ROW)
    faults = _only(results, columns.FAULT_ROW)
    losses = faults.filter(pc.equal(faults["fault"], columns.LOSS))

    def total(table: pa.Table, name: str) -> int:
        return pc.sum(table[name]).as_py() or 0

    counts = Counts(
        accepted=total(counters, "seq"),
        duplicates=total(counters, "boot"),
        late_beyond_window=total(counters, "offset"),
        poison=len(faults) - len(losses),
        lost_offsets=total(losses, "end_offset") - total(losses, "offset"),
    )
    return counts, pc.max(counters["created_us"]).as_py() or 0
