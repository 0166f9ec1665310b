"""Publishes a workload over several connections with confirms, in a process of its own.

What a gateway does with its spool, this does in memory: a message that is due waits for its turn, at most `window` are
on their way on each connection, and when too many wait the next one is refused. So publishing costs little beside
the broker, and more can be offered than a broker takes.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pika
from pika.adapters.select_connection import IOLoop
from pika.spec import Basic

from tests.bench._workload import Identity, Workload
from vpp_contract.names import INGRESS_EXCHANGE, readings_key

TICK_SECONDS: Final = 0.005
PERSISTENT: Final = 2
CONNECT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where and as whom a connection publishes."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    site: str


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a load. Counts are messages."""

    offered: int = 0
    refused: int = 0
    """Because too many waited already."""
    published: int = 0
    rejected: int = 0
    """By the broker."""
    confirmed: list[Identity] = field(default_factory=list)
    confirm_delays_seconds: list[float] = field(default_factory=list)
    """From when a message was due to its confirm."""
    confirmed_at: list[float] = field(default_factory=list)
    """Seconds since the start, per confirm."""
    left: int = 0
    """Accepted, but not confirmed when the time for that was over."""
    cpu_cores: float = 0.0
    """Of the publisher itself, over its whole run."""


@dataclass(slots=True, kw_only=True)
class _Waiting:
    created_us: int
    due: float
    sender: int


class _Connection:
    """One connection with one confirming channel."""

    def __init__(self, load: Load, access: Access) -> None:
        self.load, self.access = load, access
        self.waiting: deque[_Waiting] = deque()
        self.in_flight: dict[int, tuple[float, Identity]] = {}
        self.channel: Any = None
        self._tags = itertools.count(1)
        self._properties = pika.BasicProperties(
            content_type=load.workload.content_type, delivery_mode=PERSISTENT, user_id=access.username
        )
        self.connection = pika.SelectConnection(
            pika.ConnectionParameters(
                access.host,
                access.port,
                credentials=pika.PlainCredentials(access.username, access.password),
                heartbeat=60,
                connection_attempts=1,
                client_properties={"connection_name": f"load of {access.site}"},
            ),
            on_open_callback=lambda opened: opened.channel(on_open_callback=self._open),
            on_open_error_callback=lambda _, error: load.fail(error),
            on_close_callback=lambda _, error: load.fail(error),
            custom_ioloop=load.loop,
        )

    def _open(self, channel: Any) -> None:
        channel.add_on_close_callback(lambda _, error: self.load.fail(error))
        channel.confirm_delivery(self._answered, callback=lambda _: self._ready(channel))

    def _ready(self, channel: Any) -> None:
        self.channel = channel
        self.load.one_is_ready()

    def pump(self) -> None:
        while self.waiting and len(self.in_flight) < self.load.window:
            message = self.waiting.popleft()
            turn = self.load.next_turn(message.sender)
            identity, body = self.load.workload.body(self.access.site, message.sender, turn, message.created_us)
            self.channel.basic_publish(INGRESS_EXCHANGE, readings_key(self.access.site), body, self._properties)
            self.in_flight[next(self._tags)] = (message.due, identity)
            self.load.outcome.published += 1

    def _answered(self, frame: Any) -> None:
        tag, outcome, now = frame.method.delivery_tag, self.load.outcome, self.load.elapsed()
        tags = [known for known in self.in_flight if known <= tag] if frame.method.multiple else [tag]
        for known in tags:
            due, identity = self.in_flight.pop(known)
            if isinstance(frame.method, Basic.Ack):
                outcome.confirmed.append(identity)
                outcome.confirm_delays_seconds.append(now - due)
                outcome.confirmed_at.append(now)
            else:
                outcome.rejected += 1
        self.pump()


class Load:
    """One run of a workload. `run` does it."""

    def __init__(
        self,
        workload: Workload,
        accesses: Sequence[Access],
        *,
        seconds: float,
        bound: int,
        window: int = 64,
        drain_seconds: float = 30.0,
    ) -> None:
        """Prepare.

        Args:
            workload: what to send; a sender uses connection `sender % len(accesses)`.
            accesses: one connection each.
            seconds: how long messages come due.
            bound: how many may wait at each connection.
            window: how many may be on their way at each connection.
            drain_seconds: how long what waits at the end may take to be confirmed.
        """
        self.workload, self.window, self.outcome = workload, window, Outcome()
        self._seconds, self._bound, self._drain_seconds = seconds, bound, drain_seconds
        self._due = workload.due_seconds()
        self._next = next(self._due)
        self._turns: dict[int, int] = {}
        self._ready = 0
        self._deadline: object | None = None
        self._error: BaseException | None = None
        self._started = 0.0
        self._started_us = 0
        self.loop = IOLoop()
        self._connections = [_Connection(self, access) for access in accesses]

    def run(self) -> Outcome:
        """Send everything and return what became of it.

        Raises:
            RuntimeError: a connection could not be made, or broke.
        """
        used = sum(os.times()[:2])
        self._deadline = self.loop.call_later(CONNECT_SECONDS, lambda: self.fail(TimeoutError("too slow to connect")))
        self.loop.start()
        if self._error is not None:
            raise RuntimeError(f"the load broke off: {self._error!r}")
        self.outcome.left = self._unsettled()
        self.outcome.cpu_cores = (sum(os.times()[:2]) - used) / self.elapsed()
        return self.outcome

    def elapsed(self) -> float:
        """Return the seconds since the first message may be due."""
        return time.monotonic() - self._started

    def next_turn(self, sender: int) -> int:
        """Count a sender's messages."""
        turn = self._turns.get(sender, 0)
        self._turns[sender] = turn + 1
        return turn

    def fail(self, error: BaseException) -> None:
        """End the run; what comes after its regular end is no failure."""
        if self._error is None and self._seconds >= 0:
            self._error = error
            self.loop.stop()

    def one_is_ready(self) -> None:
        """Begin when the last connection is ready."""
        self._ready += 1
        if self._ready == len(self._connections):
            self.loop.remove_timeout(self._deadline)
            self._started, self._started_us = time.monotonic(), time.time_ns() // 1000
            self._tick()

    def _tick(self) -> None:
        now = self.elapsed()
        self._accept(min(now, self._seconds))
        for connection in self._connections:
            connection.pump()
        if now < self._seconds or (self._unsettled() and now < self._seconds + self._drain_seconds):
            self.loop.call_later(TICK_SECONDS, self._tick)
        else:
            self._seconds = -1.0
            self.loop.stop()

    def _unsettled(self) -> int:
        return sum(len(one.waiting) + len(one.in_flight) for one in self._connections)

    def _accept(self, until: float) -> None:
        """Take what is due. An endless load is due at once, and never refused."""
        if self.workload.endless:
            if self.elapsed() < self._seconds:
                self._refill()
            return
        while self._next[0] < until:
            due, sender = self._next
            connection = self._connections[sender % len(self._connections)]
            self.outcome.offered += 1
            if len(connection.waiting) < self._bound:
                created_us = self._started_us + round(due * 1e6)
                connection.waiting.append(_Waiting(created_us=created_us, due=due, sender=sender))
            else:
                self.outcome.refused += 1
            self._next = next(self._due)

    def _refill(self) -> None:
        now = self.elapsed()
        created_us = self._started_us + round(now * 1e6)
        for sender, connection in enumerate(self._connections):
            while len(connection.waiting) < self.window:
                self.outcome.offered += 1
                connection.waiting.append(_Waiting(created_us=created_us, due=now, sender=sender))
