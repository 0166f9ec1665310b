"""The driver's own loop, run in the test's process as a pod would run it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from tests.integration.streams import wait_for
from vpp_workloads.streaming.control_publisher import ControlPublisher
from vpp_workloads.streaming.influx import Influx
from vpp_workloads.streaming.job import keep_running
from vpp_workloads.streaming.marking import Marker
from vpp_workloads.streaming.progress import Progress
from vpp_workloads.streaming.settings import Settings


@dataclass
class Driver:
    """The driver's loop in threads of its own, one after the other, on one checkpoint."""

    spark: SparkSession
    settings: Settings
    folder: Path
    progress: Progress = field(init=False)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """A driver from its start to its end, as a pod would see it."""
        self.progress = Progress(self.settings.vpp, self.folder / "planner.json")
        stop, influx = threading.Event(), Influx(self.settings.influx)
        control = ControlPublisher(self.settings.control)
        marker = Marker(control, self.progress.caught_up_us) if self.settings.marks else None
        arguments = (self.spark, self.settings, influx, self.progress, stop, marker)
        thread = threading.Thread(target=keep_running, args=arguments, daemon=True)
        thread.start()
        if marker is not None:
            marker.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)
            if marker is not None:
                marker.stop()
            control.close()
            influx.close()
            assert not thread.is_alive(), "the driver did not stop"

    def says(self, name: str) -> Any:
        return self.progress.document()[name]

    def wait_for_readings(self, accepted: int, duplicates: int = 0) -> None:
        def are_in() -> bool:
            readings = self.says("readings")
            return bool((readings["accepted"], readings["duplicates"]) == (accepted, duplicates))

        wait_for(f"{accepted} readings and {duplicates} duplicates", are_in, seconds=90)
