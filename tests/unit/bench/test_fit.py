"""The small statistics behind the benchmarks' figures."""

from __future__ import annotations

import pytest

from tests.bench._document import percentile
from tests.bench._fit import numbers, r_squared, units_for


@pytest.mark.parametrize(
    ("ys", "expected"),
    [
        pytest.param([10.0, 20.0, 30.0, 40.0], 1.0, id="a straight line"),
        pytest.param([15.0, 25.0, 35.0, 45.0], 1.0, id="a straight line that misses the origin"),
        pytest.param([7.0, 7.0, 7.0, 7.0], 1.0, id="a level line"),
        pytest.param([1.0, 2.0, 2.0, 1.0], 0.0, id="a hill, which no line explains"),
        pytest.param([1.0, 2.0, 3.0, 3.0], 0.8909, id="a line that bends where a broker is full"),
    ],
)
def test_r_squared(ys: list[float], expected: float) -> None:
    assert r_squared([1.0, 2.0, 3.0, 4.0], ys) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("xs", [[1.0, 2.0], [3.0, 3.0, 3.0]], ids=["two points", "one place"])
def test_a_fit_that_says_nothing_is_refused(xs: list[float]) -> None:
    with pytest.raises(ValueError, match="three points"):
        r_squared(xs, xs)


@pytest.mark.parametrize(
    ("multiple", "units"),
    [(0.5, 1), (1.0, 1), (1.001, 2), (1.5, 2), (2.0, 2), (3.0, 3), (5.0, 3)],
)
def test_as_many_units_as_the_multiple_asks_for_three_at_most(multiple: float, units: int) -> None:
    assert units_for(multiple, 3) == units


def test_a_list_of_numbers() -> None:
    assert numbers("0.5,1,5") == [0.5, 1.0, 5.0]


@pytest.mark.parametrize("text", ["", "1,,2", "0", "1,-2", "nan", "one"])
def test_what_is_no_list_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|convert"):
        numbers(text)


@pytest.mark.parametrize(
    ("samples", "share", "expected"),
    [
        pytest.param([3.0], 0.99, 3.0, id="one sample"),
        pytest.param(list(range(1, 101)), 0.5, 50, id="the half"),
        pytest.param(list(range(1, 101)), 0.99, 99, id="all but one in a hundred"),
        pytest.param([5.0, 1.0, 3.0, 2.0, 4.0], 0.95, 5.0, id="few samples: the largest"),
    ],
)
def test_percentile(samples: list[float], share: float, expected: float) -> None:
    assert percentile(samples, share) == expected
