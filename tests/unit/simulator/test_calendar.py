"""Rows that name only month and hour are dated; what does not follow is refused (see bad_inputs_workloads)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_workloads.simulator.calendar import Hour, hours_of_rows
from vpp_workloads.simulator.errors import DataError

DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
YEAR: list[Hour] = [
    (month, day, hour) for month in range(1, 13) for day in range(1, DAYS[month - 1] + 1) for hour in range(1, 25)
]


def dated(hours: list[Hour]) -> list[Hour]:
    return hours_of_rows([month for month, _, _ in hours], [hour for _, _, hour in hours], "file.csv")


@given(st.integers(0, len(YEAR) - 1))
def test_a_year_is_dated_from_whatever_hour_it_begins_with(first: int) -> None:
    year = YEAR[first:] + YEAR[:first]
    assert dated(year) == year


def test_the_first_row_may_be_the_last_hour_of_a_month() -> None:
    assert dated([(7, 31, 24), (8, 1, 1), (8, 1, 2)]) == [(7, 31, 24), (8, 1, 1), (8, 1, 2)]


def test_without_a_change_of_month_the_first_row_is_in_the_first_day() -> None:
    hours = YEAR[:50]
    assert dated(hours) == hours


def test_a_month_cannot_last_longer_than_it_does() -> None:
    """Without the year a February of 29 days before the first change of month is taken for a mistake."""
    months = [2] * 24 * 29 + [3]
    hours = [row % 24 + 1 for row in range(24 * 29 + 1)]
    with pytest.raises(DataError, match=r"^file.csv, line 698, column month: month 2 has 29 days, too many; "):
        hours_of_rows(months, hours, "file.csv")


def test_a_month_after_the_first_cannot_last_longer_either() -> None:
    months = [7] + [8] * 24 * 32
    hours = [24] + [row % 24 + 1 for row in range(24 * 32)]
    with pytest.raises(DataError, match=r"^file.csv, line 747, column month: month 8 has 32 days, too many; "):
        hours_of_rows(months, hours, "file.csv")


def test_a_leap_day_within_the_rows_is_dated() -> None:
    hours: list[Hour] = [(1, 31, 24), *((2, day, hour) for day in range(1, 30) for hour in range(1, 25)), (3, 1, 1)]
    assert dated(hours) == hours
