"""The rows of the history: their columns, and reading all there is without Spark, as an audit does."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vpp_contract.names import CHECKPOINT_FOLDER, HISTORY_FOLDER, RECENT_FOLDER
from vpp_workloads.streaming.columns import HISTORY_COLUMNS, SOURCE_ARROW
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.files import Files
from vpp_workloads.streaming.history.log import (
    LOG_FOLDER,
    Version,
    ahead,
    decode,
    part_of,
    version_name,
    version_number,
)

BATCH_FOLDER: Final = "batch_id="
BATCH: Final = "batch_id"
KIND: Final = "kind"
_DAY_US: Final = 86_400_000_000
_LAST_DAY: Final = 2_932_896
"""9999-12-31, in days since the epoch."""
_THREADS: Final = 4

RECENT_SCHEMA: Final = pa.schema([*(SOURCE_ARROW.field(name) for name in HISTORY_COLUMNS), (BATCH, pa.int64())])
"""A row as the driver has written it, and the batch from its folder's name."""
FILE_SCHEMA: Final = pa.schema([field for field in RECENT_SCHEMA if field.name != KIND])
"""The columns of a file of the history; `date` and `kind` are in its folder's name."""


def finished_batch(files: Files) -> int:
    """Return the last batch that Spark has committed, -1 when there is none: up to it nothing is written again."""
    names = (entry.name for entry in files.entries(f"{CHECKPOINT_FOLDER}/commits"))
    return max((int(name) for name in names if name.isdecimal()), default=-1)


def recent_batches(files: Files) -> list[int]:
    """Return the batches that have a folder of their own, finished or not, folded or not."""
    names = (entry.name for entry in files.entries(RECENT_FOLDER))
    numbers = (name.removeprefix(BATCH_FOLDER) for name in names if name.startswith(BATCH_FOLDER))
    return sorted(int(number) for number in numbers if number.isdecimal())


def versions(files: Files) -> dict[int, int]:
    """Return the versions of the history that are there: number -> when it was complete, in ms."""
    found = ((version_number(entry.name), entry.modified_ms) for entry in files.entries(LOG_FOLDER))
    return {number: modified_ms for number, modified_ms in found if number is not None}


def read_version(files: Files, number: int, published_ms: int) -> Version:
    """Return a version.

    Raises:
        StreamingError: what is there is none.
    """
    return decode(files.read(f"{LOG_FOLDER}/{version_name(number)}"), number, published_ms)


def newest_version(files: Files) -> Version:
    """Return the newest version; one without number and files where nobody has folded yet.

    Raises:
        StreamingError: what is there is none.
    """
    found = versions(files)
    return read_version(files, max(found), found[max(found)]) if found else Version()


def batch_tables(files: Files, batch: int) -> Iterator[pa.Table]:
    """Return the rows of one batch, of `RECENT_SCHEMA`."""
    folder = f"{RECENT_FOLDER}/{BATCH_FOLDER}{batch}"
    for entry in files.entries(folder):
        if entry.name.endswith(".parquet") and not entry.name.startswith((".", "_")):
            table = pq.read_table(
                io.BytesIO(files.read(f"{folder}/{entry.name}")), partitioning=None, use_threads=False
            )
            number = pa.repeat(pa.scalar(batch, pa.int64()), len(table))
            yield conform(table.append_column(BATCH, number), RECENT_SCHEMA)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with the columns of a schema; those that older files do not have are null."""
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema)


def by_part(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Split rows of `RECENT_SCHEMA` into rows of `FILE_SCHEMA` by the folder they belong to.

    A reading's time is the end of its interval, so one stamped midnight belongs to the day that ends there. Times that
    no calendar holds are on its last day.
    """
    times = table["event_time_us"].to_numpy()
    days = np.minimum((times - 1) // _DAY_US, _LAST_DAY).astype("datetime64[D]")
    kinds = table[KIND].to_numpy()
    for day in np.unique(days):
        for kind in np.unique(kinds[days == day]):
            rows = table.filter(pa.array((days == day) & (kinds == kind)))
            yield part_of(str(day), kind), rows.select(FILE_SCHEMA.names)


def check_checkpoint(files: Files, finished: int) -> None:
    """See that a driver which goes on behind this batch writes no batch that is there already, from another checkpoint.

    The one behind it may be there: it is done again, with the same rows.

    Raises:
        StreamingError: it would.
    """
    held = max(newest_version(files).folded, max(recent_batches(files), default=-1) - 1)
    if held > finished:
        raise StreamingError(ahead(held, finished))


def read_all(files: Files, columns: pa.Schema) -> pa.Table:
    """Return these columns of all readings of finished batches, each row once, wherever it is at the moment.

    What is folded comes from one version, the batches after it from their folders, which stay while that version does.
    """
    version, finished = newest_version(files), finished_batch(files)
    batches = [batch for batch in recent_batches(files) if version.folded < batch <= finished]
    with ThreadPoolExecutor(_THREADS) as threads:
        folded = threads.map(lambda file: _file(files, file.path, columns), version.files)
        recent = threads.map(lambda batch: [conform(rows, columns) for rows in batch_tables(files, batch)], batches)
        tables = [*folded, *(table for parts in recent for table in parts)]
    return pa.concat_tables(tables) if tables else columns.empty_table()


def _file(files: Files, path: str, columns: pa.Schema) -> pa.Table:
    names = [field.name for field in columns if field.name in FILE_SCHEMA.names]
    rows = pq.read_table(
        io.BytesIO(files.read(f"{HISTORY_FOLDER}/{path}")), columns=names, partitioning=None, use_threads=False
    )
    kind = path.partition("/kind=")[2].partition("/")[0]
    return conform(rows.append_column(KIND, pa.repeat(pa.scalar(kind), len(rows))), columns)
