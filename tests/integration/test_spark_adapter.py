"""The operator's reading of `/progress` against the driver's own server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from vpp_operator.adapters.spark import SparkApi
from vpp_operator.errors import Unavailable
from vpp_workloads.streaming.progress import Progress
from vpp_workloads.streaming.server import serve
from vpp_workloads.streaming.sinks import Counts

pytestmark = pytest.mark.integration


@pytest.fixture
async def spark() -> AsyncIterator[SparkApi]:
    async with aiohttp.ClientSession() as session:
        yield SparkApi(session)


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress("demo", tmp_path / "planner.json")


@pytest.fixture
def url(progress: Progress) -> Iterator[str]:
    """Where the driver's server answers."""
    server = serve(progress, 0, "127.0.0.1")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_a_driver_that_waits_says_for_what(spark: SparkApi, progress: Progress, url: str) -> None:
    progress.starting("waiting for HDFS: name-node:8020 does not answer")
    said = await spark.progress(url)
    assert (said.state, said.reason) == ("Starting", "waiting for HDFS: name-node:8020 does not answer")
    assert (said.query_id, said.batch_id, said.takes_readings) == ("", -1, False)


async def test_a_driver_takes_readings_once_a_batch_is_through(spark: SparkApi, progress: Progress, url: str) -> None:
    progress.running("the-query", "the-run")
    assert not (await spark.progress(url)).takes_readings
    progress.finished(0, {"q-0/readings.1": 7}, {}, {})
    said = await spark.progress(url)
    assert (said.state, said.query_id, said.batch_id, said.takes_readings) == ("Running", "the-query", 0, True)
    assert said.committed == {"q-0/readings.1": 7}


async def test_a_driver_that_has_come_back_has_what_was_committed(
    spark: SparkApi, progress: Progress, url: str
) -> None:
    progress.resumed(4, {"q-0/readings.1": 70}, Counts())
    said = await spark.progress(url)
    assert (said.batch_id, said.committed) == (4, {"q-0/readings.1": 70})


async def test_what_is_no_driver_is_said(spark: SparkApi, url: str) -> None:
    with pytest.raises(Unavailable, match="/elsewhere/progress answers with 404"):
        await spark.progress(f"{url}/elsewhere")


async def test_a_server_that_does_not_answer_is_unavailable(spark: SparkApi) -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9"):
        await spark.progress("http://127.0.0.1:9")
