"""The ledger: the identities of all readings that a broker confirmed, as runs of consecutive `seq`.

A site that never breaks off has one run per DER and boot, so the ledger of years stays small and is still exact.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LEDGER_SCHEMA: Final = """
CREATE TABLE ledger (
    der TEXT NOT NULL, boot INTEGER NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    PRIMARY KEY (der, boot, first_seq)
) WITHOUT ROWID;
"""
LEDGER_START: Final = ("", -1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The readings `first_seq` to `last_seq`, both included, of one DER in one boot."""

    der: str
    boot: int
    first_seq: int
    last_seq: int

    @property
    def key(self) -> tuple[str, int, int]:
        """The run's place in the ledger."""
        return (self.der, self.boot, self.first_seq)


def add_run(db: sqlite3.Connection, run: Run) -> None:
    """Add a run, joining it to the one it follows and to the one it precedes. The caller holds the transaction."""
    first, last = run.first_seq, run.last_seq
    before = db.execute(
        "SELECT first_seq, last_seq FROM ledger WHERE der = ? AND boot = ? AND first_seq < ?"
        " ORDER BY first_seq DESC LIMIT 1",
        run.key,
    ).fetchone()
    if before is not None and before[1] == first - 1:
        first = before[0]
    after = db.execute(
        "SELECT last_seq FROM ledger WHERE der = ? AND boot = ? AND first_seq = ?", (run.der, run.boot, last + 1)
    ).fetchone()
    if after is not None:
        db.execute("DELETE FROM ledger WHERE der = ? AND boot = ? AND first_seq = ?", (run.der, run.boot, last + 1))
        last = after[0]
    db.execute(
        "INSERT INTO ledger VALUES (?, ?, ?, ?)"
        " ON CONFLICT (der, boot, first_seq) DO UPDATE SET last_seq = excluded.last_seq",
        (run.der, run.boot, first, last),
    )


def confirmed_readings(db: sqlite3.Connection) -> int:
    """Return the number of readings in the ledger."""
    return int(db.execute("SELECT COALESCE(SUM(last_seq - first_seq + 1), 0) FROM ledger").fetchone()[0])


def runs_after(db: sqlite3.Connection, after: tuple[str, int, int], limit: int) -> list[Run]:
    """Return at most `limit` runs behind a key, in order."""
    rows = db.execute(
        "SELECT der, boot, first_seq, last_seq FROM ledger WHERE (der, boot, first_seq) > (?, ?, ?)"
        " ORDER BY der, boot, first_seq LIMIT ?",
        (*after, limit),
    )
    return [Run(der=der, boot=boot, first_seq=first, last_seq=last) for der, boot, first, last in rows]


def read_ledger(file: Path) -> Iterator[Run]:
    """Yield the runs in a spool's file that no gateway holds."""
    with closing(sqlite3.connect(file, timeout=1.0)) as db:
        for der, boot, first, last in db.execute("SELECT * FROM ledger ORDER BY der, boot, first_seq"):
            yield Run(der=der, boot=boot, first_seq=first, last_seq=last)
