"""RabbitMQ's management API and AMQP against a real broker."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator

import aiohttp
import pika
import pytest

from tests.servers import ADMIN, Servers
from vpp_contract.names import TOPOLOGY_STREAM
from vpp_contract.topology import Channel, ChannelState, Topology, decode_topology
from vpp_operator.adapters.rabbitmq import RabbitMQ
from vpp_operator.errors import Unavailable
from vpp_operator.ports import BrokerAddress
from vpp_operator.reconcile import definitions
from vpp_operator.reconcile.definitions import Site, channel_definitions, control_definitions, missing

pytestmark = pytest.mark.integration
READER = ("vpp-reader", "readers-password")
SITES = (Site(name="house-01", password="one", devices=("pv",)), Site(name="house-02", password="two"))


@pytest.fixture
async def brokers() -> AsyncIterator[RabbitMQ]:
    async with aiohttp.ClientSession() as session:
        made = RabbitMQ(session)
        yield made
        made.close()


def wanted(stream: str, exchange: str = "topic") -> dict[str, object]:
    return channel_definitions(exchange=exchange, stream=stream, segment_bytes=100_000, reader=READER, sites=SITES)


async def ensure(brokers: RabbitMQ, at: BrokerAddress, what: dict[str, object]) -> None:
    await brokers.import_definitions(at, missing(await brokers.definitions(at), what))


def publish(at: BrokerAddress, username: str, password: str, key: str, *, count: int = 1, body: bytes = b"x") -> None:
    """Publish as a gateway does: with confirms, to `ingress`; refused messages raise."""
    credentials = pika.PlainCredentials(username, password)
    connection = pika.BlockingConnection(
        pika.ConnectionParameters(host=at.host, port=at.amqp_port, credentials=credentials)
    )
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        for _ in range(count):
            channel.basic_publish("ingress", key, body, mandatory=True)
    finally:
        if connection.is_open:
            connection.close()


def read_all(at: BrokerAddress, stream: str) -> list[bytes]:
    """Read a stream from its first message to its last, with the driver's account."""
    parameters = pika.ConnectionParameters(host=at.host, port=at.amqp_port, credentials=pika.PlainCredentials(*READER))
    bodies: list[bytes] = []
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=100)
        for method, _, body in channel.consume(stream, arguments={"x-stream-offset": "first"}, inactivity_timeout=1.5):
            if method is None:
                return bodies
            bodies.append(body)
            channel.basic_ack(method.delivery_tag)
    return bodies


async def test_definitions_are_imported_once_and_then_nothing_is_missing(
    brokers: RabbitMQ, rabbitmq: BrokerAddress
) -> None:
    what = wanted("readings-0000000001")
    assert missing(await brokers.definitions(rabbitmq), what)
    await ensure(brokers, rabbitmq, what)
    assert missing(await brokers.definitions(rabbitmq), what) == {}


async def test_a_site_writes_its_own_keys_only(brokers: RabbitMQ, rabbitmq: BrokerAddress) -> None:
    await ensure(brokers, rabbitmq, wanted("readings-0000000001"))
    await asyncio.to_thread(publish, rabbitmq, "site-house-01", "one", "readings.house-01.pv")
    await asyncio.to_thread(publish, rabbitmq, "site-house-01", "one", "readings.house-01")
    for key in ("readings.house-02", "readings.house-011", "other"):
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            await asyncio.to_thread(publish, rabbitmq, "site-house-01", "one", key)
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        await asyncio.to_thread(publish, rabbitmq, "site-house-01", "two", "readings.house-01")


async def test_a_changed_password_is_seen_and_set(brokers: RabbitMQ, rabbitmq: BrokerAddress) -> None:
    await ensure(brokers, rabbitmq, wanted("readings-0000000001"))
    new = channel_definitions(
        exchange="topic",
        stream="readings-0000000001",
        segment_bytes=100_000,
        reader=READER,
        sites=(dataclasses.replace(SITES[0], password="changed"), SITES[1]),
    )
    lacking = missing(await brokers.definitions(rabbitmq), new)
    assert [user["name"] for user in lacking.pop("users")] == ["site-house-01"]
    assert lacking == {}
    await ensure(brokers, rabbitmq, new)
    await asyncio.to_thread(publish, rabbitmq, "site-house-01", "changed", "readings.house-01")
    await ensure(brokers, rabbitmq, wanted("readings-0000000001"))


