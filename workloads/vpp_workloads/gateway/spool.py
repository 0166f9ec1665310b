"""The spool: what was accepted and not confirmed yet, and the ledger of what was, in one SQLite file.

Every step is one transaction, so a process may die between any two: a reading waits for its confirm or is in the
ledger, never both, never neither, and keeps its identity for ever. With `retain`, what is in the ledger stays here too,
until a mark of the twin covers it. What the filter holds back is here as well. One process at a time may hold a spool.
Not thread-safe: the gateway calls it under its lock.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from vpp_contract.marks import Mark
from vpp_contract.readings import encode_batch, join_batches
from vpp_workloads.gateway.errors import SpoolError, SpoolFullError
from vpp_workloads.gateway.ledger import LEDGER_SCHEMA, Run, add_run, confirmed_readings, runs_after
from vpp_workloads.gateway.measurement import Measurement, reading_of
from vpp_workloads.gateway.retained import Retained

_VERSION: Final = 3
_ROW_BYTES: Final = 96
"""What a row costs beside its body, for the bound."""
_HELD: Final = "CREATE TABLE held (der TEXT PRIMARY KEY, measurement TEXT NOT NULL) WITHOUT ROWID"
_RETAINED: Final = "CREATE TABLE retained (id INTEGER PRIMARY KEY)"
"""Rows of `message` that are in the ledger; a table of its own, so that a confirm rewrites no body."""
_SCHEMA: Final = f"""
CREATE TABLE gateway (id INTEGER PRIMARY KEY CHECK (id = 1), site TEXT NOT NULL, boot INTEGER NOT NULL);
CREATE TABLE der (
    der TEXT PRIMARY KEY, boot INTEGER NOT NULL, next_seq INTEGER NOT NULL, last_event_time_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, readings INTEGER NOT NULL, runs TEXT NOT NULL, body BLOB NOT NULL
);
{LEDGER_SCHEMA}{_HELD};
{_RETAINED};
PRAGMA user_version = {_VERSION};
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Consecutive rows of the spool as one message."""

    first_id: int
    last_id: int
    readings: int
    body: bytes
    again: bool = False
    """Whether these rows had been confirmed before."""


@dataclass(slots=True, kw_only=True)
class _Der:
    next_seq: int
    last_event_time_us: int


class Spool:
    """One site's spool. Opening it begins a new boot."""

    def __init__(
        self,
        path: Path,
        *,
        site: str,
        limit_bytes: int,
        first_boot: int,
        sync: str = "Normal",
        retain: bool = False,
        clock: Callable[[], int] = lambda: 0,
    ) -> None:
        """Open or create the file.

        Args:
            path: where the file is or shall be.
            site: whose readings it holds.
            limit_bytes: bound of what may wait for its confirm, or mark.
            first_boot: boot of a file that is new. With the wall clock's seconds, identities stay unique even after the
                file is lost, because restarts are rarer than one a second.
            sync: "Normal" or "Full", see `Settings.spool_sync`.
            retain: keep what is confirmed until `release`.
            clock: wall clock in µs, from which on retained rows wait for their marks.

        Raises:
            SpoolError: the file cannot be used.
        """
        self._path = path
        self._retain = retain
        self._clock = clock
        self.retained = Retained()
        self._limit_bytes = limit_bytes
        try:
            self._db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
            try:
                self._open(site, first_boot, sync)
            except BaseException:
                self._db.close()
                raise
        except sqlite3.Error as error:
            raise SpoolError(_explain(path, error)) from None

    def _open(self, site: str, first_boot: int, sync: str) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA journal_size_limit = 8388608")
        # The boot itself must survive a power cut: identities would be given twice.
        self._db.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _SCHEMA.split(";\n"):
                    self._db.execute(statement)
            elif version > _VERSION:
                raise SpoolError(
                    f"{self._path}: spool of version {version}, this gateway knows {_VERSION}; use its release"
                )
            else:
                for statement in (_HELD, _RETAINED)[version - 1 :]:
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {_VERSION}")
            row = self._db.execute("SELECT site, boot FROM gateway").fetchone()
            if row is not None and row[0] != site:
                raise SpoolError(f"{self._path}: holds readings of site {row[0]}, not of {site}; give each site a file")
            self.boot = first_boot if row is None else int(row[1]) + 1
            self._db.execute("INSERT OR REPLACE INTO gateway VALUES (1, ?, ?)", (site, self.boot))
        self._db.execute(f"PRAGMA synchronous = {'FULL' if sync == 'Full' else 'NORMAL'}")
        # A new boot counts from 0 again.
        self._ders = {
            str(der): _Der(next_seq=0, last_event_time_us=last)
            for der, last in self._db.execute("SELECT der, last_event_time_us FROM der")
        }
        if not self._retain:  # an earlier process did
            with self._transaction():
                self._db.execute("DELETE FROM message WHERE id IN (SELECT id FROM retained)")
                self._db.execute("DELETE FROM retained")
        for row_id, readings, runs in self._db.execute(
            "SELECT id, readings, runs FROM message JOIN retained USING (id) ORDER BY id"
        ):
            self.retained.add(row_id, json.loads(runs), readings, self._clock())
        self.readings, self.used_bytes = self._db.execute(
            f"SELECT COALESCE(SUM(readings), 0), COALESCE(SUM(LENGTH(body) + {_ROW_BYTES}), 0) FROM message"
        ).fetchone()
        self.readings -= self.retained.readings
        self.confirmed = confirmed_readings(self._db)
        self.held: Mapping[str, Measurement] = {
            str(der): Measurement(**json.loads(text)) for der, text in self._db.execute("SELECT * FROM held")
        }

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def append(
        self,
        measurements: Sequence[Measurement],
        *,
        created_us: int,
        row_readings: int,
        held: Mapping[str, Measurement] | None = None,
        bounded: bool = True,
    ) -> None:
        """Give measurements their identities and keep them, all or none.

        Args:
            measurements: what was measured, in order.
            created_us: wall clock.
            row_readings: at most so many readings a row.
            held: what the filter holds back from now on, by DER; None: as before.
            bounded: False for what was accepted before, which must stay whether there is room or not.

        Raises:
            SpoolFullError: there is no room, in the bound or on the disk; nothing was kept.
            SpoolError: the file cannot be written.
        """
        ders: dict[str, _Der] = {}
        rows: list[tuple[int, str, bytes]] = []
        for start in range(0, len(measurements), row_readings):
            readings = []
            runs: dict[str, tuple[int, int]] = {}
            for measurement in measurements[start : start + row_readings]:
                der = ders.get(measurement.der)
                if der is None:
                    known = self._ders.get(measurement.der)
                    der = _Der(next_seq=known.next_seq, last_event_time_us=known.last_event_time_us) if known else _Der(
                        next_seq=0, last_event_time_us=0
                    )  # fmt: skip
                    ders[measurement.der] = der
                seq = der.next_seq
                readings.append(reading_of(measurement, boot=self.boot, seq=seq, created_us=created_us))
                runs[measurement.der] = (runs.get(measurement.der, (seq, seq))[0], seq)
                der.next_seq = seq + 1
                der.last_event_time_us = max(der.last_event_time_us, measurement.event_time_us)
            text = json.dumps([(name, self.boot, first, last) for name, (first, last) in runs.items()])
            rows.append((len(readings), text, encode_batch(readings)))
        for name, measurement in (held or {}).items():
            known = ders.get(name) or self._ders.get(name) or _Der(next_seq=0, last_event_time_us=0)
            newest_us = max(known.last_event_time_us, measurement.event_time_us)
            ders[name] = _Der(next_seq=known.next_seq, last_event_time_us=newest_us)
        size = sum(len(body) + _ROW_BYTES for _, _, body in rows)
        if bounded and self.used_bytes + size > self._limit_bytes:
            raise SpoolFullError(
                f"{self._path}: {self.used_bytes} of {self._limit_bytes} bytes wait for a broker and {size} more "
                "do not fit; restore the connection or raise spool_bytes"
            )
        try:
            with self._transaction():
                cursor = self._db.executemany("INSERT INTO message (readings, runs, body) VALUES (?, ?, ?)", rows)
                self._db.executemany(
                    "INSERT OR REPLACE INTO der VALUES (?, ?, ?, ?)",
                    [(name, self.boot, der.next_seq, der.last_event_time_us) for name, der in ders.items()],
                )
                if held is not None:
                    self._db.execute("DELETE FROM held")
                    texts = [(name, json.dumps(asdict(measurement))) for name, measurement in held.items()]
                    self._db.executemany("INSERT INTO held VALUES (?, ?)", texts)
            cursor.close()
        except sqlite3.Error as error:
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            raise (SpoolFullError if full else SpoolError)(_explain(self._path, error)) from None
        self._ders.update(ders)
        self.held = self.held if held is None else dict(held)
        self.used_bytes += size
        self.readings += len(measurements)

    def parcel(self, after_id: int, *, readings: int) -> Parcel | None:
        """Return the rows behind `after_id` as one message of at most so many readings (or one row); None if none."""
        ids: list[int] = []
        bodies: list[bytes] = []
        count = 0
        for row_id, row_readings, body in self._db.execute(
            "SELECT id, readings, body FROM message WHERE id > ? AND id NOT IN (SELECT id FROM retained) ORDER BY id",
            (after_id,),
        ):
            if bodies and count + row_readings > readings:
                break
            ids.append(row_id)
            bodies.append(body)
            count += row_readings
            if count >= readings:
                break
        if not bodies:
            return None
        body = bodies[0] if len(bodies) == 1 else join_batches(bodies)
        return Parcel(first_id=ids[0], last_id=ids[-1], readings=count, body=body)

    def retained_parcel(self, row_id: int) -> Parcel | None:
        """Return a retained row as a message to be sent again; None if it is not retained any more."""
        if row_id not in self.retained:
            return None
        readings, body = self._db.execute("SELECT readings, body FROM message WHERE id = ?", (row_id,)).fetchone()
        return Parcel(first_id=row_id, last_id=row_id, readings=readings, body=body, again=True)

    def confirm(self, spans: Sequence[tuple[int, int]]) -> int:
        """Enter rows into the ledger and let them go, or retain them; all in one transaction.

        Args:
            spans: (first, last) ids of rows a broker has confirmed.

        Returns:
            How many readings were entered; rows entered before do not count again.

        Raises:
            SpoolError: the file cannot be written; nothing moved.
        """
        moved = size = 0
        kept: dict[int, tuple[list[tuple[str, int, int, int]], int]] = {}
        try:
            with self._transaction():
                for span in spans:
                    rows = self._db.execute(
                        "SELECT id, readings, runs, LENGTH(body) FROM message WHERE id BETWEEN ? AND ?", span
                    ).fetchall()
                    for row_id, readings, text, body_bytes in rows:
                        runs = json.loads(text)
                        if row_id not in self.retained and row_id not in kept:
                            moved += readings
                            for der, boot, first, last in runs:
                                add_run(self._db, Run(der=der, boot=boot, first_seq=first, last_seq=last))
                        kept[row_id] = (runs, readings)
                        size += body_bytes + _ROW_BYTES
                    if self._retain:
                        ids = [(row[0],) for row in rows]
                        self._db.executemany("INSERT OR IGNORE INTO retained VALUES (?)", ids)
                    else:
                        self._db.execute("DELETE FROM message WHERE id BETWEEN ? AND ?", span)
        except sqlite3.Error as error:
            raise SpoolError(_explain(self._path, error)) from None
        if self._retain:
            for row_id, (runs, readings) in kept.items():
                self.retained.add(row_id, runs, readings, self._clock())
        else:
            self.used_bytes -= size
        self.readings -= moved
        self.confirmed += moved
        return moved

    def release(self, marks: Sequence[Mark]) -> int:
        """Let go the retained rows whose readings marks cover, and return how many readings those were.

        Raises:
            SpoolError: the file cannot be written; they are let go by the next process that opens it and hears of them.
        """
        before = self.retained.readings
        rows = [(row_id,) for row_id in self.retained.cover(marks)]
        size = 0
        try:
            with self._transaction():
                for row in rows:
                    size += self._db.execute("SELECT LENGTH(body) FROM message WHERE id = ?", row).fetchone()[0]
                self._db.executemany("DELETE FROM message WHERE id = ?", rows)
                self._db.executemany("DELETE FROM retained WHERE id = ?", rows)
        except sqlite3.Error as error:
            raise SpoolError(_explain(self._path, error)) from None
        self.used_bytes -= size + _ROW_BYTES * len(rows)
        return before - self.retained.readings

    def last_event_time_us(self, der: str) -> int | None:
        """Return the newest event time ever accepted for a DER, None if there is none."""
        known = self._ders.get(der)
        return known.last_event_time_us if known else None

    def ledger_page(self, after: tuple[str, int, int], limit: int) -> list[Run]:
        """Return the next confirmed runs in order of (der, boot, first seq)."""
        return runs_after(self._db, after, limit)

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        self._db.close()


def _explain(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL:
        return f"{path}: the disk is full; free space or give the spool a larger volume"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path}: another process holds this spool; run one gateway per site and file"
    if code == sqlite3.SQLITE_CANTOPEN:
        return f"{path}: cannot be created or opened; check that the folder exists and is writable"
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return f"{path}: is no SQLite file or is damaged ({error}); move it away and keep it for inspection"
    return f"{path}: cannot be used ({error}); check the disk"
