"""The gateway as its callers see it: measurements in, confirmed identities out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpp_contract.commands import COMMAND_CONTENT_TYPE
from vpp_contract.marks import CAUGHT_UP_CONTENT_TYPE, MARKS_CONTENT_TYPE, decode_caught_up, decode_marks
from vpp_workloads.gateway.commands import CommandDesk
from vpp_workloads.gateway.control_link import Answer, ControlLink, Handler
from vpp_workloads.gateway.errors import NotConnectedError, SpoolError, SpoolFullError
from vpp_workloads.gateway.filter import Filter
from vpp_workloads.gateway.ledger import LEDGER_START, Run
from vpp_workloads.gateway.measurement import Measurement, check
from vpp_workloads.gateway.publisher import Publisher, State
from vpp_workloads.gateway.settings import END_TO_END, Settings, check_change
from vpp_workloads.gateway.spool import Spool

_LOG = logging.getLogger(__name__)
_CAUGHT_UP_MARGIN_US: Final = 2_000_000
"""For the way of a message, which makes "caught up until" look later than it was."""
_LEDGER_PAGE: Final = 500
_ROOM_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the gateway knows about itself. Counts are readings."""

    state: State
    reason: str
    boot: int
    accepted: int
    """In this boot."""
    refused: int
    """In this boot."""
    confirmed: int
    """In all boots."""
    spooled: int
    """Not confirmed yet, of all boots."""
    spool_bytes: int
    filtered: int = 0
    """Joined to others by the filter, in this boot."""
    waits: int = 0
    """How often a caller had to wait for room in the spool, in this boot. Not readings."""
    retained: int = 0
    """Confirmed by a broker, but not yet marked as taken by the twin (with durability EndToEnd), of all boots."""
    sent_again: int = 0
    """How many messages have been sent once more because no mark came, in this boot."""
    control: str = ""
    """How the connection to the control broker stands; empty: there is none."""


def wall_clock_us() -> int:
    """Return the time in µs since the epoch."""
    return time.time_ns() // 1000


