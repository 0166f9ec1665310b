"""Reads streams while they are written, as the twin would, and keeps account of what is in them."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.bench._workload import Identity, identify
from vpp_workloads.streaming.amqp import Broker
from vpp_workloads.streaming.stream_client import StreamConnection

QUIET_SECONDS: Final = 1.5
JOIN_SECONDS: Final = 120.0


@dataclass(slots=True, kw_only=True)
class Stored:
    """What streams held. `delays_seconds` go from when a message was due to when it was read."""

    messages: int = 0
    readings: int = 0
    body_bytes: int = 0
    identities: list[Identity] = field(default_factory=list)
    delays_seconds: list[float] = field(default_factory=list)

    def add(self, content_type: str | None, body: bytes, now_us: int) -> None:
        """Count one message."""
        identity, readings, created_us = identify(content_type, body)
        self.messages += 1
        self.readings += readings
        self.body_bytes += len(body)
        self.identities.append(identity)
        self.delays_seconds.append((now_us - created_us) / 1e6)


def read(streams: Sequence[tuple[Broker, str]], stop: Any) -> Stored:
    """Read streams from their first message until `stop` is set and nothing has come for a while."""
    stored = [Stored() for _ in streams]
    errors: list[BaseException] = []

    def follow(broker: Broker, stream: str, into: Stored) -> None:
        try:
            _follow(broker, stream, into, stop)
        except Exception as error:  # noqa: BLE001 - a thread's error belongs to who started it
            errors.append(error)

    threads = [
        threading.Thread(target=follow, args=(broker, stream, into), daemon=True)
        for (broker, stream), into in zip(streams, stored, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return Stored(
        messages=sum(one.messages for one in stored),
        readings=sum(one.readings for one in stored),
        body_bytes=sum(one.body_bytes for one in stored),
        identities=[identity for one in stored for identity in one.identities],
        delays_seconds=[delay for one in stored for delay in one.delays_seconds],
    )


def _follow(broker: Broker, stream: str, into: Stored, stop: Any) -> None:
    connection = StreamConnection(broker, purpose="bench", deadline_seconds=30.0)
    try:
        subscription = connection.subscribe(stream, "first")
        quiet_since = time.monotonic()
        while not (stop.is_set() and time.monotonic() - quiet_since > QUIET_SECONDS):
            messages = subscription.poll(0.1)
            now_us = time.time_ns() // 1000
            for message in messages:
                into.add(message.content_type, message.body, now_us)
            if messages:
                quiet_since = time.monotonic()
    finally:
        connection.close()


class Beside:
    """A function that runs in a process of its own; its result, or its error, comes with `result`."""

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Start `work(*arguments)`."""
        context = multiprocessing.get_context("spawn")
        self._answer, answer = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(answer, work, arguments), daemon=True)
        self._process.start()
        answer.close()

    def result(self, timeout_seconds: float = JOIN_SECONDS) -> Any:
        """Return what the function returned.

        Raises:
            RuntimeError: it raised, ended without an answer, or took too long.
        """
        try:
            if not self._answer.poll(timeout_seconds):
                raise RuntimeError(f"no result within {timeout_seconds:g} s")
            worked, value = self._answer.recv()
        except EOFError:
            raise RuntimeError("the process ended without a result") from None
        finally:
            self.end()
        if not worked:
            raise RuntimeError(value)
        return value

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(5.0)


def _run(answer: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        value = (True, work(*arguments))
    except Exception as error:  # noqa: BLE001 - goes back to who asked
        value = (False, f"{type(error).__name__}: {error}")
    answer.send(value)


def event() -> Any:
    """Return an event that processes share."""
    return multiprocessing.get_context("spawn").Event()
