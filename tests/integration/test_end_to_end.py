"""A channel's volume is lost with readings that the twin has not read: EndToEnd brings them back, Broker cannot."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.driver import Driver
from tests.integration.streams import Streams, wait_for
from tests.integration.test_gateway import measurements
from tests.integration.test_seeded_bugs import CLEAN, call, found_by_the_checker, read_to_the_end
from vpp_contract.names import READINGS_EXCHANGE, TOPOLOGY_STREAM, commands_queue, site_username
from vpp_operator.ports import BrokerAddress
from vpp_operator.reconcile.definitions import Site, channel_definitions, control_definitions, missing
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.settings import BROKER, END_TO_END, Settings

pytestmark = pytest.mark.integration
SITE, PASSWORD = "kept-01", "site-password"
PATIENCE_SECONDS = 60.0


@pytest.fixture
def streams(rabbitmq: BrokerAddress) -> Iterator[Streams]:
    """One channel, and what the operator puts on it and on the control broker for a site."""
    made = Streams(rabbitmq)
    stream = made.add("q-0").stream
    made.announce()
    sites = [Site(name=SITE, password=PASSWORD)]
    channel = channel_definitions(
        exchange="topic", stream=stream, segment_bytes=1_000_000, reader=("reader", "x"), sites=sites
    )
    call(rabbitmq, lambda adapter: adapter.import_definitions(rabbitmq, missing({}, {**channel, "queues": []})))
    control = control_definitions(reader=("reader", "x"), sites=sites)
    # The topology's stream is there already, with the arguments of this test's own helper.
    queues = [queue for queue in control["queues"] if queue["name"] != TOPOLOGY_STREAM]
    call(rabbitmq, lambda adapter: adapter.import_definitions(rabbitmq, missing({}, {**control, "queues": queues})))
    # The broker plays both parts, so the site's account needs the permissions of both.
    rights = {"user": site_username(SITE), "vhost": "/", "configure": "^$", "write": ".*", "read": ".*"}
    call(rabbitmq, lambda adapter: adapter.import_definitions(rabbitmq, {"permissions": [rights]}))
    yield made
    call(rabbitmq, lambda adapter: adapter.remove(rabbitmq, ("queues", "/", commands_queue(SITE))))
    call(rabbitmq, lambda adapter: adapter.remove(rabbitmq, ("users", site_username(SITE))))


@contextmanager
def a_gateway(at: BrokerAddress, spool: Path, durability: str) -> Iterator[Gateway]:
    settings = Settings(
        site=SITE,
        username=site_username(SITE),
        password=PASSWORD,
        host=at.host,
        amqp_port=at.amqp_port,
        control_host=at.host,
        control_port=at.amqp_port,
        durability=durability,
        linger_seconds=0.02,
        batch_readings=5,
        reconnect_seconds=0.5,
    )
    gateway = Gateway(settings, spool)
    gateway.start()
    try:
        gateway.wait_connected(PATIENCE_SECONDS)
        wait_for("the control link", lambda: gateway.status().control == "connected", PATIENCE_SECONDS)
        yield gateway
    finally:
        gateway.close(0.0)


def lose_the_volume(at: BrokerAddress, streams: Streams) -> None:
    """Delete a stream, and do what the operator does when it finds it missing."""
    streams.delete("q-0")
    stream = streams.add("q-0").stream
    with streams.open() as channel:
        channel.queue_bind(stream, READINGS_EXCHANGE, "#")
    streams.announce()


def sent(gateway: Gateway, start: int) -> None:
    gateway.accept(measurements(SITE, 20, start=start))
    assert gateway.flush(PATIENCE_SECONDS), gateway.status()


def ledger(gateway: Gateway) -> list[tuple[str, int, int]]:
    return [(run.der, run.boot, seq) for run in gateway.ledger() for seq in range(run.first_seq, run.last_seq + 1)]


@pytest.mark.parametrize(("durability", "lost"), [(END_TO_END, 0), (BROKER, 20)])
def test_what_a_lost_volume_held_comes_again_from_the_spool_with_end_to_end_alone(
    driver: Driver, rabbitmq: BrokerAddress, streams: Streams, tmp_path: Path, durability: str, lost: int
) -> None:
    driver.settings = dataclasses.replace(driver.settings, marks=durability == END_TO_END)
    with a_gateway(rabbitmq, tmp_path / "spool.sqlite", durability) as gateway:
        with driver.running():
            sent(gateway, 0)
            driver.wait_for_readings(20)
            wait_for("the marks", lambda: gateway.status().retained == 0, PATIENCE_SECONDS)
        sent(gateway, 20)  # nobody reads, so the twin has none of these
        lose_the_volume(rabbitmq, streams)
        with driver.running():
            sent(gateway, 40)
            driver.wait_for_readings(60 - lost)
            wait_for("the marks", lambda: gateway.status().retained == 0, PATIENCE_SECONDS)
            read_to_the_end(driver, rabbitmq, streams)
        status, known = gateway.status(), ledger(gateway)
    assert len(known) == 60
    assert (status.spooled, status.spool_bytes) == (0, 0)
    assert (status.sent_again > 0) == (durability == END_TO_END)
    assert found_by_the_checker(driver, known) == CLEAN | {"lost": lost}


def test_a_gateway_that_was_away_sends_again_what_was_marked_meanwhile(
    driver: Driver, rabbitmq: BrokerAddress, streams: Streams, tmp_path: Path
) -> None:
    driver.settings = dataclasses.replace(driver.settings, marks=True)
    spool = tmp_path / "spool.sqlite"
    with a_gateway(rabbitmq, spool, END_TO_END) as gateway:
        sent(gateway, 0)
        assert gateway.status().retained == 20
    with driver.running():
        driver.wait_for_readings(20)
        with streams.open() as channel:
            channel.queue_purge(commands_queue(SITE))  # as if the marks had outlived their time in the queue
        with a_gateway(rabbitmq, spool, END_TO_END) as gateway:
            assert gateway.status().retained == 20
            wait_for("the marks", lambda: gateway.status().retained == 0, PATIENCE_SECONDS)
            read_to_the_end(driver, rabbitmq, streams)
            known = ledger(gateway)
    assert driver.says("readings")["duplicates"] == 20
    assert found_by_the_checker(driver, known) == CLEAN
