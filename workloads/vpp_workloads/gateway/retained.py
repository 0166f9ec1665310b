"""Rows that a broker has confirmed and that stay in the spool until the twin has taken them for good (EndToEnd).

The index in memory of what the spool keeps on disk. Pure: no file, no clock. Times are the gateway's own, in µs.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vpp_contract.marks import Mark

FIRST_WAIT_US: Final = 10_000_000
LONGEST_WAIT_US: Final = 3_600_000_000
"""Between two times that a row is sent again. A row that the twin never takes must not load the channels for ever."""

Owner = tuple[str, int]
"""DER and boot."""
RowRuns = Sequence[tuple[str, int, int, int]]
"""A row's readings as (der, boot, first seq, last seq)."""


@dataclass(slots=True)
class _Row:
    readings: int
    open_runs: int
    since_us: int
    times_sent: int = 1


class Retained:
    """Which rows wait for their marks."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._runs: dict[Owner, list[tuple[int, int, int]]] = {}
        self.readings = 0

    def __contains__(self, row_id: int) -> bool:
        return row_id in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row_id: int, runs: RowRuns, readings: int, now_us: int) -> None:
        """Keep a row that was confirmed now; one that is kept already was sent once more."""
        row = self._rows.pop(row_id, None)
        if row is None:
            row = _Row(readings=readings, open_runs=len(runs), since_us=now_us)
            self.readings += readings
            for der, boot, first, last in runs:
                insort(self._runs.setdefault((der, boot), []), (first, last, row_id))
        else:
            row.since_us = now_us
        self._rows[row_id] = row

    def cover(self, marks: Iterable[Mark]) -> list[int]:
        """Let go the rows whose readings marks cover, and return their ids."""
        done = []
        for mark in marks:
            owner = (mark.der, mark.boot)
            runs = self._runs.get(owner, [])
            start = bisect_left(runs, (mark.first_seq, -1, -1))
            end = bisect_left(runs, (mark.end_seq, -1, -1))
            covered = [run for run in runs[start:end] if run[1] < mark.end_seq]
            if not covered:
                continue
            runs[start:end] = [run for run in runs[start:end] if run[1] >= mark.end_seq]
            if not runs:
                del self._runs[owner]
            for _, _, row_id in covered:
                row = self._rows[row_id]
                row.open_runs -= 1
                if not row.open_runs:
                    del self._rows[row_id]
                    self.readings -= row.readings
                    done.append(row_id)
        return done

    def overdue(self, taken_until_us: int, now_us: int) -> list[int]:
        """Return, in order, the rows to send again.

        Args:
            taken_until_us: what was confirmed before is with the twin, or lost.
            now_us: the time of asking; such a row waits longer each time before it goes once more.
        """
        due = []
        for row_id, row in self._rows.items():
            if row.since_us >= taken_until_us:
                break  # they are in the order of `since_us`
            pause_us = min(FIRST_WAIT_US << min(row.times_sent - 1, 16), LONGEST_WAIT_US)
            if row.since_us + pause_us <= now_us:
                row.times_sent += 1
                due.append(row_id)
        return sorted(due)
