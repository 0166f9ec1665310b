"""The driver's own loop with a real Spark, broker and InfluxDB: sinks that go away, and a driver that starts again."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from tests.integration.driver import Driver
from tests.integration.streams import Line, Streams, site_batches, wait_for
from vpp_operator.ports import BrokerAddress
from vpp_workloads.streaming.influx import Influx

pytestmark = pytest.mark.integration


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
    rows = spark.read.parquet(driver.settings.storage.recent).collect()
    identities = [(row.der, row.boot, row.seq) for row in rows]
    assert len(identities) == len(set(identities))
    assert set(identities) == {(f"house-01/{name}", 1, seq) for name in ("pv", "load") for seq in range(70)}
    assert energies(driver, line) == pytest.approx({"house-01/pv": 35.0, "house-01/load": 35.0}, rel=1e-12)