class Gateway:
    """One site's gateway. Its methods may be called from any thread."""

    def __init__(self, settings: Settings, spool_path: Path, clock: Callable[[], int] = wall_clock_us) -> None:
        """Open the spool, which begins a new boot; `start` connects.

        Args:
            settings: see `load_settings`.
            spool_path: the SQLite file; it is created if need be.
            clock: wall clock in µs since the epoch.

        Raises:
            SpoolError: the spool cannot be opened.
        """
        self._settings = settings
        self._clock = clock
        self._spool = Spool(
            spool_path,
            site=settings.site,
            limit_bytes=settings.spool_bytes,
            first_boot=clock() // 1_000_000,
            sync=settings.spool_sync,
            retain=settings.durability == END_TO_END,
            clock=clock,
        )
        self._changed = threading.Condition()
        self._publisher = Publisher(settings, self._spool, self._changed, self._release_old)
        self._filter = Filter(settings=settings.filter) if settings.filter is not None else None
        self.commands = CommandDesk(settings.site, clock)
        """Set-points that the plant wants of the site's DERs; see `CommandDesk.decide_by`."""
        self._control = ControlLink(settings, self._handlers()) if settings.control_host else None
        self._accepted = self._refused = self._waits = self._sent_again = 0
        if self._spool.held:
            self._append(tuple(self._spool.held.values()), held={}, bounded=False)

    def start(self) -> None:
        """Begin to connect and to publish."""
        self._publisher.start()
        if self._control is not None:
            self._control.start()

    def _handlers(self) -> dict[str, Handler]:
        """Return who takes what the control broker brings."""
        return {
            MARKS_CONTENT_TYPE: self._marked,
            CAUGHT_UP_CONTENT_TYPE: self._caught_up,
            COMMAND_CONTENT_TYPE: self.commands.handle,
        }

    def _marked(self, _key: str, body: bytes) -> Iterable[Answer]:
        """Let go what the twin has taken for good."""
        marks = decode_marks(body)
        with self._changed:
            if self._spool.release(marks):
                self._changed.notify_all()
        return ()

    def _caught_up(self, _key: str, body: bytes) -> Iterable[Answer]:
        """Send again what the twin would have, if it were still there."""
        now_us = self._clock()
        taken_until_us = now_us - decode_caught_up(body) - _CAUGHT_UP_MARGIN_US
        with self._changed:
            if self._publisher.state is not State.CONNECTED:
                return ()
            again = self._spool.retained.overdue(taken_until_us, now_us)
            if again:
                _LOG.warning("gateway of %s: sends %d messages again, no mark came", self._settings.site, len(again))
                self._sent_again += len(again)
                self._publisher.send_again(again)
        return ()

    def change(self, settings: Settings) -> None:
        """Connect with these settings; the connection there is stays until they work, so nothing waits for them.

        Raises:
            SettingsError: they change what only a restart can change; nothing has changed.
        """
        check_change(self._settings, settings)
        self._publisher.change(settings)
        if self._control is not None:
            self._control.change(settings)

    def accept(self, measurements: Sequence[Measurement], timeout_seconds: float | None = None) -> None:
        """Take measurements, all or none. On return they are on disk and will be published until confirmed.

        Args:
            measurements: of this site's DERs, in the order they were made.
            timeout_seconds: how long to wait for room in a full spool, default `Settings.accept_seconds`.

        Raises:
            MeasurementError: one of them is not what the twin takes; none was kept.
            SpoolFullError: no room within the time; none was kept, all are counted as refused.
            SpoolError: the spool cannot be written, or the gateway is closed.
        """
        if not measurements:
            return
        for measurement in measurements:
            check(measurement, self._settings.site)
        wait_seconds = self._settings.accept_seconds if timeout_seconds is None else timeout_seconds
        deadline = time.monotonic() + wait_seconds
        with self._changed:
            waited = False
            while not self._try_append(measurements, deadline, wait_seconds):
                self._waits += not waited
                waited = True
                self._changed.wait(min(max(deadline - time.monotonic(), 0.0), _ROOM_SECONDS))
            self._accepted += len(measurements)
            self._publisher.wake()

    def _try_append(self, measurements: Sequence[Measurement], deadline: float, wait_seconds: float) -> bool:
        """Append, or say that there is no room yet."""
        if self._publisher.state is State.CLOSED:
            raise SpoolError(f"the gateway of {self._settings.site} is closed; open a new one")
        try:
            if self._filter is None:
                self._append(measurements)
            else:
                trial, now_us = self._filter.trial(), self._clock()
                news = [one for measurement in measurements for one in trial.offer(measurement, now_us)]
                self._append(news, held=trial.held())
                self._filter = trial
        except SpoolFullError as error:
            if time.monotonic() < deadline:
                return False
            self._refused += len(measurements)
            raise SpoolFullError(f"{error} (waited {wait_seconds:g} s; broker: {self._publisher.reason})") from None
        return True

    def _append(
        self,
        measurements: Sequence[Measurement],
        *,
        held: Mapping[str, Measurement] | None = None,
        bounded: bool = True,
    ) -> None:
        self._spool.append(
            measurements,
            created_us=self._clock(),
            row_readings=self._settings.batch_readings,
            held=held,
            bounded=bounded,
        )

    def _release_old(self) -> None:
        """Send what the filter has held for too long, of DERs that have fallen silent. Called with the lock held."""
        if self._filter is not None:
            self._release(self._clock() - round(self._filter.settings.longest_seconds * 1e6))

    def _release(self, held_before_us: int) -> None:
        if self._filter is None:
            return
        trial = self._filter.trial()
        due = trial.release(held_before_us)
        if due:
            self._append(due, held=trial.held(), bounded=False)
            self._filter = trial
            self._publisher.wake()

    def last_event_time_us(self, der: str) -> int | None:
        """Return the newest event time ever accepted for a DER, also before a restart; None if there is none."""
        with self._changed:
            return self._spool.last_event_time_us(der)

    def status(self) -> Status:
        """Return state and counts."""
        with self._changed:
            return Status(
                state=self._publisher.state,
                reason=self._publisher.reason,
                boot=self._spool.boot,
                accepted=self._accepted,
                refused=self._refused,
                confirmed=self._spool.confirmed,
                spooled=self._spool.readings,
                spool_bytes=self._spool.used_bytes,
                filtered=self._filter.dropped if self._filter is not None else 0,
                waits=self._waits,
                retained=self._spool.retained.readings,
                sent_again=self._sent_again,
                control=self._control.reason if self._control is not None else "",
            )

    def wait_connected(self, timeout_seconds: float) -> None:
        """Wait for a connection.

        Raises:
            NotConnectedError: there is none within the time; the text says which site and why.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._publisher.state is State.CONNECTED, timeout_seconds):
                raise NotConnectedError(f"site {self._settings.site} cannot connect: {self._publisher.reason}")

    def ledger(self) -> Iterator[Run]:
        """Yield the runs of all confirmed readings, also of earlier boots, page by page."""
        after = LEDGER_START
        while True:
            with self._changed:
                page = self._spool.ledger_page(after, _LEDGER_PAGE)
            yield from page
            if len(page) < _LEDGER_PAGE:
                return
            after = page[-1].key

    def flush(self, timeout_seconds: float) -> bool:
        """Publish without lingering, what the filter holds as well, and wait until everything is confirmed.

        Say whether it was in time.
        """
        with self._changed:
            try:
                self._release(self._clock() + 1)
            except SpoolError:
                return False  # what is held stays where it is
            self._publisher.flushing = True
            self._publisher.wake()
            try:
                return bool(self._changed.wait_for(lambda: self._spool.readings == 0, timeout_seconds))
            finally:
                self._publisher.flushing = False

    def close(self, timeout_seconds: float = 5.0) -> bool:
        """Flush, disconnect and close the spool; what is not confirmed stays in it. Say whether all was confirmed."""
        clean = self.flush(timeout_seconds if self._publisher.running else 0.0)
        self._publisher.stop()
        if self._control is not None:
            self._control.stop()
        with self._changed:
            self._spool.close()
        return clean
