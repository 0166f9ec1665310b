"""Chunks of RabbitMQ's stream protocol to messages: pure, and no more of AMQP 1.0 than finding the body takes.

What came through an exchange is stored as AMQP 1.0: sections with annotations (the routing key among them),
properties (the content type) and data. Messages of one publisher begin alike, so what those bytes say is remembered.
"""

from __future__ import annotations

import struct
from typing import Final

from vpp_workloads.streaming.amqp import Message
from vpp_workloads.streaming.errors import StreamingError

_CHUNK: Final = struct.Struct(">BBHIQQQIIII")
"""Magic and version, type, entries, records, timestamp, epoch, first offset, CRC, data, trailer and reserved bytes."""
CHUNK_HEADER_BYTES: Final = _CHUNK.size
_MAGIC: Final = 0x50
_USER: Final = 0
_SUB_BATCH: Final = 0x80
_MOST_PREFIXES: Final = 10_000

_ANNOTATIONS, _PROPERTIES, _DATA, _VALUE = 0x72, 0x73, 0x75, 0x77
_CONTENT_TYPE_FIELD: Final = 6
_WIDTHS: Final = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
"""Bytes of a fixed-width value by the first digit of its type."""

_Prefix = tuple[str, str | None]
_prefixes: dict[bytes, _Prefix] = {}


def decode_chunk(chunk: memoryview) -> tuple[int, list[Message]]:
    """Return the offset behind a chunk and its messages.

    Raises:
        StreamingError: it is no chunk, or holds what no exchange puts there.
    """
    magic, kind, entries, records, _time, _epoch, offset, _crc, data_bytes, _trailer, _reserved = _CHUNK.unpack_from(
        chunk
    )
    if magic != _MAGIC:
        raise StreamingError(f"a chunk begins with {magic:#x}, not {_MAGIC:#x}; is this a broker's stream port?")
    if kind != _USER:
        return offset + records, []
    data = chunk[CHUNK_HEADER_BYTES : CHUNK_HEADER_BYTES + data_bytes]
    at, messages = 0, []
    for number in range(entries):
        if data[at] & _SUB_BATCH:
            raise StreamingError("a publisher sent compressed batches over the stream protocol; send over AMQP or MQTT")
        size = int.from_bytes(data[at : at + 4], "big")
        messages.append(decode_message(offset + number, data[at + 4 : at + 4 + size]))
        at += 4 + size
    return offset + records, messages


def decode_message(offset: int, entry: memoryview) -> Message:
    """Return the message that an entry holds, in AMQP 1.0."""
    at, bodies, prefix_end = 0, [], 0
    while at < len(entry):
        section, start = entry[at + 2], at + 3
        end = _end_of(entry, start)
        if section == _DATA:
            prefix_end = prefix_end or at
            width = 2 if entry[start] == 0xA0 else 5
            bodies.append(bytes(entry[start + width : end]))
        elif section == _VALUE:
            prefix_end = prefix_end or at
            bodies.append(_text_or_bytes(entry, start))
        at = end
    prefix = bytes(entry[: prefix_end or at])
    known = _prefixes.get(prefix)
    if known is None:
        if len(_prefixes) >= _MOST_PREFIXES:
            _prefixes.clear()
        known = _prefixes[prefix] = _described(memoryview(prefix))
    return Message(offset, known[0], known[1], bodies[0] if len(bodies) == 1 else b"".join(bodies))


def _described(prefix: memoryview) -> _Prefix:
    """Return routing key and content type from the sections before the body."""
    routing_key, content_type, at = "", None, 0
    while at < len(prefix):
        section, start = prefix[at + 2], at + 3
        if section == _ANNOTATIONS:
            items = _items(prefix, start)
            for name, value in zip(items[::2], items[1::2], strict=False):
                if name == b"x-routing-key":
                    routing_key = value.decode(errors="replace")
        elif section == _PROPERTIES:
            fields = _items(prefix, start)
            if len(fields) > _CONTENT_TYPE_FIELD and fields[_CONTENT_TYPE_FIELD]:
                content_type = fields[_CONTENT_TYPE_FIELD].decode(errors="replace")
        at = _end_of(prefix, start)
    return routing_key, content_type


def _items(data: memoryview, at: int) -> list[bytes]:
    """Return the items of a list or map; those that are no text or bytes are empty."""
    code, end = data[at], _end_of(data, at)
    if code == 0x45:
        return []
    at += 3 if code in (0xC0, 0xC1) else 9
    items = []
    while at < end:
        items.append(_text_or_bytes(data, at))
        at = _end_of(data, at)
    return items


def _text_or_bytes(data: memoryview, at: int) -> bytes:
    code = data[at]
    if code >> 4 == 0xA:
        return bytes(data[at + 2 : at + 2 + data[at + 1]])
    if code >> 4 == 0xB:
        return bytes(data[at + 5 : at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")])
    return b""


def _end_of(data: memoryview, at: int) -> int:
    """Return where a value ends that begins here."""
    code = data[at]
    first = code >> 4
    if first in (0xA, 0xC, 0xE):
        return at + 2 + data[at + 1]
    if first in (0xB, 0xD, 0xF):
        return at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
    if code == 0x00:  # a described value: its descriptor, and then itself
        return _end_of(data, _end_of(data, at + 1))
    return at + 1 + _WIDTHS[first]
