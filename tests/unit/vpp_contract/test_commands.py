"""Commands and acknowledgements: there and back, and what is refused in one sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vpp_contract.commands import (
    Acknowledgement,
    Command,
    CommandError,
    Status,
    acknowledgement_key,
    command_key,
    decode_acknowledgement,
    decode_command,
    der_of_key,
    encode_acknowledgement,
    encode_command,
)

COMMAND = Command(id="c1", der="house-01/battery", setpoint_kw=-2.5, issued_us=1_000_000, valid_until_us=61_000_000)
ACCEPTED = Acknowledgement(id="c1", der="house-01/battery", status=Status.ACCEPTED, at_us=2_000_000, setpoint_kw=-2.5)
REFUSED = Acknowledgement(
    id="c1", der="house-01/battery", status=Status.REFUSED, at_us=2_000_000, reason="it is switched off"
)
LEFT_OUT: Any = object()


def test_a_command_comes_back_as_it_was() -> None:
    assert decode_command(encode_command(COMMAND)) == COMMAND


@pytest.mark.parametrize("answer", [ACCEPTED, REFUSED], ids=lambda answer: answer.status.value)
def test_an_acknowledgement_comes_back_as_it_was(answer: Acknowledgement) -> None:
    assert decode_acknowledgement(encode_acknowledgement(answer)) == answer


def changed(message: bytes, changes: dict[str, Any]) -> bytes:
    values = json.loads(message) | changes
    return json.dumps({name: value for name, value in values.items() if value is not LEFT_OUT}).encode()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"id": LEFT_OUT}, "field 'id' is missing"),
        ({"watts": 3}, "field 'watts' is unknown; known are der, id, issued_us, setpoint_kw, valid_until_us"),
        ({"der": "battery"}, "der 'battery' must name site and device, as in house-01/battery"),
        ({"der": 7}, "der must be a text of 1 to 64 bytes, not 7"),
        ({"id": ""}, "id of house-01/battery must be a text of 1 to 500 characters, not ''"),
        ({"setpoint_kw": "2"}, "setpoint_kw of house-01/battery must be a number of kW, not '2'"),
        ({"setpoint_kw": True}, "setpoint_kw of house-01/battery must be a number of kW, not True"),
        ({"setpoint_kw": float("nan")}, "setpoint_kw of house-01/battery must be a number of kW, not nan"),
        ({"issued_us": 1.5}, "issued_us of house-01/battery must be a time in µs since the epoch, not 1.5"),
        (
            {"valid_until_us": 1_000_000},
            "valid_until_us of house-01/battery must come after issued_us; this command was never valid",
        ),
    ],
)
def test_a_bad_command_is_refused_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CommandError) as caught:
        decode_command(changed(encode_command(COMMAND), changes))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (b"[]", "the message is a JSON list; send one object"),
        (changed(encode_acknowledgement(ACCEPTED), {"status": "done"}), "status of house-01/battery must be"),
        (changed(encode_acknowledgement(REFUSED), {"reason": LEFT_OUT}), "reason of house-01/battery is missing"),
        (changed(encode_acknowledgement(ACCEPTED), {"setpoint_kw": "x"}), "setpoint_kw of house-01/battery"),
    ],
)  # fmt: skip
def test_a_bad_acknowledgement_is_refused_in_a_sentence(message: bytes, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        decode_acknowledgement(message)


@pytest.mark.parametrize("message", [b"{", b"\xff", b"[" * 100_000], ids=["cut", "no text", "deep"])
def test_what_is_no_json_is_refused(message: bytes) -> None:
    for decode in (decode_command, decode_acknowledgement):
        with pytest.raises(CommandError, match="no JSON"):
            decode(message)


@pytest.mark.parametrize(
    ("key", "der"),
    [
        (command_key("house-01/battery"), "house-01/battery"),
        (acknowledgement_key("house-01/roof.west"), "house-01/roof.west"),
        ("commands.house-01", None),
        ("readings.house-01.pv", None),
        ("marks.house-01", None),
    ],
)
def test_keys_name_ders(key: str, der: str | None) -> None:
    assert der_of_key(key) == der
