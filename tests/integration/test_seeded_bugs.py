"""The checker itself: it finds nothing in the real programs, and every fault that is put into one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from tests.fakes import FakeClock, World
from tests.integration import seeded_bugs
from tests.integration.driver import Driver
from tests.integration.streams import Line, Streams, site_batches, wait_for
from tests.integration.test_gateway import measurements
from vpp_contract.names import site_username
from vpp_contract.topology import ChannelState
from vpp_operator.adapters.rabbitmq import RabbitMQ
from vpp_operator.decide.channels import Role, State
from vpp_operator.ports import BrokerAddress, Ports
from vpp_operator.reconcile import draining
from vpp_operator.reconcile.brokers import ChannelReport
from vpp_operator.reconcile.definitions import Site, channel_definitions, missing
from vpp_operator.reconcile.memory import PlantMemory
from vpp_workloads.gateway import publisher
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.settings import Settings
from vpp_workloads.streaming import stateful
from vpp_workloads.streaming.audit.__main__ import read_states
from vpp_workloads.streaming.audit.compare import HISTORY_FIELDS, LEDGER_FIELDS, current_values, join_identities
from vpp_workloads.streaming.files import LocalFiles
from vpp_workloads.streaming.history.rows import read_all
from vpp_workloads.streaming.influx import Influx
from vpp_workloads.streaming.source import RabbitMQStreams

pytestmark = pytest.mark.integration
Identity = tuple[str, int, int]
SITE, PASSWORD = "seeded-01", "site-password"
PATIENCE_SECONDS = 60.0
CLEAN = {"lost": 0, "duplicated": 0, "phantom": 0, "inversions": 0}


def found_by_the_checker(driver: Driver, ledger: Sequence[Identity]) -> dict[str, int]:
    """Return what the audit says of this history and this ledger, without what is merely counted."""
    columns = [list(values) for values in zip(*ledger, strict=True)]
    history = read_all(LocalFiles(Path(driver.settings.storage.url.removeprefix("file://"))), HISTORY_FIELDS)
    influx = Influx(driver.settings.influx)
    try:
        states = read_states(influx, driver.settings.vpp)
    finally:
        influx.close()
    total = join_identities(pa.table(columns, LEDGER_FIELDS), history).total()
    found = {**total, "inversions": current_values(states, history)["inversions"]}
    return {name: found[name] for name in CLEAN}


def call(at: BrokerAddress, talk: Callable[[RabbitMQ], Any]) -> Any:
    async def conversation() -> Any:
        async with aiohttp.ClientSession() as session:
            adapter = RabbitMQ(session)
            try:
                return await talk(adapter)
            finally:
                adapter.close()

    return asyncio.run(conversation())


def read_to_the_end(driver: Driver, at: BrokerAddress, streams: Streams) -> None:
    """Wait until the driver has committed all there is on the channels that are awake."""
    awake = [channel for channel in streams.channels.values() if channel.state is not ChannelState.ASLEEP]

    async def ends(adapter: RabbitMQ) -> dict[str, int]:
        return {channel.key: await adapter.tail_offset(at, channel.stream) or 0 for channel in awake}

    tails = call(at, ends)

    def is_read() -> bool:
        committed = driver.says("committed")
        return all(committed.get(key, 0) == tail for key, tail in tails.items())

    wait_for(f"the commit of {tails}", is_read, seconds=90)


@pytest.fixture
def streams(rabbitmq: BrokerAddress) -> Streams:
    """Two channels with a site's account on them."""
    made = Streams(rabbitmq)
    for name in ("q-0", "q-1"):
        made.add(name)
    made.announce()
    return made


@pytest.fixture
def gateway_line(rabbitmq: BrokerAddress) -> Iterator[Line]:
    """The line between a gateway and its channel."""
    line = Line(rabbitmq.host, rabbitmq.amqp_port)
    yield line
    line.close()


def sent_over_a_bad_line(at: BrokerAddress, streams: Streams, line: Line, spool: Path) -> list[Identity]:
    """Let a gateway send over a line that loses first messages and then confirms; return its ledger."""
    wanted = channel_definitions(
        exchange="topic",
        stream=streams.channels["q-0"].stream,
        segment_bytes=1_000_000,
        reader=("reader", "x"),
        sites=[Site(name=SITE, password=PASSWORD)],
    )
    call(at, lambda adapter: adapter.import_definitions(at, missing({}, {**wanted, "queues": []})))
    settings = Settings(
        site=SITE,
        username=site_username(SITE),
        password=PASSWORD,
        host="127.0.0.1",
        amqp_port=line.port,
        linger_seconds=0.02,
        batch_readings=5,
        reconnect_seconds=0.5,
        connect_seconds=3.0,
    )
    gateway = Gateway(settings, spool)
    try:
        gateway.start()
        gateway.wait_connected(PATIENCE_SECONDS)
        gateway.accept(measurements(SITE, 40))
        assert gateway.flush(PATIENCE_SECONDS)
        for start, direction in ((40, "held_forward"), (80, "held_back")):
            setattr(line, direction, True)
            gateway.accept(measurements(SITE, 40, start=start))
            gateway.flush(1.0)
            line.cut()
            line.mend()
            assert gateway.flush(PATIENCE_SECONDS), gateway.status()
        return [(run.der, run.boot, seq) for run in gateway.ledger() for seq in range(run.first_seq, run.last_seq + 1)]
    finally:
        gateway.close(0.0)


