"""Desired and reported set-points: which commands have to go out, and what became of them. Pure.

A command is valid for a while only, so a DER whose plant has died goes back to its own ways; as long as it is wanted it
is renewed at half of that time. Nothing of it outlives the driver: a new one asks again and the newest command counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from vpp_contract.commands import Acknowledgement, Command, Status

VALID_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 10.0
"""A command without an answer is sent again after so long."""
REFUSED_SECONDS: Final = 300.0
"""A DER that refused is left alone for so long."""
MUTE_SECONDS: Final = 30.0
"""A DER that has answered nothing for so long is not counted on, and left alone like one that refused."""
DEADBAND_KW: Final = 0.05
DEADBAND_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The newest command to one DER and its answer, None while there is none."""

    command: Command
    answer: Acknowledgement | None = None
    unanswered_since_us: int | None = None
    """When the first command went out that the DER has said nothing to; None: it has answered the newest."""


Entries = Mapping[str, Entry]


def due(entries: Entries, wanted_kw: Mapping[str, float], now_us: int) -> list[Command]:
    """Return the commands that have to go out so that each DER follows what is wanted, in its readings' sign."""
    commands = []
    for der, setpoint_kw in sorted(wanted_kw.items()):
        entry = entries.get(der)
        if entry is not None and not _must_send(entry, setpoint_kw, now_us):
            continue
        issued_us = now_us if entry is None else max(now_us, entry.command.issued_us + 1)
        commands.append(
            Command(
                id=f"{der}@{issued_us}",
                der=der,
                setpoint_kw=setpoint_kw,
                issued_us=issued_us,
                valid_until_us=issued_us + round(VALID_SECONDS * 1e6),
            )
        )
    return commands


def _must_send(entry: Entry, setpoint_kw: float, now_us: int) -> bool:
    command, answer = entry.command, entry.answer
    if answer is not None and answer.status is Status.REFUSED:
        return now_us - command.issued_us >= REFUSED_SECONDS * 1e6
    if abs(setpoint_kw - command.setpoint_kw) > max(DEADBAND_KW, DEADBAND_SHARE * abs(command.setpoint_kw)):
        return True
    if answer is None and now_us - command.issued_us >= ANSWER_SECONDS * 1e6:
        return True
    return command.valid_until_us - now_us <= VALID_SECONDS * 1e6 / 2


def sent(entries: Entries, command: Command) -> dict[str, Entry]:
    """Return the entries with a command that is out."""
    before = entries.get(command.der)
    since_us = before.unanswered_since_us if before is not None else None
    unanswered_since_us = command.issued_us if since_us is None else since_us
    return {**entries, command.der: Entry(command=command, unanswered_since_us=unanswered_since_us)}


def answered(entries: Entries, answer: Acknowledgement) -> dict[str, Entry]:
    """Return the entries with an answer; one to an older command shows no more than that the DER is there."""
    entry = entries.get(answer.der)
    if entry is None or entry.answer is not None:
        return dict(entries)
    if entry.command.id != answer.id:
        return {**entries, answer.der: replace(entry, unanswered_since_us=entry.command.issued_us)}
    return {**entries, answer.der: replace(entry, answer=answer, unanswered_since_us=None)}


def takes_setpoints(entries: Entries, der: str, now_us: int) -> bool:
    """Whether a DER can be counted on: it has not refused lately, and answers."""
    entry = entries.get(der)
    if entry is None or now_us - entry.command.issued_us >= REFUSED_SECONDS * 1e6:
        return True
    if entry.answer is None:
        since_us = entry.command.issued_us if entry.unanswered_since_us is None else entry.unanswered_since_us
        return now_us - since_us < MUTE_SECONDS * 1e6
    return entry.answer.status is Status.ACCEPTED


def lapsed(entries: Entries, now_us: int) -> dict[str, Entry]:
    """Return the entries without those whose command has ended long enough ago that no refusal counts any more."""
    kept_us = round(REFUSED_SECONDS * 1e6)
    return {der: entry for der, entry in entries.items() if entry.command.valid_until_us + kept_us > now_us}
