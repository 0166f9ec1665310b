"""One AMQP connection on an event loop, from opening to its end, as a `Session`.

Only this module knows what pika's connections, channels and errors are.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Any, Final, Protocol

import pika
import pika.exceptions
from pika.adapters.select_connection import IOLoop
from pika.spec import Basic

from vpp_contract.names import INGRESS_EXCHANGE, readings_key
from vpp_contract.readings import BATCH_CONTENT_TYPE
from vpp_contract.tls import client_context
from vpp_workloads.gateway.settings import Settings
from vpp_workloads.gateway.spool import Parcel

PERSISTENT: Final = 2


class Listener(Protocol):
    """What a session tells. Every method is called on the event loop's thread."""

    def opened(self, session: AmqpSession) -> None:
        """The channel is open and confirms are on."""

    def answered(self, session: AmqpSession, tag: int, *, multiple: bool, accepted: bool) -> None:
        """The broker confirmed or rejected messages."""

    def returned(self, session: AmqpSession, first_id: int, reason: str) -> None:
        """The broker has no queue for a message."""

    def blocked(self, session: AmqpSession, reason: str | None) -> None:
        """The broker blocks publishers, or no longer does (None)."""

    def ended(self, session: AmqpSession, reason: str) -> None:
        """The connection is over, or never came about. Called once, and nothing after it."""


