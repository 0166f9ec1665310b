"""Commands and acknowledgements over a real control broker: an AMQP gateway, MQTT 3.1.1 and 5 devices, a neighbour."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import paho.mqtt.client as mqtt
import pika
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from pika.exceptions import ChannelClosedByBroker

from tests.integration.streams import wait_for
from tests.servers import Servers
from vpp_contract.commands import Acknowledgement, Command, Status, acknowledgement_key, command_key
from vpp_contract.names import (
    ACKNOWLEDGEMENTS_EXCHANGE,
    COMMANDS_EXCHANGE,
    commands_queue,
    site_username,
)
from vpp_operator.adapters.rabbitmq import RabbitMQ
from vpp_operator.ports import BrokerAddress
from vpp_operator.reconcile.definitions import Site, control_definitions, missing
from vpp_operator.resources.tls import MQTT_PORT
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.settings import Settings
from vpp_workloads.streaming.amqp import Broker
from vpp_workloads.streaming.command_link import BrokerLink

pytestmark = pytest.mark.integration
SITE, NEIGHBOUR, PASSWORD = "told-1", "told-10", "site-password"
READER = ("vpp-reader", "readers-password")
PATIENCE_SECONDS = 30.0
OLD, NEW = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5


@pytest.fixture(scope="module")
def control(servers: Servers) -> BrokerAddress:
    """A control broker with two sites, as the operator makes it."""
    at = servers.rabbitmq("commands", mqtt_exchange=COMMANDS_EXCHANGE)
    wanted = control_definitions(
        reader=READER, sites=[Site(name=site, password=PASSWORD) for site in (SITE, NEIGHBOUR)]
    )

    async def make() -> None:
        async with aiohttp.ClientSession() as session:
            adapter = RabbitMQ(session)
            try:
                await adapter.import_definitions(at, missing({}, wanted))
                assert missing(await adapter.definitions(at), wanted) == {}
            finally:
                adapter.close()

    asyncio.run(make())
    return at


@pytest.fixture
def link(control: BrokerAddress) -> Iterator[BrokerLink]:
    """The driver's end, with the driver's account."""
    made = BrokerLink(Broker(host=control.host, port=control.amqp_port, username=READER[0], password=READER[1]))
    wait_for("the driver's link", lambda: made.reason == "", PATIENCE_SECONDS)
    yield made
    made.close()


def a_command(der: str, setpoint_kw: float = 2.5) -> Command:
    now_us = time.time_ns() // 1000
    return Command(
        id=f"{der}@{now_us}", der=der, setpoint_kw=setpoint_kw, issued_us=now_us, valid_until_us=now_us + 60_000_000
    )


def answers(link: BrokerLink, count: int) -> list[Acknowledgement]:
    found: list[Acknowledgement] = []

    def enough() -> bool:
        found.extend(link.answers())
        return len(found) >= count

    wait_for(f"{count} acknowledgements", enough, PATIENCE_SECONDS)
    return found


@pytest.fixture
def gateway(control: BrokerAddress, tmp_path: Path) -> Iterator[Gateway]:
    """The site's gateway, whose battery follows and whose car refuses. Its channel is not there, and need not be."""
    settings = Settings(
        site=SITE,
        username=site_username(SITE),
        password=PASSWORD,
        host=control.host,
        amqp_port=control.amqp_port,
        control_host=control.host,
        control_port=control.amqp_port,
        reconnect_seconds=0.5,
    )
    made = Gateway(settings, tmp_path / "spool.sqlite")
    made.commands.decide_by(lambda command: {"battery": "", "ev": "it is away"}.get(command.der.partition("/")[2]))
    made.start()
    wait_for("the gateway's link", lambda: made.status().control == "connected", PATIENCE_SECONDS)
    yield made
    made.close(0.0)


