"""The cluster and the real servers that integration tests share, each started when a test first asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests import servers as real
from vpp_operator.ports import BrokerAddress, InfluxAddress
from vpp_workloads.streaming.session import COMMON_OPTIONS, start_session
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
def name_node(servers: real.Servers) -> str:
    """The HTTP address of an HDFS name node that has a data node."""
    return servers.hdfs()


@pytest.fixture(scope="session")
def spark_master(servers: real.Servers) -> str:
    """The HTTP address of a Spark master that has a worker."""
    return servers.spark()


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
