"""One run of folding: the input and output around `plan`, in the order that makes every death harmless.

A round writes its files on this machine, notes their names in the storage, copies them there, publishes a version that
names them, and removes what nobody needs. Only publishing changes what readers see, and it is one rename.
"""

from __future__ import annotations

import json
import logging
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpp_contract.names import HISTORY_FOLDER, RECENT_FOLDER
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.files import Files, partial
from vpp_workloads.streaming.history.log import (
    LOG_FOLDER,
    NOTES_FOLDER,
    DataFile,
    Version,
    encode,
    version_name,
)
from vpp_workloads.streaming.history.plan import (
    Limits,
    Note,
    Removal,
    batches_to_fold,
    files_to_carry_on,
    successor,
    to_remove,
)
from vpp_workloads.streaming.history.rows import (
    BATCH_FOLDER,
    batch_tables,
    by_part,
    finished_batch,
    newest_version,
    read_version,
    recent_batches,
    versions,
)
from vpp_workloads.streaming.history.writer import PartWriter, relieve, row_groups

_LOG = logging.getLogger(__name__)
_TOKEN_BYTES: Final = 6


class OvertakenError(StreamingError):
    """Another fold has published the version that this one was about to; nothing of this one is visible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What a run has done."""

    version: Version
    batches: int
    removed_files: int
    removed_batches: int


def fold(files: Files, url: str, limits: Limits, now_ms: Callable[[], int]) -> Folded:
    """Fold all finished batches, in as many rounds as it takes, and remove what nobody needs any more.

    `url` is the storage's as Spark knows it, `now_ms` the wall clock in ms since the epoch.

    Raises:
        StreamingError: the storage does not answer, or holds something that does not belong together.
        OvertakenError: another fold runs at the same time and was faster.
    """
    base_url = f"{url.rstrip('/')}/{HISTORY_FOLDER}"
    version, count = newest_version(files), 0
    while batches := batches_to_fold(recent_batches(files), version, finished_batch(files), limits):
        with tempfile.TemporaryDirectory(prefix="vpp-fold-") as folder:
            version = _round(files, base_url, version, batches, limits, Path(folder))
        count += len(batches)
        _LOG.info("version %d: batches up to %d in %d files", version.number, version.folded, len(version.files))
    if version.files and version.base_url != base_url:
        # The folder has been copied or its server has another name: the same files, at their new address.
        version = _publish(files, base_url, version, version.files)
    removal = tidy(files, limits, now_ms())
    return Folded(
        version=version, batches=count, removed_files=len(removal.files), removed_batches=len(removal.batches)
    )


def _round(files: Files, base_url: str, version: Version, batches: list[int], limits: Limits, folder: Path) -> Version:
    replaced, made = _write(files, version, batches, limits, folder)
    if not made:
        raise StreamingError(f"the batches {batches[0]} to {batches[-1]} hold no rows, though they have folders")
    token = secrets.token_hex(_TOKEN_BYTES)
    note = json.dumps([file.path for file in made]).encode()
    if not files.create(f"{NOTES_FOLDER}/{token}.json", note):
        raise OvertakenError("the note on a fold's files is gone: another fold was faster")
    for file in made:
        files.put(f"{HISTORY_FOLDER}/{file.path}", folder / file.path)
    try:
        return _publish(files, base_url, version, successor(version, replaced, made))
    except OvertakenError:
        for file in made:  # the other fold may have removed the note already
            files.remove(f"{HISTORY_FOLDER}/{file.path}")
        raise


def _write(
    files: Files, version: Version, batches: list[int], limits: Limits, folder: Path
) -> tuple[list[DataFile], list[DataFile]]:
    """Write the round's files below `folder`; return the files whose rows are in them as well, and the new ones."""
    token = secrets.token_hex(_TOKEN_BYTES)
    writers: dict[str, PartWriter] = {}
    replaced: list[DataFile] = []
    for batch in batches:
        for table in batch_tables(files, batch):
            for part, rows in by_part(table):
                if part not in writers:
                    carried = files_to_carry_on(version, part, limits)
                    first = min([batch, *(file.first for file in carried)])
                    writers[part] = PartWriter(folder, part, (first, batches[-1]), token, limits.full_bytes)
                    _carry_on(files, carried, writers[part], folder)
                    replaced += carried
                writers[part].add(rows)
                relieve(list(writers.values()))
    return replaced, [file for writer in writers.values() for file in writer.close()]


def _carry_on(files: Files, carried: list[DataFile], writer: PartWriter, folder: Path) -> None:
    for file in carried:
        copy = folder / "carried.parquet"
        files.fetch(f"{HISTORY_FOLDER}/{file.path}", copy)
        for rows in row_groups(copy):
            writer.add(rows)
        copy.unlink()


def _publish(files: Files, base_url: str, before: Version, made: tuple[DataFile, ...]) -> Version:
    number = before.number + 1
    if not files.create(f"{LOG_FOLDER}/{version_name(number)}", encode(made, base_url)):
        raise OvertakenError(f"version {number} of the history is there already: another fold was faster")
    return newest_version(files)


def tidy(files: Files, limits: Limits, now_ms: int) -> Removal:
    """Remove what neither a version nor a reader needs; done twice or half it does no harm."""
    found = [read_version(files, number, published) for number, published in versions(files).items()]
    notes = [
        Note(
            name=entry.name,
            paths=tuple(json.loads(files.read(f"{NOTES_FOLDER}/{entry.name}"))),
            modified_ms=entry.modified_ms,
        )
        for entry in files.entries(NOTES_FOLDER)
        if entry.name.endswith(".json") and not entry.name.startswith(".")
    ]
    removal = to_remove(found, notes, recent_batches(files), now_ms, limits)
    for path in removal.files:
        files.remove(f"{HISTORY_FOLDER}/{path}")
    for number in removal.versions:
        files.remove(f"{LOG_FOLDER}/{version_name(number)}")
    for note in notes:
        if note.name in removal.notes:
            for path in note.paths:
                files.remove(f"{HISTORY_FOLDER}/{partial(path)}")
            files.remove(f"{NOTES_FOLDER}/{note.name}")
    newest_ms = max((version.published_ms for version in found), default=0)
    for folder in (LOG_FOLDER, NOTES_FOLDER):
        for entry in files.entries(folder):
            if entry.name.startswith(".") and entry.modified_ms < newest_ms:
                files.remove(f"{folder}/{entry.name}")
    for batch in removal.batches:
        files.remove(f"{RECENT_FOLDER}/{BATCH_FOLDER}{batch}")
    return removal
