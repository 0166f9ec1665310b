"""The data source `rabbitmq-streams` under a real Spark against a real broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from tests.integration.streams import Line, Streams, a_reading, site_batches, wait_for
from vpp_contract.readings import JSON_CONTENT_TYPE, encode_json
from vpp_contract.topology import STREAM_PORT, encode_topology
from vpp_operator.ports import BrokerAddress
from vpp_workloads.streaming.amqp import Broker
from vpp_workloads.streaming.source import SOURCE_NAME
from vpp_workloads.streaming.stream_client import StreamConnections

SMALL = {"x-max-length-bytes": 20_000, "x-stream-max-segment-size-bytes": 10_000}
pytestmark = pytest.mark.integration


@pytest.fixture
def streams(rabbitmq: BrokerAddress) -> Streams:
    return Streams(rabbitmq)


class Reading:
    """A query that keeps what each batch held."""

    def __init__(self, spark: SparkSession, folder: Path, options: dict[str, str]) -> None:
        self._spark, self._folder, self._options = spark, folder, options
        self.batches: dict[int, list[Any]] = {}
        self.fail_at = -1

    def _keep(self, frame: DataFrame, batch_id: int) -> None:
        self.batches[batch_id] = frame.collect()
        if batch_id == self.fail_at:
            raise RuntimeError("the sink has failed")

    def start(self, **trigger: Any) -> StreamingQuery:
        writer = self._spark.readStream.format(SOURCE_NAME).options(**self._options).load().writeStream
        checkpoint = str(self._folder / "checkpoint")
        return writer.foreachBatch(self._keep).option("checkpointLocation", checkpoint).trigger(**trigger).start()

    def drain(self) -> None:
        """Read all there is now, in as many batches as it takes."""
        query = self.start(availableNow=True)
        try:
            assert query.awaitTermination(60)
        finally:
            query.stop()

    def rows(self) -> list[Any]:
        return [row for batch in self.batches.values() for row in batch]

    def identities(self) -> Counter[tuple[str, int, int]]:
        return Counter((row.der, row.boot, row.seq) for row in self.rows() if row.fault is None)


def account(streams: Streams) -> dict[str, str]:
    return {"username": streams.broker.username, "password": streams.broker.password, "deadlineSeconds": "5"}


def fixed(streams: Streams) -> dict[str, str]:
    return {**account(streams), "topology": encode_topology(streams.topology()).decode()}


def both_ders(site: str, seqs: range, boot: int = 1) -> Counter[tuple[str, int, int]]:
    return Counter((f"{site}/{name}", boot, seq) for seq in seqs for name in ("pv", "load"))


def test_both_encodings_and_poison_from_two_channels(spark: SparkSession, streams: Streams, tmp_path: Path) -> None:
    first, second = streams.add("q-0"), streams.add("q-1")
    streams.publish("q-0", site_batches("house-01", range(25)))
    streams.publish("q-1", [("readings.house-02.pv", encode_json(a_reading(3, "house-02/pv")))], JSON_CONTENT_TYPE)
    streams.publish("q-1", [("readings.house-02", b"rubbish"), *site_batches("house-03", range(2))])
    reading = Reading(spark, tmp_path, fixed(streams))
    reading.drain()
    expected = both_ders("house-01", range(25)) + both_ders("house-03", range(2)) + Counter([("house-02/pv", 1, 3)])
    assert reading.identities() == expected
    (poison,) = [row for row in reading.rows() if row.fault]
    assert (poison.fault, poison.channel, poison.stream, poison.offset) == ("poison", "q-1", second.stream, 1)
    assert (poison.routing_key, bytes(poison.payload)) == ("readings.house-02", b"rubbish")
    assert {row.stream for row in reading.rows() if row.channel == "q-0"} == {first.stream}


def test_a_failed_batch_is_replayed_with_exactly_the_same_rows(
    spark: SparkSession, streams: Streams, tmp_path: Path
) -> None:
    streams.add("q-0")
    streams.publish("q-0", site_batches("house-01", range(10)))
    reading = Reading(spark, tmp_path, fixed(streams))
    reading.drain()
    streams.publish("q-0", site_batches("house-01", range(10, 20)))
    reading.fail_at = 1
    with pytest.raises(StreamingQueryException, match="the sink has failed"):
        reading.drain()
    failed = reading.batches[1]
    streams.publish("q-0", site_batches("house-01", range(20, 30)))
    reading.fail_at = -1
    reading.drain()
    assert sorted(reading.batches[1]) == sorted(failed)
    assert reading.identities() == both_ders("house-01", range(30))


def test_a_limit_and_short_ranges_read_everything_once(spark: SparkSession, streams: Streams, tmp_path: Path) -> None:
    streams.add("q-0")
    streams.add("q-1")
    streams.publish("q-0", site_batches("house-01", range(100), size=1))
    streams.publish("q-1", site_batches("house-02", range(10), size=1))
    limits = {"maxOffsetsPerTrigger": "50", "maxOffsetsPerPartition": "7"}
    reading = Reading(spark, tmp_path, fixed(streams) | limits)
    reading.drain()
    assert reading.identities() == both_ders("house-01", range(100)) + both_ders("house-02", range(10))
    assert [len(batch) // 2 for batch in reading.batches.values()] == [50, 50, 10]


@pytest.fixture
def running() -> Iterator[Callable[[StreamingQuery], StreamingQuery]]:
    queries: list[StreamingQuery] = []

    def keep(query: StreamingQuery) -> StreamingQuery:
        queries.append(query)
        return query

    yield keep
    for query in queries:
        query.stop()


def control(streams: Streams) -> dict[str, str]:
    broker = streams.broker
    where = {"controlHost": broker.host, "controlUsername": broker.username, "controlPassword": broker.password}
    return account(streams) | where


def test_a_channel_appears_under_a_running_query(
    spark: SparkSession, streams: Streams, tmp_path: Path, running: Callable[[StreamingQuery], StreamingQuery]
) -> None:
    streams.add("q-0")
    streams.announce()
    streams.publish("q-0", site_batches("house-01", range(3)))
    reading = Reading(spark, tmp_path, control(streams))
    query = running(reading.start(processingTime="200 milliseconds"))
    wait_for("the first channel's readings", lambda: len(reading.rows()) == 6)
    run_id = query.runId
    streams.add("q-1")
    streams.publish("q-1", site_batches("house-02", range(4)))
    streams.announce()
    wait_for("the second channel's readings", lambda: len(reading.rows()) == 14)
    assert reading.identities() == both_ders("house-01", range(3)) + both_ders("house-02", range(4))
    assert (query.isActive, query.runId) == (True, run_id)


def test_a_channel_that_is_down_holds_up_nobody_and_is_read_when_it_is_back(
    spark: SparkSession, streams: Streams, tmp_path: Path, running: Callable[[StreamingQuery], StreamingQuery]
) -> None:
    line = Line(streams.broker.host, STREAM_PORT)
    try:
        streams.add("q-0")
        streams.add("q-1", host="127.0.0.1", port=line.port)
        line.cut()
        streams.publish("q-0", site_batches("house-01", range(3)))
        streams.publish("q-1", site_batches("house-02", range(4)))
        status = tmp_path / "status.json"
        reading = Reading(spark, tmp_path, fixed(streams) | {"statusFile": str(status)})
        query = running(reading.start(processingTime="200 milliseconds"))
        wait_for("the living channel's readings", lambda: len(reading.rows()) == 6)
        assert streams.channels["q-1"].key in status.read_text()
        line.mend()
        wait_for("the other channel's readings", lambda: len(reading.rows()) == 14)
        line.cut()
        streams.publish("q-0", site_batches("house-01", range(3, 5)))
        wait_for("more of the living one's", lambda: len(reading.rows()) == 18)
        line.mend()
        streams.publish("q-1", site_batches("house-02", range(4, 5)))
        wait_for("more of the other one's", lambda: len(reading.rows()) == 20)
        assert query.isActive
        assert max(reading.identities().values()) == 1
    finally:
        query.stop()
        line.close()


def test_a_lost_stream_and_a_trimmed_one_are_reported_with_their_ranges(
    spark: SparkSession, streams: Streams, tmp_path: Path
) -> None:
    trimmed = streams.add("q-0", arguments=SMALL)
    lost = streams.add("q-1")
    streams.publish("q-1", site_batches("house-02", range(3), size=1))
    reading = Reading(spark, tmp_path, fixed(streams))
    reading.fail_at = 0
    with pytest.raises(StreamingQueryException, match="the sink has failed"):
        reading.drain()  # offsets 0 to 2 of q-1 are planned now, and not committed
    streams.delete("q-1")
    streams.publish("q-0", site_batches("house-01", range(400), size=1))
    streams.wait_until_trimmed("q-0")
    reading.fail_at = -1
    reading.drain()
    losses = {row.channel: row for row in reading.rows() if row.fault == "loss"}
    assert (losses["q-1"].stream, losses["q-1"].offset, losses["q-1"].end_offset) == (lost.stream, 0, 3)
    assert (losses["q-0"].stream, losses["q-0"].offset) == (trimmed.stream, 0)
    kept = [row for row in reading.rows() if row.fault is None]
    assert losses["q-0"].end_offset == min(row.offset for row in kept)
    first = min(row.seq for row in kept)
    assert 0 < first < 400
    assert reading.identities() == both_ders("house-01", range(first, 400))


def test_loss_can_be_an_error(spark: SparkSession, streams: Streams, tmp_path: Path) -> None:
    streams.add("q-0", arguments=SMALL)
    streams.publish("q-0", site_batches("house-01", range(400), size=1))
    streams.wait_until_trimmed("q-0")
    reading = Reading(spark, tmp_path, fixed(streams) | {"failOnDataLoss": "true"})
    with pytest.raises(StreamingQueryException, match=r"offsets 0 to \d+ of q-0/readings-\w+ are lost"):
        reading.drain()


def test_a_wrong_password_is_one_sentence(spark: SparkSession, streams: Streams, tmp_path: Path) -> None:
    streams.add("q-0")
    status = tmp_path / "status.json"
    reading = Reading(spark, tmp_path, fixed(streams) | {"password": "wrong", "statusFile": str(status)})
    reading.drain()
    assert reading.rows() == []
    assert "the login is refused; check user name and password" in status.read_text()


def test_the_end_of_a_stream_is_seen_every_time_it_is_looked_for(streams: Streams) -> None:
    stream = streams.add("q-0").stream
    streams.publish("q-0", site_batches("house-01", range(1)))
    broker = Broker(
        host=streams.broker.host,
        port=STREAM_PORT,
        username=streams.broker.username,
        password=streams.broker.password,
    )
    connections = StreamConnections("test")
    try:
        for _ in range(20):
            subscription = connections.subscribe(broker, stream, offset="last", deadline_seconds=5)
            assert [message.offset for message in subscription.poll(2)] == [0]
            subscription.close()
    finally:
        connections.close()
