"""Where batches end and how they are split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_contract.topology import Channel, ChannelState
from vpp_workloads.streaming.plan import (
    Observation,
    caught_up_us,
    keep_observations,
    plan_end,
    plan_ranges,
    planned_us,
)

KEYS = st.sampled_from(("q-0/a", "q-1/b", "q-2/c", "q-2/d"))
OFFSETS = st.dictionaries(KEYS, st.integers(0, 200))


def a_channel(name: str, stream: str) -> Channel:
    return Channel(
        name=name, queue_channel="q", host=f"{name}.q", amqp_port=5672, stream=stream, state=ChannelState.ACTIVE
    )


CHANNELS = {one.key: one for one in (a_channel("q-0", "a"), a_channel("q-1", "b"), a_channel("q-2", "c"))}


@pytest.mark.parametrize(
    ("start", "tails", "limit", "end"),
    [
        ({}, {"q-0/a": 5}, None, {"q-0/a": 5}),
        ({"q-0/a": 9}, {"q-0/a": 5}, None, {"q-0/a": 9}),
        ({"q-0/a": 9}, {}, None, {"q-0/a": 9}),
        ({"q-0/a": 9}, {"q-0/a": 12, "q-1/b": 3}, None, {"q-0/a": 12, "q-1/b": 3}),
        ({}, {"q-0/a": 100, "q-1/b": 10}, 40, {"q-0/a": 30, "q-1/b": 10}),
        ({}, {"q-0/a": 100, "q-1/b": 100}, 3, {"q-0/a": 2, "q-1/b": 1}),
        ({"q-0/a": 50}, {"q-0/a": 50}, 10, {"q-0/a": 50}),
    ],
    ids=[
        "a new stream starts at 0",
        "a tail seen too low does not move the end back",
        "an unreachable channel keeps its offset",
        "a channel may appear",
        "a short backlog is read whole and the rest goes to the others",
        "a small limit is shared",
        "nothing new gives the same offsets",
    ],
)
def test_end(start: dict[str, int], tails: dict[str, int], limit: int | None, end: dict[str, int]) -> None:
    assert plan_end(start, tails, limit) == end


@given(OFFSETS, OFFSETS, st.none() | st.integers(1, 300))
def test_ends_never_go_back_never_pass_the_tail_and_use_the_limit(
    start: dict[str, int], tails: dict[str, int], limit: int | None
) -> None:
    end = plan_end(start, tails, limit)
    assert end.keys() == start.keys() | tails.keys()
    backlog = 0
    for key, value in end.items():
        assert start.get(key, 0) <= value <= max(start.get(key, 0), tails.get(key, 0))
        backlog += max(0, tails.get(key, 0) - start.get(key, 0))
    planned = sum(value - start.get(key, 0) for key, value in end.items())
    assert planned == (backlog if limit is None else min(limit, backlog))


@given(OFFSETS, OFFSETS, st.integers(1, 60))
def test_ranges_cover_every_offset_once_and_none_is_too_long(
    start: dict[str, int], tails: dict[str, int], longest: int
) -> None:
    end = plan_end(start, tails, None)
    ranges = plan_ranges(start, end, CHANNELS, longest)
    covered = [(f"{one.channel}/{one.stream}", offset) for one in ranges for offset in range(one.start, one.end)]
    assert len(covered) == len(set(covered))
    assert set(covered) == {(key, offset) for key in end for offset in range(start.get(key, 0), end[key])}
    assert all(one.end - one.start <= longest for one in ranges if one.host)


def test_a_stream_that_the_topology_no_longer_has_is_one_range_without_a_host() -> None:
    (gone,) = plan_ranges({}, {"q-9/z": 70}, CHANNELS, 10)
    assert (gone.host, gone.channel, gone.stream, gone.start, gone.end) == ("", "q-9", "z", 0, 70)


def test_the_planned_time_of_an_end_is_the_last_look_that_saw_nothing_beyond_it() -> None:
    seen = [Observation(tail=tail, at_us=at) for tail, at in ((10, 1), (10, 2), (30, 3), (50, 4))]
    assert [planned_us(seen, end) for end in (5, 10, 29, 30, 60)] == [0, 2, 2, 3, 4]


def test_observations_stay_few_and_keep_what_the_next_ends_need() -> None:
    seen = tuple(Observation(tail=tail, at_us=tail) for tail in range(500))
    kept = keep_observations(seen, start=400, most=20)
    assert len(kept) <= 28
    assert planned_us(kept, 400) == 400


@pytest.mark.parametrize(
    ("what", "seen", "empty_us", "committed", "awake", "until_us"),
    [
        ("all is committed", {"a": [(5, 100)], "b": [(7, 90)]}, {}, {"a": 5, "b": 7}, ["a", "b"], 90),
        ("one lags", {"a": [(5, 100), (9, 200)], "b": [(7, 190)]}, {}, {"a": 6, "b": 7}, ["a", "b"], 100),
        ("one was never seen", {"a": [(5, 100)]}, {}, {"a": 5}, ["a", "b"], 0),
        ("one is empty", {"a": [(5, 100)]}, {"b": 80}, {"a": 5}, ["a", "b"], 80),
        ("one looked empty and is not", {"a": [(5, 100)], "b": [(9, 70)]}, {"b": 80}, {"a": 5, "b": 3}, ["a", "b"], 0),
        ("one sleeps or is gone", {"a": [(5, 100)], "b": [(9, 70)]}, {}, {"a": 5, "b": 3}, ["a"], 100),
        ("there are none", {}, {}, {}, [], 0),
    ],
)
def test_the_twin_is_caught_up_until_the_oldest_proof(
    what: str,
    seen: dict[str, list[tuple[int, int]]],
    empty_us: dict[str, int],
    committed: dict[str, int],
    awake: list[str],
    until_us: int,
) -> None:
    observations = {key: [Observation(tail=tail, at_us=at_us) for tail, at_us in pairs] for key, pairs in seen.items()}
    assert caught_up_us(observations, empty_us, committed, awake) == until_us, what
