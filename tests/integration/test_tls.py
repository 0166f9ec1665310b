"""TLS on a real broker, with the operator's own certificates: every port proves its name, to every client we have."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import paho.mqtt.client as mqtt
import pika
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.integration.gateway_broker import PASSWORD, STREAM
from tests.integration.test_gateway import PATIENCE_SECONDS, ledger, measurements, wait_for
from tests.servers import Servers
from vpp_contract.readings import decode_batch
from vpp_contract.tls import client_context
from vpp_contract.topology import STREAM_PORT, Channel, ChannelState, Topology, encode_topology
from vpp_operator.adapters.certificates import X509Certificates
from vpp_operator.adapters.rabbitmq import RabbitMQ
from vpp_operator.errors import Unavailable
from vpp_operator.ports import BrokerAddress, KeyPair, ServerIdentity
from vpp_operator.reconcile.brokers import ensure
from vpp_operator.reconcile.definitions import Site, channel_definitions, control_definitions
from vpp_operator.resources import tls
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.settings import Settings
from vpp_workloads.streaming.amqp import Broker
from vpp_workloads.streaming.errors import BrokerUnavailableError
from vpp_workloads.streaming.options import parse_options
from vpp_workloads.streaming.reading import read_range
from vpp_workloads.streaming.source import Planner
from vpp_workloads.streaming.stream_client import StreamConnection

# paho leaves a socket to the garbage collector when the server's certificate is refused.
_PAHO = "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings(_PAHO)]
CERTIFICATES = X509Certificates()
SECRET = "secured-tls"
READER = ("vpp-reader", "readers-password")
SITES = tuple(Site(name=f"gw-{number:02d}", password=PASSWORD) for number in range(1, 6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """A broker that speaks TLS and nothing else."""

    servers: Servers
    address: BrokerAddress
    authority: KeyPair
    other: KeyPair
    name: str


def kept(authority: KeyPair, server: KeyPair) -> tls.BrokerTls:
    texts = {"tls.crt": server.certificate, "tls.key": server.key}
    return tls.BrokerTls(secret=SECRET, authority=authority.certificate, made={SECRET: texts})


@pytest.fixture(scope="module")
def secured(servers: Servers) -> Secured:
    now = time.time()
    authority, other = (CERTIFICATES.authority(name, now=now, days=1) for name in ("right", "wrong"))
    name = f"secured-0.secured-nodes.{servers.namespace}.svc"
    server = CERTIFICATES.server(authority, [name], now=now, days=1)
    address = servers.rabbitmq("secured", with_tls=kept(authority, server))
    asyncio.run(_furnish(address))
    return Secured(servers=servers, address=address, authority=authority, other=other, name=name)


async def _furnish(address: BrokerAddress) -> None:
    async with aiohttp.ClientSession() as session:
        brokers = RabbitMQ(session)
        for wanted in (
            control_definitions(reader=READER, sites=()),
            channel_definitions(exchange="topic", stream=STREAM, segment_bytes=1_000_000, reader=READER, sites=SITES),
        ):
            await ensure(brokers, address, await brokers.definitions(address), wanted)
        brokers.close()


@pytest.fixture(autouse=True)
def names_of_pods(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve what a cluster's DNS resolves, the broker's own name and one that it does not have."""
    resolve = socket.getaddrinfo

    def with_pods(host: Any, *arguments: Any, **named: Any) -> Any:
        is_pod = host in (secured.name, "other.svc", secured.name.encode(), b"other.svc")
        return resolve(secured.address.host if is_pod else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", with_pods)


@pytest.fixture
async def brokers() -> AsyncIterator[RabbitMQ]:
    async with aiohttp.ClientSession() as session:
        made = RabbitMQ(session)
        yield made
        made.close()


def settings(secured: Secured, site: str, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "site": site,
        "username": f"site-{site}",
        "password": PASSWORD,
        "host": secured.name,
        "amqp_port": tls.AMQP_TLS_PORT,
        "tls": True,
        "authority": secured.authority.certificate,
        "linger_seconds": 0.02,
        "reconnect_seconds": 0.5,
    }
    return Settings(**{**values, **changes})


def reader(secured: Secured, port: int, *, host: str = "", authority: str | None = None) -> Broker:
    authority = secured.authority.certificate if authority is None else authority
    return Broker(host=host or secured.name, port=port, username=READER[0], password=READER[1], authority=authority)


# Each connects to one port and raises what its client raises.


def amqp(secured: Secured, host: str, authority: str) -> None:
    options = pika.SSLOptions(client_context(authority), host)
    credentials = pika.PlainCredentials(*READER)
    pika.BlockingConnection(
        pika.ConnectionParameters(
            host, tls.AMQP_TLS_PORT, credentials=credentials, ssl_options=options, socket_timeout=10
        )
    ).close()


def mqtt_(secured: Secured, host: str, authority: str) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="tls-test")
    client.username_pw_set("site-gw-01", PASSWORD)
    client.tls_set_context(client_context(authority))
    answers: list[int] = []
    client.on_connect = lambda *arguments: answers.append(arguments[3].value)
    client.connect(host, tls.MQTT_TLS_PORT, keepalive=20)
    client.loop_start()
    wait_for(lambda: bool(answers), "an answer to CONNECT")
    client.disconnect()
    client.loop_stop()
    assert answers == [0]


