"""Readings survive both encodings, and what is no reading is refused in one sentence."""

from __future__ import annotations

import contextlib
import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_contract.readings import (
    DER_BYTES,
    HEADER_BYTES,
    KINDS,
    QUANTITIES,
    RECORD_BYTES,
    RECORD_FIELDS,
    REQUIRED_QUANTITIES,
    Reading,
    ReadingError,
    batch_count,
    decode_batch,
    decode_json,
    encode_batch,
    encode_json,
    hour_start_us,
    join_batches,
    site_of,
)

HOUR_US = 3_600_000_000
finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?/[a-z][a-z0-9-]{0,20}", fullmatch=True)


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    quantities: dict[str, Any] = {
        name: draw(finite if name in REQUIRED_QUANTITIES else st.none() | finite) for name in QUANTITIES
    }
    return Reading(
        der=draw(names),
        kind=draw(st.sampled_from(KINDS)),
        boot=draw(st.integers(0, 2**32 - 1)),
        seq=draw(st.integers(0, 2**63 - 1)),
        event_time_us=draw(st.integers(0, 2**63 - 1)),
        created_us=draw(st.integers(0, 2**63 - 1)),
        **quantities,
    )


def reading(**changes: Any) -> Reading:
    values: dict[str, Any] = {
        "der": "house-01/pv", "kind": "pv", "boot": 1, "seq": 2, "event_time_us": 3, "created_us": 4,
        "interval_seconds": 60.0, "power_kw": 1.5, "energy_kwh": 0.025,
    }  # fmt: skip
    return Reading(**{**values, **changes})


@given(st.lists(readings(), max_size=5))
def test_a_binary_batch_gives_back_what_went_in(batch: list[Reading]) -> None:
    assert list(decode_batch(encode_batch(batch))) == batch


@given(readings())
def test_a_json_message_gives_back_what_went_in(one: Reading) -> None:
    assert decode_json(encode_json(one)) == one


@given(st.lists(st.lists(readings(), max_size=3), max_size=4))
def test_joined_batches_hold_all_readings_in_order(batches: list[list[Reading]]) -> None:
    joined = join_batches([encode_batch(batch) for batch in batches])
    assert list(decode_batch(joined)) == [one for batch in batches for one in batch]


def test_the_record_is_described_field_by_field() -> None:
    sizes = {"f8": 8, "i8": 8, "u8": 8, "u4": 4, "u2": 2, "u1": 1, f"S{DER_BYTES}": DER_BYTES}
    assert sum(sizes[kind.lstrip("<")] for _, kind in RECORD_FIELDS) == RECORD_BYTES
    assert len(encode_batch([reading(), reading()])) == HEADER_BYTES + 2 * RECORD_BYTES


def test_a_record_takes_about_two_hundred_bytes() -> None:
    assert RECORD_BYTES == 200


def test_what_was_not_measured_travels_as_nan_and_is_left_out_of_json() -> None:
    message = encode_batch([reading(voltage_v=None)])
    voltage = RECORD_BYTES - 8 * (len(QUANTITIES) - QUANTITIES.index("voltage_v"))
    assert math.isnan(struct.unpack_from("<d", message, HEADER_BYTES + voltage)[0])
    assert "voltage_v" not in json.loads(encode_json(reading()))


def test_a_simple_device_gets_its_identity_from_its_event_time() -> None:
    message = {"der": "a/b", "kind": "ev", "event_time_us": 7, "interval_seconds": 1, "power_kw": 0, "energy_kwh": 0}
    one = decode_json(json.dumps(message).encode())
    assert one.identity == ("a/b", 0, 7)
    assert one.created_us == 7


@pytest.mark.parametrize(
    ("stamp_us", "hour_us"),
    [(HOUR_US, 0), (HOUR_US + 1, HOUR_US), (1, 0), (2 * HOUR_US, HOUR_US), (2 * HOUR_US - 1, HOUR_US)],
)
def test_a_reading_stamped_on_the_hour_belongs_to_the_hour_it_closes(stamp_us: int, hour_us: int) -> None:
    assert hour_start_us(stamp_us) == hour_us


@given(st.integers(1, 2**62))
def test_every_stamp_lies_within_its_hour(stamp_us: int) -> None:
    start = hour_start_us(stamp_us)
    assert start % HOUR_US == 0
    assert start < stamp_us <= start + HOUR_US


def test_a_der_names_its_site() -> None:
    assert site_of("house-01/pv") == "house-01"
    assert reading().identity == ("house-01/pv", 1, 2)


GOOD = encode_batch([reading()])
BAD_BATCHES = {
    "a message shorter than a header": (b"VPPR", "a batch needs a header of 16 bytes, this message has 4"),
    "a message of something else": (b"{" + GOOD[1:], "a batch starts with VPPR, this message with b'{PPR'"),
    "a later version": (
        GOOD[:4] + b"\2" + GOOD[5:],
        "version 2 with records of 200 bytes is unknown; send version 1 with 200",
    ),
    "a cut message": (GOOD[:-1], "a batch of 1 readings takes 216 bytes, this message has 215"),
    "a name that is no text": (
        GOOD[:HEADER_BYTES] + b"\xff" * DER_BYTES + GOOD[HEADER_BYTES + DER_BYTES :],
        "der " + repr(DER_BYTES * b"\xff") + " is no UTF-8",
    ),
    "a kind from the future": (
        GOOD[: HEADER_BYTES + DER_BYTES] + b"\x63" + GOOD[HEADER_BYTES + DER_BYTES + 1 :],
        "kind code 99 is unknown; codes go from 0 to 5",
    ),
}


