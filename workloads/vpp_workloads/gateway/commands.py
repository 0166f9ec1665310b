"""The set-points a site is told: takes commands, has the site decide, answers, and knows which one is in force.

A command may come twice, late, or after a newer one. What is in force is the newest that was accepted and is still
valid; nothing of it is kept on disk, since the plant repeats within a minute what it still wants.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

from vpp_contract.commands import (
    ACKNOWLEDGEMENT_CONTENT_TYPE,
    Acknowledgement,
    Command,
    CommandError,
    Status,
    acknowledgement_key,
    decode_command,
    der_of_key,
    encode_acknowledgement,
)
from vpp_contract.readings import site_of
from vpp_workloads.gateway.control_link import Answer

Decide = Callable[[Command], str | None]
"""Says why a command is refused, "" where it is followed, None where the DER answers by itself or is not here."""

_FOLLOWED: Final = ""
ASKED_SECONDS: Final = 30.0
_MOST_DEVICES: Final = 10_000


class CommandDesk:
    """One site's commands. Its methods may be called from any thread."""

    def __init__(self, site: str, clock: Callable[[], int]) -> None:
        """Begin with nobody who decides, so that nothing is answered. `clock` is the wall clock in µs."""
        self._site, self._clock = site, clock
        self._lock = threading.Lock()
        self._decide: Decide | None = None
        self._in_force: dict[str, Command] = {}

    def decide_by(self, decide: Decide) -> None:
        """Let this decide from now on. It is called from the control link's thread and must be quick."""
        self._decide = decide

    def in_force(self, der: str) -> Command | None:
        """Return the command a DER has to follow now."""
        with self._lock:
            command = self._in_force.get(der)
            if command is not None and command.valid_until_us <= self._clock():
                del self._in_force[der]
                return None
            return command

    def handle(self, routing_key: str, body: bytes) -> Iterable[Answer]:
        """Take a message of the control broker and return the answer to it.

        Raises:
            CommandError: no command, or not one of this site; nobody could be answered.
        """
        command = decode_command(body)
        if der_of_key(routing_key) != command.der or site_of(command.der) != self._site:
            raise CommandError(f"a command for {command.der} came under {routing_key}; it is not followed")
        refusal = self._take(command)
        if refusal is None:
            return []
        now = self.in_force(command.der)
        answer = Acknowledgement(
            id=command.id,
            der=command.der,
            status=Status.REFUSED if refusal else Status.ACCEPTED,
            at_us=self._clock(),
            setpoint_kw=now.setpoint_kw if now is not None else None,
            reason=refusal,
        )
        return [(acknowledgement_key(command.der), ACKNOWLEDGEMENT_CONTENT_TYPE, encode_acknowledgement(answer))]

    def _take(self, command: Command) -> str | None:
        """Put a command in force where it may be; return why not, None where nobody answers for its DER."""
        if self._decide is None:
            return None
        refusal = self._decide(command)
        if refusal != _FOLLOWED:
            return refusal
        now_us = self._clock()
        with self._lock:
            before = self._in_force.get(command.der)
            if command.valid_until_us <= now_us:
                return f"it came {(now_us - command.valid_until_us) / 1e6:.1f} s after its end"
            if before is not None and before.issued_us > command.issued_us:
                return f"the newer command {before.id} is in force"
            self._in_force[command.der] = command
        return _FOLLOWED


class Asking:
    """Devices that ask for their set-points: who has asked lately follows, who never has is not answered for."""

    def __init__(self, desk: CommandDesk, site: str, clock: Callable[[], int]) -> None:
        """Decide for the desk from now on."""
        self._desk, self._site, self._clock = desk, site, clock
        self._asked_us: dict[str, int] = {}
        desk.decide_by(self._decide)

    def ask(self, device: str) -> Command | None:
        """Return what a device has to follow now, and count on it for the next while."""
        der = f"{self._site}/{device}"
        if der in self._asked_us or len(self._asked_us) < _MOST_DEVICES:
            self._asked_us[der] = self._clock()
        return self._desk.in_force(der)

    def _decide(self, command: Command) -> str | None:
        asked_us = self._asked_us.get(command.der)
        if asked_us is None:
            return None
        seconds = (self._clock() - asked_us) / 1e6
        return (
            _FOLLOWED if seconds <= ASKED_SECONDS else f"the device has not asked for its set-point for {seconds:.0f} s"
        )
