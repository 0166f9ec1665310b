"""Messages to Arrow, whole messages at a time: no Python object is made for a reading that came in a binary batch.

A reading that breaks a rule becomes a row with the reason and its raw bytes; its neighbours are not affected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from vpp_contract.names import site_of_key
from vpp_contract.readings import (
    BATCH_CONTENT_TYPE,
    END_MARKER_CONTENT_TYPE,
    HEADER_BYTES,
    KINDS,
    QUANTITIES,
    RECORD_BYTES,
    RECORD_FIELDS,
    REQUIRED_QUANTITIES,
    ReadingError,
    batch_count,
    decode_json,
    encode_batch,
)
from vpp_workloads.streaming.amqp import Message
from vpp_workloads.streaming.columns import LOSS, POISON, SOURCE_ARROW

RECORD_DTYPE: Final = np.dtype(list(RECORD_FIELDS))
_MAGIC: Final = encode_batch([])[:4]
_KINDS: Final = pa.array(KINDS, pa.string())


@dataclass(slots=True, kw_only=True)
class _Poison:
    offset: list[int] = field(default_factory=list)
    routing_key: list[str] = field(default_factory=list)
    reason: list[str] = field(default_factory=list)
    payload: list[bytes] = field(default_factory=list)

    def add(self, message: Message, reason: str, payload: bytes) -> None:
        self.offset.append(message.offset)
        self.routing_key.append(message.routing_key)
        self.reason.append(reason)
        self.payload.append(payload)


def decode(channel: str, stream: str, messages: Sequence[Message]) -> Iterator[pa.RecordBatch]:
    """Yield the readings of some messages as one record batch, and what is poison in them as another."""
    poison = _Poison()
    good: list[Message] = []
    counts: list[int] = []
    parts: list[memoryview] = []
    for message in messages:
        # Only the operator can send to a stream by its name: no site can hide a reading as an end marker.
        if message.content_type == END_MARKER_CONTENT_TYPE and message.routing_key == stream:
            continue
        try:
            if site_of_key(message.routing_key) is None:
                raise ReadingError(f"routing key {message.routing_key!r} names no site; use readings.<site>")
            records = _records(message)
        except ReadingError as error:
            poison.add(message, str(error), message.body)
            continue
        good.append(message)
        parts.append(records)
        counts.append(len(records) // RECORD_BYTES)
    records_bytes = b"".join(parts)
    if records_bytes:
        table = np.frombuffer(records_bytes, RECORD_DTYPE)
        of_message = np.repeat(np.arange(len(good), dtype=np.int32), counts)
        faults = _faults(table, of_message, good)
        for row, reason in sorted(faults.items()):
            poison.add(good[of_message[row]], reason, table[row].tobytes())
        if faults:
            keep = np.ones(len(table), bool)
            keep[list(faults)] = False
            table, of_message = table[keep], of_message[keep]
        if len(table):
            yield _readings(channel, stream, table, of_message, good)
    if poison.offset:
        yield _rows(
            len(poison.offset),
            channel=[channel] * len(poison.offset),
            stream=[stream] * len(poison.offset),
            fault=[POISON] * len(poison.offset),
            offset=poison.offset,
            routing_key=poison.routing_key,
            reason=poison.reason,
            payload=poison.payload,
        )


def loss(channel: str, stream: str, start: int, end: int, reason: str) -> pa.RecordBatch:
    """Return the row that stands for offsets that nobody can read any more."""
    return _rows(1, channel=[channel], stream=[stream], offset=[start], end_offset=[end], fault=[LOSS], reason=[reason])


def _records(message: Message) -> memoryview:
    body = message.body
    if message.content_type == BATCH_CONTENT_TYPE or body[:4] == _MAGIC:
        batch_count(body)
        return memoryview(body)[HEADER_BYTES:]
    return memoryview(encode_batch([decode_json(body)]))[HEADER_BYTES:]


def _faults(table: Any, of_message: Any, messages: Sequence[Message]) -> dict[int, str]:
    """Return row -> reason for the rows that break a rule; a row keeps the first rule it breaks."""
    faults: dict[int, str] = {}

    def mark(broken: Any, reason: str) -> None:
        for row in np.flatnonzero(broken):
            faults.setdefault(int(row), reason)

    raw = table.view(np.uint8).reshape(len(table), RECORD_BYTES)
    keys = [message.routing_key for message in messages]
    for key in set(keys):
        prefix = f"{site_of_key(key)}/".encode()
        expected = np.frombuffer(prefix, np.uint8)
        of_key = np.array([one == key for one in keys])[of_message]
        same = (raw[:, : len(prefix)] == expected).all(axis=1) & (raw[:, len(prefix)] != 0)
        mark(of_key & ~same, f"the der does not belong to site {site_of_key(key)!r} of the routing key {key!r}")
    mark(table["kind"] >= len(KINDS), f"the kind code is unknown; codes go from 0 to {len(KINDS) - 1}")
    mark(table["seq"] > np.uint64(2**63 - 1), "seq is above 2^63 - 1")
    mark((table["event_time_us"] <= 0) | (table["created_us"] < 0), "event_time_us or created_us is not positive")
    for name in REQUIRED_QUANTITIES:
        mark(~np.isfinite(table[name]), f"{name} is not a finite number")
    try:
        pa.array(table["der"]).cast(pa.string())
    except pa.ArrowInvalid:
        mark([_is_no_text(der) for der in table["der"]], "the der is no UTF-8 text")
    return faults


def _is_no_text(der: bytes) -> bool:
    try:
        der.decode()
    except UnicodeDecodeError:
        return True
    return False


def _readings(channel: str, stream: str, table: Any, of_message: Any, messages: Sequence[Message]) -> pa.RecordBatch:
    message_indices = pa.array(of_message)

    def per_message(values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(message_indices)

    keys = [message.routing_key for message in messages]
    numbers = {name: pa.array(np.ascontiguousarray(table[name]), from_pandas=True) for name in QUANTITIES}
    return _rows(
        len(table),
        der=pa.array(table["der"]).cast(pa.string()),
        site=per_message([site_of_key(key) for key in keys], pa.string()),
        kind=_KINDS.take(pa.array(np.ascontiguousarray(table["kind"]))),
        boot=table["boot"].astype(np.int64),
        seq=table["seq"].astype(np.int64),
        event_time_us=np.ascontiguousarray(table["event_time_us"]),
        created_us=np.ascontiguousarray(table["created_us"]),
        **numbers,
        channel=_repeat(channel, len(table)),
        stream=_repeat(stream, len(table)),
        offset=per_message([message.offset for message in messages], pa.int64()),
        routing_key=per_message(keys, pa.string()),
    )


def _repeat(text: str, count: int) -> pa.Array:
    return pa.array([text], pa.string()).take(pa.array(np.zeros(count, np.int32)))


def _rows(count: int, **columns: Any) -> pa.RecordBatch:
    """Return a batch with the given columns; those not given are null."""
    arrays = [
        pa.nulls(count, column.type)
        if (values := columns.get(column.name)) is None
        else values
        if isinstance(values, pa.Array)
        else pa.array(values, column.type)
        for column in SOURCE_ARROW
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SOURCE_ARROW)
