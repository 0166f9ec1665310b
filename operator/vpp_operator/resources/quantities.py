"""Kubernetes quantities (`512Mi`, `500m`) as numbers and back."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_SUFFIXES: Final = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITY: Final = re.compile(r"^([+-]?[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([eE][+-]?[0-9]+)|([A-Za-z]*))$")
_BINARY: Final = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki", "")
_DECIMAL: Final = ("E", "P", "T", "G", "M", "k", "", "m", "u", "n")
MIB: Final = 2**20


def amount(quantity: str | int | float) -> float:
    """Return a quantity in its base unit: bytes or cores.

    Raises:
        ValueError: it is no quantity.
    """
    match = _QUANTITY.match(str(quantity))
    if match is None or (match[3] or "") not in _SUFFIXES:
        raise ValueError(f"{quantity!r} is no quantity; write for example 512Mi, 2Gi or 500m")
    return float(Decimal(match[1] + (match[2] or "")) * _SUFFIXES[match[3] or ""])


def mebibytes(quantity: str | int | float) -> int:
    """Return a quantity of bytes in whole MiB, rounded down."""
    return int(amount(quantity) // MIB)


def canonical(quantity: str) -> str:
    """Return a quantity as the API server writes it, so that what is live can be compared with what is wanted.

    Whole numbers with the largest fitting suffix: `0.5` is `500m`, `1024Mi` is `1Gi`, `1.5Gi` is `1536Mi`.
    """
    match = _QUANTITY.match(quantity)
    if match is None or (match[3] or "") not in _SUFFIXES or match[2]:
        return quantity
    suffix = match[3] or ""
    value = Decimal(match[1]) * _SUFFIXES[suffix]
    family = _BINARY if suffix.endswith("i") else _DECIMAL
    for name in family:
        if value % _SUFFIXES[name] == 0 and value != 0:
            return f"{int(value / _SUFFIXES[name])}{name}"
    return quantity if value else "0"
