"""What probes are told."""

from __future__ import annotations

from tests.fakes import FakeClock
from vpp_operator.health import Health


def test_one_that_waits_for_the_lease_is_well() -> None:
    clock = FakeClock()
    health = Health(clock, 45)
    clock.now += 1000
    assert health.fault() == ""


def test_a_leader_that_sees_its_renewals_is_well() -> None:
    clock = FakeClock()
    health = Health(clock, 45)
    health.listening()
    for _ in range(10):
        clock.now += 40
        health.heard()
    assert health.fault() == ""


def test_a_leader_whose_watch_is_deaf_says_so() -> None:
    clock = FakeClock()
    health = Health(clock, 45)
    health.listening()
    clock.now += 46
    assert health.fault() == "the watch has shown no renewal of the lease for 46 s, at most 45"
    health.heard()
    assert health.fault() == ""
