"""The account of latencies: windows of time, what a batch costs at least, and the targets that follow. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench._document import not_measured, percentile, result

WAKING_ALLOWANCE_SECONDS: Final = 2.0
COMMANDS: Final = "commands to DERs are not measured here yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A span of wall time (µs since the epoch) with one trigger. Readings created in it count."""

    name: str
    trigger_seconds: float
    start_us: int
    end_us: int
    waking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From a reading's creation at its gateway to the commit of its batch, of all readings of some windows."""

    readings: int
    p50_seconds: float
    p99_seconds: float


def target_seconds(floor_seconds: float, trigger_seconds: float, *, waking: bool) -> float:
    """Return what p99 may be: a reading waits for the running batch, for the trigger, and for its own batch."""
    return 2 * floor_seconds + trigger_seconds + (WAKING_ALLOWANCE_SECONDS if waking else 0.0)


def rows(
    floor_seconds: Sequence[float],
    latencies: Mapping[tuple[float, bool], Latency],
    batches_seconds: Mapping[float, Sequence[float]],
) -> list[dict[str, Any]]:
    """Return the document's rows.

    Args:
        floor_seconds: durations of batches of a single reading.
        latencies: by trigger (seconds), and whether a channel was waking.
        batches_seconds: durations of the steady plant's batches, by trigger (seconds).
    """
    floor = statistics.median(floor_seconds)
    made = [
        result("floor: a batch of one reading, p50", "s", floor_seconds),
        result("floor: a batch of one reading, p99", "s", floor_seconds, value=percentile(floor_seconds, 0.99)),
    ]
    for (trigger, waking), one in sorted(latencies.items(), key=lambda item: (-item[0][0], item[0][1])):
        name = f"sensor to twin, trigger {trigger:g} s, {'while a channel wakes' if waking else 'steady'}"
        target = round(target_seconds(floor, trigger, waking=waking), 4)
        counted = f"{one.readings} readings"
        made.append(result(f"{name}, p50", "s", [one.p50_seconds], reason=counted))
        made.append(
            result(f"{name}, p99", "s", [one.p99_seconds], baseline=round(floor, 4), target=target, reason=counted)
        )
    for trigger, durations in sorted(batches_seconds.items(), reverse=True):
        late = sum(duration > trigger for duration in durations) / len(durations)
        made.append(
            result(
                f"a batch of the steady plant, trigger {trigger:g} s", "s", durations,
                reason=f"{100 * late:.0f} % of {len(durations)} batches took longer than the trigger",
            )
        )  # fmt: skip
    made.append(lowest_kept(batches_seconds))
    made.append(lowest_in_time(latencies, floor))
    made.append(not_measured("sensor to acknowledged command", "s", COMMANDS))
    return made


def lowest_in_time(latencies: Mapping[tuple[float, bool], Latency], floor_seconds: float) -> dict[str, Any]:
    """Return the row on the lowest trigger with which p99 of the steady plant meets its target."""
    met = [
        trigger
        for (trigger, waking), one in latencies.items()
        if not waking and one.p99_seconds <= target_seconds(floor_seconds, trigger, waking=False)
    ]
    metric = "lowest trigger tried with which p99 meets its target, steady"
    return result(metric, "s", [min(met)]) if met else not_measured(metric, "s", "none of those that were tried")


def lowest_kept(batches_seconds: Mapping[float, Sequence[float]]) -> dict[str, Any]:
    """Return the row on how low the trigger can go: below a batch's duration it changes nothing any more."""
    kept = [trigger for trigger, durations in batches_seconds.items() if percentile(durations, 0.9) <= trigger]
    smallest = min(batches_seconds)
    back_to_back = statistics.median(batches_seconds[smallest])
    said = f"at {smallest:g} s batches follow one another every {max(back_to_back, smallest):.2f} s (median)"
    metric = "lowest trigger tried that nine of ten batches keep"
    return result(metric, "s", [min(kept)], reason=said) if kept else not_measured(metric, "s", f"none; {said}")
