"""Reads columns of numbers out of a CSV file, strictly: every cell must be a number in bounds, every row complete."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpp_workloads.simulator.calendar import line_of
from vpp_workloads.simulator.errors import DataError

_NAMED_GAPS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column to read and what its values may be."""

    name: str
    minimum: float = -math.inf
    maximum: float = math.inf
    whole: bool = False


def read_columns(file: Path, columns: Sequence[Column]) -> dict[str, list[float]]:
    """Return columns by name; others are ignored.

    Raises:
        DataError: the file cannot be read, a column or cell is missing, or a cell is not what its column holds; the
            text names file, line and column. Gaps (empty cells) are named, never filled.
    """
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream, strict=True))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); add it to the data folder") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: no CSV text in UTF-8 ({error})") from None
    if len(rows) < 2:
        raise DataError(f"{file}: has no rows; the first line names the columns, each further line is one hour")
    header = [name.strip() for name in rows[0]]
    for row, cells in enumerate(rows[1:]):
        if len(cells) != len(header):
            raise DataError(
                f"{file}, line {line_of(row)}: has {len(cells)} cells, the header names {len(header)} columns"
            )
    return {column.name: _column(file, header, rows, column) for column in columns}


def _column(file: Path, header: list[str], rows: list[list[str]], column: Column) -> list[float]:
    if column.name not in header:
        raise DataError(f"{file}: has no column {column.name}; see docs/profiles.md for the columns it needs")
    place = header.index(column.name)
    _refuse_gaps(file, [row for row, cells in enumerate(rows[1:]) if not cells[place].strip()], column)
    return [_cell(file, row, cells[place], column) for row, cells in enumerate(rows[1:])]


def _refuse_gaps(file: Path, gaps: list[int], column: Column) -> None:
    if gaps:
        lines = ", ".join(str(line_of(row)) for row in gaps[:_NAMED_GAPS])
        more = f" and {len(gaps) - _NAMED_GAPS} more" if len(gaps) > _NAMED_GAPS else ""
        raise DataError(
            f"{file}, column {column.name}: no value in line {lines}{more}; gaps are not filled, complete the file"
        )


def _cell(file: Path, row: int, text: str, column: Column) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (column.whole and value != int(value)):
        kind = "whole number" if column.whole else "number"
        raise DataError(f"{file}, line {line_of(row)}, column {column.name}: {text!r} is no {kind}")
    if not column.minimum <= value <= column.maximum:
        raise DataError(
            f"{file}, line {line_of(row)}, column {column.name}: "
            f"{text} is outside {column.minimum:g} to {column.maximum:g}"
        )
    return value
