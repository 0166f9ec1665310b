"""Faults of our own making, each one a step left out or a number off by one: the checker must find every one of them.

Spark's Python workers import this module, so what runs there is here and not in the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql.datasource import DataSourceStreamReader, InputPartition
from pyspark.sql.streaming.state import GroupState
from pyspark.sql.types import StructType

from vpp_operator.decide.channels import Draining, Move, next_move
from vpp_workloads.gateway.sender import Sender
from vpp_workloads.streaming import dedupe, stateful, twin
from vpp_workloads.streaming.options import parse_options
from vpp_workloads.streaming.source import RabbitMQStreams, StreamsReader


class AcksBeforeConfirm(Sender):
    """A gateway that takes for confirmed what it has only sent."""

    def pump(self, now: float, *, flush: bool = False) -> float | None:
        wait_seconds = super().pump(now, flush=flush)
        for tag in list(self._in_flight):
            self.confirmed(tag, now, multiple=False)
        self.settle()
        return wait_seconds


def sleeps_without_waiting(seen: Draining) -> tuple[Move, str]:
    """An operator that puts a channel to sleep as soon as its publishers are gone, read or not."""
    move, reason = next_move(seen)
    return (Move.SLEEP, "nobody waits") if move in (Move.MARK, Move.WAIT) and not seen.publishers else (move, reason)


_step = stateful._step
_accept = dedupe.accept


def step_without_dedupe(
    window_hours: int, marks: bool
) -> Callable[[tuple[Any, ...], Iterator[pd.DataFrame], GroupState], Iterator[pd.DataFrame]]:
    """A twin that takes every copy of a reading for a new one."""

    def step(key: tuple[Any, ...], frames: Iterator[pd.DataFrame], state: GroupState) -> Iterator[pd.DataFrame]:
        with patch.object(dedupe, "accept", _accept_all):
            yield from _step(window_hours, marks)(key, frames, state)

    return step


def _accept_all(
    intervals: dedupe.Intervals, owner: NDArray[np.uint64], seq: NDArray[np.uint64]
) -> tuple[NDArray[np.bool_], dedupe.Intervals]:
    new, merged = _accept(intervals, owner, seq)
    return np.ones_like(new), merged


class SkipsOne(RabbitMQStreams):
    """A source that begins each range one message too late."""

    def streamReader(self, schema: StructType) -> DataSourceStreamReader:  # noqa: N802 - Spark's name
        return _SkippingReader(parse_options(self.options))


class _SkippingReader(StreamsReader):
    def partitions(self, start: dict[str, int], end: dict[str, int]) -> Sequence[InputPartition]:
        ranges = self._planning().ranges(start, end)
        return [replace(one, start=one.start + 1) for one in ranges if one.start + 1 < one.end]


_newest = twin._newest


def step_with_the_last_to_come(
    window_hours: int, marks: bool
) -> Callable[[tuple[Any, ...], Iterator[pd.DataFrame], GroupState], Iterator[pd.DataFrame]]:
    """A twin whose current values are those that came last, whatever their identity."""

    def step(key: tuple[Any, ...], frames: Iterator[pd.DataFrame], state: GroupState) -> Iterator[pd.DataFrame]:
        with patch.object(twin, "_newest", _last_to_come):
            yield from _step(window_hours, marks)(key, frames, state)

    return step


def _last_to_come(newest: NDArray[Any], *rest: Any) -> tuple[NDArray[Any], NDArray[np.intp]]:
    newest["boot"], newest["seq"] = 0, 0
    return _newest(newest, *rest)
