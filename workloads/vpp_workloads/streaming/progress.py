"""What the driver tells about itself: kept here, filled by the job and by Spark's listener, read by the HTTP server.

Only batches that are finished count: sinks done and Spark's commit written.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vpp_workloads.streaming.plan import Observation, caught_up_us, planned_us
from vpp_workloads.streaming.sinks import Counts, Written

LISTENING_SECONDS = 30.0
"""Spark says every 10 s that there is nothing to do; what lasts longer is a batch that is under way."""
STUCK_SECONDS = 300.0
"""A running query that gives no sign of life for so long is taken for dead."""


class Progress:
    """The driver's state; safe between threads."""

    def __init__(self, vpp: str, status_file: Path) -> None:
        self._lock = threading.Lock()
        self.status_file = status_file
        self._written: dict[int, Written] = {}
        self._alive_at = time.monotonic()
        self._values: dict[str, Any] = {
            "vpp": vpp,
            "query_id": None,
            "run_id": None,
            "batch_id": -1,
            "state": "Starting",
            "reason": "the driver is starting",
            "restarts": 0,
            "executors": None,
            "committed": {},
            "readings": asdict(Counts()),
            "rates": {"input_rows_per_second": 0.0, "processed_rows_per_second": 0.0},
            "durations_ms": {},
            "twin": {},
        }

    def starting(self, reason: str) -> None:
        """Say what the driver waits for."""
        self._set(state="Starting", reason=reason)

    def running(self, query_id: str, run_id: str) -> None:
        """The query has been started."""
        self._set(state="Running", reason="", query_id=query_id, run_id=run_id)

    def failed(self, reason: str) -> None:
        """The query has died; it will be started again."""
        with self._lock:
            self._values |= {"state": "Failed", "reason": reason, "restarts": self._values["restarts"] + 1}
            self._alive_at = time.monotonic()

    def resumed(self, batch_id: int, committed: Mapping[str, int], totals: Counts) -> None:
        """Take over what an earlier run finished."""
        self._set(batch_id=batch_id, committed=dict(committed), readings=asdict(totals))

    def written(self, batch: Written) -> None:
        """A batch's results are out, but Spark has not committed it yet."""
        with self._lock:
            self._written[batch.batch_id] = batch

    def twin(self, summary: Mapping[str, Any]) -> None:
        """Say what the twin thinks of the plant."""
        with self._lock:
            self._values["twin"] = dict(summary)

    def executors(self, count: int | None) -> None:
        """Say how many executors Spark has at the moment; None when it needs none."""
        with self._lock:
            self._values["executors"] = count

    def finished(
        self, batch_id: int, committed: Mapping[str, int], rates: Mapping[str, float], durations_ms: Mapping[str, int]
    ) -> None:
        """Spark has committed a batch."""
        with self._lock:
            written = self._written.get(batch_id)
            self._written = {number: batch for number, batch in self._written.items() if number > batch_id}
            self._values |= {
                "batch_id": batch_id,
                "committed": dict(committed),
                "rates": dict(rates),
                "durations_ms": dict(durations_ms),
            }
            if written is not None:
                self._values["readings"] = asdict(written.totals)
                self._values["durations_ms"] |= written.durations_ms
            self._alive_at = time.monotonic()

    def idle(self) -> None:
        """The query has looked and found nothing new."""
        with self._lock:
            self._values["rates"] = {"input_rows_per_second": 0.0, "processed_rows_per_second": 0.0}
            self._alive_at = time.monotonic()

    def _set(self, **values: Any) -> None:
        with self._lock:
            self._values |= values
            self._alive_at = time.monotonic()

    def alive(self) -> bool:
        """Whether the driver gives signs of life; waiting for others is one."""
        with self._lock:
            return self._values["state"] != "Running" or time.monotonic() - self._alive_at < STUCK_SECONDS

    def listening(self) -> bool:
        """Whether readings come in if there are any: the query runs and has lately finished a batch or found none."""
        with self._lock:
            return self._values["state"] == "Running" and time.monotonic() - self._alive_at < LISTENING_SECONDS

    def document(self) -> dict[str, Any]:
        """Return what `/progress` answers."""
        planner = self._planner()
        with self._lock:
            values = dict(self._values)
        seen = planner.get("seen", {})
        values["planned_us"] = {
            key: planned_us([Observation(tail=tail, at_us=at_us) for tail, at_us in seen.get(key, ())], end)
            for key, end in values["committed"].items()
        }
        values["topology_generation"] = planner.get("topology_generation")
        values["unreachable"] = planner.get("problems", {})
        values["went_back"] = planner.get("went_back", {})
        if values["state"] == "Running" and values["executors"] == 0:
            values["reason"] = "Spark has no executor: no worker has registered, or none can start one (see its log)"
        elif values["state"] == "Running" and planner.get("topology_problem"):
            values["reason"] = f"topology: {planner['topology_problem']}"
        values["updated_us"] = time.time_ns() // 1000
        return values

    def caught_up_us(self) -> int:
        """Return the wall clock until which all that is on the channels has been committed; 0 if unknown."""
        planner = self._planner()
        with self._lock:
            committed = dict(self._values["committed"])
        seen = {
            key: [Observation(tail=tail, at_us=at_us) for tail, at_us in observations]
            for key, observations in planner.get("seen", {}).items()
        }
        return caught_up_us(seen, planner.get("empty_us", {}), committed, planner.get("awake", ()))

    def _planner(self) -> dict[str, Any]:
        try:
            report: dict[str, Any] = json.loads(self.status_file.read_text())
        except (OSError, ValueError):
            return {}
        return report