class Device:
    """A device with a stock MQTT client that subscribes to its commands and accepts each."""

    def __init__(self, at: BrokerAddress, client_id: str, site: str, protocol: MQTTProtocolVersion) -> None:
        self.heard: list[dict[str, Any]] = []
        self.subscribed, self.ended = threading.Event(), threading.Event()
        self.granted: list[Any] = []
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol, reconnect_on_failure=False
        )
        self.client.username_pw_set(site_username(site), PASSWORD)
        self.client.on_message = self._message
        self.client.on_subscribe = self._subscribed
        self.client.on_disconnect = lambda *_: self.ended.set()
        self.client.connect(at.host, MQTT_PORT, keepalive=20)
        self.client.loop_start()

    def _subscribed(self, _client: Any, _data: Any, _id: int, granted: list[Any], _properties: Any) -> None:
        self.granted = granted
        self.subscribed.set()

    def _message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        command = json.loads(message.payload)
        self.heard.append(command)
        answer = {"id": command["id"], "der": command["der"], "status": "accepted", "at_us": time.time_ns() // 1000}
        topic = message.topic.replace("commands/", "acknowledgements/", 1)
        client.publish(topic, json.dumps({**answer, "setpoint_kw": command["setpoint_kw"]}), qos=1)

    def subscribe(self, topic: str) -> bool:
        """Subscribe and say whether the broker lets it."""
        self.client.subscribe(topic, qos=1)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (self.subscribed.wait(0.02) or self.ended.is_set()):
            assert time.monotonic() < deadline, "the broker did not answer"
        return bool(self.granted) and not self.granted[0].is_failure and not self.ended.wait(0.5)

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()
        left = self.client.socket()
        if left is not None:
            left.close()


@pytest.fixture
def devices(control: BrokerAddress) -> Iterator[Callable[..., Device]]:
    """Makes devices and disconnects them in the end."""
    made: list[Device] = []

    def make(site: str, protocol: MQTTProtocolVersion, client_id: str = "") -> Device:
        made.append(Device(control, client_id or f"{site}/meter", site, protocol))
        return made[-1]

    yield make
    for device in made:
        device.close()


def test_a_gateway_follows_a_command_and_acknowledges_it(link: BrokerLink, gateway: Gateway) -> None:
    command = a_command(f"{SITE}/battery")
    assert link.send([command]) == [command]
    (answer,) = answers(link, 1)
    assert (answer.id, answer.status, answer.setpoint_kw) == (command.id, Status.ACCEPTED, 2.5)
    assert gateway.commands.in_force(command.der) == command


def test_a_gateway_refuses_with_a_reason(link: BrokerLink, gateway: Gateway) -> None:
    command = a_command(f"{SITE}/ev")
    link.send([command])
    (answer,) = answers(link, 1)
    assert (answer.status, answer.reason, answer.setpoint_kw) == (Status.REFUSED, "it is away", None)
    assert gateway.commands.in_force(command.der) is None


@pytest.mark.parametrize("protocol", [OLD, NEW], ids=["MQTT 3.1.1", "MQTT 5"])
def test_a_device_hears_its_commands_over_mqtt_and_acknowledges_them(
    link: BrokerLink, gateway: Gateway, devices: Callable[..., Device], protocol: MQTTProtocolVersion
) -> None:
    device = devices(SITE, protocol)
    assert device.subscribe(f"commands/{SITE}/meter")
    command = a_command(f"{SITE}/meter", -1.0)
    assert link.send([command, a_command(f"{SITE}/battery")])[0] == command
    found = {answer.der: answer for answer in answers(link, 2)}  # the gateway says nothing of a device it does not know
    assert found[command.der].status is Status.ACCEPTED
    assert found[command.der].setpoint_kw == pytest.approx(-1.0)
    assert [one["id"] for one in device.heard] == [command.id]


@pytest.mark.parametrize("protocol", [OLD, NEW], ids=["MQTT 3.1.1", "MQTT 5"])
@pytest.mark.parametrize(
    ("client_id", "topic"),
    [
        (f"{SITE}/meter", f"commands/{NEIGHBOUR}/meter"),
        (f"{SITE}/meter", f"commands/{NEIGHBOUR}/#"),
        (f"{SITE}/meter", "commands/#"),
        (f"{SITE}/meter", "commands/+/meter"),
        (f"{SITE}/meter", "#"),
        (f"{SITE}/meter", f"acknowledgements/{NEIGHBOUR}/#"),
        (f"{NEIGHBOUR}/meter", f"commands/{SITE}/meter"),
        ("meter", f"commands/{SITE}/meter"),
    ],
    ids=[
        "its neighbour's", "all of its neighbour's", "everybody's", "everybody's meters", "everything",
        "its neighbour's answers", "under its neighbour's identifier", "under an identifier of no site",
    ],
)  # fmt: skip
def test_a_device_cannot_subscribe_to(
    devices: Callable[..., Device], client_id: str, topic: str, protocol: MQTTProtocolVersion
) -> None:
    assert not devices(SITE, protocol, client_id).subscribe(topic)


@pytest.mark.parametrize("protocol", [OLD, NEW], ids=["MQTT 3.1.1", "MQTT 5"])
@pytest.mark.parametrize("topic", [f"acknowledgements/{NEIGHBOUR}/meter", f"commands/{SITE}/meter", "marks"])
def test_a_device_cannot_publish(
    link: BrokerLink, devices: Callable[..., Device], topic: str, protocol: MQTTProtocolVersion
) -> None:
    watcher, device = devices(SITE, NEW, f"{SITE}/watcher"), devices(SITE, protocol)
    assert watcher.subscribe(f"commands/{SITE}/meter")
    answer = {"id": "x", "der": f"{NEIGHBOUR}/meter", "status": "accepted", "at_us": 1}
    device.client.publish(topic, json.dumps(answer), qos=1)
    command = a_command(f"{SITE}/meter")
    link.send([command])  # what the device published would have come before it
    assert [one.id for one in answers(link, 1)] == [command.id]
    assert [one["id"] for one in watcher.heard] == [command.id]


def over_amqp(at: BrokerAddress, site: str, act: Callable[[Any], Any]) -> None:
    credentials = pika.PlainCredentials(site_username(site), PASSWORD)
    connection = pika.BlockingConnection(
        pika.ConnectionParameters(at.host, at.amqp_port, credentials=credentials, stack_timeout=10)
    )
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        act(channel)
    finally:
        if connection.is_open:
            connection.close()


OWN_QUEUE = f"mqtt-subscription-{SITE}/xqos1"
THEIR_QUEUE = f"mqtt-subscription-{NEIGHBOUR}/xqos1"


def bind(channel: Any, queue: str, key: str) -> None:
    channel.queue_declare(queue, durable=True)
    channel.queue_bind(queue, COMMANDS_EXCHANGE, key)


@pytest.mark.parametrize(
    "act",
    [
        lambda channel: channel.basic_get(commands_queue(NEIGHBOUR)),
        lambda channel: channel.basic_get("acknowledgements"),
        lambda channel: channel.queue_bind(commands_queue(SITE), COMMANDS_EXCHANGE, command_key(f"{NEIGHBOUR}/x")),
        lambda channel: channel.queue_declare("of-my-own"),
        lambda channel: channel.queue_declare(THEIR_QUEUE),
        lambda channel: bind(channel, OWN_QUEUE, f"commands.{NEIGHBOUR}.#"),
        lambda channel: bind(channel, OWN_QUEUE, "commands.#"),
        lambda channel: bind(channel, OWN_QUEUE, "marks"),
        lambda channel: channel.basic_publish(COMMANDS_EXCHANGE, command_key(f"{NEIGHBOUR}/x"), b"{}"),
        lambda channel: channel.basic_publish(COMMANDS_EXCHANGE, command_key(f"{SITE}/x"), b"{}"),
        lambda channel: channel.basic_publish(
            ACKNOWLEDGEMENTS_EXCHANGE, acknowledgement_key(f"{NEIGHBOUR}/x"), b"{}"
        ),
    ],
    ids=[
        "read its neighbour's queue", "read the answers", "bind its queue to its neighbour's commands", "make a queue",
        "make its neighbour's queue", "bind a queue to its neighbour's commands", "bind a queue to all commands",
        "bind a queue to all marks", "command its neighbour", "command itself", "answer for its neighbour",
    ],
)  # fmt: skip
def test_over_amqp_a_site_cannot(control: BrokerAddress, act: Callable[[Any], Any]) -> None:
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        over_amqp(control, SITE, act)
