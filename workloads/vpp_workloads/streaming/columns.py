"""The columns of the data source, of the stateful step and of the history: names, types and order."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from pyspark.sql.types import BinaryType, DataType, DoubleType, LongType, StringType, StructField, StructType

from vpp_contract.readings import QUANTITIES

_IDENTITY: Final[tuple[tuple[str, DataType], ...]] = (
    ("der", StringType()),
    ("site", StringType()),
    ("kind", StringType()),
    ("boot", LongType()),
    ("seq", LongType()),
    ("event_time_us", LongType()),
    ("created_us", LongType()),
)
_ORIGIN: Final[tuple[tuple[str, DataType], ...]] = (
    ("channel", StringType()),
    ("stream", StringType()),
    ("offset", LongType()),
)
_FAULT: Final[tuple[tuple[str, DataType], ...]] = (
    ("end_offset", LongType()),
    ("routing_key", StringType()),
    ("fault", StringType()),
    ("reason", StringType()),
    ("payload", BinaryType()),
)
_QUANTITIES: Final[tuple[tuple[str, DataType], ...]] = tuple((name, DoubleType()) for name in QUANTITIES)
_FLOW: Final[tuple[tuple[str, DataType], ...]] = (
    ("after_boot", LongType()),
    ("after_seq", LongType()),
    ("flow_readings", LongType()),
    ("charged_kwh", DoubleType()),
    ("discharged_kwh", DoubleType()),
)


def _struct(*groups: tuple[tuple[str, DataType], ...]) -> StructType:
    return StructType([StructField(name, kind) for group in groups for name, kind in group])


SOURCE_SCHEMA: Final = _struct(_IDENTITY, _QUANTITIES, _ORIGIN, _FAULT)
"""A row is a reading; where `fault` is set, `poison` (with its payload) or `loss` (a range)."""

HISTORY_COLUMNS: Final = tuple(name for group in (_IDENTITY, _QUANTITIES, _ORIGIN) for name, _ in group)
POISON_COLUMNS: Final = tuple(name for group in (_ORIGIN, _FAULT) for name, _ in group)

POISON: Final = "poison"
LOSS: Final = "loss"

ROW: Final = "row"
"""Discriminator of the stateful step's output; its values follow."""
READING_ROW: Final = "reading"
FAULT_ROW: Final = "fault"
ENERGY_ROW: Final = "energy"
"""`event_time_us` is the START of the hour, `energy_kwh` and `seq` the sum and the number of readings in it so far."""
TWIN_ROW: Final = "twin"
"""The newest reading of a DER after this batch, and what came since the newest before it: see `twin.FLOW_DTYPE`."""
MARK_ROW: Final = "mark"
"""The numbers `seq` to before `end_offset` of a DER and boot have been received, some of them in this batch."""
COUNTERS_ROW: Final = "counters"
"""`seq`: accepted, `boot`: duplicates, `offset`: late beyond the energy window, `created_us`: the newest;
all of this batch and shard."""

RESULT_SCHEMA: Final = _struct(((ROW, StringType()),), _IDENTITY, _QUANTITIES, _ORIGIN, _FAULT, _FLOW)

_ARROW: Final[dict[DataType, pa.DataType]] = {
    StringType(): pa.string(),
    LongType(): pa.int64(),
    DoubleType(): pa.float64(),
    BinaryType(): pa.binary(),
}
SOURCE_ARROW: Final = pa.schema([pa.field(column.name, _ARROW[column.dataType]) for column in SOURCE_SCHEMA.fields])
