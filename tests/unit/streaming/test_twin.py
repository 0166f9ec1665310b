"""A shard of the twin against a model of plain sets and sums."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_contract.readings import QUANTITIES, Reading, hour_start_us
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.state import dump, load
from vpp_workloads.streaming.twin import EMPTY, HOUR_US, RECENT_WITHOUT_SEQUENCE, Columns, ShardState, Step, advance

T0 = hour_start_us(1_655_769_600_000_001)


def a_reading(der: str = "house-01/pv", boot: int = 1, seq: int = 0, at_us: int = T0 + 1, kwh: float = 1.0) -> Reading:
    return Reading(
        der=der,
        kind=der.partition("/")[2],
        boot=boot,
        seq=seq,
        event_time_us=at_us,
        created_us=at_us + 5,
        interval_seconds=60.0,
        power_kw=60 * kwh,
        energy_kwh=kwh,
    )


def columns_of(readings: Sequence[Reading]) -> Columns:
    batch = {name: np.array([getattr(one, name) for one in readings], object) for name in ("der", "kind")}
    batch |= {
        name: np.array([getattr(one, name) for one in readings], np.int64)
        for name in ("boot", "seq", "event_time_us", "created_us")
    }
    for name in QUANTITIES:
        values = [math.nan if (value := getattr(one, name)) is None else value for one in readings]
        batch[name] = np.array(values, np.float64)
    return batch


def take(state: ShardState, *readings: Reading, window_hours: int = 48) -> Step:
    step = advance(state, columns_of(readings), window_hours=window_hours)
    return replace(step, state=load(dump(step.state)))


def energies(step: Step) -> dict[tuple[str, int], tuple[float, int]]:
    names = [der.decode() for der in step.state.newest["der"].tolist()]
    return {
        (names[row["der"]], int(row["hour"]) * HOUR_US): (float(row["kwh"]), int(row["readings"]))
        for row in step.energy
    }


READINGS = st.builds(
    a_reading,
    der=st.sampled_from(("house-01/pv", "house-01/load", "hütte-02/battery")),
    boot=st.integers(1, 2),
    seq=st.integers(0, 12),
    at_us=st.integers(T0, T0 + 6 * HOUR_US),
    kwh=st.floats(-5, 5),
)


@given(st.lists(st.lists(READINGS, min_size=1, max_size=25), max_size=6))
def test_readings_energies_and_current_values_equal_a_plain_model(batches: list[list[Reading]]) -> None:
    state = EMPTY
    known: dict[tuple[str, int, int], Reading] = {}
    shown: dict[tuple[str, int], tuple[float, int]] = {}
    current: dict[str, tuple[int, int]] = {}
    for batch in batches:
        step = take(state, *batch)
        state = step.state
        for reading, accepted in zip(batch, step.accepted.tolist(), strict=True):
            assert accepted == (reading.identity not in known)
            known.setdefault(reading.identity, reading)
        shown |= energies(step)
        current |= {row["der"].decode(): (int(row["boot"]), int(row["seq"])) for row in step.twin}
        assert step.late == 0
    sums: dict[tuple[str, int], list[float]] = defaultdict(list)
    for reading in known.values():
        sums[reading.der, hour_start_us(reading.event_time_us)].append(reading.energy_kwh)
    assert shown.keys() == sums.keys()
    for key, kwh in sums.items():
        assert shown[key][0] == pytest.approx(math.fsum(kwh), abs=1e-12)
        assert shown[key][1] == len(kwh)
    assert current == {der: max(key[1:] for key in known if key[0] == der) for der in {key[0] for key in known}}


def test_a_late_reading_enters_energy_but_not_the_current_values() -> None:
    first = take(EMPTY, a_reading(seq=5, at_us=T0 + 2 * HOUR_US))
    late = take(first.state, a_reading(seq=4, at_us=T0 + HOUR_US, kwh=3.0))
    assert late.accepted.all()
    assert energies(late) == {("house-01/pv", T0): (3.0, 1)}
    assert not len(late.twin)


def test_a_new_boot_beats_a_higher_sequence_of_the_old_one() -> None:
    step = take(EMPTY, a_reading(boot=1, seq=900), a_reading(boot=2, seq=0, kwh=2.0))
    assert [(row["boot"], row["energy_kwh"]) for row in step.twin] == [(2, 2.0)]


@pytest.mark.parametrize(
    ("at_us", "hour"),
    [(T0 + HOUR_US, T0), (T0 + HOUR_US + 1, T0 + HOUR_US), (T0 + HOUR_US - 1, T0)],
    ids=["exactly on the hour closes it", "just after begins the next", "just before is inside"],
)
def test_a_reading_belongs_to_the_hour_it_closes(at_us: int, hour: int) -> None:
    assert list(energies(take(EMPTY, a_reading(at_us=at_us)))) == [("house-01/pv", hour)]


def test_an_hour_outside_the_window_is_counted_as_late_and_keeps_its_published_sum() -> None:
    now = take(EMPTY, a_reading(seq=0), window_hours=2)
    later = take(now.state, a_reading(seq=1, at_us=T0 + 5 * HOUR_US), window_hours=2)
    late = take(later.state, a_reading(seq=2, at_us=T0 + 2), window_hours=2)
    assert (late.accepted.tolist(), late.late, energies(late)) == ([True], 1, {})


def test_the_window_is_each_ders_own() -> None:
    step = take(EMPTY, a_reading("house-01/pv", at_us=T0 + 90 * HOUR_US), window_hours=2)
    other = take(step.state, a_reading("house-02/pv", at_us=T0 + 1), window_hours=2)
    assert (other.late, energies(other)) == (0, {("house-02/pv", T0): (1.0, 1)})


def test_a_window_that_moves_inside_a_batch_loses_nothing() -> None:
    step = take(EMPTY, *(a_reading(seq=i, at_us=T0 + i * HOUR_US + 1) for i in range(6)), window_hours=2)
    assert len(energies(step)) == 6
    assert len(step.state.energy) == 2


def test_devices_without_sequence_repeat_only_within_the_recent_window() -> None:
    times = [T0 + 60_000_000 * i + 1 for i in range(RECENT_WITHOUT_SEQUENCE + 3)]
    state = take(EMPTY, *(a_reading(boot=0, seq=at, at_us=at) for at in times)).state
    assert len(state.intervals) == RECENT_WITHOUT_SEQUENCE
    step = take(state, *(a_reading(boot=0, seq=times[i], at_us=times[i]) for i in (2, 3, -1)))
    assert step.accepted.tolist() == [True, False, False]


def test_the_order_of_batches_does_not_matter() -> None:
    readings = [a_reading(der, boot, seq, T0 + seq * HOUR_US // 20 + 1, 0.1 * seq)
                for der in ("a/pv", "b/load") for boot in (1, 2) for seq in range(40)]  # fmt: skip
    outcomes = []
    for seed in range(5):
        mixed = readings * 2
        random.Random(seed).shuffle(mixed)
        state = EMPTY
        accepted = 0
        for start in range(0, len(mixed), 17):
            step = take(state, *mixed[start : start + 17])
            state, accepted = step.state, accepted + int(step.accepted.sum())
        names = state.newest["der"].tolist()
        sums = {(names[row["der"]], row["hour"]): round(row["kwh"], 9) for row in state.energy}
        outcomes.append((accepted, sums, sorted((row["der"], row["boot"], row["seq"]) for row in state.newest)))
    assert outcomes[0][0] == len(readings)
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_state_of_another_version_is_refused_in_words() -> None:
    blob = bytearray(dump(EMPTY))
    blob[4] = 9
    with pytest.raises(StreamingError, match=r"version 9 .* start on an empty storage folder"):
        load(bytes(blob))


def test_no_bytes_are_the_empty_state() -> None:
    assert len(load(b"").newest) == 0


def test_what_was_received_is_told_when_asked_for_repetitions_included() -> None:
    first = [a_reading(seq=seq) for seq in (0, 1, 2, 5)]
    state = advance(EMPTY, columns_of(first), window_hours=48).state
    assert len(advance(EMPTY, columns_of(first), window_hours=48).received) == 0
    step = advance(state, columns_of([a_reading(seq=1), a_reading(seq=6)]), window_hours=48, marks=True)
    assert [(row["start"], row["end"]) for row in step.received] == [(0, 3), (5, 7)]
    step = advance(step.state, columns_of([a_reading(seq=seq) for seq in (3, 4)]), window_hours=48, marks=True)
    assert [(row["start"], row["end"]) for row in step.received] == [(0, 7)]


def flows(step: Step) -> dict[str, tuple[int, int, int, float, float]]:
    return {der.decode(): tuple(row.tolist()) for der, row in zip(step.twin["der"].tolist(), step.flow, strict=True)}


def test_the_flow_between_two_newest_readings_holds_every_reading_in_between_once() -> None:
    first = take(EMPTY, a_reading(seq=0, kwh=1.0), a_reading(seq=1, kwh=-0.25))
    assert flows(first) == {"house-01/pv": (-1, -1, 2, 1.0, 0.25)}
    more = [a_reading(seq=seq, kwh=kwh) for seq, kwh in ((1, 9.0), (3, -1.0), (2, 0.5))]
    second = take(first.state, *more, a_reading("house-01/load", seq=7, kwh=2.0))
    assert flows(second) == {"house-01/pv": (1, 1, 2, 0.5, 1.0), "house-01/load": (-1, -1, 1, 2.0, 0.0)}
    late = take(second.state, a_reading(seq=5), a_reading(boot=2, seq=0, kwh=0.5))
    assert flows(late) == {"house-01/pv": (1, 3, 2, 1.5, 0.0)}
    assert flows(take(late.state, a_reading(seq=4))) == {}
