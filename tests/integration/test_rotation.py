"""Accounts rotate on a real broker under running gateways: nothing is lost, and the old account ends when it should."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import aiohttp
import paho.mqtt.client as mqtt
import pika
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.integration.gateway_broker import PASSWORD, STREAM, GatewayBroker
from tests.integration.test_gateway import (
    PATIENCE_SECONDS,
    answers,
    assert_all_arrived,
    ledger,
    measurements,
    post,
    wait_for,
    write_settings,
)
from tests.servers import Servers
from vpp_contract.names import commands_key
from vpp_contract.readings import encode_batch
from vpp_operator.adapters.rabbitmq import RabbitMQ
from vpp_operator.reconcile.brokers import ensure
from vpp_operator.reconcile.definitions import Account, Site, channel_definitions, control_definitions
from vpp_operator.resources.tls import MQTT_PORT
from vpp_workloads.gateway.control_link import ControlLink
from vpp_workloads.gateway.gateway import Gateway

pytestmark = pytest.mark.integration
NEW_PASSWORD = "another-password"
NOTHING = encode_batch(())  # a batch without readings


@pytest.fixture(scope="module")
def broker(servers: Servers) -> GatewayBroker:
    return GatewayBroker(servers, "rotating")


def furnish(broker: GatewayBroker, *sites: Site) -> None:
    """Do what the operator does at a look."""

    async def look() -> None:
        async with aiohttp.ClientSession() as session:
            brokers = RabbitMQ(session)
            wanted = channel_definitions(
                exchange="topic", stream=STREAM, segment_bytes=1_000_000, reader=("reader", "x"), sites=sites
            )
            await ensure(brokers, broker.address, await brokers.definitions(broker.address), wanted)
            brokers.close()

    asyncio.run(look())


def first(site: str) -> Site:
    return Site(name=site, password=PASSWORD)


def both(site: str) -> Site:
    before = Account(generation=1, username=f"site-{site}", password=PASSWORD)
    return Site(name=site, password=NEW_PASSWORD, generation=2, previous=before)


def second(site: str) -> Site:
    return replace(both(site), previous=None)


def users(broker: GatewayBroker, site: str) -> list[str]:
    """Return the accounts that are connected for a site."""
    found = [str(one.get("user", "")) for one in broker.api("GET", "connections")]
    return sorted(user for user in found if user.removesuffix(".g2") == f"site-{site}")


def try_login(broker: GatewayBroker, username: str, password: str) -> None:
    credentials = pika.PlainCredentials(username, password)
    pika.BlockingConnection(
        pika.ConnectionParameters(
            broker.address.host, broker.address.amqp_port, credentials=credentials, socket_timeout=10
        )
    ).close()


def test_old_and_new_account_are_valid_until_the_old_one_is_taken_away(broker: GatewayBroker) -> None:
    site = "gw-01"
    old, new = (f"site-{site}", PASSWORD), (f"site-{site}.g2", NEW_PASSWORD)
    furnish(broker, first(site))
    try_login(broker, *old)
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        try_login(broker, *new)
    furnish(broker, both(site))
    try_login(broker, *old)
    try_login(broker, *new)
    furnish(broker, second(site))
    try_login(broker, *new)
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        try_login(broker, *old)


@pytest.mark.parametrize("key", ["readings.gw-03", "readings.gw-02.g2", "readings.gw-020"])
def test_the_new_account_has_the_rights_of_its_site_and_no_others(broker: GatewayBroker, key: str) -> None:
    furnish(broker, second("gw-02"), first("gw-03"))
    parameters = pika.ConnectionParameters(
        broker.address.host,
        broker.address.amqp_port,
        credentials=pika.PlainCredentials("site-gw-02.g2", NEW_PASSWORD),
        socket_timeout=10,
    )
    connection = pika.BlockingConnection(parameters)
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("ingress", "readings.gw-02", NOTHING, mandatory=True)
        channel.basic_publish("ingress", "readings.gw-02.pv", NOTHING, mandatory=True)
        if key.startswith("readings.gw-02."):  # a device of that name is the site's own
            channel.basic_publish("ingress", key, NOTHING, mandatory=True)
            return
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            channel.basic_publish("ingress", key, NOTHING, mandatory=True)
    finally:
        if connection.is_open:
            connection.close()


def test_a_gateway_under_load_changes_its_account_and_loses_nothing(broker: GatewayBroker, tmp_path: Path) -> None:
    """It gets the new account before the broker knows it, and loses the old one while it publishes."""
    site, count = "gw-05", 400
    furnish(broker, first(site))
    settings = broker.settings(site, batch_readings=5)
    gateway = Gateway(settings, tmp_path / "spool.sqlite")
    gateway.start()
    accepting = threading.Thread(target=_accept, args=(gateway, site, count))
    try:
        gateway.wait_connected(PATIENCE_SECONDS)
        accepting.start()
        gateway.change(replace(settings, username=f"site-{site}.g2", password=NEW_PASSWORD))
        time.sleep(1.0)
        assert gateway.status().state == "Connected"
        confirmed = gateway.status().confirmed
        assert confirmed > 0, "the old account goes on"
        furnish(broker, both(site))
        wait_for(lambda: users(broker, site) == [f"site-{site}.g2"], "the new account's connection alone")
        furnish(broker, second(site))
        accepting.join(PATIENCE_SECONDS)
        assert_all_arrived(broker, gateway, site, count)
        assert gateway.status().refused == 0
    finally:
        accepting.join(PATIENCE_SECONDS)
        gateway.close(0.0)


def _accept(gateway: Gateway, site: str, count: int) -> None:
    for i in range(count):
        gateway.accept(measurements(site, 1, start=i))
        time.sleep(4.0 / count)


def test_the_program_takes_up_a_changed_file_by_itself_and_the_ledger_is_complete(
    broker: GatewayBroker, tmp_path: Path
) -> None:
    site, port = "gw-06", 18_098
    furnish(broker, both(site))
    old = broker.settings(site)
    file, spool = tmp_path / "gateway.json", tmp_path / "spool.sqlite"
    write_settings(file, old)
    command = [sys.executable, "-m", "vpp_workloads.gateway", "--settings", str(file), "--spool", str(spool)]
    process = subprocess.Popen([*command, "--listen", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port), "the program's start")
        _post(port, site, range(50))
        new = replace(old, username=f"site-{site}.g2", password=NEW_PASSWORD)
        write_settings(tmp_path / "next.json", new)
        (tmp_path / "next.json").rename(file)
        _post(port, site, range(50, 100))
        wait_for(lambda: users(broker, site) == [f"site-{site}.g2"], "a connection with the new account alone")
        furnish(broker, second(site))
        _post(port, site, range(100, 150))
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    gateway = Gateway(new, spool)
    try:
        gateway.start()
        assert_all_arrived(broker, gateway, site, 150)
        assert len(ledger(gateway)) == 150
    finally:
        gateway.close()


def _post(port: int, site: str, numbers: Sequence[int]) -> None:
    for number in numbers:
        post(port, site, number)
        time.sleep(0.01)


def test_an_account_that_is_taken_away_loses_its_connection(broker: GatewayBroker, tmp_path: Path) -> None:
    """A client that clings to the old account is cut off, and its gateway keeps what it has."""
    site = "gw-07"
    furnish(broker, both(site))
    gateway = Gateway(broker.settings(site), tmp_path / "spool.sqlite")
    gateway.start()
    try:
        gateway.wait_connected(PATIENCE_SECONDS)
        furnish(broker, second(site))
        wait_for(lambda: "refused the login" in gateway.status().reason, "a refusal")
        gateway.accept(measurements(site, 3))
        assert gateway.status().spooled == 3
        changed = replace(broker.settings(site), username=f"site-{site}.g2", password=NEW_PASSWORD)
        gateway.change(changed)
        assert gateway.flush(PATIENCE_SECONDS)
        assert json.dumps(sorted(ledger(gateway)))
    finally:
        gateway.close(0.0)


def furnish_control(broker: GatewayBroker, site: Site) -> None:
    """Make a control broker of it."""

    async def look() -> None:
        async with aiohttp.ClientSession() as session:
            brokers = RabbitMQ(session)
            wanted = control_definitions(reader=("reader", "x"), sites=(site,))
            await ensure(brokers, broker.address, await brokers.definitions(broker.address), wanted)
            brokers.close()

    asyncio.run(look())


def test_the_link_to_the_control_broker_changes_its_account_and_hears_every_command(broker: GatewayBroker) -> None:
    """Ten commands before, while the new account is refused, and after the old one is gone: each is heard."""
    site = "gw-08"
    furnish_control(broker, first(site))
    settings = broker.settings(site, control_host=broker.address.host, control_port=broker.address.amqp_port)
    heard: list[str] = []

    def hear(key: str, _body: bytes) -> tuple[()]:
        heard.append(key)
        return ()

    link = ControlLink(settings, {"application/json": hear})
    link.start()
    try:
        wait_for(lambda: link.reason == "connected", "a connection")
        _command(broker, site, range(10))
        link.change(replace(settings, username=f"site-{site}.g2", password=NEW_PASSWORD))
        _command(broker, site, range(10, 20))
        furnish_control(broker, both(site))
        wait_for(lambda: users(broker, site) == [f"site-{site}.g2"], "the new account's connection alone")
        furnish_control(broker, second(site))
        _command(broker, site, range(20, 30))
        wait_for(lambda: len(set(heard)) == 30, "all commands")
    finally:
        link.stop()


def _command(broker: GatewayBroker, site: str, numbers: Sequence[int]) -> None:
    credentials = pika.PlainCredentials(broker.address.username, broker.address.password)
    parameters = pika.ConnectionParameters(broker.address.host, broker.address.amqp_port, credentials=credentials)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(content_type="application/json", delivery_mode=2)
        for number in numbers:
            key = commands_key(site, f"pv-{number}")
            channel.basic_publish("commands", key, b"{}", properties, mandatory=True)


class Device:
    """An MQTT 5 device that stays connected; `answers` are what the broker says to CONNECT, `ended` counts its ends."""

    def __init__(self, broker: GatewayBroker, username: str, password: str) -> None:
        self.answers: list[str] = []
        self.ended = 0
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"it-{username}", protocol=mqtt.MQTTv5)
        self.client.username_pw_set(username, password)
        self.client.on_connect = lambda *arguments: self.answers.append(str(arguments[3]))
        self.client.on_disconnect = self._ended
        self.client.connect(broker.address.host, MQTT_PORT, keepalive=20)
        self.client.loop_start()
        wait_for(lambda: bool(self.answers), "an answer to CONNECT")

    def _ended(self, *_: object) -> None:
        self.ended += 1

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        left = self.client.socket()
        if left is not None:
            left.close()


def test_mqtt_devices_use_both_accounts_and_the_old_one_ends_with_its_connection(broker: GatewayBroker) -> None:
    site = "gw-09"
    old_account, new_account = (f"site-{site}", PASSWORD), (f"site-{site}.g2", NEW_PASSWORD)
    furnish(broker, both(site))
    old, new = Device(broker, *old_account), Device(broker, *new_account)
    try:
        assert old.answers == new.answers == ["Success"]
        for device in (old, new):
            told = device.client.publish(f"readings/{site}/pv", NOTHING, qos=1)
            told.wait_for_publish(PATIENCE_SECONDS)
            assert told.is_published()
        furnish(broker, second(site))
        wait_for(lambda: len(old.answers) > 1, "the end of the old account's connection, and its refusal")
        assert old.answers[1] in ("Bad user name or password", "Not authorized")
        assert (new.ended, new.answers) == (0, ["Success"])
    finally:
        old.stop()
        new.stop()
