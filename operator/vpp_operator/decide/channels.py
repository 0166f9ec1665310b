"""What happens next to one channel: from what its `status` says and what its broker shows, one step at a time.

A channel that is no longer wanted is drained before it sleeps: it leaves the Service, publishers are sent away until
none has come back for a while, an end marker is written behind the last reading, and it sleeps only when the twin
has committed the marker and nothing lies behind it. One that is to stand by leaves out the marker: it stays up, so that
the twin reads on. Every step can be taken again, so an operator that dies between any two of them loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

QUIET_SECONDS: Final = 5.0
"""No publisher for so long means that all have found another channel."""


class Role(StrEnum):
    """What a channel is wanted for."""

    ACTIVE = "active"
    STANDBY = "standby"
    """Up and warm, without traffic: it can be active in a moment."""
    ASLEEP = "asleep"


class State(StrEnum):
    """What `status.channels[].state` says."""

    STARTING = "Starting"
    """New: its broker has never been up, so that it may still adopt what its volume holds."""
    WAKING = "Waking"
    ACTIVE = "Active"
    DOWN = "Down"
    STANDBY = "Standby"
    DRAINING = "Draining"
    ASLEEP = "Asleep"


NOT_UP: Final = (State.STARTING, State.WAKING, State.DOWN)
"""States of channels that are wanted and not up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """A channel on its way out of traffic, as far as it is known now. Offsets are those of its stream."""

    goal: Role
    """Where it is going: to stand by, or to sleep."""

    broker_answers: bool
    publishers: int
    """Connections that may publish."""
    quiet_seconds: float
    """For how long there has been none."""
    marker_offset: int | None
    """Where the end marker lies; None before it is written."""
    tail_offset: int | None
    """The offset behind the newest message; None while it is not known."""
    committed_offset: int | None
    """The next offset the twin will read; None while it is not known."""
    since_seconds: float
    """For how long it has been draining."""
    deadline_seconds: float


class Move(StrEnum):
    """What to do with a channel that drains."""

    WAIT = "wait"
    SEND_AWAY = "send publishers away"
    MARK = "write the end marker"
    STAND_BY = "stand by"
    SLEEP = "sleep"
    GIVE_UP = "give up"


def role_of(ordinal: int, *, active: int, standby: int) -> Role:
    """Return what the channel of this ordinal is for: the lowest are active, the next stand by, the highest sleep."""
    if ordinal < active:
        return Role.ACTIVE
    return Role.STANDBY if ordinal < active + standby else Role.ASLEEP


def opening_state(before: State, role: Role, *, gave_up: bool) -> State:
    """Return the state a look begins with. `gave_up`: a drain for this very spec has passed its deadline."""
    if role is Role.ACTIVE:
        return State.WAKING if before in (State.ASLEEP, State.STANDBY, State.DRAINING) else before
    if gave_up:
        return before
    if role is Role.STANDBY:
        return {State.ASLEEP: State.WAKING, State.ACTIVE: State.DRAINING}.get(before, before)
    # One that has never been up may hold what its volume has kept: it is adopted first, and drained then.
    return before if before in (State.ASLEEP, State.STARTING) else State.DRAINING


def answering_state(opening: State, role: Role) -> State:
    """Return the state of a channel that does not drain, once its broker has all that it should have."""
    return State.ACTIVE if role is Role.ACTIVE or opening is State.ACTIVE else State.STANDBY


def next_move(seen: Draining) -> tuple[Move, str]:
    """Return what to do next with a draining channel, and the reason in words."""
    away = seen.broker_answers and not seen.publishers
    if seen.goal is Role.ASLEEP and away and is_read(seen):
        return Move.SLEEP, "the twin has read everything"
    if seen.goal is Role.STANDBY and away and seen.quiet_seconds >= QUIET_SECONDS:
        return Move.STAND_BY, "its publishers are gone"
    if seen.since_seconds > seen.deadline_seconds:
        return Move.GIVE_UP, f"it was not drained within {seen.deadline_seconds:g} s ({_waiting_for(seen)})"
    if not seen.broker_answers:
        return Move.WAIT, _waiting_for(seen)
    if seen.publishers:
        return Move.SEND_AWAY, _waiting_for(seen)
    if seen.quiet_seconds < QUIET_SECONDS:
        return Move.WAIT, _waiting_for(seen)
    if seen.marker_offset is None:
        return Move.MARK, "its publishers are gone"
    if max(seen.tail_offset or 0, seen.committed_offset or 0) > seen.marker_offset + 1:
        return Move.MARK, "readings came behind the end marker"
    return Move.WAIT, _waiting_for(seen)


def is_read(seen: Draining) -> bool:
    """Tell whether the twin has committed the end marker and the marker is the end, as broker and twin both see it."""
    return seen.marker_offset is not None and seen.committed_offset == seen.tail_offset == seen.marker_offset + 1


def _waiting_for(seen: Draining) -> str:
    if not seen.broker_answers:
        return "its broker does not answer"
    if seen.publishers:
        return f"{seen.publishers} publishers are sent to other channels"
    if seen.marker_offset is None:
        return "no publisher may come back for a moment"
    return f"the twin has read up to offset {seen.committed_offset or 0} of {seen.marker_offset + 1}"
