"""Marks go out after the commit, joined, and are not lost when the control broker is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.integration.streams import wait_for
from vpp_contract.marks import CAUGHT_UP_CONTENT_TYPE, MARKS_CONTENT_TYPE, Mark, decode_caught_up, decode_marks
from vpp_workloads.streaming import marking
from vpp_workloads.streaming.errors import BrokerUnavailableError
from vpp_workloads.streaming.marking import Marker, Pending

PV, LOAD, OTHER = "house-01/pv", "house-01/load", "house-02/pv"


def mark(der: str, first: int, end: int, boot: int = 1) -> Mark:
    return Mark(der=der, boot=boot, first_seq=first, end_seq=end)


def test_marks_are_joined_by_site_and_later_ones_take_earlier_ones_in() -> None:
    pending = Pending()
    pending.add([mark(PV, 0, 5), mark(LOAD, 0, 3), mark(OTHER, 0, 1)])
    pending.add([mark(PV, 0, 9), mark(PV, 12, 14), mark(PV, 0, 2, boot=2)])
    assert pending.pop() == {
        "house-01": [mark(PV, 0, 9), mark(PV, 12, 14), mark(LOAD, 0, 3), mark(PV, 0, 2, boot=2)],
        "house-02": [mark(OTHER, 0, 1)],
    }
    assert pending.pop() == {}


def test_what_waits_is_bounded_and_the_latest_stay() -> None:
    pending = Pending()
    pending.add(mark(PV, 10 * i, 10 * i + 1) for i in range(1000))
    [kept] = pending.pop().values()
    assert len(kept) < 50
    assert kept[-1] == mark(PV, 9990, 9991)


class Broker:
    """Takes what is published, or refuses it."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, bytes]] = []
        self.away = False
        self.tries = 0
        self.lock = threading.Lock()

    def publish(
        self, exchange: str, key: str, body: bytes, *, content_type: str, expires_seconds: float | None = None
    ) -> None:
        with self.lock:
            self.tries += 1
            if self.away:
                raise BrokerUnavailableError("nobody is there")
            self.messages.append((key, content_type, body))

    def marks(self) -> list[tuple[str, list[Mark]]]:
        with self.lock:
            return [(key, decode_marks(body)) for key, kind, body in self.messages if kind == MARKS_CONTENT_TYPE]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setattr(marking, "_CAUGHT_UP_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(marking, "_RETRY_SECONDS", 0.02)
    return Broker()


@pytest.fixture
def caught_up() -> list[int]:
    """Until when the twin has seen everything; one value."""
    return [0]


@pytest.fixture
def marker(broker: Broker, caught_up: list[int]) -> Iterator[Marker]:
    marker = Marker(broker, lambda: caught_up[0])
    marker.start()
    yield marker
    marker.stop()


def test_a_batch_is_marked_when_spark_has_committed_it_not_before(marker: Marker, broker: Broker) -> None:
    marker.taken(4, [mark(PV, 0, 5)])
    marker.taken(5, [mark(PV, 0, 9)])
    marker.finished(3)
    marker.finished(4)
    wait_for("the mark", lambda: bool(broker.marks()), seconds=5)
    assert broker.marks() == [("marks.house-01", [mark(PV, 0, 5)])]
    marker.finished(5)
    wait_for("the second mark", lambda: len(broker.marks()) == 2, seconds=5)
    assert broker.marks()[1] == ("marks.house-01", [mark(PV, 0, 9)])


def test_marks_wait_for_a_broker_that_is_away(marker: Marker, broker: Broker) -> None:
    broker.away = True
    for batch in range(3):
        marker.taken(batch, [mark(PV, 0, 5 * batch + 5), mark(OTHER, 0, batch + 1)])
        marker.finished(batch)
    wait_for("some tries", lambda: broker.tries > 3, seconds=5)
    broker.away = False
    wait_for("both sites", lambda: len(broker.marks()) == 2, seconds=5)
    assert sorted(broker.marks()) == [
        ("marks.house-01", [mark(PV, 0, 15)]),
        ("marks.house-02", [mark(OTHER, 0, 3)]),
    ]


def test_every_site_hears_until_when_the_twin_has_seen_everything(
    marker: Marker, broker: Broker, caught_up: list[int]
) -> None:
    marker.finished(0)
    assert not broker.messages, "not known is not told"
    caught_up[0] = 1_000_000
    wait_for("the message", lambda: bool(broker.messages), seconds=5)
    key, kind, body = broker.messages[0]
    assert (key, kind) == ("marks", CAUGHT_UP_CONTENT_TYPE)
    assert decode_caught_up(body) > 50 * 365 * 86_400 * 1_000_000, "an age, counted from now"
