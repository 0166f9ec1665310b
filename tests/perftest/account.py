"""What PerfTest says it published and had confirmed, against what is stored, message by message. Pure.

PerfTest's `--verbose` names each message that it published, and each that was confirmed, by its time stamp in ns; its
default body begins with a number and the same time stamp. So nothing is inferred from totals.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(r"^publisher \d+: message (published|confirmed)(?:, type = (\w+))?, timestamp = (\d+),")
_BODY: Final = struct.Struct(">iq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Time stamps by what happened to a message."""

    published: Counter[int]
    confirmed: Counter[int]
    refused: int
    """Messages that the broker rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Counts are messages."""

    published: int
    confirmed: int
    stored: int
    confirmed_but_not_stored: int
    stored_but_never_published: int
    refused: int

    @property
    def holds(self) -> bool:
        """Every confirmed message is stored, and confirmed ≤ stored ≤ published."""
        nothing_wrong = self.confirmed_but_not_stored == 0 and self.stored_but_never_published == 0
        return nothing_wrong and self.confirmed <= self.stored <= self.published


def read_log(lines: Iterable[str]) -> Log:
    """Return what a verbose log says."""
    published: Counter[int] = Counter()
    confirmed: Counter[int] = Counter()
    refused = 0
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        what, kind, stamp = match.groups()
        if what == "published":
            published[int(stamp)] += 1
        elif kind == "ack":
            confirmed[int(stamp)] += 1
        else:
            refused += 1
    return Log(published=published, confirmed=confirmed, refused=refused)


def stamp_of(body: bytes) -> int:
    """Return the time stamp in a message's body.

    Raises:
        ValueError: it is too short for one of PerfTest's.
    """
    if len(body) < _BODY.size:
        raise ValueError(f"a body of {len(body)} bytes is none of PerfTest's")
    return int(_BODY.unpack_from(body)[1])


def compare(log: Log, stored: Iterable[int]) -> Account:
    """Compare a log with the time stamps of what is stored."""
    held = Counter(stored)
    return Account(
        published=log.published.total(),
        confirmed=log.confirmed.total(),
        stored=held.total(),
        confirmed_but_not_stored=(log.confirmed - held).total(),
        stored_but_never_published=(held - log.published).total(),
        refused=log.refused,
    )
