"""Spreads an hour's energy over the readings of that hour, so that their sum is the hour's energy again."""

from __future__ import annotations

import math
from collections.abc import Sequence


def smooth_weights(before_kwh: float, hour_kwh: float, after_kwh: float, count: int) -> list[float]:
    """Return weights that lead in two straight lines from the hour before to the hour after.

    The corners are the mean with the hour before at the beginning, the mean with the hour after at the end, and in the
    middle what makes the mean of the lines this hour's energy, at least 0.
    """
    first, last = (before_kwh + hour_kwh) / 2, (hour_kwh + after_kwh) / 2
    middle = max(2 * hour_kwh - (first + last) / 2, 0.0)
    weights = []
    for i in range(count):
        x = (i + 0.5) / count
        weights.append(first + 2 * x * (middle - first) if x < 0.5 else middle + (2 * x - 1) * (last - middle))
    return weights


def spread(energy_kwh: float, weights: Sequence[float]) -> list[float]:
    """Share energy out by weights (>= 0, one a reading); what rounding leaves over goes to the last reading.

    Weights that are all 0 share it out evenly. For energy >= 0 no share is negative.
    """
    total = math.fsum(weights)
    if total <= 0 or not math.isfinite(total):
        weights, total = [1.0] * len(weights), float(len(weights))
    shares = [energy_kwh * (weight / total) for weight in weights]
    rest = energy_kwh - math.fsum(shares[:-1])
    # Rounding may leave the last reading a hair on the wrong side of zero; their product may be too small to tell.
    shares[-1] = rest if (rest < 0) == (energy_kwh < 0) else 0.0
    return shares
