"""How connections move to channels that have just become active."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_operator.decide.rebalancing import (
    LONGEST_SECONDS,
    SETTLE_SECONDS,
    Filling,
    connections_to_close,
    is_filled,
    wanted_connections,
)


def connections(channel: str, count: int) -> list[str]:
    return [f"{channel} {number:03}" for number in range(count)]


def filling(
    busy: Mapping[str, int], woken: Mapping[str, int], *, share: float = 0.0, since_seconds: float = 1.0
) -> Filling:
    return Filling(
        busy={channel: connections(channel, count) for channel, count in busy.items()},
        filling=woken,
        total=sum(busy.values()) + sum(woken.values()),
        share=share,
        since_seconds=since_seconds,
    )


@pytest.mark.parametrize(
    ("seen", "closed"),
    [
        (filling({"a": 17}, {"b": 0}), {"a": 8}),
        (filling({"a": 10, "b": 2}, {"c": 0}), {"a": 4}),
        (filling({"a": 6, "b": 6}, {"c": 0}), {"a": 2, "b": 2}),
        (filling({"a": 6, "b": 6}, {"c": 3}), {"a": 1, "b": 1}),
        (filling({"a": 8}, {"b": 0, "c": 0}), {"a": 5}),
        (filling({"a": 8}, {"b": 0}, share=0.25), {"a": 2}),
        (filling({"a": 8}, {"b": 0}, share=1.0), {"a": 8}),
        (filling({"a": 1}, {"b": 0}), {}),
        (filling({"a": 0}, {"b": 0}), {}),
        (filling({"a": 3}, {"b": 9}), {}),
        (filling({"a": 17}, {"b": 0}, since_seconds=SETTLE_SECONDS / 2), {}),
    ],
)
def test_the_fullest_channels_give_up_their_share(seen: Filling, closed: dict[str, int]) -> None:
    assert Counter(channel for channel, _ in connections_to_close(seen)) == closed


def test_those_that_are_on_their_way_are_not_closed_for_again() -> None:
    before = filling({"a": 10}, {"b": 0})
    assert len(connections_to_close(before)) == 5
    assert connections_to_close(replace(before, busy={"a": connections("a", 5)})) == []
    assert len(connections_to_close(replace(before, busy={"a": connections("a", 7)}))) == 2


def test_the_same_lists_give_the_same_choice_so_that_a_list_that_lags_does_no_harm() -> None:
    seen = filling({"a": 10, "b": 9}, {"c": 0})
    shuffled = replace(seen, busy={name: list(reversed(items)) for name, items in seen.busy.items()})
    assert connections_to_close(shuffled) == connections_to_close(seen)


@pytest.mark.parametrize(
    ("seen", "filled"),
    [
        (filling({"a": 9}, {"b": 8}), True),
        (filling({"a": 9}, {"b": 7}), False),
        (replace(filling({"a": 9}, {"b": 0}), total=17), False),
        (filling({"a": 17}, {"b": 0}, since_seconds=LONGEST_SECONDS + 1), True),
        (filling({}, {"a": 0, "b": 0}), True),
        (filling({"a": 0}, {"b": 0}), True),
    ],
)
def test_it_ends_when_the_share_has_arrived_or_takes_too_long(seen: Filling, *, filled: bool) -> None:
    assert is_filled(seen) is filled


@given(
    busy=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    woken=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    share=st.floats(0, 1),
)
def test_moving_all_that_was_chosen_ends_it_and_never_moves_too_much(
    busy: list[int], woken: list[int], share: float
) -> None:
    seen = filling(
        {f"busy{number}": count for number, count in enumerate(busy)},
        {f"woken{number}": count for number, count in enumerate(woken)},
        share=share,
    )
    chosen = connections_to_close(seen)
    assert len(set(chosen)) == len(chosen)
    arrived = sum(seen.filling.values()) + len(chosen)
    assert arrived == max(sum(seen.filling.values()), wanted_connections(seen))
