"""RabbitMQ servers: their management HTTP API, and AMQP for what that API cannot do (first offsets, the topology).

Pika blocks, so its short conversations run on a few threads; each opens a connection, does one thing and closes it.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
import pika
from pika.adapters.blocking_connection import BlockingChannel

from vpp_contract.names import TOPOLOGY_STREAM
from vpp_contract.readings import END_MARKER_CONTENT_TYPE
from vpp_contract.tls import client_context
from vpp_contract.topology import Topology, encode_topology
from vpp_operator.adapters.http import Answer, basic, call
from vpp_operator.errors import Unavailable
from vpp_operator.ports import BrokerAddress, Connection, Manifest, StreamExtent

_THREADS: Final = 4
_FIRST_MESSAGE_SECONDS: Final = 2.0
_NEWEST_AT_ONCE: Final = 500
_IDLE_SECONDS: Final = 0.5
"""A broker short of CPU time delivers a chunk in pieces: only after so long is nothing more to come."""
T = TypeVar("T")


class RabbitMQ:
    """`vpp_operator.ports.Brokers` against real servers."""

    def __init__(self, session: aiohttp.ClientSession, *, timeout_seconds: float = 5.0) -> None:
        """Prepare; nothing is sent yet."""
        self._session = session
        self._timeout_seconds = timeout_seconds
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="rabbitmq")

    def close(self) -> None:
        """End the threads; conversations under way finish."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def definitions(self, at: BrokerAddress) -> Manifest:
        answer = await self._call(at, "GET", ("definitions",))
        found: Manifest = answer.json()
        return found

    async def import_definitions(self, at: BrokerAddress, definitions: Manifest) -> None:
        await self._call(at, "POST", ("definitions",), definitions)

    async def remove(self, at: BrokerAddress, path: Sequence[str]) -> None:
        await self._call(at, "DELETE", path, missing_is_fine=True)

    async def stream(self, at: BrokerAddress, name: str) -> StreamExtent | None:
        answer = await self._call(at, "GET", ("queues", "/", name), missing_is_fine=True)
        if answer.status == 404:
            return None
        found = answer.json()
        return StreamExtent(
            messages=int(found.get("messages", 0)),
            bytes=int(found.get("message_bytes", 0)),
            segments=int(found.get("segments", 0)),
        )

    async def set_policy(self, at: BrokerAddress, name: str, policy: Manifest) -> None:
        await self._call(at, "PUT", ("policies", "/", name), policy)

    async def first_offset(self, at: BrokerAddress, stream: str) -> int | None:
        return await self._converse(at, functools.partial(_first_offset, stream))

    async def tail_offset(self, at: BrokerAddress, stream: str) -> int | None:
        return await self._converse(at, functools.partial(_tail_offset, stream))

    async def mark_end(self, at: BrokerAddress, stream: str) -> int:
        found = await self._converse(at, functools.partial(_mark_end, stream, uuid.uuid4().bytes))
        if found is None:
            raise Unavailable("RabbitMQ", f"{at.host} confirmed an end marker in {stream} and did not show it again")
        return found

    async def connections(self, at: BrokerAddress) -> Sequence[Connection]:
        answer = await self._call(at, "GET", ("connections",))
        return [Connection(name=one["name"], username=one.get("user", "")) for one in answer.json()]

    async def publish_topology(self, at: BrokerAddress, topology: Topology) -> None:
        await self._converse(at, functools.partial(_publish, encode_topology(topology)))

    async def _call(
        self,
        at: BrokerAddress,
        method: str,
        path: Sequence[str],
        body: Any = None,
        *,
        missing_is_fine: bool = False,
    ) -> Answer:
        url = "/".join((at.management_url.rstrip("/"), "api", *(quote(part, safe="") for part in path)))
        answer = await call(
            self._session,
            method,
            url,
            service="RabbitMQ",
            timeout_seconds=self._timeout_seconds,
            headers={"Authorization": basic(at.username, at.password)},
            body=body,
            ssl_context=_context(at),
            server_name=None if at.tls is None else at.tls.name,
        )
        if answer.status < 300 or (answer.status == 404 and missing_is_fine):
            return answer
        if answer.status == 401:
            raise Unavailable("RabbitMQ", f"{at.host} refuses the account {at.username}; check its name and password")
        raise Unavailable("RabbitMQ", f"{at.host} answers {method} {url} with {answer.status}: {answer.text()}")

    async def _converse(self, at: BrokerAddress, talk: Callable[[BlockingChannel], T]) -> T:
        run = functools.partial(_with_channel, at, self._timeout_seconds, talk)
        try:
            async with asyncio.timeout(2 * self._timeout_seconds + _FIRST_MESSAGE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, run)
        except (pika.exceptions.AMQPError, OSError, TimeoutError) as error:
            said = str(error) or type(error).__name__
            raise Unavailable("RabbitMQ", f"no AMQP conversation with {at.host}:{at.amqp_port}: {said}") from None


