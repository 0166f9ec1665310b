"""Reading a stream over AMQP 0.9.1, with a deadline on every call: the topology, from the control broker.

That may be somebody else's server with no other port open. A stream needs prefetch and acknowledgements; those are flow
control here and nothing else. Readings come over the stream protocol, see `stream_client`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from vpp_contract.tls import client_context
from vpp_workloads.streaming.errors import BrokerUnavailableError, StreamMissingError

_NOT_FOUND: Final = 404
_HEARTBEAT_SECONDS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where a broker is and who we are there."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    authority: str | None = field(default=None, repr=False)
    """Certificate, PEM text, to check it against; empty: the machine's own authorities; None: no TLS."""


class Message(NamedTuple):
    """One message of a stream."""

    offset: int
    routing_key: str
    content_type: str | None
    body: bytes


def connect(
    broker: Broker, *, purpose: str, deadline_seconds: float, heartbeat_seconds: int = _HEARTBEAT_SECONDS
) -> pika.BlockingConnection:
    """Open a connection whose name on the broker tells what it is for.

    Raises:
        BrokerUnavailableError: refused, not resolvable, not authorised, or too slow.
    """
    parameters = pika.ConnectionParameters(
        host=broker.host,
        port=broker.port,
        credentials=pika.PlainCredentials(broker.username, broker.password),
        connection_attempts=1,
        socket_timeout=deadline_seconds,
        stack_timeout=deadline_seconds,
        blocked_connection_timeout=deadline_seconds,
        heartbeat=heartbeat_seconds,
        client_properties={"connection_name": f"{purpose} {os.uname().nodename}"},
        ssl_options=None
        if broker.authority is None
        else pika.SSLOptions(client_context(broker.authority), broker.host),
    )
    with _translated(broker):
        return pika.BlockingConnection(parameters)


@contextmanager
def _translated(broker: Broker, stream: str | None = None) -> Iterator[None]:
    try:
        yield
    except ChannelClosedByBroker as error:
        if error.reply_code == _NOT_FOUND:
            raise StreamMissingError(f"{broker.host} has no stream {stream}") from None
        raise BrokerUnavailableError(f"{broker.host}:{broker.port} closed the channel: {error.reply_text}") from None
    except (AMQPError, OSError) as error:
        text = str(error) or type(error).__name__
        raise BrokerUnavailableError(f"{broker.host}:{broker.port} fails {broker.username}: {text}") from None


class Subscription:
    """A position in a stream that moves forward as messages are polled."""

    def __init__(
        self, broker: Broker, connection: pika.BlockingConnection, stream: str, *, offset: int | str, prefetch: int
    ) -> None:
        """Start at an offset, or at `first` (oldest kept) or `last` (the newest chunk).

        Raises:
            BrokerUnavailableError, StreamMissingError: as the names say.
        """
        self._broker, self._connection, self._stream = broker, connection, stream
        self._ack_every = max(1, prefetch // 2)
        self._pending: list[Message] = []
        self._unacknowledged = 0
        self._tag = 0
        with _translated(broker, stream):
            self._channel: BlockingChannel = connection.channel()
            self._channel.basic_qos(prefetch_count=prefetch)
            self._channel.basic_consume(stream, self._receive, arguments={"x-stream-offset": offset})

    def _receive(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self._tag = method.delivery_tag
        self._unacknowledged += 1
        offset = int(properties.headers["x-stream-offset"])
        self._pending.append(Message(offset, method.routing_key, properties.content_type, body))

    def poll(self, seconds: float) -> list[Message]:
        """Return what has arrived, waiting at most so long for something.

        Raises:
            BrokerUnavailableError, StreamMissingError: the connection or the stream went away.
        """
        with _translated(self._broker, self._stream):
            if self._unacknowledged >= self._ack_every:
                self._channel.basic_ack(self._tag, multiple=True)
                self._unacknowledged = 0
            deadline = time.monotonic() + seconds
            remaining = seconds
            while True:
                # Returns for any event of the connection, also for what is left of a subscription closed before.
                self._connection.process_data_events(time_limit=remaining)
                remaining = deadline - time.monotonic()
                if self._pending or remaining <= 0 or self._channel.is_closed:
                    break
            if self._channel.is_closed and not self._pending:
                raise BrokerUnavailableError(f"{self._broker.host} cancelled the reading of {self._stream}")
        messages, self._pending = self._pending, []
        return messages

    def close(self) -> None:
        """Give the position up; a connection that is already gone is no error."""
        with suppress(AMQPError, OSError):
            if self._channel.is_open:
                self._channel.close()


class Connections:
    """Open connections by broker, kept for the next use; not safe between threads."""

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose
        self._open: dict[Broker, pika.BlockingConnection] = {}

    def subscribe(
        self, broker: Broker, stream: str, *, offset: int | str, prefetch: int, deadline_seconds: float
    ) -> Subscription:
        """Read a stream over the connection kept for its broker, or over a new one if there is none or it has died.

        Raises:
            BrokerUnavailableError, StreamMissingError: as the names say.
        """
        kept = self._open.get(broker)
        if kept is not None:
            try:
                return Subscription(broker, kept, stream, offset=offset, prefetch=prefetch)
            except BrokerUnavailableError:
                self.drop(broker)
        connection = connect(broker, purpose=self._purpose, deadline_seconds=deadline_seconds)
        self._open[broker] = connection
        return Subscription(broker, connection, stream, offset=offset, prefetch=prefetch)

    def drop(self, broker: Broker) -> None:
        """Close the connection to one broker, if there is one."""
        connection = self._open.pop(broker, None)
        if connection is not None:
            with suppress(AMQPError, OSError):
                connection.close()

    def close(self) -> None:
        """Close all."""
        for broker in list(self._open):
            self.drop(broker)
