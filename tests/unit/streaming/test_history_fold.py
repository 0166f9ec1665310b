"""Folding, stopped at each of its steps and overtaken at each of them: what readers see is exact at any moment."""

from __future__ import annotations

import io
from collections import Counter
from contextlib import suppress

import pyarrow.parquet as pq
import pytest

from tests.unit.streaming.storages import DAY_US, T0, Identity, MemoryFiles, Stopping, rows_of, write_batch
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.files import Files
from vpp_workloads.streaming.history.fold import Folded, OvertakenError, fold
from vpp_workloads.streaming.history.log import Version
from vpp_workloads.streaming.history.plan import Limits
from vpp_workloads.streaming.history.rows import (
    RECENT_SCHEMA,
    check_checkpoint,
    newest_version,
    read_all,
    read_version,
    versions,
)

URL = "hdfs://name-node:8020/vpp"
GRACE_SECONDS = 3600
LIMITS = Limits(full_bytes=1 << 20, round_batches=2, grace_seconds=GRACE_SECONDS)
SMALL = Limits(full_bytes=1, round_batches=2, grace_seconds=GRACE_SECONDS)
"""With these every file is full as soon as it has a row group."""


class DiedError(Exception):
    """The fold's process is gone."""


def die() -> None:
    raise DiedError


def run(files: Files, clock: MemoryFiles, limits: Limits = LIMITS) -> Folded:
    return fold(files, URL, limits, lambda: clock.now_ms)


def rows_in(files: MemoryFiles, version: Version) -> Counter[Identity]:
    """Return what a reader of a version gets; it fails as Spark does where a file is gone."""
    found: Counter[Identity] = Counter()
    for file in version.files:
        table = pq.read_table(io.BytesIO(files.read(f"history/{file.path}")), partitioning=None)
        found.update(zip(*(table[name].to_pylist() for name in ("der", "boot", "seq")), strict=True))
        assert len(files.read(f"history/{file.path}")) == file.size
    return found


def all_rows(files: MemoryFiles) -> Counter[Identity]:
    table = read_all(files, RECENT_SCHEMA)
    return Counter(zip(*(table[name].to_pylist() for name in ("der", "boot", "seq")), strict=True))


def expected(batches: range, days: range = range(1)) -> Counter[Identity]:
    return Counter(identity for batch in batches for identity in rows_of(batch, days))


def assert_exact(files: MemoryFiles, finished: int, days: range) -> None:
    """Every version that somebody may read, and the rest of the batches with the newest one, hold each row once."""
    published = versions(files)
    for number, published_ms in published.items():
        if published.get(number + 1, files.now_ms) <= files.now_ms - GRACE_SECONDS * 1000:
            continue
        version = read_version(files, number, published_ms)
        assert rows_in(files, version) == expected(range(version.folded + 1), days)
    assert all_rows(files) == expected(range(finished + 1), days)


def a_plant(batches: int, days: range) -> MemoryFiles:
    """A storage with one version and batches behind it, the last one unfinished."""
    files = MemoryFiles()
    for batch in range(3):
        write_batch(files, batch, days)
    run(files, files)
    files.now_ms += 2 * GRACE_SECONDS * 1000
    for batch in range(3, batches):
        write_batch(files, batch, days)
    write_batch(files, batches, days, finished=False)
    return files


DAYS = range(1)


def a_new_plant(batches: int) -> MemoryFiles:
    files = MemoryFiles()
    for batch in range(batches):
        write_batch(files, batch, DAYS)
    return files


def an_old_plant() -> MemoryFiles:
    """A storage in which versions, files and batches have outlived their readers."""
    files = a_plant(6, DAYS)
    for batch in range(6, 9):
        run(files, files)
        files.now_ms += 2 * GRACE_SECONDS * 1000
        write_batch(files, batch, DAYS)
    return files


PLANTS = {
    "the first fold": a_new_plant(3),
    "a fold that carries files on": a_plant(5, DAYS),
    "a fold of two rounds": a_plant(6, DAYS),
    "a fold that removes": an_old_plant(),
}


def finished(files: MemoryFiles) -> int:
    return max(int(entry.name) for entry in files.entries("checkpoint/commits"))


def changes_of(plant: MemoryFiles, limits: Limits = LIMITS) -> int:
    files = plant.copy()
    counting = Stopping(files, -1, die)
    run(counting, files, limits)
    return counting.changes


@pytest.mark.parametrize("limits", [LIMITS, SMALL], ids=["files that are carried on", "files that are full at once"])
@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_death_at_any_step_leaves_an_exact_history_and_the_next_run_ends_it(plant: MemoryFiles, limits: Limits) -> None:
    steps = changes_of(plant, limits)
    assert steps > 4
    for step in range(steps):
        files = plant.copy()
        with pytest.raises(DiedError):
            run(Stopping(files, step, die), files, limits)
        assert_exact(files, finished(files), DAYS)
        run(files, files, limits)
        assert_exact(files, finished(files), DAYS)
        assert newest_version(files).folded == finished(files)


@pytest.mark.parametrize("later_ms", [0, 2 * GRACE_SECONDS * 1000], ids=["at once", "after the readers' grace"])
@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_another_fold_at_any_step_leaves_an_exact_history(plant: MemoryFiles, later_ms: int) -> None:
    for step in range(changes_of(plant)):
        files = plant.copy()

        def others(files: MemoryFiles = files) -> None:
            for _ in range(3):  # with so many versions even the overtaken fold's own number is removed again
                files.now_ms += later_ms
                run(files, files)
                batch = finished(files) + 1
                write_batch(files, batch, DAYS)

        with suppress(OvertakenError):
            run(Stopping(files, step, others), files)
        assert_exact(files, finished(files), DAYS)
        run(files, files)
        assert_exact(files, finished(files), DAYS)


