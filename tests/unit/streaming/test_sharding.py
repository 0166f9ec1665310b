"""Every shuffle partition gets exactly one shard."""

from __future__ import annotations

import pytest

from vpp_workloads.streaming.sharding import partition_of, shard_keys


@pytest.mark.parametrize("partitions", [1, 2, 3, 4, 8, 16, 200])
def test_the_key_of_shard_i_goes_to_partition_i(partitions: int) -> None:
    keys = shard_keys(partitions)
    assert [partition_of(key, partitions) for key in keys] == list(range(partitions))


# SELECT hash(n) in Spark: its own answers, so that a change of the formula shows without Spark.
@pytest.mark.parametrize(
    ("number", "spark_hash"), [(0, 933211791), (1, -559580957), (42, 29417773), (2**31 - 1, 133916647)]
)
def test_the_hash_is_sparks(number: int, spark_hash: int) -> None:
    assert partition_of(number, 1 << 31) == spark_hash % (1 << 31)
