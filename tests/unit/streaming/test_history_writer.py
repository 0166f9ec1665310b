"""Files of a fold: sorted row groups, an end when they are full, and rows in memory that stay bounded."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vpp_workloads.streaming.history import writer
from vpp_workloads.streaming.history.log import part_of
from vpp_workloads.streaming.history.rows import FILE_SCHEMA
from vpp_workloads.streaming.history.writer import PartWriter, relieve, row_groups

PART = part_of("2026-05-01", "pv")


def rows(*seqs: int) -> pa.Table:
    return pa.Table.from_pylist([{"der": f"house-{seq % 3}/pv", "boot": 1, "seq": seq} for seq in seqs], FILE_SCHEMA)


def a_writer(folder: Path, full_bytes: int = 1 << 20) -> PartWriter:
    return PartWriter(folder, PART, (3, 9), "ab12", full_bytes)


def identities(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["der"].to_pylist(), table["seq"].to_pylist(), strict=True))


def test_rows_are_sorted_within_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "GROUP_ROWS", 4)
    part = a_writer(tmp_path)
    for table in (rows(5, 4), rows(3, 2), rows(1), rows(0)):
        part.add(table)
    (file,) = part.close()
    assert file.path == f"{PART}/batches-3-9-ab12.0.parquet"
    assert file.size == (tmp_path / file.path).stat().st_size
    groups = [identities(group) for group in row_groups(tmp_path / file.path)]
    assert groups == [
        [("house-0/pv", 3), ("house-1/pv", 4), ("house-2/pv", 2), ("house-2/pv", 5)],
        [("house-0/pv", 0), ("house-1/pv", 1)],
    ]


def test_a_file_ends_when_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "GROUP_ROWS", 2)
    part = a_writer(tmp_path, full_bytes=1)
    part.add(rows(0, 1))
    part.add(rows(2, 3))
    part.add(rows(4))
    files = part.close()
    assert [file.path.rpartition("-")[2] for file in files] == [f"ab12.{index}.parquet" for index in range(3)]
    assert [pq.read_metadata(tmp_path / file.path).num_rows for file in files] == [2, 2, 1]


def test_rows_that_wait_are_bounded_over_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WAITING_ROWS", 5)
    small, large = a_writer(tmp_path / "small"), a_writer(tmp_path / "large")
    small.add(rows(0, 1))
    large.add(rows(2, 3, 4))
    relieve([small, large])
    assert (small.waiting, large.waiting) == (2, 3)
    small.add(rows(5))
    relieve([small, large])
    assert sorted((small.waiting, large.waiting)) == [0, 3]


def test_what_has_no_rows_makes_no_file(tmp_path: Path) -> None:
    assert a_writer(tmp_path).close() == []
    assert list(tmp_path.iterdir()) == []
