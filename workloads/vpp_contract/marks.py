"""Marks: what the twin tells gateways about readings that it has taken for good, over the control broker.

With `durability: EndToEnd` a gateway keeps a reading on disk until a mark covers it, so that a channel's volume may be
lost. A mark is sent only after the batch that took the readings was committed by Spark. Marks may be lost and may come
twice or in any order: what no mark covers is sent again, and its repetition is marked again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MARKS_CONTENT_TYPE: Final = "application/vnd.vpp.marks+json"
CAUGHT_UP_CONTENT_TYPE: Final = "application/vnd.vpp.caught-up+json"


class MarksError(ValueError):
    """A message is not what this module describes; the text says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The twin has taken the readings `first_seq` to before `end_seq` of one DER in one boot."""

    der: str
    boot: int
    first_seq: int
    end_seq: int


def encode_marks(marks: Sequence[Mark]) -> bytes:
    """Encode a site's marks."""
    rows = [[mark.der, mark.boot, mark.first_seq, mark.end_seq] for mark in marks]
    return json.dumps({"marks": rows}, separators=(",", ":")).encode()


def decode_marks(body: bytes) -> list[Mark]:
    """Decode a site's marks.

    Raises:
        MarksError: not such a message.
    """
    try:
        rows = json.loads(body)["marks"]
        marks = []
        for der, boot, first_seq, end_seq in rows:
            numbers = (boot, first_seq, end_seq)
            if not isinstance(der, str) or any(type(number) is not int or number < 0 for number in numbers):
                raise ValueError(f"{[der, *numbers]} is no mark")
            marks.append(Mark(der=der, boot=boot, first_seq=first_seq, end_seq=end_seq))
    except (ValueError, KeyError, TypeError) as error:
        raise MarksError(f"no marks: {error!r}") from None
    return marks


def encode_caught_up(age_us: int) -> bytes:
    """Encode that the twin has taken all that was published until `age_us` before the message was sent.

    An age, because clocks of gateways and of the twin may differ. It holds for what is still there: what was published
    before and has no mark is lost, and is to be sent again.
    """
    return json.dumps({"age_us": age_us}).encode()


def decode_caught_up(body: bytes) -> int:
    """Return the age in µs.

    Raises:
        MarksError: not such a message.
    """
    try:
        age_us = json.loads(body)["age_us"]
        if type(age_us) is not int or age_us < 0:
            raise ValueError(f"age_us is {age_us!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise MarksError(f"no caught-up message: {error!r}") from None
    return age_us
