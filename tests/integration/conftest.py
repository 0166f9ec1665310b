"""The cluster and the real servers that integration tests share, each started when a test first asks for it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from pyspark.sql import SparkSession

from tests import servers as real
from tests.integration.driver import Driver
from tests.integration.streams import Line
from vpp_operator.adapters.influx import InfluxApi
from vpp_operator.ports import BrokerAddress, InfluxAddress
from vpp_operator.resources.influxdb import ADMIN
from vpp_workloads.streaming.amqp import Broker
from vpp_workloads.streaming.session import COMMON_OPTIONS, start_session
from vpp_workloads.streaming.settings import InfluxSettings, Settings, StorageSettings
from vppdemo import install
from vppdemo.kube import Kube


@pytest.fixture(scope="session")
def cluster() -> Kube:
    """The cluster, brought up if it is not."""
    return install.cluster()


@pytest.fixture(scope="session")
def servers(cluster: Kube) -> Iterator[real.Servers]:
    """A namespace for servers, removed afterwards with all that is in it."""
    namespace = f"vpp-test-servers-{os.getpid()}"
    yield real.start(cluster, namespace, install.images())
    cluster.run("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="session")
def rabbitmq(servers: real.Servers) -> BrokerAddress:
    """A RabbitMQ server with its administrator and nothing else."""
    return servers.rabbitmq()


@pytest.fixture(scope="session")
def influxdb(servers: real.Servers) -> InfluxAddress:
    """An InfluxDB server that nobody has set up yet."""
    return servers.influxdb()


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One local Spark with the job's own settings, shared because its start takes seconds."""
    source_roots = [str(Path(__file__).parents[2] / name) for name in ("workloads", ".")]
    os.environ["PYTHONPATH"] = os.pathsep.join([*source_roots, os.environ.get("PYTHONPATH", "")])
    os.environ["PYSPARK_PYTHON"] = sys.executable
    quiet = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    session = start_session(COMMON_OPTIONS | quiet | {"spark.master": "local[2]", "spark.sql.shuffle.partitions": "2"})
    yield session
    session.stop()


@pytest.fixture
def line(servers: real.Servers, influxdb: InfluxAddress) -> Iterator[Line]:
    """A line to InfluxDB, which has been set up."""
    host = servers.address(f"{real.VPP}-influxdb-0")  # another test may have restarted it
    at = InfluxAddress(url=f"http://{host}:8086", org="vpp", bucket="vpp", token=influxdb.token)

    async def set_up() -> None:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            await InfluxApi(session).set_up(at, username=ADMIN, password=real.INFLUX_SECRET["password"])

    asyncio.run(set_up())
    line = Line(host, 8086)
    yield line
    line.close()


@pytest.fixture
def driver(spark: SparkSession, rabbitmq: BrokerAddress, line: Line, tmp_path: Path) -> Driver:
    """A driver with a storage folder of its own, whose line to InfluxDB can be cut."""
    settings = Settings(
        vpp=f"it-{tmp_path.name}",
        control=Broker(
            host=rabbitmq.host, port=rabbitmq.amqp_port, username=rabbitmq.username, password=rabbitmq.password
        ),
        channel_username=rabbitmq.username,
        channel_password=rabbitmq.password,
        influx=InfluxSettings(
            url=f"http://127.0.0.1:{line.port}", org="vpp", bucket="vpp", token=real.INFLUX_SECRET["token"]
        ),
        storage=StorageSettings(url=f"file://{tmp_path}/vpp", webhdfs_url=""),
        spark_master="local[2]",
        trigger_seconds=0.2,
        shuffle_partitions=2,
        energy_window_hours=48,
        progress_port=0,
        driver_host="localhost",
        max_cores=0,
        executor_memory="1g",
    )
    return Driver(spark, settings, tmp_path)
