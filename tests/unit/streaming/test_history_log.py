"""Versions of the history as Spark reads them; whether Spark does is tested with a real one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.history.log import (
    DataFile,
    Version,
    decode,
    encode,
    file_path,
    part_of,
    version_name,
    version_number,
)

URL = "hdfs://name-node:8020/vpp/history"
PATH = "date=2026-05-01/kind=pv/batches-3-9-0a1b.0.parquet"
LINE = {"path": f"{URL}/{PATH}", "size": 7, "modificationTime": 5}


def a_file(first: int, last: int, kind: str, index: int, size: int) -> DataFile:
    path = file_path(part_of("2026-05-01", kind), first, last, "0a1b", index)
    return DataFile(path=path, size=size, modified_ms=11)


FILES = st.lists(
    st.builds(
        a_file,
        first=st.integers(0, 10**9),
        last=st.integers(0, 10**9),
        kind=st.sampled_from(("pv", "load", "ev")),
        index=st.integers(0, 99),
        size=st.integers(1, 2**40),
    ),
    max_size=5,
)


@given(FILES, st.integers(0, 10**9))
def test_a_version_is_read_as_it_was_written(files: list[DataFile], number: int) -> None:
    version = decode(encode(files, URL), number, 17)
    assert version == Version(
        number=number, files=tuple(files), published_ms=17, base_url=URL if files else version.base_url
    )
    assert version.folded == max((file.last for file in files), default=-1)
    assert version_number(version_name(number)) == number


def test_a_file_says_what_it_holds() -> None:
    file = DataFile(path=PATH, size=7, modified_ms=5)
    assert (file.part, file.first, file.last) == ("date=2026-05-01/kind=pv", 3, 9)
    with pytest.raises(ValueError, match="is no file of the history"):
        _ = DataFile(path="part-0.parquet", size=7, modified_ms=5).last


@pytest.mark.parametrize("name", ["7", ".7.compact.ab12", "x.compact", "-1.compact", "7.compact.crc"])
def test_what_is_no_version_has_no_number(name: str) -> None:
    assert version_number(name) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it begins with ''"),
        (b"v2\n{}", "it begins with 'v2'"),
        (b"v1\n{", "Expecting"),
        (b"v1\n{}", "'path'"),
        (f"v1\n{json.dumps(LINE | {'path': URL + '/part-0.parquet'})}".encode(), "it names the foreign file"),
        (f"v1\n{json.dumps(LINE | {'size': None})}".encode(), "int"),
    ],
    ids=["an empty file", "another format", "half a line", "no path", "a file of somebody else", "no size"],
)
def test_what_is_no_version_is_told(content: bytes, reason: str) -> None:
    with pytest.raises(StreamingError, match=f"3.compact is no version of this history: .*{reason}"):
        decode(content, 3, 0)