@pytest.mark.parametrize("exchange", ["topic", "direct", "fanout", "headers", "consistent-hash"])
async def test_every_type_of_exchange_brings_readings_to_the_stream(servers: Servers, exchange: str) -> None:
    stream = f"readings-{exchange[:10]}"
    async with aiohttp.ClientSession() as session:
        brokers = RabbitMQ(session)
        at = servers.rabbitmq()
        # The exchange's type is fixed on a channel, so each type takes its place anew.
        for path in (("exchanges", "/", "readings"),):
            await brokers.remove(at, path)
        await ensure(brokers, at, wanted(stream, exchange))
        await asyncio.to_thread(publish, at, "site-house-01", "one", "readings.house-01.pv", count=3)
        await asyncio.to_thread(publish, at, "site-house-01", "one", "readings.house-01", count=2)
        assert await brokers.first_offset(at, stream) == 0
        for _ in range(40):
            extent = await brokers.stream(at, stream)
            if extent is not None and extent.messages == 5:
                break
            await asyncio.sleep(0.5)
        else:
            pytest.fail(f"{extent} instead of 5 messages")
        await brokers.remove(at, ("queues", "/", stream))
        await brokers.remove(at, ("exchanges", "/", "readings"))
        brokers.close()


async def test_retention_lets_old_segments_go_at_once_and_no_younger_ones(
    brokers: RabbitMQ, rabbitmq: BrokerAddress
) -> None:
    stream = "readings-0000000002"
    await ensure(brokers, rabbitmq, wanted(stream))
    key = "readings.house-01"
    old, young = b"o" * 10_000, b"y" * 10_000
    await asyncio.to_thread(publish, rabbitmq, "site-house-01", "one", key, count=100, body=old)
    await asyncio.sleep(6)
    await asyncio.to_thread(publish, rabbitmq, "site-house-01", "one", key, count=50, body=young)
    assert await brokers.first_offset(rabbitmq, stream) == 0
    name = f"{definitions.RETENTION_POLICY_PREFIX}{stream}"
    await brokers.set_policy(rabbitmq, name, definitions.retention_policy(stream, 4))
    assert definitions.retention_policies(await brokers.definitions(rabbitmq)) == [name]
    await asyncio.sleep(1)
    await brokers.remove(rabbitmq, ("policies", "/", name))
    assert (await brokers.first_offset(rabbitmq, stream) or 0) >= 50
    left = await asyncio.to_thread(read_all, rabbitmq, stream)
    assert left.count(young) == 50
    assert left.count(old) <= 20, "what is left of them shares a segment with young ones"
    assert definitions.retention_policies(await brokers.definitions(rabbitmq)) == []
    await brokers.remove(rabbitmq, ("queues", "/", stream))


async def test_an_empty_stream_has_no_first_offset_and_a_missing_one_no_extent(
    brokers: RabbitMQ, rabbitmq: BrokerAddress
) -> None:
    await ensure(brokers, rabbitmq, wanted("readings-0000000003"))
    assert await brokers.first_offset(rabbitmq, "readings-0000000003") is None
    assert await brokers.stream(rabbitmq, "readings-nowhere") is None
    await brokers.remove(rabbitmq, ("queues", "/", "readings-0000000003"))
    await brokers.remove(rabbitmq, ("queues", "/", "readings-0000000003"))


