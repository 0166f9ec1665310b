"""How DERs are spread over the shuffle partitions: by CRC-32, one shard to a partition.

Spark places a group by its own hash of the key, which puts several of few keys into one partition and none into others.
So the key of shard i is a number that Spark's hash sends to partition i.
"""

from __future__ import annotations

from itertools import count
from typing import Final

_SEED: Final = 42
_MASK: Final = 0xFFFFFFFF


def shard_keys(partitions: int) -> tuple[int, ...]:
    """Return for every partition the smallest key >= 0 that Spark hashes to it."""
    keys: dict[int, int] = {}
    for key in count():
        keys.setdefault(partition_of(key, partitions), key)
        if len(keys) == partitions:
            return tuple(keys[partition] for partition in range(partitions))
    raise AssertionError("unreachable")


def partition_of(key: int, partitions: int) -> int:
    """Return where Spark's HashPartitioning puts a 32-bit integer: Murmur3 (x86, 32 bit, seed 42), modulo."""
    k1 = _rotate(key * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK
    h1 = (_rotate(_SEED ^ k1, 13) * 5 + 0xE6546B64) & _MASK
    h1 ^= 4
    h1 = (h1 ^ h1 >> 16) * 0x85EBCA6B & _MASK
    h1 = (h1 ^ h1 >> 13) * 0xC2B2AE35 & _MASK
    h1 ^= h1 >> 16
    return (h1 - (1 << 32) if h1 >> 31 else h1) % partitions


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _MASK
