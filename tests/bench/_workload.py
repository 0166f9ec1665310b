"""What a load consists of: which messages are due when, and their bodies. Pure; `_publisher` sends them.

An arrival process does not wait for the broker: a message is created when it is due, and its delay counts from then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from vpp_contract.readings import (
    BATCH_CONTENT_TYPE,
    HEADER_BYTES,
    JSON_CONTENT_TYPE,
    KINDS,
    QUANTITIES,
    RECORD_FIELDS,
    Reading,
    decode_json,
    encode_batch,
    encode_json,
)

RECORD: Final = np.dtype(list(RECORD_FIELDS))
LOAD: Final = KINDS.index("load")
T0_US: Final = 1_655_769_600_000_000

Identity = tuple[str, int]
"""DER and sequence number of a message's first reading; the boot is 1."""


class Workload(Protocol):
    """Messages by number. Values and no state, so that it can be sent to another process."""

    @property
    def content_type(self) -> str:
        """The content type of all messages."""

    @property
    def readings(self) -> int:
        """Readings in a message."""

    @property
    def endless(self) -> bool:
        """Whether there is always another message, as many as the broker takes."""

    def due_seconds(self) -> Iterator[tuple[float, int]]:
        """Yield when each message is due, in order and without end, and who sends it."""

    def body(self, site: str, sender: int, turn: int, created_us: int) -> tuple[Identity, bytes]:
        """Return a sender's message, `turn` counting those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Messages at a constant rate, by gateways that each batch the readings of one DER."""

    messages_per_second: float
    """Infinity: always another one."""
    senders: int
    readings: int = 100
    content_type: str = BATCH_CONTENT_TYPE

    @property
    def endless(self) -> bool:
        return math.isinf(self.messages_per_second)

    def due_seconds(self) -> Iterator[tuple[float, int]]:
        number = 0
        while True:
            yield number / self.messages_per_second, number % self.senders
            number += 1

    def body(self, site: str, sender: int, turn: int, created_us: int) -> tuple[Identity, bytes]:
        der, seq = f"{site}/load-{sender}", turn * self.readings
        return (der, seq), _batch(np.array([der.encode()]), np.arange(seq, seq + self.readings), created_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Sensors that each send one reading an interval, at moments that have nothing to do with each other.

    A group of one sends JSON by itself, as simple devices do; larger groups stand behind a gateway that batches.
    """

    sensors: int
    interval_seconds: float
    readings: int = 1
    seed: int = 1

    @property
    def content_type(self) -> str:
        return JSON_CONTENT_TYPE if self.readings == 1 else BATCH_CONTENT_TYPE

    @property
    def endless(self) -> bool:
        return False

    @property
    def senders(self) -> int:
        """Sensors, or groups of them."""
        return math.ceil(self.sensors / self.readings)

    def due_seconds(self) -> Iterator[tuple[float, int]]:
        phases = np.random.default_rng(self.seed).random(self.senders) * self.interval_seconds
        order = np.argsort(phases)
        moments, senders = phases[order].tolist(), order.tolist()
        turn = 0
        while True:
            for moment, sender in zip(moments, senders, strict=True):
                yield turn * self.interval_seconds + moment, sender
            turn += 1

    def body(self, site: str, sender: int, turn: int, created_us: int) -> tuple[Identity, bytes]:
        if self.readings == 1:
            der = f"{site}/sensor-{sender:06}"
            return (der, turn), encode_json(_reading(der, turn, created_us))
        first = sender * self.readings
        count = min(self.readings, self.sensors - first)
        ders = [f"{site}/sensor-{first + at:06}".encode() for at in range(count)]
        return (ders[0].decode(), turn), _batch(np.array(ders), np.full(count, turn), created_us)


def _batch(ders: NDArray[np.bytes_], seqs: NDArray[np.int64], created_us: int) -> bytes:
    """Encode as `encode_batch` does, without a value per reading: the load must not be what costs."""
    records = np.zeros(len(seqs), RECORD)
    for name in QUANTITIES:
        records[name] = math.nan
    records["der"], records["kind"], records["boot"], records["seq"] = ders, LOAD, 1, seqs
    records["event_time_us"], records["created_us"] = T0_US + (seqs + 1) * 60_000_000, created_us
    records["interval_seconds"], records["power_kw"], records["energy_kwh"] = 60.0, 1.2, 0.02
    header = bytearray(encode_batch([])[:HEADER_BYTES])
    header[8:12] = len(seqs).to_bytes(4, "little")
    return bytes(header) + records.tobytes()


def _reading(der: str, seq: int, created_us: int) -> Reading:
    return Reading(
        der=der,
        kind="load",
        boot=1,
        seq=seq,
        event_time_us=T0_US + (seq + 1) * 60_000_000,
        created_us=created_us,
        interval_seconds=60.0,
        power_kw=1.2,
        energy_kwh=0.02,
    )


def identify(content_type: str | None, body: bytes) -> tuple[Identity, int, int]:
    """Return a message's identity, its number of readings and when it was created (µs)."""
    if content_type == JSON_CONTENT_TYPE:
        reading = decode_json(body)
        return (reading.der, reading.seq), 1, reading.created_us
    first = np.frombuffer(body, RECORD, count=1, offset=HEADER_BYTES)[0]
    der = bytes(first["der"]).rstrip(b"\0").decode()
    return (der, int(first["seq"])), (len(body) - HEADER_BYTES) // RECORD.itemsize, int(first["created_us"])
