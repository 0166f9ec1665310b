"""The gateway against a real broker: whatever happens to either, what was accepted arrives, and the ledger is true."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.integration.gateway_broker import SITES, GatewayBroker
from tests.servers import Servers
from vpp_workloads.gateway.errors import NotConnectedError
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.measurement import Measurement
from vpp_workloads.gateway.publisher import State
from vpp_workloads.gateway.settings import Settings

pytestmark = pytest.mark.integration
PATIENCE_SECONDS = 60.0
Identity = tuple[str, int, int]


@pytest.fixture(scope="module")
def broker(servers: Servers) -> GatewayBroker:
    """A broker of this module's own, because its tests are hard on it."""
    return GatewayBroker(servers)


Start = Callable[..., Gateway]


@pytest.fixture
def start(broker: GatewayBroker, tmp_path: Path) -> Iterator[Start]:
    """Starts gateways and closes them in the end."""
    gateways: list[Gateway] = []

    def start(site: str, **changes: object) -> Gateway:
        gateway = Gateway(broker.settings(site, **changes), tmp_path / f"{site}.sqlite")
        gateways.append(gateway)
        gateway.start()
        return gateway

    yield start
    for gateway in gateways:
        gateway.close(0.0)


def measurements(site: str, count: int, start: int = 0) -> list[Measurement]:
    return [
        Measurement(
            der=f"{site}/pv", kind="pv", event_time_us=60_000_000 * (i + 1), interval_seconds=60.0, power_kw=1.5,
            energy_kwh=0.025,
        )
        for i in range(start, start + count)
    ]  # fmt: skip


def ledger(gateway: Gateway) -> list[Identity]:
    return [(run.der, run.boot, seq) for run in gateway.ledger() for seq in range(run.first_seq, run.last_seq + 1)]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_SECONDS:g} s"
        time.sleep(0.05)


def accept_steadily(gateway: Gateway, site: str, count: int) -> threading.Thread:
    """Accept readings one by one for about two seconds, in a thread."""

    def work() -> None:
        for i in range(count):
            gateway.accept(measurements(site, 1, start=i))
            time.sleep(2.0 / count)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def assert_all_arrived(broker: GatewayBroker, gateway: Gateway, site: str, count: int) -> None:
    """The stream holds what the ledger says, and each interval once, seen by identity."""
    assert gateway.flush(PATIENCE_SECONDS), gateway.status()
    arrived = {one.identity: one.event_time_us for one in broker.readings([site])}
    assert sorted(arrived) == sorted(ledger(gateway))
    assert sorted(arrived.values()) == [60_000_000 * (i + 1) for i in range(count)]


def test_what_is_confirmed_is_in_the_stream(broker: GatewayBroker, start: Start) -> None:
    gateway = start("gw-01")
    gateway.wait_connected(PATIENCE_SECONDS)
    gateway.accept(measurements("gw-01", 250))
    assert_all_arrived(broker, gateway, "gw-01", 250)
    one = broker.readings(["gw-01"])[0]
    assert (one.kind, one.power_kw, one.energy_kwh, one.voltage_v) == ("pv", 1.5, 0.025, None)


def test_twenty_gateways_in_one_process(broker: GatewayBroker, start: Start) -> None:
    sites = SITES[-20:]
    gateways = {site: start(site) for site in sites}
    for site, gateway in gateways.items():
        gateway.accept(measurements(site, 10))
    for site, gateway in gateways.items():
        assert gateway.flush(PATIENCE_SECONDS), (site, gateway.status())
    arrived = [one.identity for one in broker.readings(sites)]
    assert sorted(arrived) == sorted(identity for gateway in gateways.values() for identity in ledger(gateway))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"password": "wrong"},
            "broker {where} refused the login of site-gw-02 (ACCESS_REFUSED); check username and password",
        ),
        (
            {"amqp_port": 15672},
            "broker {host}:15672 opened no channel within 3 s; is it overloaded, or no AMQP 0.9.1 broker?",
        ),
        ({"amqp_port": 9}, "nothing listens at {host}:9; is the broker up?"),
    ],
)
def test_a_gateway_that_cannot_connect_says_why(
    broker: GatewayBroker, start: Start, changes: dict[str, object], sentence: str
) -> None:
    gateway = start("gw-02", connect_seconds=3.0, **changes)
    wait_for(lambda: gateway.status().reason not in ("not started", "connected"), "a reason")
    with pytest.raises(NotConnectedError) as caught:
        gateway.wait_connected(0.0)
    where = f"{broker.address.host}:{broker.address.amqp_port}"
    reason = sentence.format(where=where, host=broker.address.host)
    assert str(caught.value) == f"site gw-02 cannot connect: {reason}"


