"""Which commands go out, and what becomes of them."""

from __future__ import annotations

import pytest

from vpp_contract.commands import Acknowledgement, Command, Status
from vpp_workloads.streaming.setpoints import Entry, answered, due, lapsed, sent, takes_setpoints

DER = "house-01/battery"
NOW = 1_000_000_000_000
SECOND = 1_000_000


def entry(setpoint_kw: float = 2.0, age_seconds: float = 0.0, status: Status | None = Status.ACCEPTED) -> Entry:
    issued_us = NOW - round(age_seconds * SECOND)
    command = Command(
        id=f"{DER}@{issued_us}",
        der=DER,
        setpoint_kw=setpoint_kw,
        issued_us=issued_us,
        valid_until_us=issued_us + 60 * SECOND,
    )
    if status is None:
        return Entry(command=command)
    reason = "" if status is Status.ACCEPTED else "it is switched off"
    answer = Acknowledgement(id=command.id, der=DER, status=status, at_us=issued_us + 1, reason=reason)
    return Entry(command=command, answer=answer)


@pytest.mark.parametrize(
    ("before", "wanted_kw", "sent_anew"),
    [
        (None, 2.0, True),
        (entry(2.0), 2.0, False),
        (entry(2.0), 2.04, False),
        (entry(2.0), 2.2, True),
        (entry(20.0), 20.15, False),
        (entry(2.0, age_seconds=29), 2.0, False),
        (entry(2.0, age_seconds=30), 2.0, True),
        (entry(2.0, age_seconds=9, status=None), 2.0, False),
        (entry(2.0, age_seconds=10, status=None), 2.0, True),
        (entry(2.0, age_seconds=299, status=Status.REFUSED), 5.0, False),
        (entry(2.0, age_seconds=300, status=Status.REFUSED), 5.0, True),
    ],
    ids=[
        "the first", "the same", "within the deadband", "another", "within a hundredth", "not yet to be renewed",
        "to be renewed", "not answered yet", "not answered for long", "refused", "refused long ago",
    ],
)  # fmt: skip
def test_what_goes_out(before: Entry | None, wanted_kw: float, sent_anew: bool) -> None:
    commands = due({} if before is None else {DER: before}, {DER: wanted_kw}, NOW)
    assert [(command.der, command.setpoint_kw) for command in commands] == [(DER, wanted_kw)] * sent_anew
    for command in commands:
        assert command.issued_us < command.valid_until_us


def test_commands_of_one_moment_are_told_apart() -> None:
    first = due({}, {DER: 1.0}, NOW)[0]
    second = due(sent({}, first), {DER: 5.0}, NOW)[0]
    assert second.issued_us > first.issued_us
    assert second.id != first.id


def test_only_the_answer_to_the_newest_command_counts() -> None:
    newest = entry(2.0, status=None)
    late = Acknowledgement(id="another", der=DER, status=Status.ACCEPTED, at_us=NOW)
    assert answered({DER: newest}, late)[DER].answer is None
    right = Acknowledgement(id=newest.command.id, der=DER, status=Status.ACCEPTED, at_us=NOW, setpoint_kw=2.0)
    assert answered({DER: newest}, right) == {DER: Entry(command=newest.command, answer=right)}
    assert answered({}, right) == {}


@pytest.mark.parametrize(
    ("before", "takes"),
    [
        (None, True),
        (entry(status=None), True),
        (entry(), True),
        (entry(status=Status.REFUSED, age_seconds=299), False),
        (entry(status=Status.REFUSED, age_seconds=300), True),
    ],
)
def test_a_der_that_refused_is_not_counted_on_for_a_while(before: Entry | None, takes: bool) -> None:
    assert takes_setpoints({} if before is None else {DER: before}, DER, NOW) == takes


def test_a_der_that_says_nothing_is_not_counted_on_however_often_it_is_told() -> None:
    entries: dict[str, Entry] = {}
    for seconds in range(0, 30, 10):
        entries = sent(entries, due(entries, {DER: 2.0 + seconds}, NOW + seconds * SECOND)[0])
        assert takes_setpoints(entries, DER, NOW + seconds * SECOND)
    assert not takes_setpoints(entries, DER, NOW + 30 * SECOND)
    late = Acknowledgement(id=f"{DER}@{NOW}", der=DER, status=Status.ACCEPTED, at_us=NOW)
    assert takes_setpoints(answered(entries, late), DER, NOW + 30 * SECOND)
    assert takes_setpoints(entries, DER, NOW + 320 * SECOND)


def test_what_has_long_ended_is_forgotten() -> None:
    assert lapsed({DER: entry(age_seconds=359)}, NOW)
    assert not lapsed({DER: entry(age_seconds=360)}, NOW)
