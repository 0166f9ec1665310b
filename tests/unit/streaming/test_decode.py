"""Messages to Arrow: whole batches at once, poison kept with its reason, neighbours untouched."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_contract.readings import (
    BATCH_CONTENT_TYPE,
    END_MARKER_CONTENT_TYPE,
    HEADER_BYTES,
    JSON_CONTENT_TYPE,
    KINDS,
    QUANTITIES,
    RECORD_BYTES,
    Reading,
    decode_batch,
    encode_batch,
    encode_json,
)
from vpp_workloads.streaming.amqp import Message
from vpp_workloads.streaming.columns import SOURCE_ARROW
from vpp_workloads.streaming.decode import decode, loss

PV = Reading(
    der="house-01/pv", kind="pv", boot=3, seq=7, event_time_us=1_000_000, created_us=2_000_000,
    interval_seconds=60.0, power_kw=1.5, energy_kwh=0.025, temperature_c=21.5,
)  # fmt: skip


def a_batch(*readings: Reading, offset: int = 0, key: str = "readings.house-01") -> Message:
    return Message(offset, key, BATCH_CONTENT_TYPE, encode_batch(readings))


def rows(*messages: Message) -> list[dict[str, Any]]:
    batches = list(decode("q-0", "readings-1", messages))
    assert all(batch.schema.equals(SOURCE_ARROW) for batch in batches)
    return pa.Table.from_batches(batches, SOURCE_ARROW).to_pylist()  # type: ignore[no-any-return]  # pyarrow ships no types


def readings_of(table: Sequence[dict[str, Any]]) -> list[Reading]:
    fields = ("der", "kind", "boot", "seq", "event_time_us", "created_us", *QUANTITIES)
    return [Reading(**{name: row[name] for name in fields}) for row in table if row["fault"] is None]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ANY_READING = st.builds(
    Reading,
    der=st.sampled_from(("house-01/pv", "house-01/ä", "house-01/" + "x" * 55)),
    kind=st.sampled_from(KINDS),
    boot=st.integers(0, 2**32 - 1),
    seq=st.integers(0, 2**63 - 1),
    event_time_us=st.integers(1, 2**63 - 1),
    created_us=st.integers(0, 2**63 - 1),
    interval_seconds=NUMBERS,
    power_kw=NUMBERS,
    energy_kwh=NUMBERS,
    state_of_charge_kwh=st.none() | NUMBERS,
    voltage_v=st.none() | NUMBERS,
)


@given(st.lists(st.lists(ANY_READING, max_size=4), max_size=4))
def test_bulk_decoding_equals_decoding_one_by_one(batches: list[list[Reading]]) -> None:
    messages = [a_batch(*batch, offset=offset) for offset, batch in enumerate(batches)]
    table = rows(*messages)
    assert readings_of(table) == [one for message in messages for one in decode_batch(message.body)]
    assert [row["offset"] for row in table] == [i for i, batch in enumerate(batches) for _ in batch]


@pytest.mark.parametrize("content_type", [JSON_CONTENT_TYPE, None])
def test_json_messages_become_the_same_rows(content_type: str | None) -> None:
    (row,) = rows(Message(4, "readings.house-01.pv", content_type, encode_json(PV)))
    assert readings_of([row]) == [PV]
    assert (row["site"], row["routing_key"], row["offset"]) == ("house-01", "readings.house-01.pv", 4)


def test_a_simple_device_is_identified_by_its_event_time() -> None:
    body = {name: getattr(PV, name) for name in ("der", "kind", "event_time_us", "interval_seconds", "power_kw")}
    (row,) = rows(Message(0, "readings.house-01.pv", None, json.dumps({**body, "energy_kwh": 1}).encode()))
    assert (row["boot"], row["seq"]) == (0, PV.event_time_us)


def _patched(at: int, value: bytes) -> bytes:
    body = bytearray(encode_batch([PV]))
    body[at : at + len(value)] = value
    return bytes(body)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message(9, "readings.house-01", None, b"\xff\x00"), "the message is no JSON"),
        (Message(9, "readings.house-01", None, b"[1]"), "the message is a JSON list; send one object"),
        (Message(9, "readings.house-01", BATCH_CONTENT_TYPE, b"VP"), "a batch needs a header of 16 bytes"),
        (Message(9, "readings.house-01", BATCH_CONTENT_TYPE, encode_batch([PV])[:-1]), "a batch of 1 readings takes"),
        (a_batch(PV, offset=9, key="elsewhere"), "routing key 'elsewhere' names no site"),
        (a_batch(PV, offset=9, key="readings.house-02"), "the der does not belong to site 'house-02'"),
        (a_batch(PV, offset=9, key="readings.house-0"), "the der does not belong to site 'house-0'"),
        (a_batch(replace(PV, der="house-01/"), offset=9), "the der does not belong to site 'house-01'"),
        (a_batch(replace(PV, power_kw=math.nan), offset=9), "power_kw is not a finite number"),
        (a_batch(replace(PV, energy_kwh=math.inf), offset=9), "energy_kwh is not a finite number"),
        (a_batch(replace(PV, event_time_us=0), offset=9), "event_time_us or created_us is not positive"),
        (a_batch(replace(PV, seq=2**63), offset=9), "seq is above 2^63 - 1"),
        (Message(9, "readings.house-01", None, _patched(HEADER_BYTES + 64, b"\x63")), "the kind code is unknown"),
        (Message(9, "readings.house-01", None, _patched(HEADER_BYTES + 10, b"\xff")), "the der is no UTF-8 text"),
    ],
    ids=lambda value: None if isinstance(value, Message) else value,
)
def test_poison_is_kept_with_reason_and_origin(message: Message, reason: str) -> None:
    good = a_batch(PV, offset=8)
    table = rows(good, message)
    assert readings_of(table) == [PV]
    (poison,) = [row for row in table if row["fault"]]
    assert poison["reason"].startswith(reason)
    origin = {name: poison[name] for name in ("fault", "channel", "stream", "offset", "routing_key")}
    assert origin == {
        "fault": "poison", "channel": "q-0", "stream": "readings-1", "offset": 9, "routing_key": message.routing_key,
    }  # fmt: skip
    assert poison["payload"] in message.body


def test_one_bad_record_does_not_spoil_its_batch() -> None:
    bad = replace(PV, seq=8, power_kw=math.inf)
    table = rows(a_batch(PV, bad, replace(PV, seq=9)))
    assert [one.seq for one in readings_of(table)] == [7, 9]
    (poison,) = [row for row in table if row["fault"]]
    assert len(poison["payload"]) == RECORD_BYTES


def test_an_empty_batch_is_nothing() -> None:
    assert rows(a_batch()) == []


def test_loss_names_its_range() -> None:
    (row,) = pa.Table.from_batches([loss("q-0", "readings-1", 5, 9, "gone")]).to_pylist()
    assert {name: row[name] for name in ("fault", "offset", "end_offset", "reason")} == {
        "fault": "loss", "offset": 5, "end_offset": 9, "reason": "gone",
    }  # fmt: skip


def test_an_end_marker_is_no_row_and_only_what_was_sent_straight_to_the_stream_is_one() -> None:
    assert rows(Message(0, "readings-1", END_MARKER_CONTENT_TYPE, b"id")) == []
    disguised = Message(1, "readings.house-01", END_MARKER_CONTENT_TYPE, encode_batch([PV]))
    assert readings_of(rows(disguised)) == [PV]
    (kept,) = rows(Message(2, "readings.house-01", END_MARKER_CONTENT_TYPE, b"id"))
    assert kept["fault"] == "poison"
