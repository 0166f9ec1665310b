"""A running gateway takes up new settings: the present connection stays until the new one is there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pika.adapters.select_connection import IOLoop

from tests.unit.gateway.brokers import SITE, FakeBroker, FakeBrokerSession, measurements
from vpp_workloads.gateway import publisher
from vpp_workloads.gateway.amqp import Listener
from vpp_workloads.gateway.errors import SettingsError
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.settings import Settings
from vpp_workloads.gateway.watch import SettingsWatch

PATIENCE_SECONDS = 5.0
OLD = Settings(site=SITE, username="old", password="x", host="h", linger_seconds=0.01, reconnect_seconds=0.05)
NEW = replace(OLD, username="new")


@dataclass
class Accounts(FakeBroker):
    """A broker that knows some accounts."""

    known: tuple[str, ...] = ("old",)

    def connect(self, settings: Settings, loop: IOLoop, listener: Listener) -> FakeBrokerSession:
        self.refuses = None if settings.username in self.known else "refused the login"
        session = FakeBrokerSession(self, loop, listener)
        session.settings = settings
        self.sessions.append(session)
        return session

    def open_accounts(self) -> list[str]:
        return [session.settings.username for session in self.sessions if not session._over]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Accounts:
    broker = Accounts()
    monkeypatch.setattr(publisher, "AmqpSession", broker.connect)
    return broker


@pytest.fixture
def gateway(broker: Accounts, tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(OLD, tmp_path / "spool.sqlite")
    gateway.start()
    gateway.wait_connected(PATIENCE_SECONDS)
    yield gateway
    gateway.close(0.0)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_new_connection_takes_over_and_the_old_one_is_closed(gateway: Gateway, broker: Accounts) -> None:
    broker.known = ("old", "new")
    gateway.accept(measurements(5))
    gateway.change(NEW)
    wait_for(lambda: broker.open_accounts() == ["new"])
    gateway.accept(measurements(5, start=6))
    assert gateway.flush(PATIENCE_SECONDS)
    assert {one.event_time_us for one in broker.received} == {60_000_000 * i for i in range(1, 11)}


def test_an_account_that_the_broker_does_not_know_yet_interrupts_nothing(gateway: Gateway, broker: Accounts) -> None:
    gateway.change(NEW)
    wait_for(lambda: len(broker.sessions) >= 3)
    gateway.accept(measurements(5))
    assert gateway.flush(PATIENCE_SECONDS)
    assert broker.open_accounts() == ["old"]
    broker.known = ("old", "new")
    wait_for(lambda: broker.open_accounts() == ["new"])


def test_a_gateway_whose_old_account_is_gone_comes_back_with_the_new_one(gateway: Gateway, broker: Accounts) -> None:
    broker.known = ()
    gateway.change(NEW)
    broker.sessions[0].loop.add_callback_threadsafe(lambda: broker.sessions[0].close("user was deleted"))
    gateway.accept(measurements(5))
    wait_for(lambda: len(broker.sessions) >= 4)
    broker.known = ("new",)
    assert gateway.flush(PATIENCE_SECONDS)
    assert broker.open_accounts() == ["new"]


def test_a_change_back_before_the_new_account_works_leaves_all_as_it_was(gateway: Gateway, broker: Accounts) -> None:
    gateway.change(NEW)
    wait_for(lambda: len(broker.sessions) >= 2)
    gateway.change(OLD)
    time.sleep(0.2)
    tried = len(broker.sessions)
    time.sleep(0.2)
    assert (len(broker.sessions), broker.open_accounts()) == (tried, ["old"])


def test_what_needs_a_restart_is_said_and_changes_nothing(gateway: Gateway, broker: Accounts) -> None:
    with pytest.raises(SettingsError, match="spool_bytes changed; restart the gateway to take it up"):
        gateway.change(replace(NEW, spool_bytes=1))
    assert broker.open_accounts() == ["old"]


def write(path: Path, username: str) -> None:
    values = {"site": SITE, "username": username, "password": "x", "channels": {"host": "h"}}
    path.write_text(json.dumps(values))


def test_a_changed_file_is_taken_up_once_and_a_spoilt_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "gateway.json"
    write(path, "old")
    heard: list[str] = []
    watch = SettingsWatch({path: lambda settings: heard.append(settings.username)})
    for content in ("old", "new", "new"):
        write(path, content)
        watch.look()
    assert heard == ["new"]
    path.write_text('{"site": ')
    watch.look()
    path.unlink()
    watch.look()
    assert heard == ["new"]
    write(path, "newer")
    watch.look()
    assert heard == ["new", "newer"]


def test_a_mounted_secret_changes_by_its_link_and_is_taken_up_by_itself(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "gateway.json", name)
    link = tmp_path / "data"
    link.symlink_to("old")
    heard: list[str] = []
    watch = SettingsWatch({link / "gateway.json": lambda settings: heard.append(settings.username)}, look_seconds=0.02)
    watch.start()
    try:
        (tmp_path / "next").symlink_to("new")
        (tmp_path / "next").rename(link)
        wait_for(lambda: heard == ["new"])
    finally:
        watch.stop()
