"""When plants are looked at."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from vpp_operator.decide.pace import Next
from vpp_operator.errors import NotReady, Unavailable
from vpp_operator.plants import Plants

RESYNC = 0.02


class Looks:
    """Counts looks; `error` is raised by each, `following` is what each returns."""

    def __init__(self) -> None:
        self.count: Counter[tuple[str, str]] = Counter()
        self.error: Exception | None = None
        self.following = Next.LATER
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, namespace: str, name: str) -> Next:
        self.count[namespace, name] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        if self.error is not None:
            raise self.error
        return self.following


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
async def plants(looks: Looks) -> AsyncIterator[Plants]:
    made = Plants(looks, RESYNC)
    yield made
    await made.close()


async def test_a_plant_is_looked_at_again_and_again(plants: Plants, looks: Looks) -> None:
    plants.wake("n", "demo")
    await asyncio.sleep(0.3)
    assert looks.count["n", "demo"] >= 3


async def test_a_plant_on_which_something_is_on_its_way_is_looked_at_before_the_usual_pause(looks: Looks) -> None:
    looks.following = Next.SOON
    plants = Plants(looks, resync_seconds=60)
    plants.wake("n", "demo")
    await asyncio.sleep(1.0)
    await plants.close()
    assert looks.count["n", "demo"] >= 2


async def test_one_plant_is_never_looked_at_twice_at_once(plants: Plants, looks: Looks) -> None:
    for _ in range(50):
        plants.wake("n", "demo")
        await asyncio.sleep(0.001)
    assert looks.most_at_once == 1


async def test_a_plant_of_which_nothing_is_left_is_forgotten(plants: Plants, looks: Looks) -> None:
    looks.following = Next.NEVER
    plants.wake("n", "demo")
    await asyncio.sleep(0.1)
    assert looks.count["n", "demo"] == 1
    plants.wake("n", "demo")
    await asyncio.sleep(0.1)
    assert looks.count["n", "demo"] == 2


@pytest.mark.parametrize("error", [NotReady("Soon"), Unavailable("Kubernetes"), RuntimeError("a bug")])
async def test_an_error_ends_nothing_and_a_cure_is_seen(plants: Plants, looks: Looks, error: Exception) -> None:
    looks.error = error
    plants.wake("n", "demo")
    await asyncio.sleep(0.1)
    before = looks.count["n", "demo"]
    assert before >= 1
    looks.error = None
    plants.wake("n", "demo")
    await asyncio.sleep(0.1)
    assert looks.count["n", "demo"] > before


async def test_thousands_of_failures_keep_the_pause_bounded(plants: Plants, looks: Looks) -> None:
    looks.error = Unavailable("Kubernetes")
    plants.wake("n", "demo")
    await asyncio.sleep(0.05)
    plant = plants._plants["n", "demo"]
    plant.failures = 100_000
    assert RESYNC < plants._pause_seconds(plant, Next.LATER) <= 30.0


async def test_what_the_operator_writes_itself_wakes_nothing(looks: Looks) -> None:
    plants = Plants(looks, 60.0)
    for _ in range(5):
        plants.wake_by_change("n", "demo", "uid", (1, ""))
        await asyncio.sleep(0.3)
    assert looks.count["n", "demo"] == 1
    plants.wake_by_change("n", "demo", "uid", (2, ""))
    await asyncio.sleep(0.3)
    assert looks.count["n", "demo"] == 2
    await plants.close()
