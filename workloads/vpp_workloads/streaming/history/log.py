"""A version of the history as Spark writes and reads it, and what the names of its files say. Pure.

Spark finds the newest version by the number in the name and takes `N.compact` for the whole table, if the number before
it is compact as well or there is none: so every version is compact, numbers have no gaps, and two of them are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vpp_contract.names import HISTORY_FOLDER
from vpp_workloads.streaming.errors import StreamingError

LOG_FOLDER: Final = f"{HISTORY_FOLDER}/_spark_metadata"
NOTES_FOLDER: Final = f"{HISTORY_FOLDER}/_folding"
_HEADER: Final = "v1"
_SUFFIX: Final = ".compact"
_BLOCK_BYTES: Final = 128 * 1024 * 1024
_PATH: Final = re.compile(
    r"(?P<date>date=\d{4}-\d\d-\d\d)/kind=(?P<kind>[a-z]+)/batches-(?P<first>\d+)-(?P<last>\d+)-[0-9a-f.]+\.parquet"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file of the history. `path` is below `history`, for example `date=2026-05-01/kind=pv/batches-3-9-ab.0.parquet`.

    Its rows are of batches `first` to `last`, not of all of them.
    """

    path: str
    size: int
    modified_ms: int

    @property
    def part(self) -> str:
        """Its folder: the date and kind of its rows."""
        return self.path.rpartition("/")[0]

    @property
    def first(self) -> int:
        """The first batch its rows may be of."""
        return int(_parsed(self.path)["first"])

    @property
    def last(self) -> int:
        """The last batch its rows may be of."""
        return int(_parsed(self.path)["last"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """All files of the history at one moment; number -1 is a history that nobody has begun."""

    number: int = -1
    files: tuple[DataFile, ...] = ()
    published_ms: int = 0
    base_url: str = ""

    @property
    def folded(self) -> int:
        """The batch up to which all rows are in it; -1 when there is none."""
        return max((file.last for file in self.files), default=-1)


def ahead(folded: int, finished: int) -> str:
    """Return the sentence on a checkpoint that is not the history's: an older copy, or a new one."""
    return (
        f"the history holds batches up to {folded}, and the checkpoint has come to {finished} only, so it is not this"
        " history's. Move the folders `history` and `recent` elsewhere, or bring back the checkpoint that was theirs"
    )


def part_of(date: str, kind: str) -> str:
    """Return the folder of a date (`YYYY-MM-DD`) and kind."""
    return f"date={date}/kind={kind}"


def file_path(part: str, first: int, last: int, token: str, index: int) -> str:
    """Return the path of a new file; `token` (hexadecimal) is the fold's own, so no two folds share a name."""
    return f"{part}/batches-{first}-{last}-{token}.{index}.parquet"


def version_name(number: int) -> str:
    """Return the name of a version's file."""
    return f"{number}{_SUFFIX}"


def version_number(name: str) -> int | None:
    """Return the number of the version in a file of that name; None where it holds none."""
    number = name.removesuffix(_SUFFIX)
    return int(number) if name.endswith(_SUFFIX) and number.isdecimal() else None


def encode(files: Iterable[DataFile], base_url: str) -> bytes:
    """Return a version's content; `base_url` is the history folder's, for Spark wants whole addresses."""
    entries = [
        {
            "path": f"{base_url}/{file.path}",
            "size": file.size,
            "isDir": False,
            "modificationTime": file.modified_ms,
            "blockReplication": 1,
            "blockSize": _BLOCK_BYTES,
            "action": "add",
        }
        for file in files
    ]
    return "\n".join([_HEADER, *(json.dumps(entry, separators=(",", ":")) for entry in entries)]).encode()


def decode(content: bytes, number: int, published_ms: int) -> Version:
    """Return the version in a file.

    Raises:
        StreamingError: it is not one of ours.
    """
    header, *lines = content.decode(errors="replace").splitlines() or [""]
    files, bases = [], set()
    try:
        if header != _HEADER:
            raise ValueError(f"it begins with {header[:20]!r}")
        for line in lines:
            entry = json.loads(line)
            path = _PATH.search(entry["path"])
            if path is None:
                raise ValueError(f"it names the foreign file {entry['path']}")
            bases.add(entry["path"][: path.start()].rstrip("/"))
            files.append(DataFile(path=path[0], size=int(entry["size"]), modified_ms=int(entry["modificationTime"])))
    except (ValueError, KeyError, TypeError) as error:
        raise StreamingError(f"{LOG_FOLDER}/{version_name(number)} is no version of this history: {error}") from None
    return Version(number=number, files=tuple(files), published_ms=published_ms, base_url=",".join(sorted(bases)))


def _parsed(path: str) -> re.Match[str]:
    found = _PATH.fullmatch(path)
    if found is None:
        raise ValueError(f"{path} is no file of the history")
    return found
