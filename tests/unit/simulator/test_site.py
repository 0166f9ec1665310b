"""A site hands over every interval exactly once, whatever pauses, refusals and restarts come between."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_workloads.gateway.errors import SpoolFullError
from vpp_workloads.gateway.measurement import Measurement
from vpp_workloads.simulator.clock import new_clock
from vpp_workloads.simulator.errors import ConfigError
from vpp_workloads.simulator.horizon import HOUR_US, Horizon
from vpp_workloads.simulator.profile import DerProfile
from vpp_workloads.simulator.site import Site

HORIZON = Horizon(start=datetime(2022, 6, 21, tzinfo=UTC), hours=3)
START_US = HORIZON.start_us
MINUTE_US = 60_000_000


class FakeGateway:
    """Takes measurements all or none, and remembers them through restarts of the site."""

    def __init__(self) -> None:
        self.taken: list[Measurement] = []
        self.full = False
        self.largest = 0
        self.full_after: int | None = None
        """So many are taken, and no more."""

    def accept(self, measurements: Sequence[Measurement], timeout_seconds: float | None = None) -> None:
        self.largest = max(self.largest, len(measurements))
        if self.full or (self.full_after is not None and len(self.taken) + len(measurements) > self.full_after):
            raise SpoolFullError("no room")
        self.taken += measurements

    def last_event_time_us(self, der: str) -> int | None:
        return max((one.event_time_us for one in self.taken if one.der == der), default=None)

    def minutes(self, der: str) -> list[float]:
        return [(one.event_time_us - START_US) / MINUTE_US for one in self.taken if one.der == der]


def profile(der: str) -> DerProfile:
    return DerProfile(der=der, kind="load", hourly_kwh=(1.0, 2.0, 3.0), smooth=True)


def site(gateway: FakeGateway, *ders: str, **changes: Any) -> Site:
    profiles = [profile(der) for der in ders or ("s/a", "s/b")]
    return Site("s", profiles, changes.get("horizon", HORIZON), changes.get("interval", 600), gateway)


def test_nothing_is_due_before_the_first_interval_ends() -> None:
    gateway = FakeGateway()
    running = site(gateway)
    assert running.step(START_US) == 0
    assert running.step(START_US + 10 * MINUTE_US - 1) == 0
    assert running.step(START_US + 10 * MINUTE_US) == 2
    assert gateway.minutes("s/a") == gateway.minutes("s/b") == [10]


def test_measurements_come_in_order_of_time() -> None:
    gateway = FakeGateway()
    site(gateway).step(START_US + HOUR_US)
    times = [one.event_time_us for one in gateway.taken]
    assert times == sorted(times)
    assert len(times) == 12


def test_a_long_pause_is_made_up_for_hour_by_hour() -> None:
    gateway = FakeGateway()
    running = site(gateway)
    assert [running.step(HORIZON.end_us + HOUR_US) for _ in range(4)] == [12, 12, 12, 0]
    assert running.finished
    assert gateway.minutes("s/a") == [10 * i for i in range(1, 19)]


def test_refused_measurements_are_due_again() -> None:
    gateway = FakeGateway()
    running = site(gateway)
    gateway.full = True
    with pytest.raises(SpoolFullError):
        running.step(START_US + 20 * MINUTE_US)
    gateway.full = False
    assert running.step(START_US + 20 * MINUTE_US) == 4
    assert gateway.minutes("s/a") == [10, 20]


def test_an_hour_is_handed_over_in_pieces_that_a_small_spool_has_room_for() -> None:
    gateway = FakeGateway()
    running = site(gateway, interval=10)
    gateway.full_after = 500
    with pytest.raises(SpoolFullError):
        running.step(START_US + HOUR_US)
    assert (gateway.largest, len(gateway.taken)) == (200, 400)
    gateway.full_after = None
    assert running.step(START_US + HOUR_US) == 320
    assert gateway.minutes("s/a") == gateway.minutes("s/b") == [pytest.approx(i / 6) for i in range(1, 361)]


@given(st.lists(st.tuples(st.integers(0, 70), st.booleans(), st.booleans()), max_size=12))
def test_every_interval_is_handed_over_once_through_pauses_refusals_and_restarts(
    steps: list[tuple[int, bool, bool]],
) -> None:
    gateway = FakeGateway()
    running, now_us = site(gateway), START_US
    for minutes, full, restart in steps:
        now_us += minutes * MINUTE_US
        gateway.full = full
        if restart:
            running = site(gateway)
        try:
            running.step(now_us)
        except SpoolFullError:
            assert full
    gateway.full = False
    while running.step(HORIZON.end_us):
        pass
    assert running.finished
    for der in ("s/a", "s/b"):
        assert gateway.minutes(der) == [10 * i for i in range(1, 19)]


def test_a_der_that_is_new_begins_at_the_start() -> None:
    gateway = FakeGateway()
    site(gateway, "s/a").step(START_US + HOUR_US)
    both = site(gateway, "s/a", "s/new")
    assert both.done_us == START_US
    while both.step(HORIZON.end_us):
        pass
    assert gateway.minutes("s/a") == gateway.minutes("s/new") == [10 * i for i in range(1, 19)]


def test_a_simulation_that_is_over_has_nothing_to_do_after_a_restart() -> None:
    gateway = FakeGateway()
    first = site(gateway)
    while first.step(HORIZON.end_us):
        pass
    again = site(gateway)
    assert again.finished
    assert again.step(HORIZON.end_us + HOUR_US) == 0


def test_another_interval_within_a_simulation_is_refused() -> None:
    gateway = FakeGateway()
    site(gateway).step(START_US + 10 * MINUTE_US)
    with pytest.raises(ConfigError) as caught:
        site(gateway, interval=900)
    assert str(caught.value) == (
        "reading_interval_seconds: readings of s/a end at 2022-06-21T00:10:00Z, within an interval of 900 s; "
        "keep the interval of a simulation, or begin one with a later start"
    )


def test_a_site_runs_to_its_end_and_keeps_pace_with_the_clock() -> None:
    gateway = FakeGateway()
    running = site(gateway)
    wall = iter(range(0, 10**9, 250_000))
    running.run(new_clock(HORIZON, 3600, 0), lambda: next(wall), threading.Event())
    assert gateway.minutes("s/b") == [10 * i for i in range(1, 19)]


def test_a_site_stops_when_it_is_told_to() -> None:
    gateway, stop = FakeGateway(), threading.Event()
    stop.set()
    site(gateway).run(new_clock(HORIZON, 3600, 0), lambda: 10**12, stop)
    assert not gateway.taken


def test_a_site_waits_for_a_full_gateway() -> None:
    gateway, stop = FakeGateway(), threading.Event()
    gateway.full = True
    running = site(gateway)
    thread = threading.Thread(target=running.run, args=(new_clock(HORIZON, 1e6, 0), lambda: 10**12, stop))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    gateway.full = False
    thread.join(5)
    assert running.finished
