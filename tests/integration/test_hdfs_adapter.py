"""The name node's figures against a real HDFS, and that a file written there is kept by the data node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.servers import VPP, Servers
from vpp_operator.adapters.hdfs import NameNodeApi
from vpp_operator.errors import NotReady, Unavailable

pytestmark = pytest.mark.integration


@pytest.fixture
async def hdfs() -> AsyncIterator[NameNodeApi]:
    async with aiohttp.ClientSession() as session:
        yield NameNodeApi(session)


async def until_ready(hdfs: NameNodeApi, url: str) -> None:
    for _ in range(60):
        try:
            await hdfs.check(url)
            return
        except (NotReady, Unavailable):
            await asyncio.sleep(1)
    await hdfs.check(url)


async def test_a_name_node_with_a_data_node_is_ready(hdfs: NameNodeApi, name_node: str) -> None:
    await until_ready(hdfs, name_node)


async def test_a_file_outlives_both_nodes_pods(hdfs: NameNodeApi, name_node: str, servers: Servers) -> None:
    await until_ready(hdfs, name_node)
    pods = (f"{VPP}-hdfs-namenode-0", f"{VPP}-hdfs-datanode-0")
    within = ("exec", "-n", servers.namespace, pods[1], "--")
    put = "echo kept | hdfs dfs -put -f - /kept && hdfs dfs -cat /kept"
    assert await asyncio.to_thread(servers.kube.run, *within, "sh", "-c", put) == "kept\n"
    for pod in pods:
        await asyncio.to_thread(servers.restart, pod)
    url = f"http://{servers.address(pods[0])}:9870"
    await until_ready(hdfs, url)
    assert await asyncio.to_thread(servers.kube.run, *within, "hdfs", "dfs", "-cat", "/kept") == "kept\n"


async def test_a_server_that_does_not_answer_is_unavailable(hdfs: NameNodeApi) -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9"):
        await hdfs.check("http://127.0.0.1:9")
