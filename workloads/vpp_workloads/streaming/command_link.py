"""Commands out and acknowledgements in, over the control broker: what `operations` reaches the DERs by."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from pika.exceptions import AMQPError

from vpp_contract.commands import (
    COMMAND_CONTENT_TYPE,
    Acknowledgement,
    Command,
    CommandError,
    command_key,
    decode_acknowledgement,
    der_of_key,
    encode_command,
)
from vpp_contract.names import ACKNOWLEDGEMENTS_QUEUE, COMMANDS_EXCHANGE
from vpp_workloads.streaming.amqp import Broker, connect
from vpp_workloads.streaming.control_publisher import ControlPublisher
from vpp_workloads.streaming.errors import BrokerUnavailableError

_LOG = logging.getLogger(__name__)
_DEADLINE_SECONDS: Final = 5.0
_HEARTBEAT_SECONDS: Final = 20
_TURN_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 2.0
_WAITING: Final = 100_000
_PREFETCH: Final = 500
_JOIN_SECONDS: Final = 10.0


class BrokerLink:
    """`operations.CommandLink` over RabbitMQ. A thread listens for acknowledgements as long as it is open."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._publisher = ControlPublisher(broker)
        self._answers: queue.Queue[Acknowledgement] = queue.Queue(_WAITING)
        self._stopping = threading.Event()
        self._out, self._in = "", "not connected yet"
        self._thread = threading.Thread(target=self._run, name="acknowledgements", daemon=True)
        self._thread.start()

    @property
    def reason(self) -> str:
        """Why commands cannot go out or answers not come in at the moment; empty when they can."""
        return self._out or self._in

    def send(self, commands: Sequence[Command]) -> list[Command]:
        """Publish what the broker confirms. A command that its DER cannot read in time goes by itself."""
        confirmed: list[Command] = []
        try:
            for command in commands:
                self._publisher.publish(
                    COMMANDS_EXCHANGE,
                    command_key(command.der),
                    encode_command(command),
                    content_type=COMMAND_CONTENT_TYPE,
                    expires_seconds=(command.valid_until_us - command.issued_us) / 1e6,
                )
                confirmed.append(command)
            self._out = ""
        except BrokerUnavailableError as error:
            self._out = f"commands do not go out: {error}"
        return confirmed

    def answers(self) -> list[Acknowledgement]:
        """Return what has come since the last call."""
        found: list[Acknowledgement] = []
        with suppress(queue.Empty):
            while True:
                found.append(self._answers.get_nowait())
        return found

    def close(self) -> None:
        """Disconnect."""
        self._stopping.set()
        self._thread.join(_JOIN_SECONDS)
        self._publisher.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (BrokerUnavailableError, AMQPError, OSError) as error:
                self._note(f"acknowledgements do not come in: {error or type(error).__name__}")
            self._stopping.wait(_PAUSE_SECONDS)

    def _listen(self) -> None:
        connection = connect(
            self._broker,
            purpose="vpp driver: acknowledgements",
            deadline_seconds=_DEADLINE_SECONDS,
            heartbeat_seconds=_HEARTBEAT_SECONDS,
        )
        try:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=_PREFETCH)
            channel.basic_consume(ACKNOWLEDGEMENTS_QUEUE, self._receive)
            self._note("")
            while not self._stopping.is_set() and channel.is_open:
                connection.process_data_events(time_limit=_TURN_SECONDS)
        finally:
            with suppress(AMQPError, OSError):
                if connection.is_open:
                    connection.close()

    def _receive(self, channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        try:
            answer = decode_acknowledgement(body)
            if answer.der != der_of_key(method.routing_key):
                raise CommandError(f"it came under {method.routing_key}, which is not {answer.der}'s")
            self._answers.put_nowait(answer)
        except CommandError as error:
            _LOG.warning("dropped an acknowledgement under %s: %s", method.routing_key, error)
        except queue.Full:
            _LOG.warning("dropped an acknowledgement: nobody takes them")
        channel.basic_ack(method.delivery_tag)

    def _note(self, reason: str) -> None:
        if reason and reason != self._in:
            _LOG.warning("%s", reason)
        self._in = reason
