"""Small statistics of benchmarks. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def r_squared(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return how much of the variance of `ys` the straight line of least squares over `xs` explains (R²).

    Raises:
        ValueError: fewer than three points, or no two different `xs`: every line would fit.
    """
    if len(xs) < 3 or len(set(xs)) < 2:
        raise ValueError(f"a fit needs three points at two places or more, not {list(xs)}")
    slope, intercept = statistics.linear_regression(xs, ys)
    mean = statistics.fmean(ys)
    total = sum((y - mean) ** 2 for y in ys)
    left = sum((y - slope * x - intercept) ** 2 for x, y in zip(xs, ys, strict=True))
    return 1.0 if total == 0.0 else 1.0 - left / total


def units_for(multiple: float, most: int) -> int:
    """Return how many units carry a multiple of one unit's saturation, `most` of them at most."""
    return min(most, max(1, -(-round(multiple * 1000) // 1000)))


def numbers(text: str) -> list[float]:
    """Parse a list such as `0.5,1,5`.

    Raises:
        ValueError: something in it is no number above 0.
    """
    values = [float(part) for part in text.split(",")]
    if any(not value > 0 for value in values):
        raise ValueError(f"{text!r} must hold numbers above 0, separated by commas")
    return values
