"""Tells gateways what the twin has taken for good, and until when it has seen everything (durability EndToEnd).

Marks of a batch go out once Spark has committed it: before, the batch may still be read again, and its readings must
be there to be read. What could not be published is kept, joined with what follows. It may be lost with the process,
because gateways send again what no mark covers, see `vpp_contract.marks`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from vpp_contract.marks import CAUGHT_UP_CONTENT_TYPE, MARKS_CONTENT_TYPE, Mark, encode_caught_up, encode_marks
from vpp_contract.names import COMMANDS_EXCHANGE, MARKS_TO_ALL_KEY, marks_key
from vpp_contract.readings import site_of
from vpp_workloads.streaming.errors import StreamingError

_LOG = logging.getLogger(__name__)
_CAUGHT_UP_EVERY_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 2.0
_EXPIRES_SECONDS: Final = 30.0
_RANGES_KEPT: Final = 16
_JOIN_SECONDS: Final = 5.0


class Publisher(Protocol):
    """See `control_publisher.ControlPublisher`."""

    def publish(
        self, exchange: str, key: str, body: bytes, *, content_type: str, expires_seconds: float | None = None
    ) -> None:
        """Publish and wait for the confirm."""


class Pending:
    """Marks that wait to be published, joined per DER and boot. Pure."""

    def __init__(self) -> None:
        self._sites: dict[str, dict[tuple[str, int], list[Mark]]] = {}

    def add(self, marks: Iterable[Mark]) -> None:
        """Keep marks; one that lies within a later one goes, and of those apart the latest stay."""
        for mark in marks:
            kept = self._sites.setdefault(site_of(mark.der), {}).setdefault((mark.der, mark.boot), [])
            kept[:] = [one for one in kept if not (mark.first_seq <= one.first_seq and one.end_seq <= mark.end_seq)]
            kept.append(mark)
            del kept[:-_RANGES_KEPT]

    def pop(self) -> dict[str, list[Mark]]:
        """Return what waits, by site, and forget it."""
        sites, self._sites = self._sites, {}
        return {site: [mark for marks in owners.values() for mark in marks] for site, owners in sites.items()}


class Marker:
    """Publishes marks in a thread of its own, so that no batch waits for the control broker."""

    def __init__(self, publisher: Publisher, caught_up_us: Callable[[], int]) -> None:
        """Prepare; `start` begins.

        Args:
            publisher: to the control broker.
            caught_up_us: returns the wall clock until which the twin has taken all there is, 0 if unknown.
        """
        self._publisher = publisher
        self._caught_up_us = caught_up_us
        self._lock = threading.Lock()
        self._taken: dict[int, list[Mark]] = {}
        self._pending = Pending()
        self._news = threading.Event()
        self._stopping = False
        self._problem = False
        self._thread = threading.Thread(target=self._run, name="marker", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping = True
        self._news.set()
        self._thread.join(_JOIN_SECONDS)

    def taken(self, batch_id: int, marks: list[Mark]) -> None:
        """A batch's results are out, but Spark has not committed it yet."""
        with self._lock:
            self._taken[batch_id] = marks

    def finished(self, batch_id: int) -> None:
        """Spark has committed a batch, and with it all before."""
        with self._lock:
            for number in sorted(number for number in self._taken if number <= batch_id):
                self._pending.add(self._taken.pop(number))
        self._news.set()

    def _run(self) -> None:
        caught_up_at = float("-inf")
        while not self._stopping:
            self._news.wait(_CAUGHT_UP_EVERY_SECONDS)
            self._news.clear()
            # Asked before the marks are taken: all marks of what it speaks of go out before it.
            caught_up_us = self._caught_up_us()
            try:
                self._publish_marks()
                if caught_up_us and time.monotonic() - caught_up_at >= _CAUGHT_UP_EVERY_SECONDS:
                    self._publish_caught_up(caught_up_us)
                    caught_up_at = time.monotonic()
                self._problem = False
            except StreamingError as error:
                if not self._problem:
                    _LOG.warning("Marks are held back: %s", error)
                self._problem = True
                time.sleep(_RETRY_SECONDS)

    def _publish_marks(self) -> None:
        with self._lock:
            sites = self._pending.pop()
        for done, (site, marks) in enumerate(sites.items()):
            try:
                self._publisher.publish(
                    COMMANDS_EXCHANGE, marks_key(site), encode_marks(marks), content_type=MARKS_CONTENT_TYPE
                )
            except StreamingError:
                with self._lock:
                    later = self._pending.pop()
                    for waiting in (*list(sites.values())[done:], *later.values()):
                        self._pending.add(waiting)
                raise

    def _publish_caught_up(self, caught_up_us: int) -> None:
        age_us = max(0, time.time_ns() // 1000 - caught_up_us)
        self._publisher.publish(
            COMMANDS_EXCHANGE,
            MARKS_TO_ALL_KEY,
            encode_caught_up(age_us),
            content_type=CAUGHT_UP_CONTENT_TYPE,
            expires_seconds=_EXPIRES_SECONDS,
        )
