"""The gateway's second connection, to the control broker: what the plant tells the site, and what the site answers.

A thread of its own, because nothing here is urgent, and readings must not wait for it. A message is acknowledged after
its handler has returned, so a message may come twice; one that its handler refuses is dropped with a line in the log.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import pika
from pika.exceptions import AMQPError

from vpp_contract.names import ACKNOWLEDGEMENTS_EXCHANGE, commands_queue
from vpp_workloads.gateway.amqp import PERSISTENT, connection_parameters
from vpp_workloads.gateway.errors import GatewayError
from vpp_workloads.gateway.settings import Settings

_LOG = logging.getLogger(__name__)
_PREFETCH: Final = 50
_TURN_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_JOIN_SECONDS: Final = 5.0
_NEXT_TRIAL_SECONDS: Final = 10.0

Answer = tuple[str, str, bytes]
"""Routing key on the exchange of acknowledgements, content type, body."""
Handler = Callable[[str, bytes], Iterable[Answer]]
"""Takes routing key and body of a message; what it returns is published before the message is acknowledged.

It raises ValueError for what it does not understand.
"""


class ControlLink:
    """Reads a site's queue on the control broker for as long as the gateway runs."""

    def __init__(self, settings: Settings, handlers: Mapping[str, Handler]) -> None:
        """Prepare; `start` connects.

        Args:
            settings: `control_host` must be set.
            handlers: by content type of the messages they take.
        """
        self._settings = settings
        self._wanted: Settings | None = None
        """Settings that take the place of the present ones once a connection with them is open."""
        self._wanted_not_before = 0.0
        self._handlers = handlers
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"control-{settings.site}", daemon=True)
        self.reason = "not started"
        """How the link stands: "connected", or why it is not."""

    def start(self) -> None:
        """Begin to connect and to listen."""
        self._thread.start()

    def change(self, settings: Settings) -> None:
        """Connect anew with these settings; while the broker refuses them, those before are tried in turn."""
        self._wanted, self._wanted_not_before = settings, 0.0

    def stop(self) -> None:
        """Disconnect and end the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            trial = self._due()
            try:
                connection = self._connect(trial)
                try:
                    pause_seconds = _FIRST_PAUSE_SECONDS
                    self._listen(connection)
                finally:
                    if connection.is_open:
                        connection.close()
            except (AMQPError, OSError) as error:
                self._note(f"control broker {self._where}: {error or type(error).__name__}")
            except Exception as error:  # noqa: BLE001
                # Whatever fails here must not silence a site for ever.
                _LOG.exception("gateway of %s: the control link failed and begins anew", self._settings.site)
                self._note(f"the control link failed: {error!r}")
            # Jitter keeps the sites of a plant from coming back all at once.
            self._stopping.wait(pause_seconds * random.uniform(0.5, 1.0))
            pause_seconds = min(2 * pause_seconds, self._settings.reconnect_seconds)

    def _due(self) -> Settings:
        """Return the settings to connect with now."""
        wanted = self._wanted
        return self._settings if wanted is None or time.monotonic() < self._wanted_not_before else wanted

    def _connect(self, trial: Settings) -> Any:
        """Connect; settings that work for the first time take the place of those before."""
        if trial is not self._settings:
            # Until then those before are good enough, if they still work.
            self._wanted_not_before = time.monotonic() + _NEXT_TRIAL_SECONDS
        connection = pika.BlockingConnection(_parameters(trial))
        if trial is not self._settings:
            self._settings = trial
            if self._wanted is trial:
                self._wanted = None
        return connection

    def _listen(self, connection: Any) -> None:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=_PREFETCH)
        channel.basic_consume(commands_queue(self._settings.site), self._receive)
        self._note("connected")
        while not self._stopping.is_set() and channel.is_open and self._due() is self._settings:
            connection.process_data_events(time_limit=_TURN_SECONDS)

    def _receive(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        handler = self._handlers.get(properties.content_type)
        answers: Iterable[Answer] = ()
        if handler is not None:  # a newer twin may say what this gateway does not know
            try:
                answers = handler(method.routing_key, body)
            except (ValueError, GatewayError) as error:
                _LOG.warning(
                    "gateway of %s: dropped a message to %s: %s", self._settings.site, method.routing_key, error
                )
        for key, content_type, answer in answers:
            properties = pika.BasicProperties(content_type=content_type, delivery_mode=PERSISTENT)
            channel.basic_publish(ACKNOWLEDGEMENTS_EXCHANGE, key, answer, properties)
        channel.basic_ack(method.delivery_tag)

    def _note(self, reason: str) -> None:
        if reason != self.reason:
            self.reason = reason
            level = logging.INFO if reason == "connected" else logging.WARNING
            _LOG.log(level, "gateway of %s: control link: %s", self._settings.site, reason)

    @property
    def _where(self) -> str:
        return f"{self._settings.control_host}:{self._settings.control_port}"


def _parameters(settings: Settings) -> pika.ConnectionParameters:
    return connection_parameters(
        settings,
        settings.control_host,
        settings.control_port,
        tls=settings.control_tls,
        name=f"control link of {settings.site}",
    )
