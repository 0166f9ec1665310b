"""Commands to DERs and what DERs answer: JSON over the control broker, the same for AMQP gateways and MQTT devices.

A command gives one DER a set-point for a while. The DER answers each command once, with the set-point it follows from
then on, and goes back to what it does by itself when the last command it accepted is no longer valid. Commands may
arrive twice or late: the newest `issued_us` counts. Signs are those of readings.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Final, TypeVar

from vpp_contract.names import ACKNOWLEDGEMENTS_EXCHANGE, COMMANDS_EXCHANGE, acknowledgements_key, commands_key
from vpp_contract.readings import DER_BYTES, site_of

COMMAND_CONTENT_TYPE: Final = "application/vnd.vpp.command+json"
ACKNOWLEDGEMENT_CONTENT_TYPE: Final = "application/vnd.vpp.acknowledgement+json"
_LONGEST_TEXT: Final = 500
_LARGEST_KW: Final = 1e9


class CommandError(ValueError):
    """A message is no command or acknowledgement; the text says what is wrong."""


class Status(StrEnum):
    """What a DER does with a command."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The set-point a DER shall follow until `valid_until_us`; times are wall clock in µs since the epoch."""

    id: str
    der: str
    setpoint_kw: float
    issued_us: int
    valid_until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A DER's answer to the command `id`: what it follows now (None: nothing), and why it refused."""

    id: str
    der: str
    status: Status
    at_us: int
    setpoint_kw: float | None = None
    reason: str = ""


def command_key(der: str) -> str:
    """Return the routing key of a DER's commands, `commands.<site>.<device>`; MQTT writes it with slashes."""
    site, _, device = der.partition("/")
    return commands_key(site, device)


def acknowledgement_key(der: str) -> str:
    """Return the routing key of a DER's acknowledgements, `acknowledgements.<site>.<device>`."""
    site, _, device = der.partition("/")
    return acknowledgements_key(site, device)


def der_of_key(routing_key: str) -> str | None:
    """Return the DER that a routing key of commands or acknowledgements names, None for any other key."""
    kind, _, rest = routing_key.partition(".")
    site, _, device = rest.partition(".")
    return f"{site}/{device}" if kind in (COMMANDS_EXCHANGE, ACKNOWLEDGEMENTS_EXCHANGE) and site and device else None


def encode_command(command: Command) -> bytes:
    """Return the message of a command."""
    return json.dumps(asdict(command)).encode()


def decode_command(message: bytes) -> Command:
    """Return the command that a message holds.

    Raises:
        CommandError: no JSON object, or a field is missing, unknown or not what it should be.
    """
    values = _object(message, Command, optional=())
    der = _der(values)
    command = Command(
        id=_text(values, "id", der),
        der=der,
        setpoint_kw=_kw(values, der),
        issued_us=_time(values, "issued_us", der),
        valid_until_us=_time(values, "valid_until_us", der),
    )
    if command.valid_until_us <= command.issued_us:
        raise CommandError(f"valid_until_us of {der} must come after issued_us; this command was never valid")
    return command


def encode_acknowledgement(acknowledgement: Acknowledgement) -> bytes:
    """Return the message of an acknowledgement; what is None or empty is left out."""
    values = asdict(acknowledgement)
    return json.dumps({name: value for name, value in values.items() if value not in (None, "")}).encode()


def decode_acknowledgement(message: bytes) -> Acknowledgement:
    """Return the acknowledgement that a message holds.

    Raises:
        CommandError: no JSON object, or a field is missing, unknown or not what it should be.
    """
    values = _object(message, Acknowledgement, optional=("setpoint_kw", "reason"))
    der = _der(values)
    try:
        status = Status(values["status"])
    except ValueError:
        raise CommandError(f"status of {der} must be accepted or refused, not {values['status']!r}") from None
    reason = _text(values, "reason", der) if values.get("reason") else ""
    if status is Status.REFUSED and not reason:
        raise CommandError(f"reason of {der} is missing; say why the command is refused")
    return Acknowledgement(
        id=_text(values, "id", der),
        der=der,
        status=status,
        at_us=_time(values, "at_us", der),
        setpoint_kw=None if values.get("setpoint_kw") is None else _kw(values, der),
        reason=reason,
    )


_M = TypeVar("_M", Command, Acknowledgement)


def _object(message: bytes, kind: type[_M], optional: tuple[str, ...]) -> dict[str, Any]:
    try:
        values = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"the message is no JSON: {error}") from None
    if not isinstance(values, dict):
        raise CommandError(f"the message is a JSON {type(values).__name__}; send one object")
    known = [field.name for field in fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise CommandError(f"field {unknown[0]!r} is unknown; known are {', '.join(sorted(known))}")
    for name in known:
        if name not in values and name not in optional:
            raise CommandError(f"field {name!r} is missing")
    return values


def _der(values: dict[str, Any]) -> str:
    der = values["der"]
    if not isinstance(der, str) or not 0 < len(der.encode(errors="replace")) <= DER_BYTES:
        raise CommandError(f"der must be a text of 1 to {DER_BYTES} bytes, not {der!r}")
    if not site_of(der) or len(der) < len(site_of(der)) + 2:
        raise CommandError(f"der {der!r} must name site and device, as in house-01/battery")
    return der


def _text(values: dict[str, Any], name: str, der: str) -> str:
    value = values[name]
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise CommandError(f"{name} of {der} must be a text of 1 to {_LONGEST_TEXT} characters, not {value!r}")
    return value


def _kw(values: dict[str, Any], der: str) -> float:
    value = values["setpoint_kw"]
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _LARGEST_KW:
        raise CommandError(f"setpoint_kw of {der} must be a number of kW, not {value!r}")
    return float(value)


def _time(values: dict[str, Any], name: str, der: str) -> int:
    value = values[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise CommandError(f"{name} of {der} must be a time in µs since the epoch, not {value!r}")
    return value