def _context(at: BrokerAddress) -> ssl.SSLContext | None:
    try:
        return None if at.tls is None else client_context(at.tls.authority)
    except ValueError as error:
        raise Unavailable("RabbitMQ", f"{at.host} cannot be checked: {error}") from None


def _with_channel(at: BrokerAddress, timeout_seconds: float, talk: Callable[[BlockingChannel], T]) -> T:
    context = _context(at)
    parameters = pika.ConnectionParameters(
        host=at.host,
        port=at.amqp_port,
        credentials=pika.PlainCredentials(at.username, at.password),
        connection_attempts=1,
        socket_timeout=timeout_seconds,
        stack_timeout=timeout_seconds,
        blocked_connection_timeout=timeout_seconds,
        heartbeat=30,
        ssl_options=pika.SSLOptions(context, at.tls.name) if context is not None and at.tls is not None else None,
    )
    connection = pika.BlockingConnection(parameters)
    try:
        return talk(connection.channel())
    finally:
        if connection.is_open:
            connection.close()


def _publish(message: bytes, channel: BlockingChannel) -> None:
    channel.confirm_delivery()
    channel.basic_publish("", TOPOLOGY_STREAM, message, pika.BasicProperties(delivery_mode=2), mandatory=True)


def _newest(stream: str, channel: BlockingChannel) -> Iterator[tuple[int, bytes] | None]:
    """Yield offset and body of each message of the newest chunk and what comes behind it, None when none comes."""
    channel.basic_qos(prefetch_count=_NEWEST_AT_ONCE)
    arguments = {"x-stream-offset": "last"}
    for method, properties, body in channel.consume(stream, arguments=arguments, inactivity_timeout=_IDLE_SECONDS):
        if method is None:
            yield None
            continue
        channel.basic_ack(method.delivery_tag)
        yield int(properties.headers["x-stream-offset"]), body


def _tail_offset(stream: str, channel: BlockingChannel) -> int | None:
    tail: int | None = None
    deadline = time.monotonic() + _FIRST_MESSAGE_SECONDS
    for found in _newest(stream, channel):
        if found is not None:
            tail = found[0] + 1
        if time.monotonic() > deadline or (found is None and tail is not None):
            break
    return tail


def _mark_end(stream: str, marker: bytes, channel: BlockingChannel) -> int | None:
    channel.confirm_delivery()
    properties = pika.BasicProperties(delivery_mode=2, content_type=END_MARKER_CONTENT_TYPE)
    channel.basic_publish("", stream, marker, properties, mandatory=True)
    deadline = time.monotonic() + _FIRST_MESSAGE_SECONDS
    for found in _newest(stream, channel):
        if found is not None and found[1] == marker:
            return found[0]
        if time.monotonic() > deadline:
            break
    return None


def _first_offset(stream: str, channel: BlockingChannel) -> int | None:
    """Read the oldest message there is; an empty stream gives none within the time."""
    channel.basic_qos(prefetch_count=1)
    deadline = time.monotonic() + _FIRST_MESSAGE_SECONDS
    arguments = {"x-stream-offset": "first"}
    for method, properties, _ in channel.consume(stream, arguments=arguments, inactivity_timeout=0.1):
        if method is not None:
            return int(properties.headers["x-stream-offset"])
        if time.monotonic() > deadline:
            return None
    return None
