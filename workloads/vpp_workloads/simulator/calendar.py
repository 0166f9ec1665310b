"""The calendar of a data folder: which month, day and hour each row is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vpp_workloads.simulator.errors import DataError

HOURS_A_DAY: Final = 24
_FIRST_LINE: Final = 2
"""Line of the first row, as an editor counts: the header is line 1."""
_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LONGEST: Final = (31, 29, *_DAYS[2:])

Hour = tuple[int, int, int]
"""(month, day, hour of the day 1 to 24): hour 1 is from 00:00 to 01:00, hour 24 from 23:00 to 24:00, local time."""


def line_of(row: int) -> int:
    """Return the line of a file that a row (from 0) stands in."""
    return row + _FIRST_LINE


def hours_of_rows(months: Sequence[int], hours: Sequence[int], file: str) -> list[Hour]:
    """Date rows that name only month and hour.

    The rows follow each other hour by hour; a month begins where the month changes, so its day there is 1, and days are
    counted from the first such change, forwards and backwards. Without one, the first row is in the first day.

    Raises:
        DataError: an hour is missing, doubled or out of place; the text names the line.
    """
    _check_steps(months, hours, file)
    anchor = next((row for row in range(1, len(months)) if months[row] != months[row - 1]), None)
    if anchor is None:
        first_day = 1
    else:
        midnights = sum(hour == 1 for hour in hours[1 : anchor + 1])
        first_day = _DAYS[months[0] - 1] + 1 - midnights
        if first_day < 1:
            raise DataError(_too_long(file, anchor, months[0], midnights))
    dated, day = [], first_day
    for row, (month, hour) in enumerate(zip(months, hours, strict=True)):
        if row and hour == 1:
            day = 1 if month != months[row - 1] else day + 1
            if day > _LONGEST[month - 1]:
                raise DataError(_too_long(file, row, month, day))
        dated.append((month, day, hour))
    return dated


def _check_steps(months: Sequence[int], hours: Sequence[int], file: str) -> None:
    for row in range(1, len(months)):
        line = line_of(row)
        expected = hours[row - 1] % HOURS_A_DAY + 1
        if hours[row] != expected:
            raise DataError(
                f"{file}, line {line}, column hour: hour {hours[row]} follows hour {hours[row - 1]}, "
                f"where hour {expected} was due; rows must follow each other hour by hour"
            )
        following = months[row - 1] % 12 + 1
        if months[row] != months[row - 1] and not (hours[row] == 1 and months[row] == following):
            raise DataError(
                f"{file}, line {line}, column month: month {months[row]} follows month {months[row - 1]} at hour "
                f"{hours[row]}; a month begins with hour 1 and follows the one before it"
            )


def _too_long(file: str, row: int, month: int, days: int) -> str:
    return f"{file}, line {line_of(row)}, column month: month {month} has {days} days, too many; are days doubled?"
