"""The reading: what one sensor measured over one interval, and its two encodings on the wire.

A reading is identified by (`der`, `boot`, `seq`): `boot` (1 or more) grows with every restart of the gateway, `seq` by
one with every reading of that DER within a boot, beginning with 0. Gateways send many fixed binary records in one
message, because the number of messages, not of bytes, limits a broker; simple devices send one JSON object a message.

Signs: pv, wind, hydro and load carry amounts of their own kind (>= 0); battery and ev are positive while charging.
Time: `event_time_us` is the END of the measured interval, so a reading stamped exactly hh:00 belongs to the hour it
closes.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

KINDS: Final = ("pv", "battery", "load", "wind", "hydro", "ev")
"""DER kinds; a kind's position here is its code in the binary record."""

QUANTITIES: Final = (
    "interval_seconds",
    "power_kw",
    "energy_kwh",
    "state_of_charge_kwh",
    "setpoint_kw",
    "available_kw",
    "voltage_v",
    "current_a",
    "frequency_hz",
    "temperature_c",
    "irradiance_w_per_m2",
    "wind_speed_m_per_s",
    "water_flow_m3_per_s",
)
"""Measured quantities in wire order, each a float with its unit in its name; NaN on the wire means not measured."""

REQUIRED_QUANTITIES: Final = ("interval_seconds", "power_kw", "energy_kwh")

DER_BYTES: Final = 64
BATCH_CONTENT_TYPE: Final = "application/vnd.vpp.readings"
JSON_CONTENT_TYPE: Final = "application/json"
END_MARKER_CONTENT_TYPE: Final = "application/vnd.vpp.end"
"""Of the operator's message behind a stream's last reading, before its channel sleeps; sent to the stream by name."""

_MAGIC: Final = b"VPPR"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<4sHHI4x")
HEADER_BYTES: Final = _HEADER.size
_LARGEST: Final = sys.float_info.max
_RECORD: Final = struct.Struct(f"<{DER_BYTES}sBBHIQqq{len(QUANTITIES)}d")
RECORD_BYTES: Final = _RECORD.size

RECORD_FIELDS: Final = (
    ("der", f"S{DER_BYTES}"),
    ("kind", "u1"),
    ("flags", "u1"),
    ("reserved", "<u2"),
    ("boot", "<u4"),
    ("seq", "<u8"),
    ("event_time_us", "<i8"),
    ("created_us", "<i8"),
    *((name, "<f8") for name in QUANTITIES),
)
"""The binary record as (name, array-protocol type), for decoders that read a whole message as one array."""


class ReadingError(ValueError):
    """A message is not what this module describes; the text says what is wrong and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading. Quantities are None where the device does not measure them."""

    der: str
    kind: str
    boot: int
    seq: int
    event_time_us: int
    created_us: int
    interval_seconds: float
    power_kw: float
    energy_kwh: float
    state_of_charge_kwh: float | None = None
    setpoint_kw: float | None = None
    available_kw: float | None = None
    voltage_v: float | None = None
    current_a: float | None = None
    frequency_hz: float | None = None
    temperature_c: float | None = None
    irradiance_w_per_m2: float | None = None
    wind_speed_m_per_s: float | None = None
    water_flow_m3_per_s: float | None = None

    @property
    def identity(self) -> tuple[str, int, int]:
        """(`der`, `boot`, `seq`)."""
        return (self.der, self.boot, self.seq)


def site_of(der: str) -> str:
    """Return the site a DER belongs to: what stands before the slash of `<site>/<name>`."""
    return der.partition("/")[0]


def _fits(der: str) -> bool:
    """Whether the binary record can carry the name and give it back."""
    try:
        return 0 < len(der.encode()) <= DER_BYTES and "\0" not in der
    except UnicodeEncodeError:
        return False


def hour_start_us(event_time_us: int) -> int:
    """Return the start (µs since the epoch) of the hour that a period-ending stamp belongs to."""
    hour_us = 3_600_000_000
    return (event_time_us - 1) // hour_us * hour_us


def encode_batch(readings: Sequence[Reading]) -> bytes:
    """Encode readings as one message: a 16-byte header and a fixed record of `RECORD_BYTES` each.

    Raises:
        ReadingError: a DER name is too long or a kind is unknown.
    """
    parts = [_HEADER.pack(_MAGIC, _VERSION, RECORD_BYTES, len(readings))]
    for reading in readings:
        if not _fits(reading.der):
            raise ReadingError(f"der {reading.der!r} must be a text of 1 to {DER_BYTES} bytes; rename it")
        if reading.kind not in KINDS:
            raise ReadingError(f"kind {reading.kind!r} of {reading.der} is unknown; use one of {', '.join(KINDS)}")
        quantities = (getattr(reading, name) for name in QUANTITIES)
        parts.append(
            _RECORD.pack(
                reading.der.encode(),
                KINDS.index(reading.kind),
                0,
                0,
                reading.boot,
                reading.seq,
                reading.event_time_us,
                reading.created_us,
                *(math.nan if value is None else value for value in quantities),
            )
        )
    return b"".join(parts)


