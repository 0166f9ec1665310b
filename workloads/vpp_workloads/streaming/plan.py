"""Which offsets a micro-batch covers and how they are split into tasks: pure functions of what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql.datasource import InputPartition

from vpp_contract.topology import Channel

Offsets = dict[str, int]
"""`<channel>/<stream>` -> the next offset to read."""


@dataclass
class StreamRange(InputPartition):
    """The offsets from `start` to before `end` of one stream; `host` is empty when no such channel is left."""

    channel: str
    stream: str
    host: str
    port: int
    start: int
    end: int
    tls: bool = False


def plan_end(start: Mapping[str, int], tails: Mapping[str, int], limit: int | None) -> Offsets:
    """Return where a batch from `start` ends: at the streams' tails, or before when `limit` offsets are enough.

    The limit is shared so that a short backlog is read whole and long ones share the rest evenly. Ends never lie before
    `start`, whatever the tails say: a tail may be unknown or seen too low, and the checkpoint may not go back.
    """
    backlog = {key: tail - start.get(key, 0) for key, tail in tails.items()}
    backlog = {key: count for key, count in backlog.items() if count > 0}
    end = {**dict.fromkeys(tails, 0), **start}
    left = sum(backlog.values()) if limit is None else limit
    for waiting, key in enumerate(sorted(backlog, key=lambda key: (backlog[key], key))):
        share = min(backlog[key], -(-left // (len(backlog) - waiting)))
        end[key] = start.get(key, 0) + share
        left -= share
    return end


def plan_ranges(
    start: Mapping[str, int], end: Mapping[str, int], channels: Mapping[str, Channel], longest: int
) -> list[StreamRange]:
    """Split what lies between two offsets into ranges of at most `longest`: parallelism does not hang on channels."""
    ranges: list[StreamRange] = []
    for key in sorted(end):
        first, last = start.get(key, 0), end[key]
        name, _, stream = key.partition("/")
        channel = channels.get(key)
        host, port, tls = (channel.host, channel.stream_port, channel.tls) if channel else ("", 0, False)
        pieces = max(1, -(-(last - first) // longest)) if channel else 1
        size = -(-(last - first) // pieces)
        ranges += [
            StreamRange(channel=name, stream=stream, host=host, port=port, start=at, end=min(at + size, last), tls=tls)
            for at in range(first, last, max(1, size))
        ]
    return ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """At `at_us` (wall clock) the stream ended before offset `tail`, so what is at or after it was published later."""

    tail: int
    at_us: int


def keep_observations(seen: Sequence[Observation], start: int, most: int = 64) -> tuple[Observation, ...]:
    """Drop what no later question needs: of those at or below `start` (planned, maybe not committed) a few do."""
    below = [seen_one for seen_one in seen if seen_one.tail <= start][-8:]
    above = [seen_one for seen_one in seen if seen_one.tail > start]
    return tuple(below + above[-most:])


def caught_up_us(
    seen: Mapping[str, Sequence[Observation]],
    empty_us: Mapping[str, int],
    committed: Mapping[str, int],
    awake: Sequence[str],
) -> int:
    """Return the wall clock until which all that was published, and is still there, has been committed; 0 if unknown.

    Args:
        seen: observations by stream.
        empty_us: when a stream was last seen without a message. That proof is weak, and good enough to ask for
            something to be sent again; not to delete anything.
        committed: next offsets by stream.
        awake: the streams that may hold readings.
    """

    def until_us(key: str) -> int:
        end = committed.get(key, 0)
        return max(planned_us(seen.get(key, ()), end), 0 if end else empty_us.get(key, 0))

    return min((until_us(key) for key in awake), default=0)


def planned_us(seen: Sequence[Observation], end: int) -> int:
    """Return the latest wall clock at which nothing at or after `end` had been published yet; 0 if unknown."""
    return max((one.at_us for one in seen if one.tail <= end), default=0)
