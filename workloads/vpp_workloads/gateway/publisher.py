"""The gateway's thread: keeps one connection alive, publishes what the spool holds, and settles what was confirmed."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from pika.adapters.select_connection import IOLoop

from vpp_workloads.gateway.amqp import AmqpSession
from vpp_workloads.gateway.errors import SpoolError
from vpp_workloads.gateway.sender import Sender
from vpp_workloads.gateway.settings import Settings
from vpp_workloads.gateway.spool import Spool

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS: Final = 1.0
_FIRST_RECONNECT_SECONDS: Final = 0.2
_LAST_FRAMES_SECONDS: Final = 0.05
_JOIN_SECONDS: Final = 5.0


class State(StrEnum):
    """How the gateway stands with its broker."""

    CONNECTING = "Connecting"
    CONNECTED = "Connected"
    BLOCKED = "Blocked"
    CLOSED = "Closed"


class Publisher:
    """Publishes a spool. `changed` guards all its state and is notified when the spool or the state changes."""

    def __init__(
        self, settings: Settings, spool: Spool, changed: threading.Condition, on_watch: Callable[[], None]
    ) -> None:
        """Prepare; `start` connects. `on_watch` is called every second or so, with the lock held."""
        self._on_watch = on_watch
        self._settings = settings
        self._spool = spool
        self._changed = changed
        self._sender = Sender(
            spool,
            batch_readings=settings.batch_readings,
            window_messages=settings.window_messages,
            linger_seconds=settings.linger_seconds,
        )
        self.state = State.CONNECTING
        self.reason = "not started"
        self.flushing = False
        self._stopping = self._wake_pending = False
        self._session: AmqpSession | None = None
        self._wanted: Settings | None = None
        """Settings that take the place of the present ones once a connection with them is open."""
        self._successor: AmqpSession | None = None
        self._reconnect_seconds = _FIRST_RECONNECT_SECONDS
        self._loop = IOLoop()
        self._pump_timer: object | None = None
        self._thread = threading.Thread(target=self._run, name=f"gateway-{settings.site}", daemon=True)

    @property
    def running(self) -> bool:
        """Whether the thread is there to publish."""
        return self._thread.is_alive() and not self._stopping

    def start(self) -> None:
        """Begin to connect and to publish."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the spool soon. Called with the lock held."""
        if not self._wake_pending and self.running:
            self._wake_pending = True
            self._loop.add_callback_threadsafe(self._woken)

    def send_again(self, row_ids: Sequence[int]) -> None:
        """Publish retained rows once more. Called with the lock held."""
        self._sender.send_again(row_ids)
        self.wake()

    def change(self, settings: Settings) -> None:
        """Connect with these settings, and leave the present connection only when that has come about.

        So a new account that a broker does not know yet, or never will, costs nothing. Called without the lock.
        """
        with self._changed:
            self._wanted = settings if settings != self._settings else None
            if self.running:
                self._loop.add_callback_threadsafe(self._connect_successor)

    def stop(self) -> None:
        """Disconnect and end the thread. Called without the lock."""
        with self._changed:
            alive = self.running
            self.state, self.reason, self._stopping = State.CLOSED, "closed", True
            self._changed.notify_all()
            if alive:
                self._loop.add_callback_threadsafe(self._shut_down)
        if alive:
            self._thread.join(_JOIN_SECONDS)
        elif self._thread.ident is None:
            self._loop.close()

    def _run(self) -> None:
        while not self._stopping:
            self._loop.call_later(0, self._connect)
            self._loop.call_later(0, self._connect_successor)
            self._loop.call_later(_WATCH_SECONDS, self._watch)
            try:
                self._loop.start()
            except Exception as error:  # noqa: BLE001
                # Whatever fails here must not end the thread: the spool goes on filling and has to go on emptying.
                _LOG.exception("gateway of %s: the event loop failed and begins anew", self._settings.site)
                self._begin_anew(f"the event loop failed: {error!r}")
        self._loop.close()

    def _begin_anew(self, reason: str) -> None:
        time.sleep(_FIRST_RECONNECT_SECONDS)
        with self._changed:
            self._loop.close()
            self._loop = IOLoop()
            self._session, self._pump_timer, self._wake_pending = None, None, False
            self._successor = None
            self._sender.end()
            if not self._stopping:
                self.state = State.CONNECTING
                self._note(reason)
                self._changed.notify_all()

    def _shut_down(self) -> None:
        if self._session is not None:
            self._session.close("closed", abort=True)
        if self._successor is not None:
            self._successor.close("closed", abort=True)
        self._loop.call_later(_LAST_FRAMES_SECONDS, self._loop.stop)

    def _connect(self) -> None:
        if not self._stopping and self._session is None:
            self._session = AmqpSession(self._settings, self._loop, self)

    def _connect_successor(self) -> None:
        wanted = self._wanted
        if not self._stopping and wanted is not None and self._successor is None:
            self._successor = AmqpSession(wanted, self._loop, self)

    def _succeed(self, session: AmqpSession) -> None:
        """Take over from the session before; what that one had in flight is sent again. Called with the lock held."""
        before, self._session, self._successor = self._session, session, None
        self._settings = session.settings
        if self._wanted == session.settings:
            self._wanted = None
        else:
            self._loop.call_later(0, self._connect_successor)
        if before is not None:
            self._loop.call_later(0, lambda: before.close("replaced by a connection with new settings"))

    def _woken(self) -> None:
        with self._changed:
            self._wake_pending = False
            self._pump()

    def _timed_pump(self) -> None:
        with self._changed:
            self._pump_timer = None
            self._pump()

    def _pump(self) -> None:
        """Publish what is due and set the timer for what is due later. Called with the lock held."""
        if self._stopping:
            return
        before = self._spool.readings
        wait_seconds: float | None
        try:
            wait_seconds = self._sender.pump(time.monotonic(), flush=self.flushing)
        except SpoolError as error:
            self._note(str(error))
            wait_seconds = _WATCH_SECONDS
        if self._spool.readings != before:
            self._changed.notify_all()
        if self._pump_timer is not None:
            self._loop.remove_timeout(self._pump_timer)
            self._pump_timer = None
        if wait_seconds is not None:
            self._pump_timer = self._loop.call_later(wait_seconds, self._timed_pump)

    def _watch(self) -> None:
        """Look after what time alone changes; give up a connection that takes messages and confirms none."""
        if self._stopping:
            return
        self._loop.call_later(_WATCH_SECONDS, self._watch)
        with self._changed:
            try:
                self._on_watch()
            except SpoolError as error:
                self._note(str(error))
            stuck = self._sender.in_flight and not self._sender.blocked
            silent_seconds = time.monotonic() - self._sender.progress_at
            session = self._session
        if stuck and session is not None and silent_seconds > self._settings.confirm_seconds:
            where = f"{self._settings.host}:{self._settings.amqp_port}"
            session.close(f"broker {where} confirmed nothing for {silent_seconds:.0f} s; is it overloaded?")

    def _note(self, reason: str) -> None:
        if reason != self.reason:
            self.reason = reason
            _LOG.warning("gateway of %s: %s", self._settings.site, reason)

    # What the session tells, see amqp.Listener.

    def opened(self, session: AmqpSession) -> None:
        """Publish over this session."""
        with self._changed:
            if self._stopping:
                return
            if session is self._successor:
                self._succeed(session)
            self._reconnect_seconds = _FIRST_RECONNECT_SECONDS
            self.state, self.reason = State.CONNECTED, "connected"
            self._sender.begin(session)
            self._pump()
            self._changed.notify_all()
        where = f"{self._settings.host}:{self._settings.amqp_port}"
        _LOG.info("gateway of %s: connected to %s", self._settings.site, where)

    def answered(self, session: AmqpSession, tag: int, *, multiple: bool, accepted: bool) -> None:
        """Note it; all answers of one turn of the loop are settled in one transaction."""
        with self._changed:
            if session is self._session:
                note = self._sender.confirmed if accepted else self._sender.rejected
                note(tag, time.monotonic(), multiple=multiple)
                self.wake()

    def returned(self, session: AmqpSession, first_id: int, reason: str) -> None:
        """Keep what could not be routed, and say so."""
        with self._changed:
            if session is self._session:
                self._sender.returned(first_id)
                self._note(reason)

    def blocked(self, session: AmqpSession, reason: str | None) -> None:
        """Hold back, or go on."""
        with self._changed:
            if session is self._session and not self._stopping:
                self._sender.blocked = reason is not None
                self._sender.progress_at = time.monotonic()
                self.state = State.CONNECTED if reason is None else State.BLOCKED
                self._note("connected" if reason is None else f"the broker blocks publishers: {reason}")
                self._pump()
                self._changed.notify_all()

    def ended(self, session: AmqpSession, reason: str) -> None:
        """Take back what was in flight and connect again after a pause."""
        if session is not self._session:
            self._successor_ended(session, reason)
            return
        with self._changed:
            self._session = None
            self._sender.end()
            if self._stopping:
                return
            self.state = State.CONNECTING
            self._note(reason)
            self._changed.notify_all()
            # Jitter keeps the sites of a plant from coming back all at once.
            pause_seconds = self._reconnect_seconds * random.uniform(0.5, 1.0)
            self._reconnect_seconds = min(2 * self._reconnect_seconds, self._settings.reconnect_seconds)
        self._loop.call_later(pause_seconds, self._connect)

    def _successor_ended(self, session: AmqpSession, reason: str) -> None:
        """Try again after a pause with the settings that are wanted by then; the connection there is stays."""
        if session is not self._successor:
            return  # it was replaced
        self._successor = None
        if not self._stopping:
            _LOG.warning("gateway of %s: the new settings do not work yet: %s", self._settings.site, reason)
            self._loop.call_later(self._settings.reconnect_seconds * random.uniform(0.5, 1.0), self._connect_successor)
