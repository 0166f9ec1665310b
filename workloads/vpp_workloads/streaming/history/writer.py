"""Writes the files of one fold to this machine: rows sorted within row groups, files that end when they are full.

Memory is bounded by the rows that wait for their row group; the biggest group goes first when they are too many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from vpp_workloads.streaming.history.log import DataFile, file_path
from vpp_workloads.streaming.history.rows import FILE_SCHEMA, conform

GROUP_ROWS: Final = 131_072
WAITING_ROWS: Final = 524_288
_ORDER: Final = [("der", "ascending"), ("boot", "ascending"), ("seq", "ascending")]
"""Equal names beside each other: small files, and a query for one DER passes most pages over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """The file that rows go to now."""

    path: str
    sink: pa.NativeFile
    writer: pq.ParquetWriter


class PartWriter:
    """The files of one date and kind. `files` are the finished ones, at their place below `folder`."""

    def __init__(self, folder: Path, part: str, batches: tuple[int, int], token: str, full_bytes: int) -> None:
        self._folder, self._part, self._batches, self._token = folder, part, batches, token
        self._full_bytes = full_bytes
        self._tables: list[pa.Table] = []
        self._begun: _Begun | None = None
        self.waiting = 0
        """Rows that are in no row group yet."""
        self.files: list[DataFile] = []

    def add(self, rows: pa.Table) -> None:
        """Take rows of `FILE_SCHEMA`."""
        self._tables.append(rows)
        self.waiting += len(rows)
        if self.waiting >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait as a row group; end the file when it is full."""
        if not self.waiting:
            return
        rows = pa.concat_tables(self._tables).sort_by(_ORDER)
        self._tables, self.waiting = [], 0
        begun = self._begun = self._begun or self._begin()
        begun.writer.write_table(rows, row_group_size=len(rows))
        if begun.sink.tell() >= self._full_bytes:
            self._end(begun)

    def close(self) -> list[DataFile]:
        """Write what is left; return all files."""
        self.flush()
        if self._begun:
            self._end(self._begun)
        return self.files

    def _begin(self) -> _Begun:
        path = file_path(self._part, *self._batches, self._token, len(self.files))
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        sink = pa.OSFile(str(target), "wb")
        writer = pq.ParquetWriter(sink, FILE_SCHEMA, compression="zstd", store_schema=False)
        return _Begun(path=path, sink=sink, writer=writer)

    def _end(self, begun: _Begun) -> None:
        begun.writer.close()
        begun.sink.close()
        status = (self._folder / begun.path).stat()
        entry = DataFile(path=begun.path, size=status.st_size, modified_ms=status.st_mtime_ns // 1_000_000)
        self.files.append(entry)
        self._begun = None


def row_groups(path: Path) -> Iterator[pa.Table]:
    """Return the rows of a file of the history, a row group at a time."""
    with pq.ParquetFile(path, memory_map=True) as file:
        for index in range(file.num_row_groups):
            yield conform(file.read_row_group(index), FILE_SCHEMA)


def relieve(writers: list[PartWriter]) -> None:
    """Keep the rows that wait in all writers together bounded."""
    while sum(writer.waiting for writer in writers) > WAITING_ROWS:
        max(writers, key=lambda writer: writer.waiting).flush()