def test_an_unknown_host_is_named(start: Start) -> None:
    gateway = start("gw-02", host="no-such-host.invalid")
    wait_for(lambda: gateway.status().reason != "not started", "a reason")
    assert gateway.status().reason.startswith("the name no-such-host.invalid of the broker cannot be resolved (")


def test_a_site_cannot_write_with_its_neighbours_account(broker: GatewayBroker, start: Start) -> None:
    gateway = start("gw-03", username="site-gw-04")
    gateway.accept(measurements("gw-03", 3))
    wait_for(lambda: "ACCESS_REFUSED" in gateway.status().reason, "a refusal")
    assert gateway.status().reason == (
        f"broker {broker.address.host}:{broker.address.amqp_port} does not let site-gw-04 write readings.gw-03 to "
        "exchange ingress (ACCESS_REFUSED); use the credentials of this site"
    )
    assert gateway.status().spooled == 3


def test_connections_that_the_broker_closes_cost_nothing(broker: GatewayBroker, start: Start) -> None:
    gateway = start("gw-05")
    gateway.wait_connected(PATIENCE_SECONDS)
    accepting = accept_steadily(gateway, "gw-05", 200)
    time.sleep(0.5)
    wait_for(lambda: bool(broker.connections("gw-05")), "the broker's list of connections")
    broker.close_connections("gw-05")
    accepting.join(PATIENCE_SECONDS)
    assert_all_arrived(broker, gateway, "gw-05", 200)


def test_a_broker_that_restarts_costs_nothing(broker: GatewayBroker, start: Start) -> None:
    gateway = start("gw-06")
    gateway.wait_connected(PATIENCE_SECONDS)
    accepting = accept_steadily(gateway, "gw-06", 200)
    broker.control("stop_app")
    accepting.join(PATIENCE_SECONDS)
    gateway.accept(measurements("gw-06", 20, start=200))
    assert gateway.status().spooled >= 20
    broker.control("start_app")
    assert_all_arrived(broker, gateway, "gw-06", 220)


def test_a_broker_that_blocks_publishers_is_waited_for(broker: GatewayBroker, start: Start) -> None:
    gateway = start("gw-07")
    gateway.wait_connected(PATIENCE_SECONDS)
    broker.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        gateway.accept(measurements("gw-07", 3))
        wait_for(lambda: gateway.status().state is State.BLOCKED, "a block")
        gateway.accept(measurements("gw-07", 3, start=3))
        assert gateway.status().reason.startswith("the broker blocks publishers: low on memory")
        assert gateway.status().spooled >= 3
    finally:
        broker.control("set_vm_memory_high_watermark", "0.6")
    assert_all_arrived(broker, gateway, "gw-07", 6)


def test_what_has_no_queue_is_kept_until_it_has_one(broker: GatewayBroker, start: Start) -> None:
    gateway = start("gw-08")
    gateway.wait_connected(PATIENCE_SECONDS)
    broker.unbind()
    try:
        gateway.accept(measurements("gw-08", 3))
        wait_for(lambda: "NO_ROUTE" in gateway.status().reason, "a return")
        assert gateway.status().confirmed == 0
    finally:
        broker.bind()
    assert_all_arrived(broker, gateway, "gw-08", 3)


def write_settings(file: Path, settings: Settings) -> None:
    values = asdict(settings)
    file.write_text(
        json.dumps({**values, "channels": {"host": values.pop("host"), "amqp_port": values.pop("amqp_port")}})
    )


def test_a_gateway_that_is_killed_sends_the_rest_under_the_same_identities(
    broker: GatewayBroker, tmp_path: Path
) -> None:
    """The program is killed right after it has answered for readings that linger, again and again."""
    site, spool, port = "gw-09", tmp_path / "spool.sqlite", 18_099
    write_settings(tmp_path / "gateway.json", broker.settings(site, linger_seconds=0.3))
    command = [sys.executable, "-m", "vpp_workloads.gateway", "--settings", str(tmp_path / "gateway.json")]
    command += ["--spool", str(spool), "--listen", f"127.0.0.1:{port}"]
    for round_ in range(3):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: answers(port), "the program's start")
            for i in range(20):
                post(port, site, 20 * round_ + i)
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE_SECONDS)
    gateway = Gateway(broker.settings(site), spool)
    try:
        gateway.start()
        assert_all_arrived(broker, gateway, site, 60)
        assert len({boot for _, boot, _ in ledger(gateway)}) == 3
    finally:
        gateway.close()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def post(port: int, site: str, number: int) -> None:
    one = measurements(site, 1, start=number)[0]
    body = json.dumps({name: value for name, value in asdict(one).items() if value is not None}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readings", data=body, timeout=5) as answer:
        assert answer.status == 204
