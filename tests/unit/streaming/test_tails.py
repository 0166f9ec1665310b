"""Where streams end, with a broker that answers late, in pieces, or not at all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from vpp_contract.topology import Channel, ChannelState
from vpp_workloads.streaming import tails as tails_module
from vpp_workloads.streaming.amqp import Broker, Message
from vpp_workloads.streaming.errors import BrokerUnavailableError, StreamingError, StreamMissingError
from vpp_workloads.streaming.stream_client import StreamConnections
from vpp_workloads.streaming.tails import Tails

Answer = Sequence[Sequence[int]] | StreamingError
"""The offsets that each poll brings, or the error that asking gives."""


class Subscription:
    def __init__(self, polls: Sequence[Sequence[int]], waits: list[float]) -> None:
        self._polls, self._waits = list(polls), waits

    def poll(self, seconds: float) -> list[Message]:
        self._waits.append(seconds)
        offsets = self._polls.pop(0) if self._polls else ()
        return [Message(offset, "readings.a", None, b"x" * 10) for offset in offsets]

    def close(self) -> None: ...


class Brokers:
    """Stands in for StreamConnections: every look at a stream takes the next answer."""

    def __init__(self, **answers: list[Answer]) -> None:
        self._answers, self.waits = answers, list[float]()

    def subscribe(self, broker: Broker, stream: str, **_: Any) -> Subscription:
        answer = self._answers[stream].pop(0)
        if isinstance(answer, StreamingError):
            raise answer
        return Subscription(answer, self.waits)

    def drop(self, broker: Broker) -> None: ...


def a_channel(stream: str, state: ChannelState = ChannelState.ACTIVE) -> Channel:
    return Channel(name="q", queue_channel="q", host="h", amqp_port=5672, stream=stream, state=state)


def looking(brokers: Brokers) -> Tails:
    account = Broker(host="h", port=5672, username="u", password="p")
    return Tails(lambda channel: account, cast(StreamConnections, brokers))


def test_an_end_is_followed_until_nothing_more_comes() -> None:
    tails = looking(Brokers(s=[[[3, 4], [5]]]))
    before_us = time.time_ns() // 1000
    ends, idle = tails.look({"q/s": a_channel("s")})
    assert ends == {"q/s": 6}
    assert (idle["q/s"].tail, tails.message_bytes) == (6, 10.0)
    assert before_us <= idle["q/s"].at_us


def test_a_stream_is_waited_for_unless_it_was_empty_at_the_last_look() -> None:
    brokers = Brokers(s=[[[]], [[7]], [[7]]])
    tails = looking(brokers)
    first_waits = []
    for _ in range(3):
        brokers.waits.clear()
        tails.look({"q/s": a_channel("s")})
        first_waits.append(brokers.waits[0])
    new, empty, known = first_waits
    assert empty < new == known


def test_a_stream_that_had_messages_is_waited_for_again_after_an_answer_that_came_too_late() -> None:
    brokers = Brokers(s=[[[7]], [[]], [[7]]])
    tails = looking(brokers)
    for _ in range(2):
        tails.look({"q/s": a_channel("s")})
    brokers.waits.clear()
    tails.look({"q/s": a_channel("s")})
    assert brokers.waits[0] >= 1


def test_silence_is_no_proof_that_nothing_was_published() -> None:
    ends, idle = looking(Brokers(s=[[[]]])).look({"q/s": a_channel("s")})
    assert (ends, idle) == ({"q/s": 0}, {})


def test_a_stream_that_never_rests_has_an_end_but_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails_module, "_CHASE_SECONDS", -1.0)
    ends, idle = looking(Brokers(s=[[[1], [2], [3]]])).look({"q/s": a_channel("s")})
    assert (ends, idle) == ({"q/s": 2}, {})


def test_sleeping_channels_are_not_asked() -> None:
    assert looking(Brokers()).look({"q/s": a_channel("s", ChannelState.ASLEEP)}) == ({}, {})


@pytest.mark.parametrize("error", [BrokerUnavailableError("no route"), StreamMissingError("no stream")])
def test_one_failing_stream_is_left_out_for_a_while_and_the_others_go_on(error: StreamingError) -> None:
    tails = looking(Brokers(bad=[error], good=[[[1]], [[1]]]))
    channels = {"q/bad": a_channel("bad"), "q/good": a_channel("good")}
    assert tails.look(channels)[0] == {"q/good": 2}
    assert tails.problems == {"q/bad": str(error)}
    assert tails.look(channels)[0] == {"q/good": 2}  # the bad one would have no second answer: it was not asked


def test_a_stream_that_comes_back_is_no_problem_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails_module, "_LONGEST_BACKOFF_SECONDS", 0.0)
    tails = looking(Brokers(s=[BrokerUnavailableError("no route"), [[4]]]))
    tails.look({"q/s": a_channel("s")})
    assert tails.look({"q/s": a_channel("s")})[0] == {"q/s": 5}
    assert tails.problems == {}
