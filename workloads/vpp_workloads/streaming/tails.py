"""What is on the brokers now: the topology, and where each stream ends. Runs in Spark's planning process on the driver.

The newest chunk is read, and what follows it, until nothing more comes. That may see the end too early, which is
harmless: the rest is read by the next batch. A broker that does not answer costs its deadline once, and
then nothing for a while.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vpp_contract.names import TOPOLOGY_STREAM
from vpp_contract.topology import Channel, ChannelState, Topology, decode_topology
from vpp_workloads.streaming.amqp import Broker, Connections, Subscription
from vpp_workloads.streaming.errors import BrokerUnavailableError, StreamingError, StreamMissingError
from vpp_workloads.streaming.plan import Observation
from vpp_workloads.streaming.stream_client import ChunkSubscription, StreamConnections

_LOG = logging.getLogger(__name__)
_CONNECT_SECONDS = 3.0
# A stream that had messages still has its last one: it is worth waiting for, also from a broker short of CPU time. So
# is that of a stream never looked at: a query that reads what is available looks only once.
_FIRST_SECONDS = 2.0
_FIRST_SECONDS_OF_EMPTY = 0.2
_IDLE_SECONDS = 0.005
_CHASE_SECONDS = 0.2
_LONGEST_BACKOFF_SECONDS = 10.0


class TopologyWatch:
    """The newest topology, as far as the control broker has told it."""

    def __init__(self, control: Broker, connections: Connections) -> None:
        self._control, self._connections = control, connections
        self._subscription: Subscription | None = None
        self._topology: Topology | None = None
        self.problem: str | None = None

    def current(self) -> Topology | None:
        """Return the newest topology; the last known one while the broker is away, None if there never was one."""
        try:
            if self._subscription is None:
                self._subscription = self._connections.subscribe(
                    self._control, TOPOLOGY_STREAM, offset="last", prefetch=100, deadline_seconds=_CONNECT_SECONDS
                )
                messages = self._subscription.poll(1.0)
            else:
                messages = []
            while more := self._subscription.poll(0):
                messages += more
            if messages:
                self._topology = decode_topology(messages[-1].body)
            self.problem = None if self._topology else f"the stream {TOPOLOGY_STREAM} on {self._control.host} is empty"
        except (StreamingError, ValueError) as error:
            self._subscription = None
            self._connections.drop(self._control)
            if self.problem is None:
                _LOG.warning("No news of the topology: %s", error)
            self.problem = str(error)
        return self._topology


class Tails:
    """Where the streams end, and what kept us from knowing."""

    def __init__(self, broker_of: Callable[[Channel], Broker], connections: StreamConnections) -> None:
        self._broker_of, self._connections = broker_of, connections
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._had_messages: dict[str, bool] = {}
        self.problems: dict[str, str] = {}
        """`<channel>/<stream>` -> why its end is unknown."""
        self.empty_us: dict[str, int] = {}
        """`<channel>/<stream>` -> when it was last asked and showed no message; weak, because it may have been slow."""
        self.message_bytes = 0.0
        """The mean size of the newest messages, of the stream where they are largest."""

    def look(self, channels: Mapping[str, Channel]) -> tuple[dict[str, int], dict[str, Observation]]:
        """Return the end of every stream that answered, and for those seen to be idle the proof of it.

        The proof holds for the moment before the stream was asked: under load an answer may come in pieces. Also renews
        `message_bytes`.
        """
        ends: dict[str, int] = {}
        sizes: list[float] = []
        idle: dict[str, Observation] = {}
        open_ones: list[tuple[str, int, ChunkSubscription]] = []
        awake = {key: one for key, one in channels.items() if one.state is not ChannelState.ASLEEP}
        self.problems = {key: text for key, text in self.problems.items() if key in awake}
        self.empty_us = {key: at_us for key, at_us in self.empty_us.items() if key in awake}
        self._had_messages = {key: had for key, had in self._had_messages.items() if key in channels}
        for key, channel in awake.items():
            if time.monotonic() >= self._not_before.get(key, 0.0):
                try:
                    asked_us = time.time_ns() // 1000
                    open_ones.append((key, asked_us, self._subscribe(channel)))
                except StreamingError as error:
                    self._failed(key, channel, error)
        for key, asked_us, subscription in open_ones:
            try:
                was_empty = self._had_messages.get(key) is False
                end = _chase(subscription, _FIRST_SECONDS_OF_EMPTY if was_empty else _FIRST_SECONDS)
                ends[key] = end.tail
                self._had_messages[key] = self._had_messages.get(key, False) or end.tail > 0
                if end.tail:
                    sizes.append(end.message_bytes)
                if end.is_idle and end.tail:
                    idle[key] = Observation(tail=end.tail, at_us=asked_us)
                elif not end.tail:
                    self.empty_us[key] = asked_us
                self._recovered(key)
            except StreamingError as error:
                self._failed(key, channels[key], error)
            finally:
                subscription.close()
        self.message_bytes = max(sizes, default=self.message_bytes)
        return ends, idle

    def _subscribe(self, channel: Channel) -> ChunkSubscription:
        return self._connections.subscribe(
            self._broker_of(channel), channel.stream, offset="last", deadline_seconds=_CONNECT_SECONDS
        )

    def _failed(self, key: str, channel: Channel, error: StreamingError) -> None:
        if isinstance(error, BrokerUnavailableError):
            self._connections.drop(self._broker_of(channel))
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._not_before[key] = time.monotonic() + min(_LONGEST_BACKOFF_SECONDS, 0.5 * 2 ** min(failures, 10))
        if key not in self.problems:
            missing = isinstance(error, StreamMissingError)
            outcome = "what it held is lost" if missing else "its offset stays where it is"
            _LOG.warning("Stream %s is left out: %s; %s", key, error, outcome)
        self.problems[key] = str(error)

    def _recovered(self, key: str) -> None:
        if self.problems.pop(key, None) is not None:
            _LOG.warning("Stream %s is back", key)
        self._failures.pop(key, None)
        self._not_before.pop(key, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    tail: int
    is_idle: bool
    message_bytes: float


def _chase(subscription: ChunkSubscription, first_seconds: float) -> _End:
    """Follow a subscription until nothing more comes, or for long enough."""
    messages = subscription.poll(first_seconds)
    deadline = time.monotonic() + _CHASE_SECONDS
    tail = count = size = 0
    while messages:
        tail = messages[-1].offset + 1
        count += len(messages)
        size += sum(len(message.body) for message in messages)
        if time.monotonic() > deadline:
            break
        messages = subscription.poll(_IDLE_SECONDS)
    return _End(tail=tail, is_idle=not messages, message_bytes=size / count if count else 0.0)