def stream(secured: Secured, host: str, authority: str) -> None:
    broker = reader(secured, tls.STREAM_TLS_PORT, host=host, authority=authority)
    StreamConnection(broker, purpose="test", deadline_seconds=5).close()


def management(secured: Secured, host: str, authority: str) -> None:
    at = BrokerAddress(
        host=secured.address.host,
        amqp_port=tls.AMQP_TLS_PORT,
        management_url=secured.address.management_url,
        username=secured.address.username,
        password=secured.address.password,
        tls=ServerIdentity(name=host, authority=authority),
    )

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            made = RabbitMQ(session)
            try:
                assert "users" in await made.definitions(at)
            finally:
                made.close()

    asyncio.run(ask())


Client = Callable[[Secured, str, str], None]
CLIENTS = [amqp, mqtt_, stream, management]
REFUSALS = (pika.exceptions.AMQPConnectionError, ssl.SSLError, BrokerUnavailableError, Unavailable)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_port_proves_its_name(secured: Secured, client: Client) -> None:
    client(secured, secured.name, secured.authority.certificate)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_of_another_authority_is_refused(secured: Secured, client: Client) -> None:
    with pytest.raises(REFUSALS) as caught:
        client(secured, secured.name, secured.other.certificate)
    assert "CERTIFICATE_VERIFY_FAILED" in repr(caught.value)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_under_another_name_is_refused(secured: Secured, client: Client) -> None:
    with pytest.raises(REFUSALS) as caught:
        client(secured, "other.svc", secured.authority.certificate)
    assert "CERTIFICATE_VERIFY_FAILED" in repr(caught.value)


@pytest.mark.parametrize("port", [tls.AMQP_PORT, tls.MQTT_PORT, tls.MANAGEMENT_PORT, STREAM_PORT])
def test_plain_ports_are_closed(secured: Secured, port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((secured.address.host, port), timeout=5)


@pytest.mark.parametrize("port", [tls.AMQP_TLS_PORT, tls.MQTT_TLS_PORT, tls.STREAM_TLS_PORT, tls.MANAGEMENT_TLS_PORT])
def test_older_versions_of_tls_are_refused(secured: Secured, port: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((secured.address.host, port), timeout=5) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain)


def test_what_a_gateway_publishes_is_read_by_both_protocols_over_tls(secured: Secured, tmp_path: Path) -> None:
    """A few thousand readings, so that chunks come in many pieces of TLS; ledger and what was read are the same."""
    gateway = Gateway(settings(secured, "gw-02"), tmp_path / "spool.sqlite")
    gateway.start()
    try:
        gateway.accept(measurements("gw-02", 5000))
        assert gateway.flush(PATIENCE_SECONDS), gateway.status()
    finally:
        gateway.close(0.0)
    connection = StreamConnection(reader(secured, tls.STREAM_TLS_PORT), purpose="test", deadline_seconds=10)
    subscription = connection.subscribe(STREAM, "first")
    found: list[tuple[str, int, int]] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found) < 5000 and time.monotonic() < deadline:
        found += [one.identity for message in subscription.poll(1.0) for one in decode_batch(message.body)]
    connection.close()
    again = Gateway(settings(secured, "gw-02"), tmp_path / "spool.sqlite")
    confirmed = ledger(again)
    again.close(0.0)
    assert sorted(found) == sorted(confirmed)
    assert len(confirmed) == 5000


