"""What the filter leaves out: nothing of the energy, and never a change."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from vpp_workloads.gateway.filter import Band, Filter, FilterSettings
from vpp_workloads.gateway.measurement import Measurement

MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
POWER = FilterSettings(quantities={"power_kw": Band(deadband=0.5)}, longest_seconds=600)


def measured(minute: int, power_kw: float, temperature_c: float | None = None, der: str = "house-01/pv") -> Measurement:
    return Measurement(
        der=der,
        kind="pv",
        event_time_us=minute * MINUTE_US,
        interval_seconds=60.0,
        power_kw=power_kw,
        energy_kwh=power_kw / 60,
        temperature_c=temperature_c,
    )


def sent(settings: FilterSettings, *measurements: Measurement) -> list[tuple[int, float, float]]:
    """Return minute, power and interval of what goes out."""
    made = Filter(settings=settings)
    out = [one for measurement in measurements for one in made.offer(measurement, 0)]
    return [(one.event_time_us // MINUTE_US, one.power_kw, one.interval_seconds) for one in out]


def test_the_first_is_sent_and_what_stays_within_the_band_is_not() -> None:
    assert sent(POWER, measured(1, 2.0), measured(2, 2.4), measured(3, 1.6)) == [(1, 2.0, 60)]


def test_a_change_is_sent_with_what_was_held_before_it() -> None:
    out = sent(POWER, measured(1, 2.0), measured(2, 2.1), measured(3, 2.2), measured(4, 3.0))
    assert out == [(1, 2.0, 60), (3, 2.2, 120), (4, 3.0, 60)]


def test_a_slow_drift_is_seen_because_the_band_is_around_what_was_sent() -> None:
    out = sent(POWER, *(measured(minute, 2.0 + 0.2 * minute) for minute in range(1, 9)))
    assert [minute for minute, _, _ in out] == [1, 3, 4, 6, 7]


def test_too_soon_after_the_last_is_not_sent() -> None:
    settings = FilterSettings(quantities={"power_kw": Band(min_interval_seconds=180)})
    out = sent(settings, *(measured(minute, float(minute)) for minute in range(1, 6)))
    assert out == [(1, 1.0, 60), (3, 3.0, 120), (4, 4.0, 60)]


def test_after_the_longest_time_something_is_sent_in_any_case() -> None:
    out = sent(POWER, *(measured(minute, 2.0) for minute in range(1, 13)))
    assert out == [(1, 2.0, 60), (10, 2.0, 540), (11, 2.0, 60)]


def test_a_quantity_that_is_not_named_is_no_reason_and_one_that_appears_is() -> None:
    assert len(sent(POWER, measured(1, 2.0), measured(2, 2.0, temperature_c=30.0))) == 1
    warm = FilterSettings(quantities={"temperature_c": Band(deadband=50)})
    assert len(sent(warm, measured(1, 2.0), measured(2, 2.0, temperature_c=30.0))) == 2


def test_what_is_held_never_joins_another_hour() -> None:
    settings = FilterSettings(quantities={"power_kw": Band(deadband=0.5)}, longest_seconds=7200)
    out = sent(settings, *(measured(minute, 2.0) for minute in range(57, 64)))
    assert out == [(57, 2.0, 60), (60, 2.0, 180)]


def test_what_has_waited_too_long_is_released() -> None:
    made = Filter(settings=POWER)
    for now_us, minute in ((10, 1), (20, 2), (30, 3)):
        made.offer(measured(minute, 2.0), now_us)
    assert made.release(20) == ()
    assert [one.interval_seconds for one in made.release(21)] == [120.0]
    assert made.held() == {}


def test_a_trial_leaves_the_filter_as_it_was() -> None:
    made = Filter(settings=POWER)
    made.offer(measured(1, 2.0), 0)
    made.trial().offer(measured(2, 2.0), 0)
    assert (made.held(), made.dropped) == ({}, 0)


@given(
    powers=st.lists(st.floats(0, 10, width=16), max_size=150),
    deadband=st.floats(0, 5),
    rest_seconds=st.sampled_from([0.0, 120.0]),
    longest_seconds=st.sampled_from([0.0, 300.0, 7200.0]),
)
def test_every_hour_keeps_its_energy_and_every_measurement_is_sent_held_or_counted(
    powers: list[float], deadband: float, rest_seconds: float, longest_seconds: float
) -> None:
    settings = FilterSettings(
        quantities={"power_kw": Band(deadband=deadband, min_interval_seconds=rest_seconds)},
        longest_seconds=longest_seconds,
    )
    made = Filter(settings=settings)
    offered = [measured(minute, power) for minute, power in enumerate(powers, start=1)]
    out = [one for measurement in offered for one in made.offer(measurement, 0)]
    rest = list(made.release(1))

    def by_hour(measurements: list[Measurement]) -> dict[int, list[float]]:
        sums: dict[int, list[float]] = defaultdict(list)
        for one in measurements:
            sums[(one.event_time_us - 1) // HOUR_US].append(one.energy_kwh)
        return sums

    before, after = by_hour(offered), by_hour(out + rest)
    assert before.keys() == after.keys()
    assert all(math.isclose(math.fsum(before[hour]), math.fsum(after[hour]), abs_tol=1e-9) for hour in before)
    assert len(out) + len(rest) + made.dropped == len(offered)
    times = [one.event_time_us for one in out + rest]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))


def test_each_der_has_a_filter_of_its_own() -> None:
    ders = ("house-01/pv", "house-01/load")
    again = [replace(measured(minute, 2.0), der=der) for minute in (1, 2) for der in ders]
    assert len(sent(POWER, *again)) == 2
