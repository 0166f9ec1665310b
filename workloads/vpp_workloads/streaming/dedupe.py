"""Exact deduplication, apart from order: which of some sequence numbers are new, given the intervals already received.

Per owner (a DER in one boot of its gateway) the numbers received are kept as intervals without overlap or contact. The
one that begins at an owner's first number is its contiguous low mark; those above it are what has overtaken a gap. So
the memory is one interval per owner while nothing is missing, in whatever order and however often readings come.

Pure numpy over whole batches: two sorts, no loop over readings or owners.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

INTERVAL_DTYPE: Final = np.dtype([("owner", "<u8"), ("start", "<u8"), ("end", "<u8")])
"""Numbers from `start` to before `end`; an owner is `der index << 32 | boot`."""
NO_INTERVALS: Final = np.empty(0, INTERVAL_DTYPE)

Intervals = NDArray[Any]


def owners(der: NDArray[np.int64], boot: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the owners' keys."""
    return der.astype(np.uint64) << np.uint64(32) | boot.astype(np.uint64)


def accept(
    intervals: Intervals, owner: NDArray[np.uint64], seq: NDArray[np.uint64]
) -> tuple[NDArray[np.bool_], Intervals]:
    """Return which numbers are new, and the intervals with them.

    Of equal numbers in one call the first is new. `intervals` must be sorted by owner and start, and so is the result.
    """
    known, count = len(intervals), len(seq)
    every_owner = np.concatenate((intervals["owner"], owner))
    every_start = np.concatenate((intervals["start"], seq))
    order = np.lexsort((every_start, every_owner))  # stable: an interval comes before a number equal to its start
    is_interval = order < known
    cover = np.maximum.accumulate(np.where(is_interval, np.arange(known + count), -1))
    covering = order[np.maximum(cover, 0)]
    covered = np.zeros(known + count, bool)
    if known:
        safe = np.minimum(covering, known - 1)
        covered = (
            (cover >= 0)
            & (intervals["owner"][safe] == every_owner[order])
            & (every_start[order] < intervals["end"][safe])
        )
    again = np.zeros(known + count, bool)
    again[1:] = (
        (every_owner[order][1:] == every_owner[order][:-1])
        & (every_start[order][1:] == every_start[order][:-1])
        & ~is_interval[:-1]
    )
    new_in_order = ~is_interval & ~covered & ~again
    new = np.zeros(count, bool)
    new[order[new_in_order] - known] = True
    every_end = np.concatenate((intervals["end"], seq + np.uint64(1)))
    kept = order[is_interval | new_in_order]
    return new, _merge(every_owner[kept], every_start[kept], every_end[kept])


def holding(intervals: Intervals, owner: NDArray[np.uint64], seq: NDArray[np.uint64]) -> Intervals:
    """Return, each once and in order, the intervals that hold some of these numbers."""
    known = len(intervals)
    every_owner = np.concatenate((intervals["owner"], owner))
    every_start = np.concatenate((intervals["start"], seq))
    order = np.lexsort((every_start, every_owner))  # stable: an interval comes before a number equal to its start
    is_interval = order < known
    cover = np.maximum.accumulate(np.where(is_interval, order, -1))[~is_interval]
    number = order[~is_interval] - known
    held = cover >= 0
    cover, number = cover[held], number[held]
    held = (intervals["owner"][cover] == owner[number]) & (seq[number] < intervals["end"][cover])
    found: Intervals = intervals[np.unique(cover[held])]
    return found


def _merge(owner: NDArray[np.uint64], start: NDArray[np.uint64], end: NDArray[np.uint64]) -> Intervals:
    """Join neighbours that touch; the input is sorted and free of overlap."""
    if not len(owner):
        return NO_INTERVALS
    begins = np.ones(len(owner), bool)
    begins[1:] = (owner[1:] != owner[:-1]) | (start[1:] != end[:-1])
    first = np.flatnonzero(begins)
    merged = np.empty(len(first), INTERVAL_DTYPE)
    merged["owner"], merged["start"] = owner[first], start[first]
    merged["end"] = end[np.append(first[1:], len(owner)) - 1]
    return merged


def forget_oldest(intervals: Intervals, most: int) -> Intervals:
    """Keep at most so many intervals of each owner in boot 0, the highest ones.

    Devices without boot and sequence are numbered by event time, so their intervals never join: without a bound their
    memory would grow for ever. An equal time older than what is kept is taken for new.
    """
    boot = intervals["owner"] & np.uint64(0xFFFFFFFF)
    if len(intervals) <= most or not (boot == 0).any():
        return intervals
    last_of_owner = np.searchsorted(intervals["owner"], intervals["owner"], side="right")
    keep: NDArray[np.bool_] = (boot != 0) | (last_of_owner - np.arange(len(intervals)) <= most)
    return intervals[keep]