def over_a_bad_line(
    driver: Driver, rabbitmq: BrokerAddress, streams: Streams, line: Line, folder: Path
) -> dict[str, int]:
    with driver.running():
        ledger = sent_over_a_bad_line(rabbitmq, streams, line, folder / "spool.sqlite")
        assert len(ledger) == 120
        read_to_the_end(driver, rabbitmq, streams)
    return found_by_the_checker(driver, ledger)


def with_older_readings_last(driver: Driver, rabbitmq: BrokerAddress, streams: Streams) -> dict[str, int]:
    with driver.running():
        streams.publish("q-0", site_batches(SITE, range(30, 60)))
        read_to_the_end(driver, rabbitmq, streams)
        streams.publish("q-1", site_batches(SITE, range(30)))
        read_to_the_end(driver, rabbitmq, streams)
    return found_by_the_checker(driver, [(f"{SITE}/{name}", 1, seq) for name in ("pv", "load") for seq in range(60)])


def drained(at: BrokerAddress, streams: Streams, name: str) -> State:
    """Let the operator's own steps drain a channel while no driver reads; return the state it comes to."""
    clock = FakeClock()
    ports: Ports = replace(World().ports, clock=clock)
    memory = PlantMemory()
    channel = streams.channels[name]

    async def looks(adapter: RabbitMQ) -> State:
        with_broker = replace(ports, brokers=adapter)
        report = ChannelReport(
            name=name, host=channel.host, stream=channel.stream, state=State.DRAINING, role=Role.ASLEEP, answers=True
        )
        for _ in range(6):
            report = await draining.drain(
                with_broker, memory, at, report, own_accounts=(at.username,), deadline_seconds=3600, generation=1
            )
            clock.now += 5
        return report.state

    found: State = call(at, looks)
    return found


def with_a_channel_put_to_sleep(driver: Driver, rabbitmq: BrokerAddress, streams: Streams) -> dict[str, int]:
    streams.publish("q-0", site_batches(SITE, range(30)))
    streams.publish("q-1", site_batches(SITE, range(30, 60)))
    if drained(rabbitmq, streams, "q-0") is State.ASLEEP:
        streams.channels["q-0"] = replace(streams.channels["q-0"], state=ChannelState.ASLEEP)
    streams.announce()
    with driver.running():
        read_to_the_end(driver, rabbitmq, streams)
    return found_by_the_checker(driver, [(f"{SITE}/{name}", 1, seq) for name in ("pv", "load") for seq in range(60)])


def test_in_the_real_programs_the_checker_finds_nothing_over_a_bad_line(
    driver: Driver, rabbitmq: BrokerAddress, streams: Streams, gateway_line: Line, tmp_path: Path
) -> None:
    assert over_a_bad_line(driver, rabbitmq, streams, gateway_line, tmp_path) == CLEAN
    assert driver.says("readings")["duplicates"] > 0


def test_a_gateway_that_takes_for_confirmed_what_it_has_sent_is_found(
    driver: Driver,
    rabbitmq: BrokerAddress,
    streams: Streams,
    gateway_line: Line,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "Sender", seeded_bugs.AcksBeforeConfirm)
    assert over_a_bad_line(driver, rabbitmq, streams, gateway_line, tmp_path)["lost"] > 0


def test_a_twin_that_does_not_drop_copies_is_found(
    driver: Driver,
    rabbitmq: BrokerAddress,
    streams: Streams,
    gateway_line: Line,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stateful, "_step", seeded_bugs.step_without_dedupe)
    assert over_a_bad_line(driver, rabbitmq, streams, gateway_line, tmp_path)["duplicated"] > 0


@pytest.fixture
def skipping_source(spark: SparkSession) -> Iterator[None]:
    """A source whose ranges begin one too late."""
    spark.dataSource.register(seeded_bugs.SkipsOne)
    yield
    spark.dataSource.register(RabbitMQStreams)


@pytest.mark.usefixtures("skipping_source")
def test_a_source_that_is_off_by_one_is_found(
    driver: Driver, rabbitmq: BrokerAddress, streams: Streams, gateway_line: Line, tmp_path: Path
) -> None:
    assert over_a_bad_line(driver, rabbitmq, streams, gateway_line, tmp_path)["lost"] > 0


def test_in_the_real_programs_the_checker_finds_nothing_when_older_readings_come_last(
    driver: Driver, rabbitmq: BrokerAddress, streams: Streams
) -> None:
    assert with_older_readings_last(driver, rabbitmq, streams) == CLEAN


def test_a_twin_whose_current_values_are_those_that_came_last_is_found(
    driver: Driver, rabbitmq: BrokerAddress, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stateful, "_step", seeded_bugs.step_with_the_last_to_come)
    assert with_older_readings_last(driver, rabbitmq, streams)["inversions"] > 0


def test_in_the_real_programs_the_checker_finds_nothing_when_a_channel_is_to_sleep(
    driver: Driver, rabbitmq: BrokerAddress, streams: Streams
) -> None:
    assert with_a_channel_put_to_sleep(driver, rabbitmq, streams) == CLEAN


def test_an_operator_that_does_not_wait_for_the_drain_is_found(
    driver: Driver, rabbitmq: BrokerAddress, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "next_move", seeded_bugs.sleeps_without_waiting)
    assert with_a_channel_put_to_sleep(driver, rabbitmq, streams)["lost"] > 0
