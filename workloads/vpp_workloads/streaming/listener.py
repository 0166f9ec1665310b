"""Spark's own reports of the query, carried over into the driver's progress."""

from __future__ import annotations

import json
from collections.abc import Callable

from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from vpp_workloads.streaming.progress import Progress


class ProgressListener(StreamingQueryListener):
    """Spark calls it after a batch's commit is written, and now and then while there is nothing to do."""

    def __init__(self, progress: Progress, finished: Callable[[int], None] | None = None) -> None:
        """`finished` is told the number of each batch before `progress` counts it."""
        self._progress = progress
        self._finished = finished

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: N802 - Spark's name
        """Nothing: the job itself reports the start."""

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: N802
        """Take over a finished batch."""
        report = event.progress
        end = report.sources[0].endOffset
        if self._finished is not None:
            self._finished(report.batchId)
        self._progress.finished(
            report.batchId,
            json.loads(end) if end else {},
            {
                "input_rows_per_second": report.inputRowsPerSecond or 0.0,
                "processed_rows_per_second": report.processedRowsPerSecond or 0.0,
            },
            dict(report.durationMs),
        )

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: N802
        """A sign of life."""
        self._progress.idle()

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: N802
        """Nothing: the job waits for the end itself."""
