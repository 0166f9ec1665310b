"""What is published when: batches, lingering, the window, and what comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.gateway.brokers import BOOT, FakeSession, confirmed, measurements, open_spool
from vpp_contract.marks import Mark
from vpp_workloads.gateway.errors import SpoolError
from vpp_workloads.gateway.sender import Sender
from vpp_workloads.gateway.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return open_spool(tmp_path / "spool.sqlite")


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def sender(spool: Spool, session: FakeSession) -> Sender:
    sender = Sender(spool, batch_readings=3, window_messages=2, linger_seconds=0.2)
    sender.begin(session)
    return sender


def append(spool: Spool, count: int, start: int = 1) -> None:
    for i in range(start, start + count):
        spool.append(measurements(1, start=i), created_us=1, row_readings=100)


def test_a_full_batch_goes_at_once(spool: Spool, sender: Sender, session: FakeSession) -> None:
    append(spool, 3)
    assert sender.pump(10.0) is None
    assert session.sequence_numbers(1) == [0, 1, 2]


def test_a_part_of_a_batch_lingers(spool: Spool, sender: Sender, session: FakeSession) -> None:
    append(spool, 2)
    assert sender.pump(10.0) == pytest.approx(0.2)
    assert sender.pump(10.15) == pytest.approx(0.05)
    assert not session.parcels
    sender.pump(10.21)
    assert session.sequence_numbers(1) == [0, 1]


def test_a_flush_does_not_linger(spool: Spool, sender: Sender, session: FakeSession) -> None:
    append(spool, 1)
    sender.pump(10.0, flush=True)
    assert session.sequence_numbers(1) == [0]


def test_the_window_bounds_what_is_on_its_way(spool: Spool, sender: Sender, session: FakeSession) -> None:
    append(spool, 9)
    assert sender.pump(10.0) is None
    assert sender.in_flight == 2
    sender.confirmed(1, 10.1, multiple=False)
    sender.pump(10.1)
    assert [session.sequence_numbers(tag) for tag in (1, 2, 3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_one_confirm_may_cover_several_messages(spool: Spool, sender: Sender) -> None:
    append(spool, 6)
    sender.pump(10.0)
    sender.confirmed(2, 10.1, multiple=True)
    assert sender.settle() == 6
    assert len(confirmed(spool)) == 6


def test_a_confirm_moves_only_its_own_message(spool: Spool, sender: Sender) -> None:
    append(spool, 6)
    sender.pump(10.0)
    sender.confirmed(2, 10.1, multiple=False)
    assert sender.settle() == 3
    assert [seq for _, _, seq in confirmed(spool)] == [3, 4, 5]


def test_a_lost_connection_sends_again_what_was_not_confirmed(
    spool: Spool, sender: Sender, session: FakeSession
) -> None:
    append(spool, 6)
    sender.pump(10.0)
    sender.confirmed(1, 10.1, multiple=False)
    sender.end()
    assert [seq for _, _, seq in confirmed(spool)] == [0, 1, 2]
    following = FakeSession()
    sender.begin(following)
    sender.pump(11.0)
    assert following.sequence_numbers(1) == [3, 4, 5]


def test_what_is_rejected_is_sent_again_after_a_pause_that_grows(
    spool: Spool, sender: Sender, session: FakeSession
) -> None:
    append(spool, 3)
    sender.pump(10.0)
    sender.rejected(1, 10.0, multiple=False)
    assert sender.pump(10.0) == pytest.approx(0.5)
    sender.pump(10.6)
    assert session.sequence_numbers(2) == [0, 1, 2]
    sender.rejected(2, 10.6, multiple=False)
    assert sender.pump(10.6) == pytest.approx(1.0)
    assert spool.readings == 3


def test_what_no_queue_takes_is_not_confirmed_by_its_confirm(
    spool: Spool, sender: Sender, session: FakeSession
) -> None:
    append(spool, 6)
    sender.pump(10.0)
    sender.returned(first_id=1)
    sender.confirmed(2, 10.1, multiple=True)
    assert sender.settle() == 3
    assert [seq for _, _, seq in confirmed(spool)] == [3, 4, 5]
    sender.pump(11.0)
    assert session.sequence_numbers(3) == [0, 1, 2]


def test_nothing_is_published_while_the_broker_blocks(spool: Spool, sender: Sender, session: FakeSession) -> None:
    sender.blocked = True
    append(spool, 3)
    assert sender.pump(10.0) is None
    assert not session.parcels
    sender.blocked = False
    sender.pump(10.1)
    assert session.sequence_numbers(1) == [0, 1, 2]


def test_a_confirm_of_something_unknown_changes_nothing(spool: Spool, sender: Sender) -> None:
    append(spool, 3)
    sender.pump(10.0)
    sender.confirmed(9, 10.1, multiple=False)
    sender.rejected(9, 10.1, multiple=False)
    assert sender.settle() == 0
    assert sender.in_flight == 1


def test_a_spool_that_cannot_be_written_is_settled_later(
    spool: Spool, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_spans: object) -> int:
        raise SpoolError("the disk is full")

    append(spool, 3)
    sender.pump(10.0)
    sender.confirmed(1, 10.1, multiple=False)
    with monkeypatch.context() as patch:
        patch.setattr(spool, "confirm", fail)
        with pytest.raises(SpoolError):
            sender.pump(10.1)
        assert not confirmed(spool)
    sender.pump(10.2)
    assert len(confirmed(spool)) == 3


def test_a_spool_that_cannot_be_written_when_the_connection_ends_sends_again(
    spool: Spool, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_spans: object) -> int:
        raise SpoolError("the disk is full")

    append(spool, 3)
    sender.pump(10.0)
    sender.confirmed(1, 10.1, multiple=False)
    with monkeypatch.context() as patch:
        patch.setattr(spool, "confirm", fail)
        sender.end()
    following = FakeSession()
    sender.begin(following)
    sender.pump(11.0)
    assert following.sequence_numbers(1) == [0, 1, 2]


def test_what_is_sent_again_goes_before_what_is_new_and_leaves_its_count_alone(tmp_path: Path) -> None:
    spool, session = open_spool(tmp_path / "retained.sqlite", retain=True), FakeSession()
    sender = Sender(spool, batch_readings=3, window_messages=2, linger_seconds=0.2)
    sender.begin(session)
    append(spool, 3)
    sender.pump(10.0)
    sender.confirmed(1, 10.0, multiple=False)
    sender.settle()
    append(spool, 3, start=4)
    sender.send_again([1, 2, 3, 99])
    sender.pump(10.0)
    assert [session.sequence_numbers(tag) for tag in (2, 3)] == [[0], [1]]
    sender.confirmed(3, 10.0, multiple=True)
    spool.release([Mark(der="house-01/pv", boot=BOOT, first_seq=2, end_seq=3)])
    sender.pump(10.0)
    assert session.sequence_numbers(4) == [3, 4, 5], "what a mark has covered meanwhile is not sent"
    sender.confirmed(4, 10.0, multiple=False)
    sender.settle()
    assert spool.readings == 0
    assert confirmed(spool) == [("house-01/pv", BOOT, seq) for seq in range(6)]
    append(spool, 1, start=7)
    assert sender.pump(11.0) == pytest.approx(0.2)