async def test_an_end_marker_is_found_behind_the_last_message(brokers: RabbitMQ, rabbitmq: BrokerAddress) -> None:
    await ensure(brokers, rabbitmq, wanted("readings-ends"))
    assert await brokers.tail_offset(rabbitmq, "readings-ends") is None
    await asyncio.to_thread(publish, rabbitmq, "site-house-01", "one", "readings.house-01", count=700)
    tail = await brokers.tail_offset(rabbitmq, "readings-ends")
    assert tail is not None
    assert tail >= 700  # a broker takes offsets for itself now and then
    first = await brokers.mark_end(rabbitmq, "readings-ends")
    second = await brokers.mark_end(rabbitmq, "readings-ends")
    assert tail <= first < second
    assert await brokers.tail_offset(rabbitmq, "readings-ends") == second + 1
    with pytest.raises(Unavailable, match="no AMQP conversation"):
        await brokers.mark_end(rabbitmq, "readings-never-made")


async def test_the_topology_is_the_last_message_of_its_stream(brokers: RabbitMQ, rabbitmq: BrokerAddress) -> None:
    await ensure(brokers, rabbitmq, control_definitions(reader=READER, sites=SITES))
    channel = Channel(
        name="q-0", queue_channel="q", host="h", amqp_port=5672, stream="readings-1", state=ChannelState.ACTIVE
    )
    for generation in (1, 2):
        await brokers.publish_topology(rabbitmq, Topology(generation=generation, channels=(channel,)))

    messages = await asyncio.to_thread(read_all, rabbitmq, TOPOLOGY_STREAM)
    topology = decode_topology(messages[-1])
    assert topology == Topology(generation=2, channels=(channel,))


async def test_accounts_of_sites_that_are_gone_are_found_and_removed(
    brokers: RabbitMQ, rabbitmq: BrokerAddress
) -> None:
    await ensure(brokers, rabbitmq, wanted("readings-0000000001"))
    fewer = channel_definitions(
        exchange="topic", stream="readings-0000000001", segment_bytes=1, reader=READER, sites=SITES[:1]
    )
    surplus = definitions.surplus_users(await brokers.definitions(rabbitmq), fewer)
    assert surplus == ["site-house-02"]
    await brokers.remove(rabbitmq, ("users", "site-house-02"))
    assert definitions.surplus_users(await brokers.definitions(rabbitmq), fewer) == []


async def test_a_wrong_password_and_a_dead_server_are_said_in_a_sentence(
    brokers: RabbitMQ, rabbitmq: BrokerAddress
) -> None:
    wrong = dataclasses.replace(rabbitmq, password="wrong")
    with pytest.raises(Unavailable, match=r"refuses the account vpp-operator; check its name and password"):
        await brokers.definitions(wrong)
    with pytest.raises(Unavailable, match="no AMQP conversation"):
        await brokers.first_offset(wrong, "readings-1")
    nowhere = dataclasses.replace(rabbitmq, management_url="http://127.0.0.1:9", amqp_port=9)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        await brokers.definitions(nowhere)
    with pytest.raises(Unavailable, match="no AMQP conversation"):
        await brokers.first_offset(nowhere, "readings-1")


async def test_a_broker_keeps_its_streams_and_takes_its_administrators_new_password_when_it_restarts(
    servers: Servers, brokers: RabbitMQ
) -> None:
    at = servers.rabbitmq("restarting")
    stream = "readings-0000000009"
    await ensure(brokers, at, wanted(stream))
    await asyncio.to_thread(publish, at, "site-house-01", "one", "readings.house-01", count=7)
    secret = json.loads(ADMIN["definitions.json"])
    secret["users"][0]["password"] = "another"
    patch = json.dumps({"stringData": {"password": "another", "definitions.json": json.dumps(secret)}})
    servers.kube.run(
        "patch", "secret", "restarting-admin", "-n", servers.namespace, "-p", patch, "--field-manager", "person"
    )
    servers.restart("restarting-0")
    address = servers.address("restarting-0")
    again = dataclasses.replace(at, host=address, management_url=f"http://{address}:15672", password="another")
    assert missing(await brokers.definitions(again), wanted(stream)) == {}
    assert await brokers.first_offset(again, stream) == 0
