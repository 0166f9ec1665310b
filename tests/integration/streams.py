"""What streaming tests do to a broker: make channels and streams, publish readings, put a topology out, cut a line."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from vpp_contract.names import TOPOLOGY_STREAM, readings_key
from vpp_contract.readings import BATCH_CONTENT_TYPE, Reading, encode_batch
from vpp_contract.topology import STREAM_PORT, Channel, ChannelState, Topology, encode_topology
from vpp_operator.ports import BrokerAddress

HOUR_US = 3_600_000_000
T0 = 1_655_769_600_000_000
NO_ARGUMENTS: Mapping[str, int] = {}


def a_reading(seq: int, der: str = "house-01/pv", boot: int = 1, kwh: float = 0.5) -> Reading:
    """A reading a minute after the one before."""
    return Reading(
        der=der,
        kind=der.partition("/")[2],
        boot=boot,
        seq=seq,
        event_time_us=T0 + (seq + 1) * 60_000_000,
        created_us=time.time_ns() // 1000,
        interval_seconds=60.0,
        power_kw=60 * kwh,
        energy_kwh=kwh,
    )


def site_batches(site: str, seqs: Sequence[int], boot: int = 1, size: int = 10) -> list[tuple[str, bytes]]:
    """Return a site's readings of its two DERs as messages of at most `size` numbers."""
    return [
        (
            readings_key(site),
            encode_batch(
                [a_reading(seq, f"{site}/{name}", boot) for seq in seqs[at : at + size] for name in ("pv", "load")]
            ),
        )
        for at in range(0, len(seqs), size)
    ]


class Streams:
    """One broker that plays the control broker and any number of channels, each with a stream of its own."""

    def __init__(self, broker: BrokerAddress) -> None:
        self.broker = broker
        self.channels: dict[str, Channel] = {}
        self._generation = 0

    @contextlib.contextmanager
    def open(self) -> Iterator[BlockingChannel]:
        """A channel in confirm mode."""
        credentials = pika.PlainCredentials(self.broker.username, self.broker.password)
        parameters = pika.ConnectionParameters(
            self.broker.host, self.broker.amqp_port, credentials=credentials, socket_timeout=10, stack_timeout=10
        )
        connection = pika.BlockingConnection(parameters)
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            connection.close()

    def add(self, name: str, *, host: str = "", port: int = 0, arguments: Mapping[str, int] = NO_ARGUMENTS) -> Channel:
        """Add a channel with a new stream."""
        stream = f"readings-{uuid.uuid4().hex[:10]}"
        self.channels[name] = Channel(
            name=name,
            queue_channel="q",
            host=host or self.broker.host,
            amqp_port=self.broker.amqp_port,
            stream_port=port or STREAM_PORT,
            stream=stream,
            state=ChannelState.ACTIVE,
        )
        with self.open() as channel:
            channel.queue_declare(stream, durable=True, arguments={"x-queue-type": "stream", **arguments})
        return self.channels[name]

    def topology(self) -> Topology:
        """The topology of all channels so far."""
        return Topology(generation=self._generation, channels=tuple(self.channels.values()))

    def announce(self) -> None:
        """Put the topology out on the control broker, as its last message."""
        self._generation += 1
        if not self._has(TOPOLOGY_STREAM):  # other tests make it, too, with arguments of their own
            with self.open() as channel:
                channel.queue_declare(TOPOLOGY_STREAM, durable=True, arguments={"x-queue-type": "stream"})
        with self.open() as channel:
            channel.basic_publish("", TOPOLOGY_STREAM, encode_topology(self.topology()))

    def _has(self, stream: str) -> bool:
        try:
            with self.open() as channel:
                channel.queue_declare(stream, passive=True)
        except ChannelClosedByBroker:
            return False
        return True

    def wait_until_trimmed(self, name: str, deadline_seconds: float = 30.0) -> None:
        """Wait until a stream's limits have taken its first segments; the broker does that when it has time."""
        deadline = time.monotonic() + deadline_seconds
        while self._first_offset(name) == 0:
            assert time.monotonic() < deadline, f"the stream of {name} still begins at 0"
            time.sleep(0.2)

    def _first_offset(self, name: str) -> int:
        with self.open() as channel:
            channel.basic_qos(prefetch_count=1)
            arguments = {"x-stream-offset": "first"}
            for _, properties, _ in channel.consume(
                self.channels[name].stream, arguments=arguments, inactivity_timeout=5
            ):
                return int(properties.headers["x-stream-offset"])
        raise AssertionError("unreachable")

    def publish(self, name: str, messages: Sequence[tuple[str, bytes]], content_type: str = BATCH_CONTENT_TYPE) -> None:
        """Publish messages with their routing keys into a channel's stream, each confirmed."""
        exchange = f"to-{self.channels[name].stream}"
        with self.open() as channel:
            channel.exchange_declare(exchange, "topic", durable=False, auto_delete=False)
            channel.queue_bind(self.channels[name].stream, exchange, "#")
            for key, body in messages:
                properties = pika.BasicProperties(content_type=content_type, delivery_mode=2)
                channel.basic_publish(exchange, key, body, properties)

    def publish_unconfirmed(self, name: str, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish many messages as fast as it goes; `wait_for_messages` tells when they have arrived."""
        exchange = f"to-{self.channels[name].stream}"
        credentials = pika.PlainCredentials(self.broker.username, self.broker.password)
        parameters = pika.ConnectionParameters(self.broker.host, self.broker.amqp_port, credentials=credentials)
        connection = pika.BlockingConnection(parameters)
        try:
            channel = connection.channel()
            channel.exchange_declare(exchange, "topic", durable=False, auto_delete=False)
            channel.queue_bind(self.channels[name].stream, exchange, "#")
            properties = pika.BasicProperties(content_type=BATCH_CONTENT_TYPE, delivery_mode=2)
            for key, body in messages:
                channel.basic_publish(exchange, key, body, properties)
        finally:
            connection.close()

    def wait_for_messages(self, name: str, count: int, deadline_seconds: float = 120.0) -> None:
        """Wait until a stream holds so many messages."""

        def held() -> int:
            with self.open() as channel:
                return int(channel.queue_declare(self.channels[name].stream, passive=True).method.message_count)

        wait_for(f"{count} messages in the stream of {name}", lambda: held() >= count, deadline_seconds)

    def delete(self, name: str) -> None:
        """Delete a channel's stream, as a lost volume would."""
        with self.open() as channel:
            channel.queue_delete(self.channels[name].stream)


class Line:
    """A TCP line to a server that can be cut and mended; what is held in a direction is gone when the line is cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._cut = False
        self.held_forward = False
        """What clients send does not arrive."""
        self.held_back = False
        """What the server answers does not arrive."""
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._cut:
                    near.close()
                    continue
                far = socket.create_connection(self._target, timeout=5)
                far.settimeout(None)
                self._open += [near, far]
                thread = threading.Thread(target=self._copy, args=(near, far), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _copy(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            for source in (near, far):
                selector.register(source, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    source = near if key.fileobj is near else far
                    content = source.recv(65536)
                    if not content:
                        return
                    if not (self.held_forward if source is near else self.held_back):
                        (far if source is near else near).sendall(content)

    def cut(self) -> None:
        """Close what is open and refuse what comes."""
        self._cut = True
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()
        self.held_forward = self.held_back = False

    def mend(self) -> None:
        """Let connections through again."""
        self._cut = False

    def close(self) -> None:
        """End it."""
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)


def wait_for(what: str, probe: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.05)
