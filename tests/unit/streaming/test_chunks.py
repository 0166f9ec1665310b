"""Chunks as a broker sends them, taken apart."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from vpp_workloads.streaming.amqp import Message
from vpp_workloads.streaming.chunks import decode_chunk, decode_message
from vpp_workloads.streaming.errors import StreamingError

# As RabbitMQ 4.0 stores a message published through an exchange over AMQP 0.9.1.
HEADER = bytes.fromhex("005370c006054140404143")
ANNOTATIONS = (
    b"\x00Sr\xc1G\x04\xa3\nx-exchange\xa1\x16to-readings-0bc7c950a6\xa3\rx-routing-key\xa1\x11readings.house-01"
)
PROPERTIES = b"\x00Ss\xc0+\r@@@@@@\xa3\x1capplication/vnd.vpp.readings@@@@@@"
KEY, TYPE = "readings.house-01", "application/vnd.vpp.readings"


def data(body: bytes) -> bytes:
    length = bytes([0xA0, len(body)]) if len(body) < 256 else b"\xb0" + struct.pack(">I", len(body))
    return b"\x00Su" + length + body


def entry(body: bytes) -> bytes:
    return HEADER + ANNOTATIONS + PROPERTIES + data(body)


def chunk(entries: Sequence[bytes], *, offset: int = 7, magic: int = 0x50, kind: int = 0) -> memoryview:
    content = b"".join(struct.pack(">I", len(one)) + one for one in entries)
    count = len(entries)
    return memoryview(
        struct.pack(">BBHIQQQIIII", magic, kind, count, count, 1, 1, offset, 0, len(content), 0, 0) + content
    )


def test_a_chunk_gives_its_messages_with_their_offsets_and_where_it_ends() -> None:
    end, messages = decode_chunk(chunk([entry(b"one"), entry(b"x" * 300)]))
    assert end == 9
    assert messages == [Message(7, KEY, TYPE, b"one"), Message(8, KEY, TYPE, b"x" * 300)]


def test_what_is_no_message_of_a_publisher_is_passed_over() -> None:
    assert decode_chunk(chunk([entry(b"tracking")], kind=1)) == (8, [])


def test_a_body_in_several_parts_is_one_body() -> None:
    assert decode_message(0, memoryview(entry(b"one") + data(b"two"))).body == b"onetwo"


def test_a_body_that_is_a_text_is_taken_as_its_bytes() -> None:
    message = decode_message(0, memoryview(ANNOTATIONS + b"\x00Sw\xa1\x03abc"))
    assert (message.routing_key, message.content_type, message.body) == (KEY, None, b"abc")


def test_a_message_without_annotations_properties_or_body_is_still_one() -> None:
    assert decode_message(3, memoryview(b"")) == Message(3, "", None, b"")
    assert decode_message(3, memoryview(b"\x00Ss\x45" + data(b"x"))) == Message(3, "", None, b"x")


def test_annotations_of_other_types_are_passed_over() -> None:
    items = b"\xa3\x01t\x83" + bytes(8) + b"\xa3\x01u\x41" + b"\xa3\x0dx-routing-key\xa1\x01k" + b"\xa3\x01l\x45"
    annotations = b"\x00Sr\xd1" + struct.pack(">II", len(items) + 4, 8) + items
    assert decode_message(0, memoryview(annotations + data(b""))).routing_key == "k"


def test_compressed_batches_and_foreign_ports_are_refused_in_a_sentence() -> None:
    with pytest.raises(StreamingError, match="compressed batches over the stream protocol; send over AMQP or MQTT"):
        decode_chunk(_with_batch())
    with pytest.raises(StreamingError, match="a chunk begins with 0x48, not 0x50; is this a broker's stream port"):
        decode_chunk(chunk([], magic=0x48))


def _with_batch() -> memoryview:
    made = bytearray(chunk([entry(b"one")]))
    made[48] = 0x90
    return memoryview(made)
