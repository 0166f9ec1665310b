"""The decisions of a fold, one by one: what it takes, what it carries on, what outlives it and what may go."""

from __future__ import annotations

import pytest

from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.history.log import DataFile, Version, file_path, part_of
from vpp_workloads.streaming.history.plan import (
    Limits,
    Note,
    Removal,
    batches_to_fold,
    describe,
    files_to_carry_on,
    kept_versions,
    successor,
    to_remove,
)

LIMITS = Limits(full_bytes=100, round_batches=3, grace_seconds=60)
PV, LOAD = part_of("2026-05-01", "pv"), part_of("2026-05-01", "load")


def a_file(part: str, first: int, last: int, size: int = 10) -> DataFile:
    return DataFile(path=file_path(part, first, last, "ab", 0), size=size, modified_ms=0)


def a_version(number: int, *files: DataFile, at_seconds: int = 0) -> Version:
    return Version(number=number, files=files, published_ms=at_seconds * 1000)


@pytest.mark.parametrize(
    ("recent", "folded", "finished", "taken"),
    [
        ([], -1, -1, []),
        ([0, 1], -1, -1, []),
        ([0, 1], -1, 0, [0]),
        ([1, 0], -1, 1, [0, 1]),
        ([0, 1, 2, 3, 4], -1, 4, [0, 1, 2]),
        ([0, 1, 2, 3, 4], 1, 4, [2, 3, 4]),
        ([2, 7, 9], 4, 9, [7, 9]),
        ([0, 1], 1, 1, []),
        ([], 5, -1, []),
    ],
    ids=[
        "nothing there", "no batch is finished", "the last is not finished", "in order, however listed",
        "no more than a round", "what is folded stays out", "batches without readings have no folder",
        "all is folded", "a copy without its checkpoint",
    ],
)  # fmt: skip
def test_a_round_takes_the_oldest_finished_batches_behind_the_version(
    recent: list[int], folded: int, finished: int, taken: list[int]
) -> None:
    version = a_version(0, a_file(PV, 0, folded)) if folded >= 0 else Version()
    assert batches_to_fold(recent, version, finished, LIMITS) == taken


def test_a_checkpoint_that_is_younger_than_the_history_stops_it() -> None:
    with pytest.raises(StreamingError, match="up to 5, and the checkpoint has come to 4 only"):
        batches_to_fold([3, 4], a_version(0, a_file(PV, 0, 5)), 4, LIMITS)


def test_only_files_of_the_part_that_are_not_full_are_carried_on() -> None:
    full, young, old, other = a_file(PV, 0, 3, 100), a_file(PV, 9, 9), a_file(PV, 4, 8, 99), a_file(LOAD, 4, 8)
    version = a_version(0, full, young, old, other)
    assert files_to_carry_on(version, PV, LIMITS) == [old, young]
    assert files_to_carry_on(version, part_of("2026-05-02", "pv"), LIMITS) == []


def test_the_next_version_has_what_was_made_for_what_was_replaced() -> None:
    full, carried, other, made = a_file(PV, 0, 3, 100), a_file(PV, 4, 5), a_file(LOAD, 0, 5), a_file(PV, 4, 7)
    files = successor(a_version(0, full, carried, other), [carried], [made])
    assert sorted(files, key=lambda file: file.path) == list(files)
    assert set(files) == {full, other, made}
    assert describe(a_version(1, *files), LIMITS) == {
        "version": 1,
        "files": 3,
        "full_files": 1,
        "bytes": 120,
        "folded_batch": 7,
    }


@pytest.mark.parametrize(
    ("published", "now", "kept"),
    [
        ([5], 1000, [0]),
        ([5, 6], 1000, [0, 1]),
        ([5, 6, 7], 1000, [1, 2]),
        ([0, 10, 70, 71], 129, [1, 2, 3]),
        ([0, 10, 70, 71], 130, [2, 3]),
        ([0, 100, 110, 120], 130, [0, 1, 2, 3]),
    ],
    ids=[
        "the only one", "the newest two", "an old one goes", "a reader may still be in one",
        "its reader had a minute", "all are young",
    ],
)  # fmt: skip
def test_a_version_stays_while_a_reader_may_be_in_it(published: list[int], now: int, kept: list[int]) -> None:
    versions = [a_version(number, at_seconds=at) for number, at in enumerate(published)]
    assert [version.number for version in kept_versions(versions[::-1], now * 1000, LIMITS)] == kept


OLD, OPEN, NEW = a_file(PV, 0, 1), a_file(PV, 0, 3), a_file(PV, 0, 5)
THREE = [a_version(0, OLD, at_seconds=10), a_version(1, OPEN, at_seconds=20), a_version(2, NEW, at_seconds=30)]
ORPHAN = a_file(LOAD, 4, 5).path


@pytest.mark.parametrize(
    ("versions", "notes", "recent", "now", "removal"),
    [
        ([], [("n", [ORPHAN], 5)], [0, 1], 1000, Removal()),
        (THREE[:1], [], [0, 1, 2], 20, Removal()),
        (THREE[:1], [], [0, 1, 2], 70, Removal(batches=(0, 1))),
        (THREE, [], [0, 1, 2, 3, 4, 5, 6], 79, Removal(batches=(0, 1))),
        (THREE, [], [2, 3, 4, 5, 6], 80, Removal(files=(OLD.path,), versions=(0,), batches=(2, 3))),
        (THREE[1:], [("n", [ORPHAN, NEW.path], 29)], [], 80, Removal(files=(ORPHAN,), notes=("n",))),
        (THREE[1:], [("n", [ORPHAN], 30)], [], 80, Removal()),
        (THREE[1:], [("n", [ORPHAN], 31)], [], 80, Removal()),
    ],
    ids=[
        "without a version nothing goes", "a reader began before there was one", "and has had its time",
        "batches go by the oldest version kept", "a version goes with its files", "a dead fold's files go",
        "a note as old as the version waits for the next", "a fold that may still publish keeps its files",
    ],
)  # fmt: skip
def test_only_what_nobody_needs_is_removed(
    versions: list[Version], notes: list[tuple[str, list[str], int]], recent: list[int], now: int, removal: Removal
) -> None:
    noted = [Note(name=name, paths=tuple(paths), modified_ms=at * 1000) for name, paths, at in notes]
    assert to_remove(versions, noted, recent, now * 1000, LIMITS) == removal
