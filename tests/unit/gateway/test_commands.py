"""What a site does with commands that come twice, late, in the wrong order or to the wrong house."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vpp_contract.commands import (
    Acknowledgement,
    Command,
    CommandError,
    Status,
    acknowledgement_key,
    command_key,
    decode_acknowledgement,
    encode_command,
)
from vpp_workloads.gateway.commands import ASKED_SECONDS, Asking, CommandDesk

DER = "house-01/battery"
SECOND = 1_000_000
FIRST = Command(id="first", der=DER, setpoint_kw=2.0, issued_us=100 * SECOND, valid_until_us=160 * SECOND)
SECOND_ONE = replace(FIRST, id="second", setpoint_kw=-1.0, issued_us=110 * SECOND, valid_until_us=170 * SECOND)


class Clock:
    def __init__(self) -> None:
        self.now_us = 101 * SECOND

    def __call__(self) -> int:
        return self.now_us


def decide(command: Command) -> str | None:
    return {DER: "", "house-01/ev": "its charger is broken"}.get(command.der)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(clock: Clock) -> CommandDesk:
    """A site whose battery follows everything and whose car is broken."""
    made = CommandDesk("house-01", clock)
    made.decide_by(decide)
    return made


def answer(desk: CommandDesk, command: Command) -> Acknowledgement | None:
    answers = list(desk.handle(command_key(command.der), encode_command(command)))
    for key, _, _ in answers:
        assert key == acknowledgement_key(command.der)
    return decode_acknowledgement(answers[0][2]) if answers else None


def test_a_command_is_followed_until_it_ends(desk: CommandDesk, clock: Clock) -> None:
    assert desk.in_force(DER) is None
    expected = Acknowledgement(id="first", der=DER, status=Status.ACCEPTED, at_us=clock.now_us, setpoint_kw=2.0)
    assert answer(desk, FIRST) == expected
    clock.now_us = 160 * SECOND - 1
    assert desk.in_force(DER) == FIRST
    clock.now_us = 160 * SECOND
    assert desk.in_force(DER) is None


def test_a_repetition_is_answered_and_changes_nothing(desk: CommandDesk) -> None:
    assert answer(desk, FIRST) == answer(desk, FIRST)
    assert desk.in_force(DER) == FIRST


def test_the_newest_command_counts_whatever_comes_last(desk: CommandDesk) -> None:
    answer(desk, SECOND_ONE)
    late = answer(desk, FIRST)
    assert late is not None
    assert (late.status, late.reason) == (Status.REFUSED, "the newer command second is in force")
    assert late.setpoint_kw == pytest.approx(-1.0)
    assert desk.in_force(DER) == SECOND_ONE


def test_a_command_that_has_ended_is_refused(desk: CommandDesk, clock: Clock) -> None:
    clock.now_us = 161 * SECOND
    refused = answer(desk, FIRST)
    assert refused is not None
    assert (refused.status, refused.reason) == (Status.REFUSED, "it came 1.0 s after its end")
    assert refused.setpoint_kw is None


def test_what_the_site_refuses_is_told_with_its_reason(desk: CommandDesk) -> None:
    refused = answer(desk, replace(FIRST, der="house-01/ev"))
    assert refused is not None
    assert (refused.status, refused.reason) == (Status.REFUSED, "its charger is broken")


@pytest.mark.parametrize("der", ["house-01/meter", "house-01/pv"])
def test_who_is_none_of_this_gateways_answers_for_itself(desk: CommandDesk, der: str) -> None:
    assert answer(desk, replace(FIRST, der=der)) is None


def test_before_anybody_decides_nothing_is_answered(clock: Clock) -> None:
    assert answer(CommandDesk("house-01", clock), FIRST) is None


@pytest.mark.parametrize(
    ("key", "command"),
    [(command_key("house-01/ev"), FIRST), (command_key("house-02/battery"), replace(FIRST, der="house-02/battery"))],
    ids=["another device's key", "another site"],
)
def test_a_command_for_somebody_else_is_dropped(desk: CommandDesk, key: str, command: Command) -> None:
    with pytest.raises(CommandError, match="it is not followed"):
        desk.handle(key, encode_command(command))


def test_devices_that_ask_are_answered_for(clock: Clock) -> None:
    desk = CommandDesk("house-01", clock)
    asking = Asking(desk, "house-01", clock)
    assert answer(desk, FIRST) is None
    assert asking.ask("battery") is None
    accepted = answer(desk, FIRST)
    assert accepted is not None
    assert accepted.status is Status.ACCEPTED
    assert asking.ask("battery") == FIRST
    clock.now_us += round((ASKED_SECONDS + 1) * SECOND)
    refused = answer(desk, SECOND_ONE)
    assert refused is not None
    assert (refused.status, refused.reason) == (Status.REFUSED, "the device has not asked for its set-point for 31 s")
