"""A channel on its way to sleep, step by step; and every order of events explored on a small model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from vpp_operator.decide.channels import (
    QUIET_SECONDS,
    Draining,
    Move,
    Role,
    State,
    answering_state,
    next_move,
    opening_state,
    role_of,
)

EMPTY = Draining(
    goal=Role.ASLEEP,
    broker_answers=True,
    publishers=0,
    quiet_seconds=QUIET_SECONDS,
    marker_offset=7,
    committed_offset=8,
    tail_offset=8,
    since_seconds=20,
    deadline_seconds=60,
)
TO_STANDBY = replace(EMPTY, goal=Role.STANDBY, marker_offset=None, committed_offset=3, tail_offset=None)


@pytest.mark.parametrize(
    ("seen", "move", "reason"),
    [
        (EMPTY, Move.SLEEP, "the twin has read everything"),
        (replace(EMPTY, committed_offset=7), Move.WAIT, "the twin has read up to offset 7 of 8"),
        (replace(EMPTY, committed_offset=None), Move.WAIT, "the twin has read up to offset 0 of 8"),
        (replace(EMPTY, tail_offset=9), Move.MARK, "readings came behind the end marker"),
        (replace(EMPTY, committed_offset=9), Move.MARK, "readings came behind the end marker"),
        (replace(EMPTY, tail_offset=None), Move.WAIT, "the twin has read up to offset 8 of 8"),
        (replace(EMPTY, publishers=3), Move.SEND_AWAY, "3 publishers are sent to other channels"),
        (replace(EMPTY, marker_offset=None), Move.MARK, "its publishers are gone"),
        (replace(EMPTY, marker_offset=None, quiet_seconds=4.9), Move.WAIT, "no publisher may come back for a moment"),
        (replace(EMPTY, broker_answers=False), Move.WAIT, "its broker does not answer"),
        (replace(EMPTY, since_seconds=61), Move.SLEEP, "the twin has read everything"),
        (
            replace(EMPTY, committed_offset=7, since_seconds=61),
            Move.GIVE_UP,
            "it was not drained within 60 s (the twin has read up to offset 7 of 8)",
        ),
        (TO_STANDBY, Move.STAND_BY, "its publishers are gone"),
        (replace(TO_STANDBY, quiet_seconds=4.9), Move.WAIT, "no publisher may come back for a moment"),
        (replace(TO_STANDBY, publishers=1), Move.SEND_AWAY, "1 publishers are sent to other channels"),
        (replace(TO_STANDBY, broker_answers=False), Move.WAIT, "its broker does not answer"),
        (
            replace(TO_STANDBY, publishers=1, since_seconds=61),
            Move.GIVE_UP,
            "it was not drained within 60 s (1 publishers are sent to other channels)",
        ),
    ],
)
def test_each_situation_has_its_move_and_its_reason(seen: Draining, move: Move, reason: str) -> None:
    assert next_move(seen) == (move, reason)


def test_the_lowest_channels_are_active_the_next_stand_by_and_the_highest_sleep() -> None:
    roles = [role_of(ordinal, active=2, standby=1) for ordinal in range(4)]
    assert roles == [Role.ACTIVE, Role.ACTIVE, Role.STANDBY, Role.ASLEEP]


@pytest.mark.parametrize(
    ("before", "role", "gave_up", "after"),
    [
        (State.ACTIVE, Role.ACTIVE, False, State.ACTIVE),
        (State.STARTING, Role.ACTIVE, False, State.STARTING),
        (State.DOWN, Role.ACTIVE, False, State.DOWN),
        (State.ASLEEP, Role.ACTIVE, False, State.WAKING),
        (State.STANDBY, Role.ACTIVE, False, State.WAKING),
        (State.DRAINING, Role.ACTIVE, False, State.WAKING),
        (State.STANDBY, Role.ACTIVE, True, State.WAKING),
        (State.ACTIVE, Role.STANDBY, False, State.DRAINING),
        (State.DRAINING, Role.STANDBY, False, State.DRAINING),
        (State.ASLEEP, Role.STANDBY, False, State.WAKING),
        (State.STARTING, Role.STANDBY, False, State.STARTING),
        (State.DOWN, Role.STANDBY, False, State.DOWN),
        (State.STANDBY, Role.STANDBY, False, State.STANDBY),
        (State.ACTIVE, Role.STANDBY, True, State.ACTIVE),
        (State.ACTIVE, Role.ASLEEP, False, State.DRAINING),
        (State.STANDBY, Role.ASLEEP, False, State.DRAINING),
        (State.WAKING, Role.ASLEEP, False, State.DRAINING),
        (State.DOWN, Role.ASLEEP, False, State.DRAINING),
        (State.STARTING, Role.ASLEEP, False, State.STARTING),
        (State.DRAINING, Role.ASLEEP, False, State.DRAINING),
        (State.ASLEEP, Role.ASLEEP, False, State.ASLEEP),
        (State.ACTIVE, Role.ASLEEP, True, State.ACTIVE),
        (State.STANDBY, Role.ASLEEP, True, State.STANDBY),
    ],
)
def test_what_a_channel_is_for_decides_the_state_a_look_begins_with(
    before: State, role: Role, *, gave_up: bool, after: State
) -> None:
    assert opening_state(before, role, gave_up=gave_up) is after


@pytest.mark.parametrize(
    ("opening", "role", "after"),
    [
        (State.WAKING, Role.ACTIVE, State.ACTIVE),
        (State.STARTING, Role.STANDBY, State.STANDBY),
        (State.WAKING, Role.STANDBY, State.STANDBY),
        (State.DOWN, Role.STANDBY, State.STANDBY),
        (State.ACTIVE, Role.STANDBY, State.ACTIVE),
        (State.ACTIVE, Role.ASLEEP, State.ACTIVE),
        (State.DOWN, Role.ASLEEP, State.STANDBY),
    ],
)
def test_a_channel_whose_broker_answers_takes_traffic_if_it_is_to_or_could_not_be_drained(
    opening: State, role: Role, after: State
) -> None:
    assert answering_state(opening, role) is after


@dataclass(frozen=True)
class World:
    """A channel, its publisher, the twin, and what an operator knows that may die at any moment."""

    state: State = State.ACTIVE
    role: Role = Role.ACTIVE
    in_service: bool = True
    connected: bool = True
    tail: int = 0
    committed: int = 0
    marker: int | None = None
    quiet: bool = False
    """The operator's own memory: it has seen no publisher for long enough."""
    changes: int = 0
    """How often the wish has changed."""


