"""The stream protocol's client against a server that says what a test tells it to."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.unit.streaming.test_chunks import chunk, entry
from vpp_workloads.streaming.amqp import Broker
from vpp_workloads.streaming.errors import BrokerUnavailableError, StreamMissingError
from vpp_workloads.streaming.stream_client import StreamConnection, StreamConnections

SUBSCRIBE, DELIVER, METADATA_UPDATE, SASL_AUTHENTICATE, TUNE = 7, 8, 16, 19, 20
OK, NO_SUCH_STREAM, REFUSED = 1, 2, 8


class Server:
    """Answers every request with `codes[key]`, 1 by default; a subscription gets the chunks of its stream first."""

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.chunks: dict[str, list[memoryview]] = {}
        self.silent = False
        self.seconds_before_refusal = 0.0
        self.connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.broker = Broker(host="127.0.0.1", port=self._listener.getsockname()[1], username="u", password="p")
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            while header := stream.read(8):
                size, key, _ = struct.unpack(">IHH", header)
                body = stream.read(size - 4)
                if not self.silent and not key & 0x8000:
                    self._answer(connection, key, body)

    def _answer(self, connection: socket.socket, key: int, body: bytes) -> None:
        if key == 9:  # credit has no answer
            return
        if key == SUBSCRIBE:
            number, (size,) = body[4], struct.unpack_from(">h", body, 5)
            # Before the answer, as a busy connection may have it.
            for one in self.chunks.get(body[7 : 7 + size].decode(), ()):
                self.send(connection, DELIVER, bytes([number]) + bytes(one))
        if key in self.codes:
            time.sleep(self.seconds_before_refusal)
        self.send(connection, 0x8000 | key, body[:4] + struct.pack(">H", self.codes.get(key, OK)))
        if key == SASL_AUTHENTICATE:
            self.send(connection, TUNE, struct.pack(">II", 1_048_576, 60))

    def send(self, connection: socket.socket, key: int, body: bytes) -> None:
        connection.sendall(struct.pack(">IHH", len(body) + 4, key, 1) + body)

    def close(self) -> None:
        for one in [self._listener, *self.connections]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def connections() -> Iterator[StreamConnections]:
    made = StreamConnections("test")
    yield made
    made.close()


def bodies(server: Server, connections: StreamConnections, *streams: str) -> list[list[bytes]]:
    """Subscribe to all streams first, then poll each."""
    opened = [connections.subscribe(server.broker, name, offset=0, deadline_seconds=2) for name in streams]
    return [[message.body for message in one.poll(1.0)] for one in opened]


def test_subscriptions_of_one_connection_get_their_own_chunks(server: Server, connections: StreamConnections) -> None:
    server.chunks = {"a": [chunk([entry(b"one")])], "b": [chunk([entry(b"two"), entry(b"three")])]}
    assert bodies(server, connections, "a", "b") == [[b"one"], [b"two", b"three"]]
    assert len(server.connections) == 1


def test_a_poll_gives_up_in_time_and_chunks_without_messages_are_passed_over(
    server: Server, connections: StreamConnections
) -> None:
    server.chunks = {"a": [chunk([entry(b"tracking")], kind=1)]}
    subscription = connections.subscribe(server.broker, "a", offset="last", deadline_seconds=2)
    started = time.monotonic()
    assert subscription.poll(0.2) == []
    assert 0.15 < time.monotonic() - started < 1.5


def test_a_stream_that_is_not_there_and_one_that_goes_are_missing(
    server: Server, connections: StreamConnections
) -> None:
    server.codes[SUBSCRIBE] = NO_SUCH_STREAM
    with pytest.raises(StreamMissingError, match=r"127\.0\.0\.1 has no stream a"):
        connections.subscribe(server.broker, "a", offset="first", deadline_seconds=2)
    del server.codes[SUBSCRIBE]
    subscription = connections.subscribe(server.broker, "a", offset="first", deadline_seconds=2)
    server.send(server.connections[0], METADATA_UPDATE, struct.pack(">Hh", 6, 1) + b"a")
    with pytest.raises(StreamMissingError, match="has the stream a no longer"):
        subscription.poll(2.0)


def test_a_refused_login_is_one_sentence(server: Server) -> None:
    server.codes[SASL_AUTHENTICATE] = REFUSED
    with pytest.raises(BrokerUnavailableError, match=r"fails u: the login is refused; check user name and password"):
        StreamConnection(server.broker, purpose="test", deadline_seconds=2)


def test_a_refusal_that_the_broker_holds_back_is_waited_for(server: Server) -> None:
    server.codes[SASL_AUTHENTICATE] = REFUSED
    server.seconds_before_refusal = 0.5
    with pytest.raises(BrokerUnavailableError, match="the login is refused"):
        StreamConnection(server.broker, purpose="test", deadline_seconds=0.2)


def test_a_broker_that_falls_silent_is_given_up_within_the_deadline(server: Server) -> None:
    server.silent = True
    started = time.monotonic()
    with pytest.raises(BrokerUnavailableError, match="timed out"):
        StreamConnection(server.broker, purpose="test", deadline_seconds=0.3)
    assert time.monotonic() - started < 2


def test_a_connection_that_died_is_made_again(server: Server, connections: StreamConnections) -> None:
    server.chunks = {"a": [chunk([entry(b"one")])]}
    assert bodies(server, connections, "a") == [[b"one"]]
    server.connections[0].shutdown(socket.SHUT_RDWR)
    assert bodies(server, connections, "a") == [[b"one"]]
    assert len(server.connections) == 2


def test_a_subscription_on_a_connection_that_died_says_so(server: Server, connections: StreamConnections) -> None:
    subscription = connections.subscribe(server.broker, "a", offset=5, deadline_seconds=2)
    server.connections[0].shutdown(socket.SHUT_RDWR)
    with pytest.raises(BrokerUnavailableError, match=r"closed the connection|reset"):
        subscription.poll(2.0)
    subscription.close()