@pytest.mark.parametrize("plant", ["a fold that carries files on", "a fold that removes"])
def test_what_dead_folds_left_goes_with_the_next_versions(plant: str) -> None:
    for step in range(changes_of(PLANTS[plant])):
        files = PLANTS[plant].copy()
        with pytest.raises(DiedError):
            run(Stopping(files, step, die), files)
        run(files, files)
        files.now_ms += 2 * GRACE_SECONDS * 1000
        for batch in range(finished(files) + 1, finished(files) + 4):
            write_batch(files, batch, DAYS)
            run(files, files)
            files.now_ms += 2 * GRACE_SECONDS * 1000
        run(files, files)
        kept = [read_version(files, number, 0) for number in versions(files)]
        named = {f"history/{file.path}" for version in kept for file in version.files}
        assert {path for path in files.held if path.startswith("history/date=")} == named
        assert len(kept) == 2
        assert [path for path in files.held if path.startswith("history/_folding")] == []
        assert [entry.name for entry in files.entries("recent")] == [f"batch_id={finished(files)}"]
        assert_exact(files, finished(files), DAYS)


def test_a_reader_may_take_as_long_as_the_grace() -> None:
    files = a_plant(6, DAYS)
    run(files, files)
    before, rows = newest_version(files), expected(range(6), DAYS)
    for batch in range(6, 12):
        write_batch(files, batch, DAYS)
        run(files, files)
        files.now_ms += GRACE_SECONDS * 1000 // 7
        assert rows_in(files, before) == rows
        assert {f"batch_id={later}" for later in range(6, batch + 1)} <= {e.name for e in files.entries("recent")}


def test_a_date_and_kind_has_full_files_and_one_that_is_not() -> None:
    files = MemoryFiles()
    for batch in range(40):
        write_batch(files, batch, DAYS)
        run(files, files, Limits(full_bytes=4300, round_batches=2, grace_seconds=0))
    per_part = Counter(file.part for file in newest_version(files).files if file.size < 4300)
    assert set(per_part.values()) == {1}
    assert len(newest_version(files).files) < 40
    assert_exact(files, 39, DAYS)


def test_rows_lie_by_the_day_that_their_interval_ends_in_and_by_kind() -> None:
    files = MemoryFiles()
    write_batch(files, 0, range(2))
    run(files, files)
    parts = [file.part for file in newest_version(files).files]
    assert parts == [f"date=2022-06-{day}/kind={kind}" for day in (21, 22) for kind in ("load", "pv")]
    assert T0 % DAY_US == 0


def test_a_batch_that_is_not_finished_is_not_in_the_history() -> None:
    files = a_plant(4, DAYS)
    run(files, files)
    assert newest_version(files).folded == 3
    assert all_rows(files) == expected(range(4), DAYS)


def test_of_two_folds_from_one_version_the_slower_one_says_so() -> None:
    files = a_plant(4, DAYS)

    def other() -> None:
        run(files, files)

    with pytest.raises(OvertakenError, match="version 2 of the history is there already: another fold was faster"):
        run(Stopping(files, 0, other), files)


def test_nothing_to_fold_makes_no_version() -> None:
    files = MemoryFiles()
    assert run(files, files).version == Version()
    write_batch(files, 0)
    first = run(files, files)
    assert run(files, files).version == first.version


def test_another_checkpoint_than_the_historys_is_told() -> None:
    files = a_plant(6, DAYS)
    run(files, files)
    for batch in range(1, 6):
        del files.held[f"checkpoint/commits/{batch}"]
    with pytest.raises(StreamingError, match=r"holds batches up to 5, and the checkpoint has come to 0 only"):
        run(files, files)
    assert rows_in(files, newest_version(files)) == expected(range(6), DAYS)


@pytest.mark.parametrize("folded", [True, False], ids=["folded", "not folded yet"])
@pytest.mark.parametrize("finished_batch", [-1, 3], ids=["a new checkpoint", "an older one"])
def test_no_driver_starts_behind_the_batches_that_are_there(finished_batch: int, folded: bool) -> None:
    files = a_plant(6, DAYS)
    if folded:
        run(files, files)
    with pytest.raises(StreamingError, match=rf"up to 5, and the checkpoint has come to {finished_batch} only"):
        check_checkpoint(files, finished_batch)


def test_a_driver_starts_on_its_own_checkpoint() -> None:
    files = a_plant(6, DAYS)
    check_checkpoint(files, 5)
    run(files, files)
    check_checkpoint(files, 5)
    new = MemoryFiles()
    check_checkpoint(new, -1)
    write_batch(new, 0, finished=False)
    check_checkpoint(new, -1)


def test_a_copy_elsewhere_gets_a_version_with_its_own_addresses() -> None:
    files = a_plant(6, DAYS)
    run(files, files)
    for path in [path for path in files.held if path.startswith(("recent/", "checkpoint/"))]:
        del files.held[path]
    moved = fold(files, "file:///backup/vpp", LIMITS, lambda: files.now_ms).version
    assert moved.base_url == "file:///backup/vpp/history"
    assert rows_in(files, moved) == expected(range(6), DAYS)
