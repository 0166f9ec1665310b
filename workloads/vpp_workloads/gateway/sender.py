"""Decides what is published when: batching, the window of unconfirmed messages, and what comes back unconfirmed.

No thread, no socket, no clock of its own: the gateway calls it under its lock and passes the time, so that every
sequence of events can be tested.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from vpp_workloads.gateway.errors import SpoolError
from vpp_workloads.gateway.spool import Parcel, Spool

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 15.0


class Session(Protocol):
    """One open connection that publishes with confirms."""

    def publish(self, parcel: Parcel) -> int:
        """Publish and return the delivery tag that the confirm will name."""


class Sender:
    """Publishes a spool's rows in order over one session after another."""

    def __init__(self, spool: Spool, *, batch_readings: int, window_messages: int, linger_seconds: float) -> None:
        """Begin with everything in the spool unsent."""
        self._spool = spool
        self._batch_readings = batch_readings
        self._window_messages = window_messages
        self._linger_seconds = linger_seconds
        self._session: Session | None = None
        self._in_flight: dict[int, Parcel] = {}
        self._returned: set[int] = set()
        self._confirmed: list[Parcel] = []
        self._retry: deque[Parcel] = deque()
        self._again: deque[int] = deque()
        self._taken_readings = 0
        self._sent_id = 0
        self._waiting_since: float | None = None
        self._resume_at = 0.0
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self.blocked = False
        """Set while the broker blocks the connection."""
        self.progress_at = 0.0
        """When a confirm came last, or the first message in flight was published."""

    @property
    def in_flight(self) -> int:
        """Messages on their way."""
        return len(self._in_flight)

    def begin(self, session: Session) -> None:
        """Publish over this session from now on, beginning with the oldest row that is not confirmed."""
        self.end()
        self._session = session

    def end(self) -> None:
        """The session is over: what was in flight will be sent again over the next."""
        self._session = None
        try:
            self.settle()
        except SpoolError:
            # What cannot be settled is sent and confirmed once more; the twin drops the second copy by its identity.
            self._confirmed.clear()
        self._in_flight.clear()
        self._returned.clear()
        self._retry.clear()
        self._again.clear()
        self._taken_readings = 0
        self._sent_id = 0
        self._resume_at = 0.0
        self.blocked = False

    def send_again(self, row_ids: Sequence[int]) -> None:
        """Publish retained rows once more, as long as the session lives and no mark covers them."""
        if self._session is not None:
            self._again.extend(row_ids)

    def pump(self, now: float, *, flush: bool = False) -> float | None:
        """Publish what is due.

        Args:
            now: monotonic seconds.
            flush: do not linger.

        Returns:
            Seconds until more is due by itself, None if only an event can make it due.

        Raises:
            SpoolError: see `settle`.
        """
        self.settle()
        if self._session is None or self.blocked:
            return None
        if now < self._resume_at:
            return self._resume_at - now
        while len(self._in_flight) < self._window_messages:
            parcel, wait_seconds = self._next(now, flush=flush)
            if parcel is None:
                return wait_seconds
            if not self._in_flight:
                self.progress_at = now
            self._in_flight[self._session.publish(parcel)] = parcel
        return None

    def _next(self, now: float, *, flush: bool) -> tuple[Parcel | None, float | None]:
        """Return the next parcel, or how long to wait for one."""
        if self._retry:
            return self._retry.popleft(), None
        while self._again:
            retained = self._spool.retained_parcel(self._again.popleft())
            if retained is not None:
                return retained, None
        unsent = self._spool.readings - self._taken_readings
        if unsent <= 0:
            self._waiting_since = None
            return None, None
        if self._waiting_since is None:
            self._waiting_since = now
        lingered = now - self._waiting_since
        if unsent < self._batch_readings and lingered < self._linger_seconds and not flush:
            return None, self._linger_seconds - lingered
        parcel = self._spool.parcel(self._sent_id, readings=self._batch_readings)
        if parcel is not None:
            self._sent_id = parcel.last_id
            self._taken_readings += parcel.readings
        return parcel, None

    def confirmed(self, tag: int, now: float, *, multiple: bool) -> None:
        """Note what the broker has confirmed; what it had returned as unroutable counts as rejected."""
        self.progress_at = now
        tags = self._tags(tag, multiple=multiple)
        rejected = [known for known in tags if known in self._returned]
        for known in tags:
            if known not in self._returned:
                self._confirmed.append(self._in_flight.pop(known))
        if rejected:
            self._reject(rejected, now)
        elif tags:
            self._pause_seconds = _FIRST_PAUSE_SECONDS

    def rejected(self, tag: int, now: float, *, multiple: bool) -> None:
        """Note what the broker refused; it is sent again after a pause that grows."""
        self.progress_at = now
        self._reject(self._tags(tag, multiple=multiple), now)

    def returned(self, first_id: int) -> None:
        """Note that the broker has no queue for the message that begins with this row; its confirm will follow."""
        self._returned.update(tag for tag, parcel in self._in_flight.items() if parcel.first_id == first_id)

    def _reject(self, tags: list[int], now: float) -> None:
        self._retry.extend(self._in_flight.pop(tag) for tag in tags)
        self._returned.difference_update(tags)
        if tags and now >= self._resume_at:
            self._resume_at = now + self._pause_seconds
            self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _tags(self, tag: int, *, multiple: bool) -> list[int]:
        if multiple:
            return [known for known in self._in_flight if known <= tag]
        return [tag] if tag in self._in_flight else []

    def settle(self) -> int:
        """Move what was confirmed to the ledger and return the number of readings.

        Raises:
            SpoolError: the spool cannot be written; the readings stay in it and `settle` may be called again.
        """
        if not self._confirmed:
            return 0
        moved = self._spool.confirm([(parcel.first_id, parcel.last_id) for parcel in self._confirmed])
        self._taken_readings -= sum(parcel.readings for parcel in self._confirmed if not parcel.again)
        self._confirmed.clear()
        return moved
