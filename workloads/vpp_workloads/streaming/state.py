"""A shard's state as the one binary value that Spark's state store keeps for it: arrays end to end behind a header."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from vpp_workloads.streaming.dedupe import INTERVAL_DTYPE
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.twin import EMPTY, ENERGY_DTYPE, NEWEST_DTYPE, ShardState

_MAGIC: Final = b"VPPS"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<4sHHIII4x")
_PARTS: Final = (NEWEST_DTYPE, INTERVAL_DTYPE, ENERGY_DTYPE)


def dump(state: ShardState) -> bytes:
    """Return the state as bytes."""
    arrays = (state.newest, state.intervals, state.energy)
    header = _HEADER.pack(_MAGIC, _VERSION, NEWEST_DTYPE.itemsize, *(len(array) for array in arrays))
    return b"".join((header, *(array.tobytes() for array in arrays)))


def load(blob: bytes) -> ShardState:
    """Return the state from bytes; no bytes are the empty state.

    Raises:
        StreamingError: another version of this program wrote them.
    """
    if not blob:
        return EMPTY
    magic, version, record_bytes, *counts = _HEADER.unpack_from(blob)
    if (magic, version, record_bytes) != (_MAGIC, _VERSION, NEWEST_DTYPE.itemsize):
        raise StreamingError(
            f"the checkpoint holds state {magic!r} version {version} with records of {record_bytes} bytes, this "
            f"program keeps version {_VERSION} with {NEWEST_DTYPE.itemsize}; run the one that wrote it, or start on "
            "an empty storage folder"
        )
    arrays, at = [], _HEADER.size
    for dtype, count in zip(_PARTS, counts, strict=True):
        arrays.append(np.frombuffer(blob, dtype, count, at).copy())
        at += count * dtype.itemsize
    return ShardState(newest=arrays[0], intervals=arrays[1], energy=arrays[2])
