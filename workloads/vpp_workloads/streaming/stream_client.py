"""Reading a stream over RabbitMQ's stream protocol, with a deadline on every call.

As much of the protocol as reading from an offset needs. A chunk comes as the broker has it on disk, hundreds of
messages at once, so a reading costs a fraction of what AMQP 0.9.1's frames cost. Which node holds the stream is not
asked: a channel is one node.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from vpp_contract.tls import client_context
from vpp_workloads.streaming.amqp import Broker, Message
from vpp_workloads.streaming.chunks import decode_chunk
from vpp_workloads.streaming.errors import BrokerUnavailableError, StreamMissingError

_SUBSCRIBE, _DELIVER, _CREDIT, _UNSUBSCRIBE, _METADATA_UPDATE = 7, 8, 9, 12, 16
_PEER_PROPERTIES, _SASL_HANDSHAKE, _SASL_AUTHENTICATE, _TUNE, _OPEN = 17, 18, 19, 20, 21
_RESPONSE: Final = 0x8000
_OK: Final = 1
_NO_SUCH_STREAM: Final = 2
_CODES: Final = {
    2: "there is no such stream",
    6: "the stream is not available",
    8: "the login is refused; check user name and password",
    12: "the virtual host is refused",
    16: "access is refused",
}
_FIRST, _LAST, _OFFSET = 1, 2, 4
# RabbitMQ holds the refusal of a login back for 3 s. A wrong password must not look like a network that is too slow.
_SHORTEST_LOGIN_SECONDS: Final = 6.0
_CHUNKS_AHEAD: Final = 4
_LARGEST_FRAME: Final = 256 * 1024 * 1024


class StreamConnection:
    """One connection; not safe between threads."""

    def __init__(self, broker: Broker, *, purpose: str, deadline_seconds: float) -> None:
        """Connect and log in; each step has the deadline, the check of the password 6 s at least.

        Raises:
            BrokerUnavailableError: refused, not resolvable, not authorised, or too slow.
        """
        self.broker = broker
        self.deadline_seconds = deadline_seconds
        self._correlations = itertools.count(1)
        self._numbers = itertools.count()
        self._delivered: dict[int, deque[memoryview]] = {}
        """Chunks by subscription, of those that are open."""
        self._gone: set[str] = set()
        """Streams that the broker says are there no longer."""
        self._socket: socket.socket | None = None
        with self._translated():
            self._socket = socket.create_connection((broker.host, broker.port), timeout=deadline_seconds)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if broker.authority is not None:
                context = client_context(broker.authority)
                self._socket = context.wrap_socket(self._socket, server_hostname=broker.host)
        try:
            self._log_in(f"{purpose} {os.uname().nodename}")
        except BaseException:
            self.close()
            raise

    def _log_in(self, name: str) -> None:
        self._call(_PEER_PROPERTIES, struct.pack(">I", 1) + _text("connection_name") + _text(name))
        self._call(_SASL_HANDSHAKE, b"")
        proof = f"\0{self.broker.username}\0{self.broker.password}".encode()
        login = _text("PLAIN") + struct.pack(">i", len(proof)) + proof
        self._call(_SASL_AUTHENTICATE, login, seconds=max(self.deadline_seconds, _SHORTEST_LOGIN_SECONDS))
        while True:
            key, body = self._frame(self.deadline_seconds)
            if key == _TUNE:
                break
        # The frame size as offered; no heartbeats: every wait here has a deadline of its own.
        self._send(_RESPONSE | _TUNE, bytes(body[:4]) + struct.pack(">I", 0))
        self._call(_OPEN, _text("/"))

    def subscribe(self, stream: str, offset: int | str) -> ChunkSubscription:
        """Read from an offset, or from `first` (oldest kept) or `last` (the newest chunk).

        Raises:
            BrokerUnavailableError, StreamMissingError: as the names say.
        """
        number = next(self._numbers) % 256
        self._delivered[number] = deque()
        where = {
            "first": struct.pack(">H", _FIRST),
            "last": struct.pack(">H", _LAST),
        }.get(str(offset)) or struct.pack(">HQ", _OFFSET, offset)
        body = struct.pack(">B", number) + _text(stream) + where + struct.pack(">HI", _CHUNKS_AHEAD, 0)
        try:
            self._call(_SUBSCRIBE, body, stream)
        except (BrokerUnavailableError, StreamMissingError):
            del self._delivered[number]
            raise
        return ChunkSubscription(self, number, stream)

    def next_chunk(self, number: int, stream: str, seconds: float) -> memoryview | None:
        """Return a subscription's next chunk and allow the broker another one; None if none came in time.

        Raises:
            BrokerUnavailableError, StreamMissingError: as the names say.
        """
        deadline = time.monotonic() + seconds
        delivered = self._delivered[number]
        while not delivered:
            if stream in self._gone:
                raise StreamMissingError(f"{self.broker.host} has the stream {stream} no longer")
            if not self._has_more(deadline - time.monotonic()):
                return None
            self._take(*self._frame(self.deadline_seconds))
        self._send(_CREDIT, struct.pack(">BH", number, 1))
        return delivered.popleft()

    def unsubscribe(self, number: int) -> None:
        """Give a subscription up.

        Raises:
            BrokerUnavailableError: as the name says.
        """
        self._delivered.pop(number, None)
        self._call(_UNSUBSCRIBE, struct.pack(">B", number))

    def _take(self, key: int, body: memoryview) -> None:
        """Keep what comes unasked: other subscriptions' chunks among it."""
        if key == _DELIVER and body[0] in self._delivered:
            self._delivered[body[0]].append(body[1:])
        elif key == _METADATA_UPDATE:
            (size,) = struct.unpack_from(">h", body, 2)
            self._gone.add(bytes(body[4 : 4 + size]).decode())

    def _call(self, key: int, body: bytes, stream: str = "", *, seconds: float | None = None) -> memoryview:
        correlation = next(self._correlations)
        self._send(key, struct.pack(">I", correlation) + body)
        deadline = time.monotonic() + (self.deadline_seconds if seconds is None else seconds)
        while True:
            answered, answer = self._frame(deadline - time.monotonic())
            if answered == _RESPONSE | key and struct.unpack_from(">I", answer)[0] == correlation:
                break
            self._take(answered, answer)
        (code,) = struct.unpack_from(">H", answer, 4)
        if code == _NO_SUCH_STREAM:
            raise StreamMissingError(f"{self.broker.host} has no stream {stream}")
        if code != _OK:
            why = _CODES.get(code, f"code {code}")
            raise BrokerUnavailableError(f"{self._where()} fails {self.broker.username}: {why}")
        return answer[6:]

    def _send(self, key: int, body: bytes) -> None:
        with self._translated():
            if self._socket is None:
                raise OSError("the connection is closed")
            self._socket.settimeout(self.deadline_seconds)
            self._socket.sendall(struct.pack(">IHH", len(body) + 4, key, 1) + body)

    def _frame(self, seconds: float) -> tuple[int, memoryview]:
        """Return key and body of the next frame.

        Raises:
            BrokerUnavailableError: none came in time, or the connection is gone.
        """
        with self._translated():
            header = self._receive(8, seconds)
            size, key, _version = struct.unpack(">IHH", header)
            if not 4 <= size <= _LARGEST_FRAME:
                raise OSError(f"a frame of {size} bytes; is this a broker's stream port?")
            return key, memoryview(self._receive(size - 4, self.deadline_seconds))

    def _has_more(self, seconds: float) -> bool:
        """Wait until something has arrived; tell whether it has.

        Raises:
            BrokerUnavailableError: the connection is gone.
        """
        with self._translated():
            if self._socket is None:
                raise OSError("the connection is closed")
            if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
                return True  # decrypted already: the socket itself may have nothing more
            return bool(select.select([self._socket], [], [], max(0.0, seconds))[0])

    def _receive(self, size: int, seconds: float) -> bytearray:
        if self._socket is None:
            raise OSError("the connection is closed")
        content = bytearray(size)
        view, got = memoryview(content), 0
        deadline = time.monotonic() + seconds
        while got < size:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            count = self._socket.recv_into(view[got:])
            if not count:
                raise OSError("the broker closed the connection")
            got += count
            deadline = time.monotonic() + self.deadline_seconds
        return content

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            text = str(error) or type(error).__name__
            raise BrokerUnavailableError(f"{self._where()} fails {self.broker.username}: {text}") from None

    def _where(self) -> str:
        return f"{self.broker.host}:{self.broker.port}"

    def close(self) -> None:
        """Close the connection; one that is gone is no error."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None


class ChunkSubscription:
    """A position in a stream that moves forward as chunks are polled."""

    def __init__(self, connection: StreamConnection, number: int, stream: str) -> None:
        self._connection, self._number, self._stream = connection, number, stream

    def poll(self, seconds: float) -> list[Message]:
        """Return the messages of the next chunk, none if none came in time.

        Raises:
            BrokerUnavailableError, StreamMissingError: the connection or the stream went away.
        """
        deadline = time.monotonic() + seconds
        while (
            chunk := self._connection.next_chunk(self._number, self._stream, deadline - time.monotonic())
        ) is not None:
            _, messages = decode_chunk(chunk)
            if messages:
                return messages
        return []

    def close(self) -> None:
        """Give the position up; a connection that is already gone is no error."""
        with suppress(BrokerUnavailableError, StreamMissingError):
            self._connection.unsubscribe(self._number)


class StreamConnections:
    """Open connections by broker, kept for the next use; not safe between threads."""

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose
        self._open: dict[Broker, StreamConnection] = {}

    def subscribe(
        self, broker: Broker, stream: str, *, offset: int | str, deadline_seconds: float
    ) -> ChunkSubscription:
        """Read a stream over the connection kept for its broker, or over a new one if there is none or it has died.

        Raises:
            BrokerUnavailableError, StreamMissingError: as the names say.
        """
        kept = self._open.get(broker)
        if kept is not None:
            try:
                return kept.subscribe(stream, offset)
            except BrokerUnavailableError:
                self.drop(broker)
        self._open[broker] = StreamConnection(broker, purpose=self._purpose, deadline_seconds=deadline_seconds)
        return self._open[broker].subscribe(stream, offset)

    def drop(self, broker: Broker) -> None:
        """Close the connection to one broker, if there is one."""
        connection = self._open.pop(broker, None)
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close all."""
        for broker in list(self._open):
            self.drop(broker)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">h", len(encoded)) + encoded
