"""Reads fields out of decoded JSON, with an error that says which field of which object is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vpp_workloads.simulator.errors import ConfigError


class Fields:
    """One JSON object and the name errors call it by. A field that is null counts as missing."""

    def __init__(self, values: object, where: str) -> None:
        """Take the object.

        Raises:
            ConfigError: it is none.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"{where}: must be a JSON object, not {_shown(values)}")
        self.values: Mapping[str, Any] = values
        self.where = where

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text.

        Raises:
            ConfigError: it is missing without a default, empty without a default, or no text.
        """
        value = self._value(name, default)
        if not isinstance(value, str) or (not value and default is None):
            raise ConfigError(f'{self.where}: "{name}" must be a text, not {_shown(value)}')
        return value

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of a list of texts.

        Raises:
            ConfigError: it is none of them.
        """
        value = self._value(name, default)
        if value not in choices:
            raise ConfigError(f'{self.where}: "{name}" must be one of {", ".join(choices)}, not {_shown(value)}')
        return str(value)

    def number(
        self, name: str, default: float | None = None, *, minimum: float = -math.inf, maximum: float = math.inf
    ) -> float:
        """Return a number within bounds.

        Raises:
            ConfigError: it is missing without a default, no number, or out of bounds.
        """
        value = self._value(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise ConfigError(
                f'{self.where}: "{name}" must be a number{_bounds(minimum, maximum)}, not {_shown(value)}'
            )
        return float(value)

    def integer(
        self, name: str, default: int | None = None, *, minimum: float = -math.inf, maximum: float = math.inf
    ) -> int:
        """Return a whole number within bounds.

        Raises:
            ConfigError: see `number`; also if it is not whole.
        """
        value = self.number(name, default, minimum=minimum, maximum=maximum)
        if value != int(value):
            raise ConfigError(f'{self.where}: "{name}" must be a whole number, not {value:g}')
        return int(value)

    def child(self, name: str) -> Fields | None:
        """Return an object, None if it is missing."""
        value = self.values.get(name)
        return None if value is None else Fields(value, f"{self.where}: {name}")

    def children(self, name: str) -> list[Fields]:
        """Return a list of objects, empty if it is missing.

        Raises:
            ConfigError: it is no list, or holds something else.
        """
        value = self.values.get(name) or []
        if not isinstance(value, list):
            raise ConfigError(f'{self.where}: "{name}" must be a list, not {_shown(value)}')
        return [Fields(item, f"{self.where}: {name}[{i}]") for i, item in enumerate(value)]

    def _value(self, name: str, default: object) -> object:
        value = self.values.get(name)
        if value is None:
            if default is None:
                raise ConfigError(f'{self.where}: "{name}" is missing')
            return default
        return value


def _shown(value: object) -> str:
    return repr(value)[:60]


def _bounds(minimum: float, maximum: float) -> str:
    if maximum < math.inf:
        return f" from {minimum:g} to {maximum:g}"
    return f" of at least {minimum:g}" if minimum > -math.inf else ""
