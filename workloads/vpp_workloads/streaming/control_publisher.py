"""Publishes to the control broker what the driver tells sites: confirmed, with a deadline, over one connection."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Final

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from vpp_workloads.streaming.amqp import Broker, connect
from vpp_workloads.streaming.errors import BrokerUnavailableError

_DEADLINE_SECONDS: Final = 5.0
# A broker that stands still is noticed after two of these, also in the middle of a confirm.
_HEARTBEAT_SECONDS: Final = 5
_PERSISTENT: Final = 2


class ControlPublisher:
    """Connects when something is to be published; safe between threads, one message at a time."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._lock = threading.Lock()
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def publish(
        self, exchange: str, key: str, body: bytes, *, content_type: str, expires_seconds: float | None = None
    ) -> None:
        """Publish a message and wait for the broker's confirm. Nobody listening is no error.

        Args:
            exchange: where to.
            key: routing key.
            body: the message.
            content_type: what it is.
            expires_seconds: how long it is worth reading; None: as long as its queues keep it.

        Raises:
            BrokerUnavailableError: not confirmed in time; it may have been published all the same.
        """
        properties = pika.BasicProperties(
            content_type=content_type,
            delivery_mode=_PERSISTENT,
            expiration=None if expires_seconds is None else str(round(expires_seconds * 1000)),
        )
        with self._lock:
            try:
                self._open().basic_publish(exchange, key, body, properties)
            except (AMQPError, OSError) as error:
                self._drop()
                where = f"{self._broker.host}:{self._broker.port}"
                raise BrokerUnavailableError(
                    f"{where} took no message for {exchange}: {error or type(error).__name__}"
                ) from None

    def _open(self) -> BlockingChannel:
        if self._connection is not None and self._connection.is_open:
            with suppress(AMQPError, OSError):
                self._connection.process_data_events(0)  # heartbeats that were due meanwhile
        if self._connection is None or self._channel is None or not self._channel.is_open:
            self._drop()
            self._connection = connect(
                self._broker,
                purpose="vpp driver",
                deadline_seconds=_DEADLINE_SECONDS,
                heartbeat_seconds=_HEARTBEAT_SECONDS,
            )
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
        return self._channel

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(AMQPError, OSError):
                if self._connection.is_open:
                    self._connection.close()
        self._connection = self._channel = None

    def close(self) -> None:
        """Give the connection up."""
        with self._lock:
            self._drop()
