"""The gateway against a broker in memory: nothing accepted is lost, and its callers are told what happens."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.unit.gateway.brokers import SITE, FakeBroker, measurements
from vpp_contract.marks import (
    CAUGHT_UP_CONTENT_TYPE,
    MARKS_CONTENT_TYPE,
    Mark,
    encode_caught_up,
    encode_marks,
)
from vpp_workloads.gateway import gateway as gateway_module
from vpp_workloads.gateway import publisher
from vpp_workloads.gateway.control_link import Handler
from vpp_workloads.gateway.errors import MeasurementError, NotConnectedError, SpoolError, SpoolFullError
from vpp_workloads.gateway.filter import Band, FilterSettings
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.publisher import State
from vpp_workloads.gateway.settings import Settings

SETTINGS = Settings(
    site=SITE, username="site-house-01", password="x", host="broker", linger_seconds=0.01, accept_seconds=5.0,
    batch_readings=10,
)  # fmt: skip
PATIENCE_SECONDS = 5.0
PV = f"{SITE}/pv"


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    broker = FakeBroker()
    monkeypatch.setattr(publisher, "AmqpSession", broker.connect)
    return broker


Start = Callable[..., Gateway]


@pytest.fixture
def start(broker: FakeBroker, tmp_path: Path) -> Iterator[Start]:
    """Starts gateways on one spool and closes them in the end."""
    gateways: list[Gateway] = []

    def start(**changes: object) -> Gateway:
        gateway = Gateway(dataclasses.replace(SETTINGS, **changes), tmp_path / "spool.sqlite", lambda: 7_000_000)  # type: ignore[arg-type]
        gateways.append(gateway)
        gateway.start()
        return gateway

    yield start
    for gateway in gateways:
        gateway.close(0.0)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def identities(gateway: Gateway) -> list[tuple[str, int, int]]:
    return [(run.der, run.boot, seq) for run in gateway.ledger() for seq in range(run.first_seq, run.last_seq + 1)]


def test_what_is_accepted_is_published_and_lands_in_the_ledger(start: Start, broker: FakeBroker) -> None:
    gateway = start()
    gateway.accept(measurements(25))
    assert gateway.flush(PATIENCE_SECONDS)
    assert broker.identities() == identities(gateway) == [(PV, 7, seq) for seq in range(25)]
    status = gateway.status()
    assert (status.state, status.reason, status.boot) == (State.CONNECTED, "connected", 7)
    assert (status.accepted, status.confirmed, status.spooled, status.refused, status.spool_bytes) == (25, 25, 0, 0, 0)


def test_a_gateway_without_a_broker_accepts_and_sends_later(start: Start, broker: FakeBroker) -> None:
    broker.refuses = "nothing listens"
    gateway = start()
    gateway.accept(measurements(5))
    assert not gateway.flush(0.05)
    assert gateway.status().spooled == 5
    broker.refuses = None
    assert gateway.flush(PATIENCE_SECONDS)
    assert len(broker.received) == 5


def test_a_restart_sends_what_was_left_under_the_same_identities(start: Start, broker: FakeBroker) -> None:
    broker.confirms = False
    gateway = start()
    gateway.accept(measurements(3))
    wait_for(lambda: len(broker.received) == 3)
    gateway.close(0.0)
    broker.confirms = True
    again = start()
    again.accept(measurements(2, start=4))
    assert again.flush(PATIENCE_SECONDS)
    assert broker.identities()[3:6] == broker.identities()[:3]
    assert identities(again) == [(PV, 7, 0), (PV, 7, 1), (PV, 7, 2), (PV, 8, 0), (PV, 8, 1)]
    assert again.last_event_time_us(PV) == 300_000_000


def test_a_dropped_connection_is_made_again(start: Start, broker: FakeBroker) -> None:
    gateway = start()
    gateway.wait_connected(PATIENCE_SECONDS)
    broker.drop_connection("the broker went away")
    wait_for(lambda: len(broker.sessions) == 2)
    gateway.accept(measurements(3))
    assert gateway.flush(PATIENCE_SECONDS)


def test_connecting_is_told_with_its_reason(start: Start, broker: FakeBroker) -> None:
    broker.refuses = "the password is wrong"
    gateway = start()
    with pytest.raises(NotConnectedError, match=r"^site house-01 cannot connect: the password is wrong$"):
        gateway.wait_connected(0.3)
    broker.refuses = None
    gateway.wait_connected(PATIENCE_SECONDS)


def test_a_full_spool_holds_its_caller_back_and_then_refuses(start: Start, broker: FakeBroker) -> None:
    broker.refuses = "nothing listens"
    gateway = start(spool_bytes=1000)
    wait_for(lambda: gateway.status().reason == "nothing listens")
    gateway.accept(measurements(3))
    started = time.monotonic()
    with pytest.raises(SpoolFullError, match=r"do not fit; .* \(waited 0\.2 s; broker: nothing listens\)$"):
        gateway.accept(measurements(3, start=4), timeout_seconds=0.2)
    assert time.monotonic() - started >= 0.2
    status = gateway.status()
    assert (status.accepted, status.refused, status.spooled) == (3, 3, 3)


def test_room_lets_a_waiting_caller_go_on(start: Start, broker: FakeBroker) -> None:
    broker.refuses = "nothing listens"
    gateway = start(spool_bytes=1000)
    gateway.accept(measurements(3))
    caller = threading.Thread(target=gateway.accept, args=(measurements(3, start=4), PATIENCE_SECONDS))
    caller.start()
    time.sleep(0.1)
    assert caller.is_alive()
    broker.refuses = None
    caller.join(PATIENCE_SECONDS)
    assert gateway.flush(PATIENCE_SECONDS)
    assert [seq for _, _, seq in broker.identities()] == list(range(6))
    assert gateway.status().refused == 0


def test_a_blocked_connection_is_told_and_kept(start: Start, broker: FakeBroker) -> None:
    gateway = start()
    gateway.wait_connected(PATIENCE_SECONDS)
    broker.block("low on disk")
    wait_for(lambda: gateway.status().state is State.BLOCKED)
    gateway.accept(measurements(3))
    assert not gateway.flush(0.1)
    assert gateway.status().reason == "the broker blocks publishers: low on disk"
    broker.block(None)
    assert gateway.flush(PATIENCE_SECONDS)
    assert len(broker.sessions) == 1


def test_a_message_without_a_queue_is_kept_and_told(start: Start, broker: FakeBroker) -> None:
    broker.unroutable = True
    gateway = start()
    gateway.accept(measurements(3))
    wait_for(lambda: gateway.status().reason == "no queue")
    assert gateway.status().spooled == 3
    broker.unroutable = False
    assert gateway.flush(PATIENCE_SECONDS)
    assert len(broker.received) == 3


def test_a_broker_that_confirms_nothing_is_given_up(start: Start, broker: FakeBroker) -> None:
    broker.confirms = False
    gateway = start(confirm_seconds=0.1)
    gateway.accept(measurements(3))
    wait_for(lambda: len(broker.sessions) >= 2)
    broker.confirms = True
    assert gateway.flush(PATIENCE_SECONDS)


def test_a_failure_in_the_event_loop_does_not_end_the_gateway(
    start: Start, broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise AssertionError("a mistake in a library")

    gateway = start()
    gateway.wait_connected(PATIENCE_SECONDS)
    broker.sessions[-1].loop.add_callback_threadsafe(fail)
    wait_for(lambda: len(broker.sessions) == 2)
    gateway.accept(measurements(3))
    assert gateway.flush(PATIENCE_SECONDS)
    assert "the event loop failed and begins anew" in caplog.text


def test_an_invalid_measurement_is_refused_with_all_beside_it(start: Start, broker: FakeBroker) -> None:
    gateway = start()
    bad = dataclasses.replace(measurements(1)[0], power_kw=float("nan"))
    with pytest.raises(MeasurementError, match=r"^power_kw of house-01/pv is nan; leave out what was not measured$"):
        gateway.accept([*measurements(2), bad])
    assert gateway.status().accepted == 0


def test_a_closed_gateway_takes_nothing(start: Start) -> None:
    gateway = start()
    assert gateway.close(PATIENCE_SECONDS)
    with pytest.raises(SpoolError, match=r"^the gateway of house-01 is closed; open a new one$"):
        gateway.accept(measurements(1))


def test_closing_sends_what_waits(start: Start, broker: FakeBroker) -> None:
    gateway = start(linger_seconds=60.0)
    gateway.accept(measurements(3))
    assert gateway.close(PATIENCE_SECONDS)
    assert len(broker.received) == 3


def test_accepting_nothing_does_nothing(start: Start, broker: FakeBroker) -> None:
    gateway = start()
    gateway.accept([])
    assert gateway.flush(PATIENCE_SECONDS)
    assert not broker.received


def test_many_threads_may_accept_at_once(start: Start, broker: FakeBroker) -> None:
    gateway = start()
    callers = [threading.Thread(target=gateway.accept, args=(measurements(20, der=f"{SITE}/d{i}"),)) for i in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE_SECONDS)
    assert gateway.flush(PATIENCE_SECONDS)
    assert sorted(broker.identities()) == sorted((f"{SITE}/d{i}", 7, seq) for i in range(8) for seq in range(20))


STILL = FilterSettings(quantities={"power_kw": Band(deadband=0.5)}, longest_seconds=3600)


def test_what_the_filter_drops_is_counted_and_its_energy_is_sent(start: Start, broker: FakeBroker) -> None:
    gateway = start(filter=STILL)
    gateway.accept(measurements(10))
    assert gateway.status().filtered == 8
    assert gateway.last_event_time_us(PV) == 600_000_000
    assert gateway.flush(PATIENCE_SECONDS)
    assert [(one.seq, one.interval_seconds) for one in broker.received] == [(0, 60.0), (1, 540.0)]
    assert sum(one.energy_kwh for one in broker.received) == pytest.approx(0.25)
    assert gateway.status().accepted == 10


def test_what_the_filter_holds_survives_a_restart(start: Start, broker: FakeBroker) -> None:
    gateway = start(filter=STILL)
    gateway.accept(measurements(1))
    assert gateway.flush(PATIENCE_SECONDS)
    gateway.accept(measurements(4, start=2))
    assert gateway.status().spooled == 0
    gateway._publisher.stop()
    gateway._spool.close()  # as if the process had died: nothing was flushed
    again = start()
    assert again.last_event_time_us(PV) == 300_000_000
    assert again.flush(PATIENCE_SECONDS)
    assert [(one.boot, one.seq, one.interval_seconds) for one in broker.received] == [(7, 0, 60.0), (8, 0, 240.0)]


def test_measurements_that_find_no_room_leave_the_filter_as_it_was(start: Start, broker: FakeBroker) -> None:
    broker.confirms = False
    gateway = start(filter=STILL, spool_bytes=600, accept_seconds=0.05)
    gateway.accept(measurements(2))
    with pytest.raises(SpoolFullError):
        gateway.accept([dataclasses.replace(one, power_kw=9.0) for one in measurements(5, start=3)])
    assert gateway.last_event_time_us(PV) == 120_000_000
    broker.confirms = True


def test_what_a_silent_der_has_held_is_sent_after_a_while(start: Start, broker: FakeBroker) -> None:
    gateway = start(filter=dataclasses.replace(STILL, longest_seconds=0.0, quantities={}))
    gateway.accept(measurements(1, start=2))
    gateway.accept(measurements(1, start=1))  # older than what was sent: no news
    gateway._clock = lambda: 8_000_000
    wait_for(lambda: len(broker.received) == 2)


class FakeLink:
    """Takes the place of the control link; a test says what the control broker brings."""

    handlers: Mapping[str, Handler]
    reason = "connected"

    def __init__(self, _settings: Settings, handlers: Mapping[str, Handler]) -> None:
        FakeLink.handlers = handlers

    def start(self) -> None: ...

    def stop(self) -> None: ...

    @classmethod
    def brings(cls, content_type: str, body: bytes) -> None:
        assert list(cls.handlers[content_type]("marks", body)) == []


END_TO_END_SETTINGS = {"durability": "EndToEnd", "control_host": "control", "accept_seconds": 0.05}


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> type[FakeLink]:
    monkeypatch.setattr(gateway_module, "ControlLink", FakeLink)
    return FakeLink


def marks(end_seq: int) -> bytes:
    return encode_marks([Mark(der=PV, boot=7, first_seq=0, end_seq=end_seq)])


def test_a_mark_makes_room_for_callers_and_nothing_else_does(start: Start, link: type[FakeLink]) -> None:
    gateway = start(**END_TO_END_SETTINGS, spool_bytes=3000)
    gateway.accept(measurements(10))
    assert gateway.flush(PATIENCE_SECONDS)
    assert (gateway.status().confirmed, gateway.status().retained) == (10, 10)
    with pytest.raises(SpoolFullError):
        gateway.accept(measurements(10, start=11))
    link.brings(MARKS_CONTENT_TYPE, marks(10))
    assert (gateway.status().retained, gateway.status().spool_bytes) == (0, 0)
    gateway.accept(measurements(10, start=11))


def test_what_the_twin_should_have_and_does_not_is_sent_again_under_its_identity(
    start: Start, broker: FakeBroker, link: type[FakeLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = start(**END_TO_END_SETTINGS)
    gateway.accept(measurements(10))
    assert gateway.flush(PATIENCE_SECONDS)
    gateway.accept(measurements(5, start=11))
    assert gateway.flush(PATIENCE_SECONDS)
    link.brings(MARKS_CONTENT_TYPE, marks(10))
    link.brings(CAUGHT_UP_CONTENT_TYPE, encode_caught_up(0))
    assert gateway.status().sent_again == 0, "it was confirmed a moment ago"
    monkeypatch.setattr(gateway, "_clock", lambda: 60_000_000)
    link.brings(CAUGHT_UP_CONTENT_TYPE, encode_caught_up(55_000_000))
    assert gateway.status().sent_again == 0, "the twin has not seen that time yet"
    link.brings(CAUGHT_UP_CONTENT_TYPE, encode_caught_up(0))
    wait_for(lambda: len(broker.identities()) == 20)
    assert broker.identities()[-5:] == [(PV, 7, seq) for seq in range(10, 15)]
    assert gateway.status().confirmed == 15
    link.brings(MARKS_CONTENT_TYPE, marks(15))
    assert gateway.status().retained == 0


def test_nothing_is_sent_again_while_there_is_no_channel_to_send_it_to(
    start: Start, broker: FakeBroker, link: type[FakeLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = start(**END_TO_END_SETTINGS)
    gateway.accept(measurements(10))
    assert gateway.flush(PATIENCE_SECONDS)
    broker.refuses = "nothing listens"
    broker.drop_connection("gone")
    wait_for(lambda: gateway.status().state is State.CONNECTING)
    monkeypatch.setattr(gateway, "_clock", lambda: 60_000_000)
    link.brings(CAUGHT_UP_CONTENT_TYPE, encode_caught_up(0))
    assert gateway.status().sent_again == 0
    broker.refuses = None
    wait_for(lambda: gateway.status().state is State.CONNECTED)
    link.brings(CAUGHT_UP_CONTENT_TYPE, encode_caught_up(0))
    wait_for(lambda: len(broker.identities()) == 20)
