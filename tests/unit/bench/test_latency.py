"""Targets of latency, and how low a trigger can go."""

from __future__ import annotations

import pytest

from tests.bench._latency import Latency, lowest_in_time, lowest_kept, rows, target_seconds


@pytest.mark.parametrize(
    ("waking", "expected"),
    [pytest.param(False, 2.5, id="steady"), pytest.param(True, 4.5, id="while a channel wakes")],
)
def test_a_reading_may_wait_for_a_batch_the_trigger_and_its_own_batch(waking: bool, expected: float) -> None:
    assert target_seconds(0.75, 1.0, waking=waking) == expected


def test_the_rows_hold_p99_against_the_floor_of_the_same_run() -> None:
    latencies = {
        (1.0, False): Latency(readings=1000, p50_seconds=1.2, p99_seconds=2.4),
        (1.0, True): Latency(readings=50, p50_seconds=2.0, p99_seconds=4.6),
        (0.2, False): Latency(readings=1000, p50_seconds=0.9, p99_seconds=1.6),
    }
    found = {row["metric"]: row for row in rows([0.7, 0.75, 0.8], latencies, {1.0: [0.8] * 10, 0.2: [0.6] * 10})}
    assert found["sensor to twin, trigger 1 s, steady, p99"]["met"] is True
    assert found["sensor to twin, trigger 1 s, while a channel wakes, p99"]["met"] is False
    assert found["sensor to twin, trigger 0.2 s, steady, p99"]["target"] == 1.7
    assert found["floor: a batch of one reading, p50"]["median"] == 0.75
    assert found["sensor to acknowledged command"]["median"] is None


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        pytest.param({1.0: [0.6] * 9 + [1.2], 0.5: [0.6] * 10}, 1.0, id="one in ten may be late"),
        pytest.param({1.0: [0.6] * 10, 0.5: [0.4] * 10}, 0.5, id="the lowest that is kept"),
        pytest.param({1.0: [1.6] * 10, 0.5: [1.4] * 10}, None, id="none is kept"),
    ],
)
def test_the_lowest_trigger_that_batches_keep(batches: dict[float, list[float]], expected: float | None) -> None:
    row = lowest_kept(batches)
    assert row["median"] == expected
    assert "at 0.5 s batches follow one another" in row["reason"]


@pytest.mark.parametrize(
    ("p99_seconds", "expected"),
    [
        pytest.param({1.0: 2.4, 0.5: 1.9, 0.1: 1.7}, 0.5, id="the lowest that meets its own target"),
        pytest.param({1.0: 2.6, 0.5: 2.1}, None, id="none meets it"),
    ],
)
def test_the_lowest_trigger_with_which_latency_is_in_time(
    p99_seconds: dict[float, float], expected: float | None
) -> None:
    latencies = {
        (trigger, waking): Latency(readings=9, p50_seconds=0.1, p99_seconds=0.2 if waking else p99)
        for trigger, p99 in p99_seconds.items()
        for waking in (False, True)
    }
    assert lowest_in_time(latencies, 0.75)["median"] == expected