class AmqpSession:
    """One connection with one confirming channel."""

    def __init__(self, settings: Settings, loop: IOLoop, listener: Listener) -> None:
        """Begin to connect; `listener` hears what comes of it."""
        self.settings = self._settings = settings
        self._loop = loop
        self._listener = listener
        self._key = readings_key(settings.site)
        self._channel: Any = None
        self._tag = 0
        self._over = False
        self._deadline = loop.call_later(settings.connect_seconds, self._too_slow)
        self._connection: Any = pika.SelectConnection(
            _parameters(settings),
            on_open_callback=self._connection_open,
            on_open_error_callback=lambda _connection, error: self._end(explain(error, settings)),
            on_close_callback=lambda _connection, error: self._end(explain(error, settings)),
            custom_ioloop=loop,
        )
        self._connection.add_on_connection_blocked_callback(
            lambda _connection, frame: self._tell_blocked(str(frame.method.reason))
        )
        self._connection.add_on_connection_unblocked_callback(lambda _connection, _frame: self._tell_blocked(None))

    def publish(self, parcel: Parcel) -> int:
        """Publish one message and return its delivery tag."""
        properties = pika.BasicProperties(
            content_type=BATCH_CONTENT_TYPE,
            delivery_mode=PERSISTENT,
            message_id=str(parcel.first_id),
            user_id=self._settings.username,
        )
        self._channel.basic_publish(INGRESS_EXCHANGE, self._key, parcel.body, properties, mandatory=True)
        self._tag += 1
        return self._tag

    def close(self, reason: str, *, abort: bool = False) -> None:
        """Give the connection up; a peer that does not answer cannot delay this.

        A connection that is not open yet ends by its own deadlines, because pika's loop may fail when it is closed
        during the handshake; `abort` closes it all the same, for when the loop is about to end anyway.
        """
        if self._connection.is_open or (abort and not self._connection.is_closed and not self._connection.is_closing):
            self._connection.close()
        self._end(reason)

    def _connection_open(self, connection: Any) -> None:
        if self._over:
            connection.close()
        else:
            connection.channel(on_open_callback=self._channel_open)

    def _channel_open(self, channel: Any) -> None:
        if self._over:
            return
        self._channel = channel
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_answer, callback=self._confirms_on)

    def _confirms_on(self, _frame: Any) -> None:
        self._loop.remove_timeout(self._deadline)
        if not self._over:
            self._listener.opened(self)

    def _channel_closed(self, _channel: Any, error: BaseException) -> None:
        if self._connection.is_open:
            self.close(explain(error, self._settings))

    def _on_answer(self, frame: Any) -> None:
        if not self._over:
            method = frame.method
            accepted = isinstance(method, Basic.Ack)
            self._listener.answered(self, method.delivery_tag, multiple=method.multiple, accepted=accepted)

    def _on_return(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        if not self._over:
            reason = (
                f"broker {_address(self._settings)} has no queue for {self._key} ({method.reply_text}); "
                "is the stream bound behind its exchange?"
            )
            self._listener.returned(self, int(properties.message_id), reason)

    def _tell_blocked(self, reason: str | None) -> None:
        if not self._over:
            self._listener.blocked(self, reason)

    def _too_slow(self) -> None:
        where, seconds = _address(self._settings), self._settings.connect_seconds
        self.close(f"broker {where} opened no channel within {seconds:g} s; is it overloaded, or no AMQP 0.9.1 broker?")

    def _end(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self._loop.remove_timeout(self._deadline)
            self._listener.ended(self, reason)


def _parameters(settings: Settings) -> pika.ConnectionParameters:
    name = f"gateway of {settings.site}"
    return connection_parameters(settings, settings.host, settings.amqp_port, tls=settings.tls, name=name)


def connection_parameters(
    settings: Settings, host: str, port: int, *, tls: bool, name: str
) -> pika.ConnectionParameters:
    """Return how a site's account connects to a broker; `name` is what the broker shows of the connection.

    With `tls` the broker has to prove that it is the one of this host name.
    """
    return pika.ConnectionParameters(
        host=host,
        port=port,
        credentials=pika.PlainCredentials(settings.username, settings.password),
        heartbeat=settings.heartbeat_seconds,
        blocked_connection_timeout=settings.blocked_seconds,
        socket_timeout=settings.connect_seconds,
        stack_timeout=settings.connect_seconds,
        connection_attempts=1,
        client_properties={"connection_name": name},
        ssl_options=pika.SSLOptions(client_context(settings.authority), host) if tls else None,
    )


def _address(settings: Settings) -> str:
    return f"{settings.host}:{settings.amqp_port}"


def explain(error: BaseException, settings: Settings) -> str:
    """Return one sentence on why a connection failed: what, where, what to do."""
    where, user = _address(settings), settings.username
    for cause in _causes(error):
        if isinstance(cause, pika.exceptions.ProbableAuthenticationError | pika.exceptions.AuthenticationError):
            return f"broker {where} refused the login of {user} (ACCESS_REFUSED); check username and password"
        if isinstance(cause, pika.exceptions.ProbableAccessDeniedError):
            return f"broker {where} does not let {user} into its virtual host; check the permissions of the account"
        if isinstance(cause, pika.exceptions.ChannelClosedByBroker) and cause.reply_code == 403:
            return (
                f"broker {where} does not let {user} write {readings_key(settings.site)} to exchange "
                f"{INGRESS_EXCHANGE} (ACCESS_REFUSED); use the credentials of this site"
            )
        if isinstance(cause, pika.exceptions.ChannelClosedByBroker) and cause.reply_code == 404:
            return f"broker {where} has no exchange {INGRESS_EXCHANGE} (NOT_FOUND); is it a channel of this plant?"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"broker {where} cannot prove that it is {settings.host} ({cause.verify_message}); check authority"
        if isinstance(cause, ssl.SSLError):
            return f"no TLS with broker {where} ({cause.reason}); is it the port for AMQP with TLS?"
        if isinstance(cause, pika.exceptions.ConnectionClosedByBroker):
            return f"broker {where} closed the connection: {cause.reply_text}"
        if isinstance(cause, pika.exceptions.ConnectionBlockedTimeout):
            return f"broker {where} blocked publishers for {settings.blocked_seconds:g} s; is its disk or memory full?"
        if isinstance(cause, pika.exceptions.AMQPHeartbeatTimeout):
            return f"broker {where} was silent for two heartbeats of {settings.heartbeat_seconds} s"
        if isinstance(cause, pika.exceptions.IncompatibleProtocolError):
            return f"{where} does not speak AMQP 0.9.1; give the port of RabbitMQ's AMQP listener"
        if isinstance(cause, socket.gaierror):
            return f"the name {settings.host} of the broker cannot be resolved ({cause.strerror}); check the host"
        if isinstance(cause, ConnectionRefusedError):
            return f"nothing listens at {where}; is the broker up?"
        if isinstance(cause, TimeoutError):
            return f"broker {where} did not answer within {settings.connect_seconds:g} s; is it reachable from here?"
    last = list(_causes(error))[-1]
    return f"the connection to broker {where} failed: {type(last).__name__} {last}".rstrip()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what pika wrapped in it, outside in."""
    yield error
    inner: list[Any] = [*getattr(error, "exceptions", ()), getattr(error, "exception", None), *error.args]
    for cause in inner:
        if isinstance(cause, BaseException):
            yield from _causes(cause)