@pytest.mark.parametrize("case", BAD_BATCHES)
def test_a_bad_batch_is_refused(case: str) -> None:
    message, sentence = BAD_BATCHES[case]
    with pytest.raises(ReadingError) as caught:
        list(decode_batch(message))
    assert str(caught.value) == sentence


@given(st.binary(max_size=500))
def test_no_message_breaks_the_decoder(message: bytes) -> None:
    try:
        count = batch_count(message)
    except ReadingError:
        return
    assert len(message) == HEADER_BYTES + count * RECORD_BYTES


JSON = {"der": "a/b", "kind": "ev", "event_time_us": 7, "interval_seconds": 1, "power_kw": 0, "energy_kwh": 0}
BAD_JSON: dict[str, tuple[object, str]] = {
    "a list": ([1], "the message is a JSON list; send one object"),
    "a missing field": ({**JSON, "der": None, "kind": "ev"}, "der must be a text of 1 to 64 bytes, not None"),
    "a field too few": ({k: v for k, v in JSON.items() if k != "power_kw"}, "field 'power_kw' is missing"),
    "an unknown kind": (
        {**JSON, "kind": "car"},
        "kind 'car' of a/b is unknown; use one of pv, battery, load, wind, hydro, ev",
    ),
    "a kind that is no text": (
        {**JSON, "kind": ["pv"]},
        "kind ['pv'] of a/b is unknown; use one of pv, battery, load, wind, hydro, ev",
    ),
    "a long name": ({**JSON, "der": "a/" + 63 * "b"}, f"der must be a text of 1 to 64 bytes, not 'a/{63 * 'b'}'"),
    "a name that is no text of this world": (
        {**JSON, "der": "a/\ud800"},
        "der must be a text of 1 to 64 bytes, not 'a/\\ud800'",
    ),
    "a number larger than any": (
        {**JSON, "power_kw": 10**309},
        f"power_kw of a/b must be a finite number, not 1{309 * '0'}",
    ),
    "a boot too large": (
        {**JSON, "boot": 2**32},
        "boot of a/b must be a whole number from 0 to 4294967295, not 4294967296",
    ),
    "a fraction of a time": (
        {**JSON, "event_time_us": 1.5},
        "event_time_us of a/b must be a whole number from 0 to 9223372036854775807, not 1.5",
    ),
    "a text for a number": ({**JSON, "power_kw": "3"}, "power_kw of a/b must be a finite number, not '3'"),
    "a truth for a number": ({**JSON, "power_kw": True}, "power_kw of a/b must be a finite number, not True"),
    "a required quantity that is null": (
        {**JSON, "energy_kwh": None},
        "energy_kwh of a/b must be a finite number, not None",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_JSON)
def test_bad_json_is_refused(case: str) -> None:
    message, sentence = BAD_JSON[case]
    with pytest.raises(ReadingError) as caught:
        decode_json(json.dumps(message).encode())
    assert str(caught.value) == sentence


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_json_numbers_must_be_finite(text: str) -> None:
    message = json.dumps({**JSON, "power_kw": 12345}).replace("12345", text)
    with pytest.raises(ReadingError, match=r"power_kw of a/b must be a finite number, not -?(nan|inf)"):
        decode_json(message.encode())


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(ReadingError, match=r"^field 'powerkw' is unknown; known are "):
        decode_json(json.dumps({**JSON, "powerkw": 1}).encode())


@pytest.mark.parametrize("message", [b"", b"{", b"\xff\xfe{}"])
def test_what_is_no_json_is_refused(message: bytes) -> None:
    with pytest.raises(ReadingError, match=r"^the message is no JSON"):
        decode_json(message)


def test_json_that_is_nested_endlessly_is_refused() -> None:
    with pytest.raises(ReadingError, match=r"^the message is nested too deeply; send one flat JSON object$"):
        decode_json(b"[" * 100_000)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*JSON, "boot", "seq", "x"]), inner),
    max_leaves=8,
)


@given(anything)
def test_no_json_breaks_the_decoder(message: object) -> None:
    with contextlib.suppress(ReadingError):
        assert decode_json(json.dumps(message).encode()).der


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"der": ""}, "der '' must be a text of 1 to 64 bytes; rename it"),
        ({"der": 65 * "x"}, f"der '{65 * 'x'}' must be a text of 1 to 64 bytes; rename it"),
        ({"der": "a/\0"}, "der 'a/\\x00' must be a text of 1 to 64 bytes; rename it"),
        ({"kind": "car"}, "kind 'car' of house-01/pv is unknown; use one of pv, battery, load, wind, hydro, ev"),
    ],
)
def test_what_no_decoder_takes_is_not_encoded(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ReadingError) as caught:
        encode_batch([reading(**changes)])
    assert str(caught.value) == sentence