def reading(world: World) -> Draining:
    return Draining(
        goal=world.role,
        broker_answers=True,
        publishers=int(world.connected),
        quiet_seconds=QUIET_SECONDS if world.quiet else 0,
        marker_offset=world.marker,
        committed_offset=world.committed,
        tail_offset=world.tail,
        since_seconds=0,
        deadline_seconds=60,
    )


Decide = Callable[[Draining], tuple[Move, str]]


def looked(world: World, decide: Decide = next_move) -> Iterator[World]:
    """What one look of the operator makes of the world, and what is left when it dies on its way."""
    state = opening_state(world.state, world.role, gave_up=False)
    if state is State.ASLEEP:
        return
    if state is not State.DRAINING:
        state = answering_state(state, world.role)
        active = state is State.ACTIVE
        # A publisher that is found on a channel that stands by is sent away.
        connected = world.connected and (active or world.in_service)
        yield replace(world, state=state, in_service=active, connected=connected, marker=None, quiet=False)
        return
    if world.state is not State.DRAINING:
        yield replace(world, state=state, in_service=False, marker=None, quiet=False)
        return
    move, _ = decide(reading(world))
    if move is Move.SEND_AWAY:
        yield replace(world, connected=False, marker=None, quiet=False)
    elif move is Move.MARK:
        yield replace(world, tail=world.tail + 1, marker=world.tail)
        yield replace(world, tail=world.tail + 1, quiet=False)  # died before the marker's place was written down
    elif move is Move.SLEEP:
        yield replace(world, state=State.ASLEEP, marker=None)
    elif move is Move.STAND_BY:
        yield replace(world, state=State.STANDBY, marker=None)


def moved(world: World, decide: Decide) -> Iterator[World]:
    """Everything that can happen next."""
    yield from looked(world, decide)
    yield replace(world, quiet=False)  # the operator dies and forgets
    if not world.connected:
        yield replace(world, quiet=True)
        if world.in_service or (world.state in (State.DRAINING, State.STANDBY) and not world.quiet):
            yield replace(world, connected=True, quiet=False)  # the Service's endpoints lag behind its labels
            if world.tail < 4:
                yield replace(world, tail=world.tail + 1)  # a visit between two looks
    elif world.state is not State.ASLEEP:
        yield replace(world, connected=False)  # a publisher may leave by itself
        if world.tail < 4:
            yield replace(world, tail=world.tail + 1)
    if world.committed < world.tail and world.state is not State.ASLEEP:
        yield replace(world, committed=world.committed + 1)
    if world.changes < 4:
        for role in Role:
            yield replace(world, role=role, changes=world.changes + 1)


def explored(decide: Decide = next_move) -> set[World]:
    found, frontier = {World()}, [World()]
    while frontier:
        for following in moved(frontier.pop(), decide):
            if following not in found and following.tail <= 8:
                found.add(following)
                frontier.append(following)
    return found


def end_of(seen: Draining) -> int | None:
    return None if seen.marker_offset is None else seen.marker_offset + 1


def losses(worlds: set[World]) -> list[World]:
    asleep = (world for world in worlds if world.state is State.ASLEEP)
    return [world for world in asleep if world.committed < world.tail or world.connected]


def test_in_no_order_of_events_does_a_channel_sleep_with_unread_readings_or_a_publisher() -> None:
    worlds = explored()
    assert len(worlds) > 1000
    assert any(world.state is State.ASLEEP for world in worlds)
    assert losses(worlds) == []


@pytest.mark.parametrize(
    "forgets",
    [
        lambda seen: replace(seen, publishers=0),
        lambda seen: replace(seen, tail_offset=end_of(seen)),
        lambda seen: replace(seen, committed_offset=end_of(seen)),
    ],
    ids=["publishers", "what came behind the marker", "what the twin has committed"],
)
def test_the_exploration_finds_an_operator_that_forgets(forgets: Callable[[Draining], Draining]) -> None:
    assert losses(explored(lambda seen: next_move(forgets(seen))))


@pytest.mark.parametrize(
    ("role", "state"),
    [(Role.ACTIVE, State.ACTIVE), (Role.STANDBY, State.STANDBY), (Role.ASLEEP, State.ASLEEP)],
)
def test_from_every_world_a_channel_can_still_get_where_it_is_wanted(role: Role, state: State) -> None:
    def settled(world: World) -> World:
        for _ in range(12):
            world = replace(world, committed=world.tail, quiet=not world.connected)
            world = next(looked(world), world)
        return world

    found = [settled(world) for world in explored() if world.role is role]
    assert {world.state for world in found} == {state}
    assert all(world.in_service == (role is Role.ACTIVE) for world in found)


def test_from_every_world_in_which_a_channel_is_wanted_it_takes_readings_again() -> None:
    wanted = [world for world in explored() if world.role is Role.ACTIVE]
    assert all(next(looked(world)).in_service for world in wanted)
