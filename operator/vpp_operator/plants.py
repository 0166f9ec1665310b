"""Which plants there are, and when each is looked at: at every event of it, and every few seconds without one.

One plant is never looked at twice at the same time, and a fault of one keeps no other waiting: after an error its next
look comes later and later, up to half a minute. Nothing else is kept here; a look finds out all it needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from vpp_operator.decide.pace import Next
from vpp_operator.errors import NotReady, VPPError
from vpp_operator.metrics import LOOK_SECONDS, LOOKS

_LOG = logging.getLogger(__name__)
_SOON_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_AT_ONCE: Final = 8
_LARGEST_EXPONENT: Final = 10

Key = tuple[str, str]
"""Namespace and name of a VPPCluster."""
Mark = tuple[int, str]
"""Generation of a resource and since when it is being deleted."""


@dataclass(slots=True)
class _Plant:
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0
    task: asyncio.Task[None] | None = None


class Plants:
    """A task for each plant, which ends when nothing of the plant is left."""

    def __init__(self, look: Callable[[str, str], Awaitable[Next]], resync_seconds: float) -> None:
        """Prepare. `look(namespace, name)` does one look and tells when to look again."""
        self._look = look
        self._resync_seconds = resync_seconds
        self._plants: dict[Key, _Plant] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._marks: dict[str, Mark] = {}

    def wake_by_change(self, namespace: str, name: str, uid: str, mark: Mark | None) -> None:
        """Look at a plant soon if a resource of it says something new; `mark` None: the resource is gone.

        What the operator itself writes into a resource's status is no reason to look again.
        """
        if mark is None:
            self._marks.pop(uid, None)
        elif self._marks.get(uid) == mark:
            return
        else:
            self._marks[uid] = mark
        self.wake(namespace, name)

    def wake(self, namespace: str, name: str) -> None:
        """Look at a plant soon: something of it has changed."""
        plant = self._plants.setdefault((namespace, name), _Plant())
        plant.woken.set()
        if plant.task is None:
            plant.task = asyncio.create_task(self._follow((namespace, name), plant), name=f"plant {namespace}/{name}")

    async def close(self) -> None:
        """End all tasks; looks under way are cut short, the next leader takes them up from `status`."""
        tasks = [plant.task for plant in self._plants.values() if plant.task is not None]
        self._plants.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, key: Key, plant: _Plant) -> None:
        following = Next.LATER
        while following is not Next.NEVER or plant.woken.is_set():
            plant.woken.clear()
            following = await self._look_once(key, plant)
            if following is not Next.NEVER:
                with contextlib.suppress(TimeoutError):
                    # A short rest first, so that a burst of events is one look.
                    await asyncio.sleep(min(0.2, self._resync_seconds))
                    await asyncio.wait_for(plant.woken.wait(), self._pause_seconds(plant, following))
        if self._plants.get(key) is plant:
            del self._plants[key]

    def _pause_seconds(self, plant: _Plant, following: Next) -> float:
        if following is Next.SOON:
            return min(_SOON_SECONDS, self._resync_seconds)
        growing: float = self._resync_seconds * 2.0 ** min(plant.failures, _LARGEST_EXPONENT)
        return min(growing, max(_LONGEST_PAUSE_SECONDS, self._resync_seconds))

    async def _look_once(self, key: Key, plant: _Plant) -> Next:
        namespace, name = key
        async with self._slots:
            with LOOK_SECONDS.time():
                try:
                    following = await self._look(namespace, name)
                except NotReady as error:
                    _LOG.debug("%s/%s: %s", namespace, name, error)
                except VPPError as error:
                    plant.failures += 1
                    _LOG.warning("%s/%s: %s", namespace, name, error)
                except Exception:  # noqa: BLE001 - a fault of one plant must not end the others
                    # A fault of this program: it must not end the plant's task, and must not go unseen.
                    plant.failures += 1
                    _LOG.exception("%s/%s: a look failed", namespace, name)
                else:
                    plant.failures = 0
                    LOOKS.labels(outcome="done").inc()
                    return following
        LOOKS.labels(outcome="failed" if plant.failures else "not_ready").inc()
        return Next.LATER
