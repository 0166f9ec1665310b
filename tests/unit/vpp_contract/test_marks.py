"""Marks come out as they went in, and what is none is refused in a sentence."""

from __future__ import annotations

import pytest

from vpp_contract.marks import (
    Mark,
    MarksError,
    decode_caught_up,
    decode_marks,
    encode_caught_up,
    encode_marks,
)

MARKS = [
    Mark(der="house-01/pv", boot=1_700_000_000, first_seq=0, end_seq=2**53),
    Mark(der="house-01/load", boot=1, first_seq=5, end_seq=6),
]


def test_marks_survive_the_wire() -> None:
    assert decode_marks(encode_marks(MARKS)) == MARKS
    assert decode_marks(encode_marks([])) == []
    assert decode_caught_up(encode_caught_up(1_500_000)) == 1_500_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"marks": 1}',
        b'{"marks": [["house-01/pv", 1, 0]]}',
        b'{"marks": [[1, 1, 0, 5]]}',
        b'{"marks": [["house-01/pv", 1, 0, 5.5]]}',
        b'{"marks": [["house-01/pv", 1, -1, 5]]}',
        b'{"marks": [["house-01/pv", true, 0, 5]]}',
        b"\xff",
    ],
)
def test_what_is_no_marks_is_refused(body: bytes) -> None:
    with pytest.raises(MarksError, match="no marks"):
        decode_marks(body)


@pytest.mark.parametrize("body", [b"", b"1", b"{}", b'{"age_us": -1}', b'{"age_us": 1.5}', b'{"age_us": null}'])
def test_what_says_no_age_is_refused(body: bytes) -> None:
    with pytest.raises(MarksError, match="no caught-up message"):
        decode_caught_up(body)
