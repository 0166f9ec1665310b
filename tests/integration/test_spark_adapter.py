"""The Spark master's own account against a real master with a real worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from vpp_operator.adapters.spark import SparkApi
from vpp_operator.errors import Unavailable

pytestmark = pytest.mark.integration


@pytest.fixture
async def spark() -> AsyncIterator[SparkApi]:
    async with aiohttp.ClientSession() as session:
        yield SparkApi(session)


async def test_a_master_knows_its_worker(spark: SparkApi, spark_master: str) -> None:
    for _ in range(60):
        cluster = await spark.cluster(spark_master)
        if cluster.workers_alive:
            break
        await asyncio.sleep(1)
    assert (cluster.workers_alive, cluster.cores, cluster.cores_used, cluster.applications) == (1, 1, 0, 0)


async def test_what_is_no_driver_is_said(spark: SparkApi, spark_master: str) -> None:
    with pytest.raises(Unavailable, match=r"Spark|answers with"):
        await spark.progress(spark_master)


async def test_a_server_that_does_not_answer_is_unavailable(spark: SparkApi) -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9"):
        await spark.cluster("http://127.0.0.1:9")
