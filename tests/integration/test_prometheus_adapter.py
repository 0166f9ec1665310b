"""Prometheus' query API against the cluster's real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from vpp_operator.adapters.prometheus import PrometheusApi
from vpp_operator.errors import Unavailable
from vppdemo.kube import Kube

pytestmark = pytest.mark.integration


@pytest.fixture
async def prometheus() -> AsyncIterator[PrometheusApi]:
    async with aiohttp.ClientSession() as session:
        yield PrometheusApi(session)


@pytest.fixture(scope="module")
def url(cluster: Kube) -> str:
    """Where the cluster's Prometheus answers."""
    (pod,) = cluster.get("pods", "-n", "monitoring", "--field-selector=status.phase=Running")["items"]
    return f"http://{pod['status']['podIP']}:9090"


async def test_an_instant_vector_comes_back_with_labels_and_values(prometheus: PrometheusApi, url: str) -> None:
    found = await prometheus.query(url, 'label_replace(vector(42), "unit", "kW", "", "")')
    assert found == [({"unit": "kW"}, 42.0)]
    assert await prometheus.query(url, "nothing_of_this_name") == []


async def test_a_malformed_query_is_said(prometheus: PrometheusApi, url: str) -> None:
    with pytest.raises(Unavailable, match="answers the query sum\\( with 400"):
        await prometheus.query(url, "sum(")


async def test_a_server_that_does_not_answer_is_unavailable(prometheus: PrometheusApi) -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9"):
        await prometheus.query("http://127.0.0.1:9", "up")
