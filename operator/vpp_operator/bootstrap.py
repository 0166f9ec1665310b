"""Settings to adapters to ports: the only place that knows both sides."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp

from vpp_operator.adapters.certificates import X509Certificates
from vpp_operator.adapters.influx import InfluxApi
from vpp_operator.adapters.kubernetes import KubernetesApi, find_cluster
from vpp_operator.adapters.rabbitmq import RabbitMQ
from vpp_operator.adapters.spark import SparkApi
from vpp_operator.adapters.system import SystemClock, SystemRandomness
from vpp_operator.ports import Ports


@contextlib.asynccontextmanager
async def open_ports() -> AsyncIterator[Ports]:
    """Yield ports to the real servers; sessions and threads end with the block.

    Raises:
        Unavailable: no cluster can be found.
    """
    kubernetes = KubernetesApi(find_cluster())
    # A limit in total, not to each host: a hundred brokers that hang must not use up the file descriptors.
    connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=30)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        brokers = RabbitMQ(session)
        try:
            yield Ports(
                kubernetes=kubernetes,
                brokers=brokers,
                influx=InfluxApi(session),
                spark=SparkApi(session),
                certificates=X509Certificates(),
                clock=SystemClock(),
                randomness=SystemRandomness(),
            )
        finally:
            brokers.close()
            kubernetes.close()
