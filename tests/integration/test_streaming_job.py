"""The driver's own loop with a real Spark, broker and InfluxDB: sinks that go away, and a driver that starts again."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pyspark.sql import SparkSession

from tests.integration.streams import Line, Streams, site_batches, wait_for
from tests.servers import INFLUX_SECRET, VPP, Servers
from vpp_operator.adapters.influx import InfluxApi
from vpp_operator.ports import BrokerAddress, InfluxAddress
from vpp_operator.resources.influxdb import ADMIN
from vpp_workloads.streaming.amqp import Broker
from vpp_workloads.streaming.influx import Influx
from vpp_workloads.streaming.job import keep_running
from vpp_workloads.streaming.progress import Progress
from vpp_workloads.streaming.settings import InfluxSettings, Settings, StorageSettings

pytestmark = pytest.mark.integration


@dataclass
class Driver:
    """The driver's loop in threads of its own, one after the other, on one checkpoint."""

    spark: SparkSession
    settings: Settings
    folder: Path
    progress: Progress = field(init=False)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """A driver from its start to its end, as a pod would see it."""
        self.progress = Progress(self.settings.vpp, self.folder / "planner.json")
        stop, influx = threading.Event(), Influx(self.settings.influx)
        arguments = (self.spark, self.settings, influx, self.progress, stop)
        thread = threading.Thread(target=keep_running, args=arguments, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)
            influx.close()
            assert not thread.is_alive(), "the driver did not stop"

    def says(self, name: str) -> Any:
        return self.progress.document()[name]

    def wait_for_readings(self, accepted: int, duplicates: int = 0) -> None:
        def are_in() -> bool:
            readings = self.says("readings")
            return bool((readings["accepted"], readings["duplicates"]) == (accepted, duplicates))

        wait_for(f"{accepted} readings and {duplicates} duplicates", are_in, seconds=90)


@pytest.fixture
def line(servers: Servers, influxdb: InfluxAddress) -> Iterator[Line]:
    """A line to InfluxDB, which has been set up."""
    host = servers.address(f"{VPP}-influxdb-0")  # another test may have restarted it
    at = InfluxAddress(url=f"http://{host}:8086", org="vpp", bucket="vpp", token=influxdb.token)

    async def set_up() -> None:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            await InfluxApi(session).set_up(at, username=ADMIN, password=INFLUX_SECRET["password"])

    asyncio.run(set_up())
    line = Line(host, 8086)
    yield line
    line.close()


@pytest.fixture
def driver(spark: SparkSession, rabbitmq: BrokerAddress, line: Line, tmp_path: Path) -> Driver:
    settings = Settings(
        vpp=f"it-{tmp_path.name}",
        control=Broker(
            host=rabbitmq.host, port=rabbitmq.amqp_port, username=rabbitmq.username, password=rabbitmq.password
        ),
        channel_username=rabbitmq.username,
        channel_password=rabbitmq.password,
        influx=InfluxSettings(
            url=f"http://127.0.0.1:{line.port}", org="vpp", bucket="vpp", token=INFLUX_SECRET["token"]
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


def energies(driver: Driver, line: Line) -> dict[str, float]:
    """Return the energy of each DER over all hours, as InfluxDB has it."""
    influx = Influx(driver.settings.influx)
    flux = (
        f'from(bucket: "vpp") |> range(start: 0) |> filter(fn: (r) => r._measurement == "twin_energy"'
        f' and r.vpp == "{driver.settings.vpp}" and r._field == "energy_kwh") |> group(columns: ["der"]) |> sum()'
    )
    try:
        return {row["der"]: row["_value"] for row in influx.rows(flux)}
    finally:
        influx.close()


def test_influxdb_away_and_a_new_driver_count_every_reading_once(
    driver: Driver, rabbitmq: BrokerAddress, line: Line, spark: SparkSession
) -> None:
    streams = Streams(rabbitmq)
    streams.add("q-0")
    streams.announce()
    with driver.running():
        streams.publish("q-0", site_batches("house-01", range(30)))
        driver.wait_for_readings(60)
        line.cut()
        streams.publish("q-0", site_batches("house-01", range(30, 50)))
        wait_for("the failure of a batch", lambda: driver.says("state") == "Failed", seconds=60)
        assert driver.says("reason").startswith(f"InfluxDB at {driver.settings.influx.url} ")
        line.mend()
        driver.wait_for_readings(100)
        assert driver.says("restarts") >= 1
    streams.publish("q-0", site_batches("house-01", range(40, 70)))  # 10 of each DER are sent a second time
    with driver.running():
        driver.wait_for_readings(140, duplicates=20)
    rows = spark.read.parquet(driver.settings.storage.history).collect()
    identities = [(row.der, row.boot, row.seq) for row in rows]
    assert len(identities) == len(set(identities))
    assert set(identities) == {(f"house-01/{name}", 1, seq) for name in ("pv", "load") for seq in range(70)}
    assert energies(driver, line) == pytest.approx({"house-01/pv": 35.0, "house-01/load": 35.0}, rel=1e-12)
