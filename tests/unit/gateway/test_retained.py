"""Rows that wait for the twin's marks: what lets them go, and what sends them again."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from vpp_contract.marks import Mark
from vpp_workloads.gateway.retained import FIRST_WAIT_US, LONGEST_WAIT_US, Retained

PV, LOAD = "house-01/pv", "house-01/load"
LONG_US = 100 * LONGEST_WAIT_US


def mark(der: str, first: int, end: int, boot: int = 1) -> Mark:
    return Mark(der=der, boot=boot, first_seq=first, end_seq=end)


def test_a_row_goes_when_all_its_ders_are_covered() -> None:
    retained = Retained()
    retained.add(1, [(PV, 1, 0, 9), (LOAD, 1, 0, 4)], 15, now_us=0)
    assert retained.cover([mark(PV, 0, 10)]) == []
    assert retained.cover([mark(LOAD, 0, 4)]) == [], "the last one is missing"
    assert retained.cover([mark(LOAD, 0, 5, boot=2)]) == [], "another boot counts anew"
    assert retained.cover([mark(LOAD, 1, 5)]) == [], "the first one is missing"
    assert retained.cover([mark(LOAD, 0, 5)]) == [1]
    assert (len(retained), retained.readings) == (0, 0)
    assert retained.cover([mark(LOAD, 0, 5)]) == [], "marks may come twice"


def test_what_was_confirmed_before_the_twin_was_caught_up_goes_again_and_nothing_else() -> None:
    retained = Retained()
    for row_id, since_us in ((1, 100), (2, 200), (3, 300)):
        retained.add(row_id, [(PV, 1, row_id, row_id)], 1, since_us)
    retained.cover([mark(PV, 1, 2)])
    assert retained.overdue(200, LONG_US) == []
    assert retained.overdue(300, LONG_US) == [2]
    retained.add(2, [(PV, 1, 2, 2)], 1, now_us=400)
    assert retained.overdue(301, LONG_US) == [3], "2 has just been confirmed once more"


def test_a_row_that_the_twin_never_takes_goes_again_less_and_less_often() -> None:
    retained = Retained()
    retained.add(1, [(PV, 1, 0, 0)], 1, now_us=0)
    sent_at = []
    for now_us in range(0, 40 * FIRST_WAIT_US, FIRST_WAIT_US // 2):
        if retained.overdue(now_us, now_us):
            sent_at.append(now_us)
            retained.add(1, [(PV, 1, 0, 0)], 1, now_us)
    pauses = [later - earlier for earlier, later in itertools.pairwise([0, *sent_at])]
    assert pauses[0] >= FIRST_WAIT_US
    assert all(later >= 2 * earlier for earlier, later in itertools.pairwise(pauses))
    assert len(pauses) >= 4


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12),
)
def test_a_row_is_let_go_only_for_readings_that_single_marks_cover(
    lengths: list[int], ranges: list[tuple[int, int]]
) -> None:
    retained, spans, start = Retained(), {}, 0
    for row_id, length in enumerate(lengths):
        spans[row_id] = (start, start + length - 1)
        retained.add(row_id, [(PV, 1, *spans[row_id])], length, now_us=row_id)
        start += length
    gone = set(retained.cover([mark(PV, min(pair), max(pair)) for pair in ranges]))
    expected = {
        row_id
        for row_id, (first, last) in spans.items()
        if any(min(pair) <= first and last < max(pair) for pair in ranges)
    }
    assert gone == expected
    assert retained.readings == sum(length for row_id, length in enumerate(lengths) if row_id not in gone)
