"""Settings from the environment: defaults, bounds, and a sentence for each mistake."""

from __future__ import annotations

import pytest

from vpp_contract import environment


def test_settings_are_read_as_text_and_numbers() -> None:
    environ = {"A": " x ", "B": "2.5", "C": "7"}
    assert environment.text(environ, "A") == "x"
    assert environment.number(environ, "B") == 2.5
    assert environment.integer(environ, "C") == 7


def test_a_setting_that_is_missing_or_empty_takes_its_default() -> None:
    assert environment.text({"A": ""}, "A", "d") == "d"
    assert environment.number({}, "B", 1.5) == 1.5
    assert environment.integer({}, "C", 3) == 3


@pytest.mark.parametrize(
    ("read", "value", "sentence"),
    [
        (environment.text, "", "X is not set; the operator sets it in the pods it makes"),
        (environment.number, "", "X is not set; the operator sets it in the pods it makes"),
        (environment.number, "fast", "X is 'fast', which is no number"),
        (environment.number, "-1", "X is -1; it must be at least 0"),
        (environment.number, "nan", "X is nan; it must be at least 0"),
        (environment.integer, "1.5", "X is 1.5, which is no whole number"),
        (environment.integer, "inf", "X is inf, which is no whole number"),
    ],
)
def test_a_bad_setting_is_named(read: object, value: str, sentence: str) -> None:
    assert callable(read)
    with pytest.raises(environment.SettingError) as caught:
        read({"X": value}, "X")
    assert str(caught.value) == sentence
