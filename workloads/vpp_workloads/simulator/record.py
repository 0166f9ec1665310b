"""The record of what steered DERs did instead of their profiles: on disk before the gateway takes it.

It is what `/source` says of them, so it must hold exactly what was accepted: rows of a step that was never accepted are
dropped before the next is written, and when the simulator starts.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from vpp_workloads.gateway.measurement import Measurement
from vpp_workloads.simulator.errors import SimulatorError

_TABLE = """
    CREATE TABLE IF NOT EXISTS steered (
        der TEXT NOT NULL, event_time_us INTEGER NOT NULL, energy_kwh REAL NOT NULL, soc_kwh REAL NOT NULL,
        PRIMARY KEY (der, event_time_us)
    ) WITHOUT ROWID
"""


class Record:
    """One site's record. Its methods may be called from any thread."""

    def __init__(self, file: Path) -> None:
        """Open or begin it.

        Raises:
            SimulatorError: the file cannot be used.
        """
        self._lock = threading.Lock()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise SimulatorError(f"{file}: cannot be used ({error}); check the simulator's volume") from None

    def begin(self, measurements: Sequence[Measurement], done_us: Mapping[str, int]) -> None:
        """Write what is about to be accepted; what stands behind `done_us` of its DER was not, and goes."""
        rows = [(one.der, one.event_time_us, one.energy_kwh, one.state_of_charge_kwh) for one in measurements]
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(
                    "DELETE FROM steered WHERE der = ? AND event_time_us > ?", list(done_us.items())
                )
                self._database.executemany("INSERT INTO steered VALUES (?, ?, ?, ?)", rows)
                self._database.execute("COMMIT")
            except sqlite3.Error:
                self._database.execute("ROLLBACK")
                raise

    def keep(self, start_us: int, done_us: Mapping[str, int]) -> None:
        """Keep what was accepted since the start of the simulation: an earlier simulation is none of this one's."""
        self.begin((), done_us)
        with self._lock:
            self._database.execute("DELETE FROM steered WHERE event_time_us <= ?", (start_us,))

    def charges_kwh(self) -> dict[str, float]:
        """Return the last charge of each DER that has left its profile."""
        query = "SELECT der, soc_kwh, max(event_time_us) FROM steered GROUP BY der"
        with self._lock:
            return {der: soc_kwh for der, soc_kwh, _ in self._database.execute(query)}

    def energies_kwh(self) -> dict[str, dict[int, float]]:
        """Return the energy of each interval by DER and event time."""
        found: dict[str, dict[int, float]] = {}
        with self._lock:
            for der, at_us, kwh in self._database.execute("SELECT der, event_time_us, energy_kwh FROM steered"):
                found.setdefault(der, {})[at_us] = kwh
        return found

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
