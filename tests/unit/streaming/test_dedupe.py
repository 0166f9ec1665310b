"""The intervals against a plain set: every identity is new exactly once, in any order and however often it comes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vpp_workloads.streaming.dedupe import NO_INTERVALS, Intervals, accept, forget_oldest, holding, owners

Identity = tuple[int, int]
_SEQ = (
    st.integers(0, 30) | st.integers(2**63 - 4, 2**63 - 1) | st.integers(1_655_769_600_000_000, 1_655_769_600_000_050)
)
BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 2**33), _SEQ) | st.tuples(st.integers(0, 2), _SEQ), max_size=40))


def _accept(intervals: Intervals, batch: list[Identity]) -> tuple[list[bool], Intervals]:
    owner, seq = (np.array([row[i] for row in batch], np.uint64) for i in (0, 1))
    new, intervals = accept(intervals, owner, seq)
    return new.tolist(), intervals


def _content(intervals: Intervals) -> set[Identity]:
    return {(owner, seq) for owner, start, end in intervals.tolist() for seq in range(start, end)}


@given(BATCHES)
def test_each_identity_is_accepted_exactly_once(batches: list[list[Identity]]) -> None:
    seen: set[Identity] = set()
    intervals = NO_INTERVALS
    for batch in batches:
        new, intervals = _accept(intervals, batch)
        for identity, is_new in zip(batch, new, strict=True):
            assert is_new == (identity not in seen)
            seen.add(identity)
        assert _content(intervals) == seen


@given(BATCHES)
def test_intervals_stay_sorted_apart_and_as_few_as_possible(batches: list[list[Identity]]) -> None:
    intervals = NO_INTERVALS
    for batch in batches:
        _, intervals = _accept(intervals, batch)
    rows = intervals.tolist()
    assert rows == sorted(rows)
    assert all(start < end for _, start, end in rows)
    for (owner, _, end), (next_owner, start, _) in pairwise(rows):
        assert owner < next_owner or end < start


@given(st.permutations(range(50)), st.integers(1, 50))
def test_whatever_the_order_a_complete_sequence_is_one_interval(order: list[int], size: int) -> None:
    intervals = NO_INTERVALS
    for start in range(0, len(order), size):
        _, intervals = _accept(intervals, [(7, seq) for seq in order[start : start + size]])
    assert intervals.tolist() == [(7, 0, 50)]


@given(BATCHES)
def test_a_replayed_batch_is_all_duplicates(batches: list[list[Identity]]) -> None:
    intervals = NO_INTERVALS
    for batch in batches:
        _, intervals = _accept(intervals, batch)
    for batch in batches:
        again, after = _accept(intervals, batch)
        assert not any(again)
        assert after.tolist() == intervals.tolist()


def test_owners_keep_ders_and_boots_apart() -> None:
    der, boot = np.array([0, 1, 1, 0]), np.array([1, 0, 1, 2**32 - 1])
    assert len(set(owners(der, boot).tolist())) == 4


def test_only_boot_0_forgets_and_only_its_oldest() -> None:
    scattered = [(owner, 10 * seq) for owner in (5 << 32, 6 << 32 | 1) for seq in range(6)]
    _, intervals = _accept(NO_INTERVALS, scattered)
    kept = [(owner, start) for owner, start, _ in forget_oldest(intervals, 4).tolist()]
    assert kept == [(5 << 32, 10 * seq) for seq in range(2, 6)] + [(6 << 32 | 1, 10 * seq) for seq in range(6)]


@given(BATCHES, st.lists(st.tuples(st.integers(0, 2), _SEQ), max_size=20))
def test_the_intervals_that_hold_some_numbers_are_those_and_no_others(
    batches: list[list[Identity]], asked: list[Identity]
) -> None:
    intervals = NO_INTERVALS
    for batch in batches:
        _, intervals = _accept(intervals, batch)
    owner, seq = (np.array([row[i] for row in asked], np.uint64) for i in (0, 1))
    expected = [
        (who, start, end)
        for who, start, end in intervals.tolist()
        if any(who == asker and start <= number < end for asker, number in asked)
    ]
    assert holding(intervals, owner, seq).tolist() == expected
