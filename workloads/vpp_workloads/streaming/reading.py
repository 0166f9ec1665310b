"""Reading one range of one stream inside a Python worker of Spark."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from vpp_workloads.streaming.amqp import Message
from vpp_workloads.streaming.decode import decode, loss
from vpp_workloads.streaming.errors import BrokerUnavailableError, StreamingError, StreamMissingError
from vpp_workloads.streaming.options import Options
from vpp_workloads.streaming.plan import StreamRange
from vpp_workloads.streaming.stream_client import ChunkSubscription, StreamConnections

_FLUSH_BYTES: Final = 8_000_000
_connections: tuple[int, StreamConnections] | None = None


def _worker_connections() -> StreamConnections:
    """Return this process's connections: Spark forks its workers, and a socket must not be shared with a parent."""
    global _connections
    if _connections is None or _connections[0] != os.getpid():
        _connections = (os.getpid(), StreamConnections("vpp reader"))
    return _connections[1]


def read_range(options: Options, work: StreamRange) -> Iterator[pa.RecordBatch]:
    """Yield a range's readings and faults as record batches; a range always gives the same rows.

    Raises:
        BrokerUnavailableError: nothing came within the deadline; Spark tries the task and then the batch again.
        StreamingError: part of the range is gone, and the option failOnDataLoss says that this is an error.
    """
    lost_until = work.start
    try:
        if not work.host:
            raise StreamMissingError(f"the topology has no channel {work.channel} with a stream {work.stream} any more")
        for messages in _batches(options, work):
            if lost_until == work.start < messages[0].offset and (head := _head(options, work)) > work.start:
                lost_until = min(head, work.end)
            inside = [message for message in messages if message.offset < work.end]
            if inside:
                yield from decode(work.channel, work.stream, inside)
        reason = f"the oldest message kept has offset {lost_until} or a later one"
    except StreamMissingError as error:
        lost_until, reason = work.end, str(error)
    if lost_until > work.start:
        text = f"offsets {work.start} to {lost_until - 1} of {work.channel}/{work.stream} are lost: {reason}"
        if options.fail_on_data_loss:
            raise StreamingError(text)
        yield loss(work.channel, work.stream, work.start, lost_until, text)


def _batches(options: Options, work: StreamRange) -> Iterator[list[Message]]:
    broker = options.channel(work.host, work.port, tls=work.tls)
    connections = _worker_connections()
    try:
        subscription = connections.subscribe(
            broker, work.stream, offset=work.start, deadline_seconds=options.deadline_seconds
        )
        try:
            yield from _until(options, work, subscription)
        finally:
            subscription.close()
    except BrokerUnavailableError:
        connections.drop(broker)
        raise


def _until(options: Options, work: StreamRange, subscription: ChunkSubscription) -> Iterator[list[Message]]:
    held: list[Message] = []
    size = 0
    deadline = time.monotonic() + options.deadline_seconds
    while True:
        messages = subscription.poll(0.5)
        if messages:
            deadline = time.monotonic() + options.deadline_seconds
        elif time.monotonic() > deadline:
            raise BrokerUnavailableError(
                f"{work.host} sent nothing for {options.deadline_seconds:g} s while offsets {work.start} to "
                f"{work.end - 1} of {work.stream} were read"
            )
        held += (message for message in messages if message.offset >= work.start)
        size += sum(len(message.body) for message in messages)
        done = bool(held) and held[-1].offset >= work.end - 1
        if held and (done or size >= _FLUSH_BYTES):
            yield held
            held, size = [], 0
        if done:
            return


def _head(options: Options, work: StreamRange) -> int:
    """Return the offset of the oldest message kept: beyond a range's start it means loss, not a gap."""
    broker = options.channel(work.host, work.port, tls=work.tls)
    subscription = _worker_connections().subscribe(
        broker, work.stream, offset="first", deadline_seconds=options.deadline_seconds
    )
    try:
        messages = subscription.poll(options.deadline_seconds)
        return messages[0].offset if messages else work.start
    finally:
        subscription.close()
