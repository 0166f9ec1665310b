"""From a gateway and from simple devices, over AMQP and MQTT, through every type of exchange, into the twin."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import paho.mqtt.client as mqtt
import pika
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from pyspark.sql import SparkSession

from tests.integration.driver import Driver
from tests.integration.streams import T0, Streams
from tests.integration.test_gateway import measurements
from tests.servers import Servers
from vpp_contract.names import INGRESS_EXCHANGE, READINGS_EXCHANGE, readings_key, site_username
from vpp_operator.adapters.rabbitmq import RabbitMQ
from vpp_operator.ports import BrokerAddress
from vpp_operator.reconcile.definitions import Site, channel_definitions, missing
from vpp_operator.resources.tls import MQTT_PORT
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.settings import Settings

pytestmark = pytest.mark.integration
SITE, NEIGHBOUR, PASSWORD = "exchanged-01", "exchanged-02", "site-password"
PATIENCE_SECONDS = 30.0
OLD, NEW = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
NOT_AUTHORISED = ReasonCode(PacketTypes.PUBACK, identifier=0x87)


@pytest.fixture(scope="module")
def broker(servers: Servers) -> BrokerAddress:
    """A broker of this module's own: its exchange changes its type."""
    return servers.rabbitmq("exchanges")


def make_channel(at: BrokerAddress, exchange: str, stream: str) -> None:
    """Bring a broker to what the operator makes of a channel with an exchange of this type."""
    wanted = channel_definitions(
        exchange=exchange,
        stream=stream,
        segment_bytes=1_000_000,
        reader=("reader", "x"),
        sites=[Site(name=site, password=PASSWORD, devices=("pv", "meter")) for site in (SITE, NEIGHBOUR)],
    )

    async def make() -> None:
        async with aiohttp.ClientSession() as session:
            adapter = RabbitMQ(session)
            try:
                await adapter.remove(at, ("exchanges", "/", READINGS_EXCHANGE))
                await adapter.import_definitions(at, missing({}, {**wanted, "queues": []}))
            finally:
                adapter.close()

    asyncio.run(make())


def message(minute: int, der: str) -> bytes:
    """One reading as a simple device sends it."""
    values: dict[str, Any] = {"der": der, "kind": "load", "event_time_us": T0 + minute * 60_000_000}
    return json.dumps({**values, "interval_seconds": 60, "power_kw": 1.5, "energy_kwh": 0.025}).encode()


class Device:
    """A device with a stock MQTT client that publishes with QoS 1."""

    def __init__(self, at: BrokerAddress, site: str, protocol: MQTTProtocolVersion) -> None:
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{site}-{protocol}",
            protocol=protocol,
            reconnect_on_failure=False,
        )
        self._client.username_pw_set(site_username(site), PASSWORD)
        self._client.on_publish = self._published
        self._client.on_disconnect = self._disconnected
        self._answered, self.ended = threading.Event(), threading.Event()
        self.reason: ReasonCode | None = None
        self._client.connect(at.host, MQTT_PORT, keepalive=20)
        self._client.loop_start()

    def _published(self, _client: Any, _data: Any, _id: int, reason: ReasonCode, _properties: Any) -> None:
        self.reason = reason
        self._answered.set()

    def _disconnected(self, *_: Any) -> None:
        self.ended.set()

    def publish(self, topic: str, body: bytes) -> None:
        """Publish and wait for the broker's answer, or for the end of the connection."""
        self._answered.clear()
        self._client.publish(topic, body, qos=1)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (self._answered.wait(0.02) or self.ended.is_set()):
            assert time.monotonic() < deadline, "the broker did not answer"

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
        left = self._client.socket()
        if left is not None:
            left.close()


@pytest.fixture
def devices(broker: BrokerAddress) -> Iterator[Any]:
    """Makes devices and disconnects them in the end."""
    made: list[Device] = []

    def make(site: str, protocol: MQTTProtocolVersion) -> Device:
        made.append(Device(broker, site, protocol))
        return made[-1]

    yield make
    for device in made:
        device.close()