def batch_count(message: bytes) -> int:
    """Check a batch's header against its length and return the number of records.

    Raises:
        ReadingError: the message is no batch of this version, or is cut short.
    """
    if len(message) < HEADER_BYTES:
        raise ReadingError(f"a batch needs a header of {HEADER_BYTES} bytes, this message has {len(message)}")
    magic, version, record_bytes, count = _HEADER.unpack_from(message)
    if magic != _MAGIC:
        raise ReadingError(f"a batch starts with {_MAGIC.decode()}, this message with {magic!r}")
    if (version, record_bytes) != (_VERSION, RECORD_BYTES):
        raise ReadingError(
            f"version {version} with records of {record_bytes} bytes is unknown; "
            f"send version {_VERSION} with {RECORD_BYTES}"
        )
    expected = HEADER_BYTES + count * RECORD_BYTES
    if len(message) != expected:
        raise ReadingError(f"a batch of {count} readings takes {expected} bytes, this message has {len(message)}")
    return int(count)


def join_batches(messages: Sequence[bytes]) -> bytes:
    """Join messages of `encode_batch` into one, without decoding their records.

    Raises:
        ReadingError: see `batch_count`.
    """
    count = sum(batch_count(message) for message in messages)
    header = _HEADER.pack(_MAGIC, _VERSION, RECORD_BYTES, count)
    return b"".join([header, *(memoryview(message)[HEADER_BYTES:] for message in messages)])


def decode_batch(message: bytes) -> Iterator[Reading]:
    """Decode a binary message reading by reading (bulk decoders use `RECORD_FIELDS` instead).

    Raises:
        ReadingError: see `batch_count`; also for an unknown kind code.
    """
    batch_count(message)
    for row in _RECORD.iter_unpack(message[HEADER_BYTES:]):
        der, kind, _flags, _reserved, boot, seq, event_time_us, created_us, *values = row
        if kind >= len(KINDS):
            raise ReadingError(f"kind code {kind} is unknown; codes go from 0 to {len(KINDS) - 1}")
        try:
            name = der.rstrip(b"\0").decode()
        except UnicodeDecodeError:
            raise ReadingError(f"der {der!r} is no UTF-8") from None
        quantities: dict[str, Any] = {
            quantity: None if math.isnan(value) else value for quantity, value in zip(QUANTITIES, values, strict=True)
        }
        yield Reading(
            der=name,
            kind=KINDS[kind],
            boot=boot,
            seq=seq,
            event_time_us=event_time_us,
            created_us=created_us,
            **quantities,
        )


def encode_json(reading: Reading) -> bytes:
    """Encode one reading as a JSON object with the field names of `Reading`; what is None is left out."""
    values = {field.name: getattr(reading, field.name) for field in fields(reading)}
    return json.dumps({name: value for name, value in values.items() if value is not None}).encode()


def decode_json(message: bytes) -> Reading:
    """Decode a JSON object; without `boot` and `seq` they are 0 and the event time in µs.

    Raises:
        ReadingError: no JSON object, or a field is missing, unknown, of the wrong type or not finite.
    """
    try:
        values = json.loads(message)
    except ValueError as error:
        raise ReadingError(f"the message is no JSON: {error}") from None
    except RecursionError:
        raise ReadingError("the message is nested too deeply; send one flat JSON object") from None
    if not isinstance(values, dict):
        raise ReadingError(f"the message is a JSON {type(values).__name__}; send one object")
    return _from_mapping(values)


def _from_mapping(values: Mapping[str, Any]) -> Reading:
    known = {field.name for field in fields(Reading)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ReadingError(f"field {unknown[0]!r} is unknown; known are {', '.join(sorted(known))}")
    for name in ("der", "kind", "event_time_us", *REQUIRED_QUANTITIES):
        if name not in values:
            raise ReadingError(f"field {name!r} is missing")
    der, kind = values["der"], values["kind"]
    if not isinstance(der, str) or not _fits(der):
        raise ReadingError(f"der must be a text of 1 to {DER_BYTES} bytes, not {der!r}")
    if kind not in KINDS:
        raise ReadingError(f"kind {kind!r} of {der} is unknown; use one of {', '.join(KINDS)}")
    # The event time comes first: the others may take its value, and its mistakes are its own.
    defaults = {"boot": 0, "seq": values["event_time_us"], "created_us": values["event_time_us"]}
    numbers: dict[str, Any] = {}
    for name, largest in (("event_time_us", 2**63), ("boot", 2**32), ("seq", 2**63), ("created_us", 2**63)):
        value = values.get(name, defaults.get(name))
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < largest:
            raise ReadingError(f"{name} of {der} must be a whole number from 0 to {largest - 1}, not {value!r}")
        numbers[name] = value
    for name in QUANTITIES:
        value = values.get(name)
        if value is None and name not in REQUIRED_QUANTITIES:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _LARGEST:
            raise ReadingError(f"{name} of {der} must be a finite number, not {value!r}")
        numbers[name] = float(value)
    return Reading(der=der, kind=kind, **numbers)
