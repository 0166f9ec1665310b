"""What is done to a plant and when: pure, and the same for the same seed.

The channels go round through every transition; into each step falls one fault, at a moment of that transition.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """What can happen to a pod."""

    KILL = "kill -9"
    """Its processes die; the kubelet starts them again in the same pod."""
    FREEZE = "SIGSTOP"
    """Its processes stand still for some seconds."""
    RESTART = "restart"
    """It is deleted with grace, and made again."""
    DELETE = "delete"
    """It is deleted without grace, and made again: a new address."""
    MEMORY_ALARM = "memory alarm"
    """A broker believes that its memory is full and blocks publishers."""
    DISK_ALARM = "disk alarm"
    """A broker believes that its disk is full and blocks publishers."""
    LOSE_VOLUME = "lost volume"
    """Its pod is deleted with its volume, and both are made again: what it held is gone."""


class Moment(StrEnum):
    """When in a transition of the channels a fault falls."""

    ANY = "any"
    """At once."""
    WAKING = "Waking"
    """A channel comes up, for the first time or after its sleep."""
    FILLING = "filling"
    """A channel has just become active and awaits its share of the publishers."""
    STANDBY = "Standby"
    DRAINING = "Draining"
    MARKED = "marked"
    """A channel drains and its end marker is written."""
    ASLEEP = "Asleep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a QueueChannel is told to be."""

    active: int
    standby: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of the channels with a fault in it."""

    number: int
    wish: Wish
    moment: Moment
    component: str
    fault: Fault
    fault_seconds: float
    """How long processes stand still, or publishers are blocked."""
    pause_seconds: float
    """From the fault to the next step."""
    awaits_recovery: bool
    """Whether the next step waits until the pods are ready again."""


MOST_CHANNELS: Final = 3
ROUND: Final = (
    (Wish(active=1, standby=1), (Moment.ANY, Moment.STANDBY)),
    (Wish(active=2, standby=0), (Moment.FILLING, Moment.ANY)),
    (Wish(active=2, standby=1), (Moment.WAKING, Moment.STANDBY)),
    (Wish(active=3, standby=0), (Moment.FILLING,)),
    (Wish(active=1, standby=0), (Moment.DRAINING, Moment.MARKED, Moment.ASLEEP)),
    (Wish(active=2, standby=0), (Moment.WAKING, Moment.FILLING)),
    (Wish(active=1, standby=1), (Moment.DRAINING, Moment.STANDBY)),
    (Wish(active=1, standby=0), (Moment.DRAINING, Moment.MARKED, Moment.ASLEEP)),
)
"""Through every transition and back, with the moments at which a fault may fall into each."""

_POD_FAULTS: Final = (Fault.KILL, Fault.FREEZE, Fault.RESTART, Fault.DELETE)
_BROKER_FAULTS: Final = (*_POD_FAULTS, Fault.MEMORY_ALARM, Fault.DISK_ALARM)
FAULTS: Final = {
    "channel": _BROKER_FAULTS,
    "control": _BROKER_FAULTS,
    "simulator": _POD_FAULTS,
    "spark-master": _POD_FAULTS,
    "worker": _POD_FAULTS,
    "driver": _POD_FAULTS,
    "operator": _POD_FAULTS,
    "influxdb": _POD_FAULTS,
    "hdfs-namenode": _POD_FAULTS,
    "hdfs-datanode": _POD_FAULTS,
}
"""What may happen to the pods of each component. The simulator holds the sites' gateways."""


_SECONDS: Final = {Fault.MEMORY_ALARM: (5, 25), Fault.DISK_ALARM: (5, 25)}
"""Publishers are blocked for so long that small spools are full."""


def all_faults(*, lose_volumes: bool) -> list[tuple[str, Fault]]:
    """Return every (component, fault); losing channels' volumes is one that only EndToEnd survives."""
    faults = [(component, fault) for component, faults in FAULTS.items() for fault in faults]
    return [*faults, ("channel", Fault.LOSE_VOLUME)] if lose_volumes else faults


def steps(seed: int, *, lose_volumes: bool) -> Iterator[Step]:
    """Yield steps without end; every fault has come once before one comes again."""
    faults = all_faults(lose_volumes=lose_volumes)
    chance = random.Random(seed)
    rounds = itertools.cycle(ROUND)
    numbers = itertools.count(1)
    while True:
        for component, fault in chance.sample(faults, len(faults)):
            wish, moments = next(rounds)
            yield Step(
                number=next(numbers),
                wish=wish,
                moment=chance.choice(moments),
                component=component,
                fault=fault,
                fault_seconds=round(chance.uniform(*_SECONDS.get(fault, (2, 8))), 1),
                pause_seconds=round(chance.uniform(0.5, 5), 1),
                awaits_recovery=chance.random() < 0.7,
            )
