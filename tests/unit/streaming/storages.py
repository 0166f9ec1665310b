"""A storage in memory, as folding sees one, with its own clock and a caller that may be stopped at any operation."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vpp_workloads.streaming.files import Entry, Files, partial
from vpp_workloads.streaming.history.rows import RECENT_SCHEMA

DAY_US = 86_400_000_000
T0 = 1_655_769_600_000_000
"""2022-06-21T00:00:00Z."""

Identity = tuple[str, int, int]


class MemoryFiles:
    """A file system; every operation takes a millisecond of `now_ms`."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[bytes, int]] = {}
        self.now_ms = 1_000_000

    def copy(self) -> MemoryFiles:
        """Return a storage of the same content and time."""
        other = MemoryFiles()
        other.held, other.now_ms = dict(self.held), self.now_ms
        return other

    def _tick(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def entries(self, folder: str) -> list[Entry]:
        found: dict[str, Entry] = {}
        for path, (content, modified_ms) in self.held.items():
            if path.startswith(f"{folder}/"):
                name = path.removeprefix(f"{folder}/").partition("/")[0]
                found[name] = Entry(name=name, size=len(content), modified_ms=modified_ms)
        return list(found.values())

    def read(self, path: str) -> bytes:
        return self.held[path][0]

    def fetch(self, path: str, target: Path) -> None:
        target.write_bytes(self.held[path][0])

    def upload(self, path: str, source: Path) -> None:
        """Do the first half of `put`."""
        self.held[partial(path)] = (source.read_bytes(), self._tick())

    def put(self, path: str, source: Path) -> None:
        if partial(path) not in self.held:
            self.upload(path, source)
        assert path not in self.held, f"{path} is written a second time"
        self.held[path] = self.held.pop(partial(path))

    def create(self, path: str, content: bytes) -> bool:
        if path in self.held:
            return False
        self.held[path] = (content, self._tick())
        return True

    def remove(self, path: str) -> None:
        self._tick()
        for held in [held for held in self.held if held == path or held.startswith(f"{path}/")]:
            del self.held[held]


class Stopping:
    """The same storage for a caller that is stopped: `stop` is called before its change of this number."""

    def __init__(self, files: Files, at: int, stop: Callable[[], None]) -> None:
        self._files, self._at, self._stop = files, at, stop
        self.changes = 0

    def _change(self) -> None:
        if self.changes == self._at:
            self._stop()
        self.changes += 1

    def entries(self, folder: str) -> list[Entry]:
        return self._files.entries(folder)

    def read(self, path: str) -> bytes:
        return self._files.read(path)

    def fetch(self, path: str, target: Path) -> None:
        self._files.fetch(path, target)

    def put(self, path: str, source: Path) -> None:
        self._change()
        if isinstance(self._files, MemoryFiles):
            self._files.upload(path, source)
            self._change()
        self._files.put(path, source)

    def create(self, path: str, content: bytes) -> bool:
        self._change()
        return self._files.create(path, content)

    def remove(self, path: str) -> None:
        self._change()
        self._files.remove(path)


def rows_of(batch: int, days: Iterable[int] = (0,)) -> list[Identity]:
    """Return the identities of a batch of the plant of these tests: two DERs, on one day or several."""
    return [(f"house-01/{kind}", 1, 100 * batch + day) for day in days for kind in ("pv", "load")]


def write_batch(files: MemoryFiles, batch: int, days: Iterable[int] = (0,), *, finished: bool = True) -> None:
    """Put a batch into the storage as the driver does."""
    rows = [
        {
            "der": der,
            "site": "house-01",
            "kind": der.partition("/")[2],
            "boot": boot,
            "seq": seq,
            "event_time_us": T0 + (seq % 100) * DAY_US + 60_000_000,
            "created_us": 1,
            "energy_kwh": 0.5,
        }
        for der, boot, seq in rows_of(batch, days)
    ]
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, RECENT_SCHEMA).drop_columns(["batch_id"]), content)
    files.held[f"recent/batch_id={batch}/part-0.parquet"] = (content.getvalue(), files.now_ms)
    if finished:
        files.held[f"checkpoint/commits/{batch}"] = (b"", files.now_ms)
