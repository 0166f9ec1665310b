"""The driver program: waits for its neighbours, runs the query, starts it again from its checkpoint when it dies."""

from __future__ import annotations

import logging
import re
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from vpp_workloads.streaming.checkpoint import Finished, finished
from vpp_workloads.streaming.command_link import BrokerLink
from vpp_workloads.streaming.control_publisher import ControlPublisher
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.files import can_open, open_files
from vpp_workloads.streaming.history.rows import check_checkpoint
from vpp_workloads.streaming.influx import Influx
from vpp_workloads.streaming.listener import ProgressListener
from vpp_workloads.streaming.marking import Marker
from vpp_workloads.streaming.mirror import Mirror
from vpp_workloads.streaming.operations import Operations
from vpp_workloads.streaming.progress import Progress
from vpp_workloads.streaming.server import serve
from vpp_workloads.streaming.session import spark_options, start_session
from vpp_workloads.streaming.settings import Settings
from vpp_workloads.streaming.sinks import BatchSink
from vpp_workloads.streaming.source import SOURCE_NAME
from vpp_workloads.streaming.stateful import with_twin
from vpp_workloads.streaming.totals import last_totals
from vpp_workloads.streaming.waiting import Neighbour, neighbours, wait_for

_LOG = logging.getLogger(__name__)
_LONGEST_BACKOFF_SECONDS: Final = 30.0
_HEALTHY_SECONDS: Final = 60.0
STATUS_FILE: Final = Path(tempfile.gettempdir()) / "vpp-planner.json"


def run(settings: Settings, stop: threading.Event) -> None:
    """Run until told to stop.

    Raises:
        StreamingError: Spark itself has died; only a new process helps.
    """
    progress = Progress(settings.vpp, STATUS_FILE)
    STATUS_FILE.unlink(missing_ok=True)
    server = serve(progress, settings.progress_port)
    influx = Influx(settings.influx)
    control = ControlPublisher(settings.control)
    marker = Marker(control, progress.caught_up_us) if settings.marks else None
    try:
        waited_for: list[Neighbour] = neighbours(settings, influx)
        if wait_for(waited_for, progress.starting, stop):
            progress.starting("starting Spark")
            spark = start_session(spark_options(settings))
            if marker is not None:
                marker.start()
            try:
                keep_running(spark, settings, influx, progress, stop, marker)
            finally:
                spark.stop()
                if marker is not None:
                    marker.stop()
    finally:
        control.close()
        influx.close()
        server.shutdown()
        server.server_close()


def keep_running(
    spark: SparkSession,
    settings: Settings,
    influx: Influx,
    progress: Progress,
    stop: threading.Event,
    marker: Marker | None = None,
) -> None:
    """Run the query until told to stop; start it again from its checkpoint, after a pause, whenever it fails.

    Raises:
        StreamingError: Spark itself has died.
    """
    listener = ProgressListener(progress, marker.finished if marker is not None else None)
    spark.streams.addListener(listener)
    operations = Operations(
        Mirror(vpp=settings.vpp, heard_since_us=time.time_ns() // 1000),
        plant_file=settings.plant_file,
        write=influx.write,
        tell=progress.twin,
        listening=progress.listening,
        link=BrokerLink(settings.control),
    )
    operations.start()
    try:
        _restart_until(spark, settings, influx, progress, stop, operations, marker)
    finally:
        operations.stop()
        if not _is_dead(spark):
            spark.streams.removeListener(listener)


def _restart_until(
    spark: SparkSession,
    settings: Settings,
    influx: Influx,
    progress: Progress,
    stop: threading.Event,
    operations: Operations,
    marker: Marker | None,
) -> None:
    failures = 0
    while not stop.is_set():
        started = time.monotonic()
        try:
            query = _start(spark, settings, influx, progress, operations, marker)
            while not query.awaitTermination(1):
                progress.executors(_executors(spark))
                if stop.is_set():
                    query.stop()
                    return
            reason = "the query ended without an error"
        except (PySparkException, Py4JError, StreamingError, OSError) as error:
            reason = reason_of(error)
        if _is_dead(spark):
            raise StreamingError(f"Spark is gone: {reason}")
        failures = 1 if time.monotonic() - started > _HEALTHY_SECONDS else failures + 1
        pause = min(_LONGEST_BACKOFF_SECONDS, 2.0 ** min(failures - 1, 8))
        _LOG.warning("The query failed and starts again in %g s: %s", pause, reason)
        progress.failed(reason)
        stop.wait(pause)


def _executors(spark: SparkSession) -> int | None:
    """Return how many executors there are, None where the driver is its own."""
    context: Any = spark.sparkContext
    return None if context.master.startswith("local") else context._jsc.sc().getExecutorMemoryStatus().size() - 1


def _is_dead(spark: SparkSession) -> bool:
    try:
        jvm_context: Any = spark.sparkContext._jsc
        return jvm_context is None or bool(jvm_context.sc().isStopped())
    except (Py4JError, OSError):
        return True


def _start(
    spark: SparkSession,
    settings: Settings,
    influx: Influx,
    progress: Progress,
    operations: Operations,
    marker: Marker | None,
) -> StreamingQuery:
    before: Finished = finished(spark, settings.storage.checkpoint)
    if can_open(settings.storage):
        check_checkpoint(open_files(settings.storage), before.batch_id)
    totals = last_totals(influx, settings.vpp, before.batch_id)
    progress.resumed(before.batch_id, before.offsets, totals)
    sink = BatchSink(
        vpp=settings.vpp,
        storage=settings.storage,
        influx=influx,
        totals=totals,
        report=progress.written,
        taken=marker.taken if marker is not None else None,
        mirror=operations.take,
    )
    reader = spark.readStream.format(SOURCE_NAME).options(
        controlHost=settings.control.host,
        controlPort=str(settings.control.port),
        controlUsername=settings.control.username,
        controlPassword=settings.control.password,
        controlTls=str(settings.control.authority is not None).lower(),
        authority=settings.authority,
        username=settings.channel_username,
        password=settings.channel_password,
        statusFile=str(progress.status_file),
    )
    results = with_twin(
        reader.load(),
        partitions=settings.shuffle_partitions,
        window_hours=settings.energy_window_hours,
        marks=settings.marks,
    )
    query = (
        results.writeStream.queryName(f"vpp-{settings.vpp}")
        .foreachBatch(sink)
        .option("checkpointLocation", settings.storage.checkpoint)
        .trigger(processingTime=f"{round(settings.trigger_seconds * 1000)} milliseconds")
        .start()
    )
    progress.running(str(query.id), str(query.runId))
    return query


def reason_of(error: BaseException) -> str:
    """Return the sentence of our own error inside one of Spark's, else its first line."""
    text = str(error)
    ours = re.findall(r"vpp_workloads\.streaming\.errors\.\w+: (.+)", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (ours[-1] if ours else lines[0] if lines else type(error).__name__)[:1000]
