"""Brokers that live in memory, for the gateway's unit tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pika.adapters.select_connection import IOLoop

from vpp_contract.readings import Reading, decode_batch
from vpp_workloads.gateway.amqp import AmqpSession, Listener
from vpp_workloads.gateway.measurement import Measurement
from vpp_workloads.gateway.settings import Settings
from vpp_workloads.gateway.spool import Parcel, Spool

SITE = "house-01"
BOOT = 1000


def measurements(count: int, *, der: str = f"{SITE}/pv", start: int = 1) -> list[Measurement]:
    """Return consecutive measurements; the event time tells which one it is."""
    return [
        Measurement(
            der=der, kind="pv", event_time_us=60_000_000 * i, interval_seconds=60.0, power_kw=1.5, energy_kwh=0.025
        )
        for i in range(start, start + count)
    ]


def open_spool(
    path: Path, *, limit_bytes: int = 10_000_000, retain: bool = False, clock: Callable[[], int] = lambda: 0
) -> Spool:
    return Spool(path, site=SITE, limit_bytes=limit_bytes, first_boot=BOOT, retain=retain, clock=clock)


def spooled(spool: Spool) -> list[Reading]:
    """Return all readings that wait, in the order in which they would be published."""
    readings: list[Reading] = []
    after = 0
    while (parcel := spool.parcel(after, readings=1000)) is not None:
        readings += decode_batch(parcel.body)
        after = parcel.last_id
    return readings


def confirmed(spool: Spool) -> list[tuple[str, int, int]]:
    """Return the identities in the ledger."""
    runs = spool.ledger_page(("", -1, -1), 1_000_000)
    return [(run.der, run.boot, seq) for run in runs for seq in range(run.first_seq, run.last_seq + 1)]


class FakeSession:
    """Remembers what was published."""

    def __init__(self) -> None:
        self.parcels: dict[int, Parcel] = {}

    def publish(self, parcel: Parcel) -> int:
        tag = len(self.parcels) + 1
        self.parcels[tag] = parcel
        return tag

    def sequence_numbers(self, tag: int) -> list[int]:
        return [reading.seq for reading in decode_batch(self.parcels[tag].body)]


@dataclass
class FakeBroker:
    """Takes the place of `AmqpSession` in the publisher; what is published lands in `received`."""

    received: list[Reading] = field(default_factory=list)
    refuses: str | None = None
    """Reason to end every connection at once."""
    confirms: bool = True
    unroutable: bool = False
    sessions: list[FakeBrokerSession] = field(default_factory=list)

    def connect(self, settings: Settings, loop: IOLoop, listener: Listener) -> FakeBrokerSession:
        session = FakeBrokerSession(self, loop, listener)
        self.sessions.append(session)
        return session

    def identities(self) -> list[tuple[str, int, int]]:
        return [reading.identity for reading in self.received]

    def drop_connection(self, reason: str) -> None:
        """End the newest connection from the broker's side."""
        session = self.sessions[-1]
        session.loop.add_callback_threadsafe(lambda: session.close(reason))

    def block(self, reason: str | None) -> None:
        session = self.sessions[-1]
        session.loop.add_callback_threadsafe(lambda: session.listener.blocked(session, reason))


class FakeBrokerSession(AmqpSession):
    """One connection to a `FakeBroker`, on the publisher's own event loop."""

    def __init__(self, broker: FakeBroker, loop: IOLoop, listener: Listener) -> None:
        self.broker, self.loop, self.listener = broker, loop, listener
        self._tag = 0
        self._over = False
        self._later(self._answer_connection)

    def publish(self, parcel: Parcel) -> int:
        self._tag += 1
        tag = self._tag
        self._later(lambda: self._take(tag, parcel))
        return tag

    def close(self, reason: str, *, abort: bool = False) -> None:
        if not self._over:
            self._over = True
            self.listener.ended(self, reason)

    def _later(self, do: Callable[[], None]) -> None:
        self.loop.call_later(0, lambda: None if self._over else do())

    def _answer_connection(self) -> None:
        if self.broker.refuses is not None:
            self.close(self.broker.refuses)
        else:
            self.listener.opened(self)

    def _take(self, tag: int, parcel: Parcel) -> None:
        if self.broker.unroutable:
            self.listener.returned(self, parcel.first_id, "no queue")
        else:
            self.broker.received += decode_batch(parcel.body)
        if self.broker.confirms:
            self.listener.answered(self, tag, multiple=False, accepted=True)


def event_times(readings: Sequence[Reading]) -> list[int]:
    return [reading.event_time_us for reading in readings]
