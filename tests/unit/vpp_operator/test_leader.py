"""Of several operators one leads; times are measured, never compared between machines."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from tests.fakes import FakeClock, FakeKubernetes
from tests.plants import SETTINGS
from vpp_operator.leader import Leadership


@pytest.fixture
def kubernetes() -> FakeKubernetes:
    return FakeKubernetes()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock()

    async def sleep(seconds: float) -> None:
        made.sleep(seconds)
        await real(0)

    real = asyncio.sleep
    monkeypatch.setattr("vpp_operator.leader.asyncio.sleep", sleep)
    return made


def operator(name: str, kubernetes: FakeKubernetes, clock: FakeClock) -> Leadership:
    return Leadership(kubernetes, clock, dataclasses.replace(SETTINGS, identity=name, lease_seconds=10))


def holder(kubernetes: FakeKubernetes) -> str:
    return str(kubernetes.there("Lease", "vpp-operator", "vpp-system")["spec"]["holderIdentity"])


async def test_the_first_one_leads(kubernetes: FakeKubernetes, clock: FakeClock) -> None:
    first = operator("one", kubernetes, clock)
    before = first.leads
    await first.acquire()
    assert (before, first.leads) == (False, True)
    assert holder(kubernetes) == "one"


async def test_another_waits_while_the_lease_is_renewed(kubernetes: FakeKubernetes, clock: FakeClock) -> None:
    first, second = operator("one", kubernetes, clock), operator("two", kubernetes, clock)
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0)
    for _ in range(200):
        await asyncio.sleep(0)
    assert holder(kubernetes) == "one"
    assert not waiting.done()
    for task in (holding, waiting):
        task.cancel()


async def test_a_dead_leaders_lease_is_taken_after_its_time(kubernetes: FakeKubernetes, clock: FakeClock) -> None:
    await operator("one", kubernetes, clock).acquire()
    second = operator("two", kubernetes, clock)
    started = clock.now
    await second.acquire()
    assert holder(kubernetes) == "two"
    assert 10 < clock.now - started <= 15


async def test_a_leader_that_cannot_renew_stops_in_time(kubernetes: FakeKubernetes, clock: FakeClock) -> None:
    first = operator("one", kubernetes, clock)
    await first.acquire()
    kubernetes.down = True
    started = clock.now
    await first.hold()
    assert not first.leads
    assert clock.now - started <= 10


async def test_a_released_lease_is_taken_at_once(kubernetes: FakeKubernetes, clock: FakeClock) -> None:
    first, second = operator("one", kubernetes, clock), operator("two", kubernetes, clock)
    await first.acquire()
    await first.release()
    assert not first.leads
    started = clock.now
    await second.acquire()
    assert clock.now - started < 1


async def test_of_two_that_want_an_expired_lease_one_gets_it(kubernetes: FakeKubernetes, clock: FakeClock) -> None:
    await operator("gone", kubernetes, clock).acquire()
    rivals = [operator(name, kubernetes, clock) for name in ("two", "three")]
    done, waiting = await asyncio.wait(
        [asyncio.create_task(rival.acquire()) for rival in rivals], return_when=asyncio.FIRST_COMPLETED
    )
    assert len(done) == 1
    assert [rival.leads for rival in rivals].count(True) == 1
    for task in waiting:
        task.cancel()
