from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pika

from vpp_workloads.streaming.amqp import Broker, Subscription

BROKER = Broker(host="b", port=5672, username="u", password="p")


class Line:
    """A connection that behaves like pika's: it returns as soon as anything happened, not only when messages came."""

    def __init__(self, *, returns_early: int, then_messages: int) -> None:
        self.returns_early, self.then_messages = returns_early, then_messages
        self.is_closed = False
        self._receive: Any = None

    def channel(self) -> Line:
        return self

    def basic_qos(self, prefetch_count: int) -> None:
        pass

    def basic_consume(self, queue: str, callback: Any, arguments: dict[str, Any]) -> None:
        self._receive = callback

    def process_data_events(self, time_limit: float) -> None:
        if self.returns_early:
            self.returns_early -= 1
            return
        if not self.then_messages:
            time.sleep(time_limit)
        for number in range(self.then_messages):
            properties = SimpleNamespace(headers={"x-stream-offset": number}, content_type=None)
            self._receive(self, SimpleNamespace(delivery_tag=number + 1, routing_key="k"), properties, b"body")
        self.then_messages = 0


def subscribed(line: Line) -> Subscription:
    return Subscription(BROKER, cast(pika.BlockingConnection, line), "s", offset="last", prefetch=10)


def test_a_poll_waits_for_messages_although_the_connection_returns_for_other_events_first() -> None:
    messages = subscribed(Line(returns_early=3, then_messages=2)).poll(1.0)
    assert [message.offset for message in messages] == [0, 1]


def test_a_poll_of_a_silent_stream_takes_its_time_and_no_more() -> None:
    begin = time.monotonic()
    assert subscribed(Line(returns_early=3, then_messages=0)).poll(0.05) == []
    assert 0.04 < time.monotonic() - begin < 1


def test_a_poll_without_time_looks_once() -> None:
    assert subscribed(Line(returns_early=0, then_messages=1)).poll(0) != []