async def test_the_spark_source_plans_and_reads_over_tls(secured: Secured, brokers: RabbitMQ, tmp_path: Path) -> None:
    """The topology comes from the control broker, here the same server, and says that the channel speaks TLS."""
    gateway = Gateway(settings(secured, "gw-03"), tmp_path / "spool.sqlite")
    gateway.start()
    gateway.accept(measurements("gw-03", 300))
    assert await asyncio.to_thread(gateway.flush, PATIENCE_SECONDS)
    gateway.close(0.0)
    channel = Channel(
        name="secured-0",
        queue_channel="secured",
        host=secured.name,
        amqp_port=tls.AMQP_TLS_PORT,
        stream=STREAM,
        state=ChannelState.ACTIVE,
        stream_port=tls.STREAM_TLS_PORT,
        tls=True,
    )
    topology = Topology(generation=1, channels=(channel,))
    await brokers.publish_topology(secured.address, topology)
    given = {
        "controlHost": secured.name,
        "controlPort": str(tls.AMQP_TLS_PORT),
        "controlTls": "true",
        "controlUsername": READER[0],
        "controlPassword": READER[1],
        "username": READER[0],
        "password": READER[1],
        "authority": secured.authority.certificate,
    }
    options = parse_options(given)
    planner = Planner(options)
    try:
        end = await asyncio.to_thread(planner.latest, {}, None)
        assert end[channel.key] > 0
        ranges = planner.ranges({}, end)
    finally:
        planner.close()
    rows = [row for one in ranges for batch in read_range(options, one) for row in batch.to_pylist()]
    assert sum(row["site"] == "gw-03" for row in rows) == 300
    wrong = parse_options(
        {**given, "topology": encode_topology(topology).decode(), "authority": secured.other.certificate}
    )
    with pytest.raises(BrokerUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        list(read_range(wrong, ranges[0]))


def test_a_gateway_says_why_it_does_not_trust_a_broker(secured: Secured, tmp_path: Path) -> None:
    wrong = settings(secured, "gw-04", authority=secured.other.certificate)
    gateway = Gateway(wrong, tmp_path / "spool.sqlite")
    gateway.start()
    try:
        wait_for(lambda: "cannot prove" in gateway.status().reason, "a reason")
        where = f"{secured.name}:{tls.AMQP_TLS_PORT}"
        assert gateway.status().reason.startswith(f"broker {where} cannot prove that it is {secured.name} (")
        gateway.accept(measurements("gw-04", 3))
        gateway.change(settings(secured, "gw-04"))
        assert gateway.flush(PATIENCE_SECONDS), "the right authority is taken up without a restart"
    finally:
        gateway.close(0.0)


def _serial(secured: Secured, port: int) -> str:
    context = client_context(secured.authority.certificate)
    with (
        socket.create_connection((secured.address.host, port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=secured.name) as connection,
    ):
        found: Any = connection.getpeercert()
        return str(found["serialNumber"])


PORTS = (tls.AMQP_TLS_PORT, tls.MQTT_TLS_PORT, tls.STREAM_TLS_PORT, tls.MANAGEMENT_TLS_PORT)


@pytest.mark.timeout(420)
def test_a_renewed_certificate_is_shown_on_all_ports_without_a_restart(secured: Secured, tmp_path: Path) -> None:
    """The kubelet brings the Secret within a minute or two, and the broker looks at its files every 30 s."""
    gateway = Gateway(settings(secured, "gw-05"), tmp_path / "spool.sqlite")
    gateway.start()
    try:
        gateway.wait_connected(PATIENCE_SECONDS)
        before = {port: _serial(secured, port) for port in PORTS}
        renewed = CERTIFICATES.server(secured.authority, [secured.name], now=time.time(), days=2)
        secured.servers.kube.apply(*tls.tls_secrets(secured.servers.owner, kept(secured.authority, renewed)))
        deadline = time.monotonic() + 240
        while any(_serial(secured, port) == before[port] for port in PORTS):
            assert time.monotonic() < deadline, "the certificate before is still shown"
            time.sleep(1.0)
        gateway.accept(measurements("gw-05", 10))
        assert gateway.flush(PATIENCE_SECONDS)
        assert gateway.status().reason == "connected", "a connection there was goes on"
    finally:
        gateway.close(0.0)


@pytest.fixture(scope="module")
def half_open(servers: Servers, secured: Secured) -> BrokerAddress:
    name = f"half-0.half-nodes.{servers.namespace}.svc"
    server = CERTIFICATES.server(secured.authority, [name], now=time.time(), days=1)
    texts = {"tls.crt": server.certificate, "tls.key": server.key}
    return servers.rabbitmq(
        "half",
        with_tls=tls.BrokerTls(
            secret="half-tls",
            authority=secured.authority.certificate,
            plain_ports=("Amqp", "Stream"),
            made={"half-tls": texts},
        ),
    )


@pytest.mark.parametrize(
    ("port", "is_open"),
    [
        (tls.AMQP_PORT, True),
        (tls.AMQP_TLS_PORT, True),
        (STREAM_PORT, True),
        (tls.MQTT_PORT, False),
        (tls.MANAGEMENT_PORT, False),
    ],
)
def test_plain_ports_that_are_asked_for_stay_open(half_open: BrokerAddress, port: int, is_open: bool) -> None:
    try:
        socket.create_connection((half_open.host, port), timeout=5).close()
        found = True
    except ConnectionRefusedError:
        found = False
    assert found is is_open
