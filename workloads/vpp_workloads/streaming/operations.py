"""Runs the mirror beside the query: takes each batch's newest values, looks after every batch and on a timer.

It has a thread of its own, so that judging and dispatching keep no batch waiting, and a fault of theirs fails none.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from vpp_contract.commands import Acknowledgement, Command
from vpp_contract.plant import Plant, PlantError, decode_plant
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.mirror import Mirror

_LOG = logging.getLogger(__name__)
_TIMER_SECONDS: Final = 2.0
_SHORTEST_SECONDS: Final = 0.2
_BATCHES: Final = 1000
_LINES: Final = 20_000
_JOIN_SECONDS: Final = 10.0

Rows = Sequence[Mapping[str, Any]]


class CommandLink(Protocol):
    """The way to the DERs and back."""

    def send(self, commands: Sequence[Command]) -> list[Command]:
        """Send what can be sent and return what the broker has confirmed."""

    def answers(self) -> list[Acknowledgement]:
        """Return what DERs have answered since the last call."""

    @property
    def reason(self) -> str:
        """Why it does not work at the moment; empty when it does."""

    def close(self) -> None:
        """Disconnect."""


class Operations:
    """The mirror with its thread.

    `write` puts points into InfluxDB, `tell` takes the summary for `/progress`, `listening` says whether readings would
    come in at the moment.
    """

    def __init__(
        self,
        mirror: Mirror,
        *,
        plant_file: Path | None,
        write: Callable[[Sequence[str]], None],
        tell: Callable[[dict[str, Any]], None],
        listening: Callable[[], bool] = lambda: True,
        link: CommandLink | None = None,
    ) -> None:
        self._listening = listening
        self._mirror, self._plant_file, self._write, self._tell, self._link = mirror, plant_file, write, tell, link
        self._batches: queue.Queue[Rows] = queue.Queue(_BATCHES)
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._plant_text = ""
        self._problem = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="twin", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def take(self, rows: Rows) -> None:
        """Hand over the newest values of a batch. It never waits: what finds no room comes again with newer values."""
        try:
            self._batches.put_nowait(rows)
        except queue.Full:
            _LOG.warning("the twin is behind: the values of a batch are not judged")

    def stop(self) -> None:
        """End the thread and the connection to the DERs."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_SECONDS)
        if self._link is not None:
            self._link.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            waiting = self._wait()
            try:
                self.look(waiting, time.time_ns() // 1000)
            except Exception:  # noqa: BLE001 - a fault in judging must end neither this thread nor the query
                _LOG.exception("a look at the twin failed")
            self._stopping.wait(_SHORTEST_SECONDS)

    def _wait(self) -> list[Rows]:
        """Return the batches that have come, or none after a while."""
        waiting: list[Rows] = []
        try:
            waiting.append(self._batches.get(timeout=_TIMER_SECONDS))
            while True:
                waiting.append(self._batches.get_nowait())
        except queue.Empty:
            return waiting

    def look(self, batches: Sequence[Rows], now_us: int) -> None:
        """Take batches in, look at the plant, send commands, write points. Called by the thread, or by a test."""
        self._read_plant()
        for rows in batches:
            self._mirror.take(rows, now_us)
        for answer in self._link.answers() if self._link is not None else ():
            self._mirror.acknowledge(answer)
        seen = self._mirror.look(now_us, listening=self._listening())
        if self._link is not None:
            for command in self._link.send(seen.commands) if seen.commands else ():
                self._mirror.sent(command)
        self._lines.extend(seen.lines)
        self._put_out()
        problems = [self._problem, self._link.reason if self._link is not None else ""]
        self._tell({**seen.summary, "reason": "; ".join(problem for problem in problems if problem)})

    def _put_out(self) -> None:
        """Write the points that wait; what InfluxDB does not take waits for the next look."""
        lines = list(self._lines)
        if not lines:
            return
        try:
            self._write(lines)
        except StreamingError as error:
            _LOG.warning("points of the twin wait: %s", error)
            return
        self._lines.clear()

    def _read_plant(self) -> None:
        """Take over the plant file when it has changed; a broken one leaves what was known."""
        if self._plant_file is None:
            return
        try:
            text = self._plant_file.read_text()
            if text == self._plant_text:
                return
            self._mirror.knows(decode_plant(text))
            self._plant_text, self._problem = text, ""
            plant: Plant = self._mirror.plant
            _LOG.info("the plant: %d ratings, target %s", len(plant.ratings), plant.target)
        except (OSError, UnicodeDecodeError, PlantError) as error:
            problem = f"{self._plant_file}: {error}"
            if problem != self._problem:
                _LOG.warning("%s; nothing is known of ratings and target", problem)
            self._problem = problem