def publish_over_amqp(at: BrokerAddress, site: str, key: str, body: bytes) -> None:
    credentials = pika.PlainCredentials(site_username(site), PASSWORD)
    connection = pika.BlockingConnection(
        pika.ConnectionParameters(at.host, at.amqp_port, credentials=credentials, stack_timeout=10)
    )
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(INGRESS_EXCHANGE, key, body, pika.BasicProperties(delivery_mode=2))
    finally:
        if connection.is_open:
            connection.close()


def send_a_batch(at: BrokerAddress, spool: Path) -> None:
    settings = Settings(
        site=SITE, username=site_username(SITE), password=PASSWORD, host=at.host, amqp_port=at.amqp_port
    )
    gateway = Gateway(settings, spool)
    try:
        gateway.start()
        gateway.accept(measurements(SITE, 20))
        assert gateway.flush(PATIENCE_SECONDS), gateway.status()
    finally:
        gateway.close(0.0)


@pytest.mark.parametrize("exchange", ["topic", "direct", "fanout", "consistent-hash", "headers"])
def test_readings_reach_the_twin_through_every_type_of_exchange(
    exchange: str,
    driver: Driver,
    rabbitmq: BrokerAddress,
    broker: BrokerAddress,
    devices: Any,
    spark: SparkSession,
    tmp_path: Path,
) -> None:
    streams = Streams(rabbitmq)
    channel = Streams(broker).add("q-0")
    streams.channels["q-0"] = channel
    streams.announce()
    make_channel(broker, exchange, channel.stream)
    with driver.running():
        send_a_batch(broker, tmp_path / "spool.sqlite")
        publish_over_amqp(broker, SITE, readings_key(SITE, "meter"), message(1, f"{SITE}/meter"))
        expected = {(f"{SITE}/pv", 20), (f"{SITE}/meter", 1)}
        if exchange != "headers":  # MQTT 3.1.1 has none to route by: the API refuses the two together
            for minute, protocol in ((2, OLD), (3, NEW)):
                device = devices(SITE, protocol)
                device.publish(f"readings/{SITE}/meter", message(minute, f"{SITE}/meter"))
                assert not device.ended.is_set()
            expected = {(f"{SITE}/pv", 20), (f"{SITE}/meter", 3)}
        driver.wait_for_readings(sum(count for _, count in expected))
    rows = spark.read.parquet(driver.settings.storage.recent).groupBy("der").count().collect()
    assert {(row["der"], row["count"]) for row in rows} == expected


def test_a_device_cannot_publish_its_neighbours_readings(
    driver: Driver, rabbitmq: BrokerAddress, broker: BrokerAddress, devices: Any, spark: SparkSession
) -> None:
    streams = Streams(rabbitmq)
    channel = Streams(broker).add("q-0")
    streams.channels["q-0"] = channel
    streams.announce()
    make_channel(broker, "topic", channel.stream)
    theirs = message(1, f"{NEIGHBOUR}/meter")
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
        publish_over_amqp(broker, SITE, readings_key(NEIGHBOUR, "meter"), theirs)
    old = devices(SITE, OLD)
    old.publish(f"readings/{NEIGHBOUR}/meter", theirs)
    assert old.ended.wait(PATIENCE_SECONDS)
    new = devices(SITE, NEW)
    new.publish(f"readings/{NEIGHBOUR}/meter", theirs)
    assert new.reason == NOT_AUTHORISED or new.ended.is_set()
    with driver.running():
        # Under its own key it gets through, and is kept as poison with its reason and origin.
        devices(SITE, NEW).publish(f"readings/{SITE}/meter", theirs)
        publish_over_amqp(broker, SITE, readings_key(SITE, "meter"), message(2, f"{SITE}/meter"))
        driver.wait_for_readings(1)
    poison = spark.read.parquet(driver.settings.storage.poison).collect()
    assert [(row.channel, row.routing_key) for row in poison] == [("q-0", readings_key(SITE, "meter"))]
    assert NEIGHBOUR.encode() in bytes(poison[0].payload)
    assert f"does not belong to site '{SITE}'" in poison[0].reason
