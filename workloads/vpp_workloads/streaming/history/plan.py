"""What a fold takes, what it replaces and what it may remove. Pure: listings in, names out.

The whole state is in the storage: versions, notes, folders of batches, Spark's commits. A fold that died left some
prefix of its steps behind, and whatever that is, the same decisions lead on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.history.log import DataFile, Version, ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a fold. Sizes in bytes."""

    full_bytes: int
    """A file of this size is not touched again."""
    round_batches: int
    """Batches in one version at most; a run makes as many versions as it takes."""
    grace_seconds: int
    """How long what a version names outlives it: the longest that a reader may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a fold wrote down before it made its files."""

    name: str
    paths: tuple[str, ...]
    modified_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What may go, in this order: a version's file goes after the files that only it names."""

    files: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()


def batches_to_fold(recent: Sequence[int], version: Version, finished: int, limits: Limits) -> list[int]:
    """Return the batches of the next round in order: finished, not folded yet, the oldest first.

    Raises:
        StreamingError: the checkpoint is younger than the history, so its batch numbers mean something else.
    """
    if 0 <= finished < version.folded:
        raise StreamingError(ahead(version.folded, finished))
    waiting = sorted(batch for batch in recent if version.folded < batch <= finished)
    return waiting[: limits.round_batches]


def files_to_carry_on(version: Version, part: str, limits: Limits) -> list[DataFile]:
    """Return the files of a date and kind that are not full, oldest first: new rows go into one file with theirs."""
    open_files = [file for file in version.files if file.part == part and file.size < limits.full_bytes]
    return sorted(open_files, key=lambda file: (file.first, file.path))


def successor(version: Version, replaced: Sequence[DataFile], made: Sequence[DataFile]) -> tuple[DataFile, ...]:
    """Return the files of the next version."""
    gone = {file.path for file in replaced}
    kept = [file for file in version.files if file.path not in gone]
    return tuple(sorted([*kept, *made], key=lambda file: file.path))


def kept_versions(versions: Sequence[Version], now_ms: int, limits: Limits) -> list[Version]:
    """Return the versions that a reader may still be in: the newest two, and those replaced less than the grace ago."""
    ordered = sorted(versions, key=lambda version: version.number)
    kept = ordered[-2:]
    for version, next_one in zip(ordered[-3::-1], ordered[-2:0:-1], strict=True):
        if next_one.published_ms <= now_ms - limits.grace_seconds * 1000:
            break
        kept.insert(0, version)
    return kept


def to_remove(
    versions: Sequence[Version], notes: Sequence[Note], recent: Sequence[int], now_ms: int, limits: Limits
) -> Removal:
    """Return what nobody needs any more.

    A note counts when a version came after it: the fold that wrote the note had begun from an older version, so it has
    published its own by then, or its number is taken and it never will. Both times are the storage's.
    """
    if not versions:
        return Removal()
    kept = kept_versions(versions, now_ms, limits)
    needed = {file.path for version in kept for file in version.files}
    kept_numbers = {version.number for version in kept}
    expired = sorted(version.number for version in versions if version.number not in kept_numbers)
    settled = [note for note in notes if note.modified_ms < kept[-1].published_ms]
    named = {file.path for version in versions for file in version.files}
    named |= {path for note in settled for path in note.paths}
    # Before the first version a reader had the folders of batches alone: its first successor is no other than the rest.
    foreseen = kept[0].published_ms <= now_ms - limits.grace_seconds * 1000
    return Removal(
        files=tuple(sorted(named - needed)),
        versions=tuple(expired),
        notes=tuple(sorted(note.name for note in settled)),
        batches=tuple(sorted(batch for batch in recent if foreseen and batch <= kept[0].folded)),
    )


def describe(version: Version, limits: Limits) -> Mapping[str, int]:
    """Return figures of a version."""
    full = sum(file.size >= limits.full_bytes for file in version.files)
    return {
        "version": version.number,
        "files": len(version.files),
        "full_files": full,
        "bytes": sum(file.size for file in version.files),
        "folded_batch": version.folded,
    }
