"""Readings a second and core from a stream to decoded Arrow columns in Spark, beside the straightforward ways.

A core's second is a CPU second of any process that takes part: Spark's JVM, its Python workers, and the broker. Every
way reads the same streams with the same local Spark into a sink that does nothing.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "operator"), str(ROOT / "workloads"), str(ROOT / "hack")]
os.environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "workloads")))
os.environ["PYSPARK_PYTHON"] = sys.executable

from pyspark.sql import SparkSession  # noqa: E402

from tests.bench import _ways as ways  # noqa: E402
from tests.bench._document import result, write  # noqa: E402
from tests.bench._units import container_cpu_seconds  # noqa: E402
from tests.integration.streams import Streams, a_reading  # noqa: E402
from tests.servers import start as start_servers  # noqa: E402
from vpp_contract.names import readings_key  # noqa: E402
from vpp_contract.readings import RECORD_BYTES, encode_batch  # noqa: E402
from vpp_contract.topology import encode_topology  # noqa: E402
from vpp_operator.ports import BrokerAddress  # noqa: E402
from vpp_workloads.streaming.session import COMMON_OPTIONS, start_session  # noqa: E402
from vpp_workloads.streaming.source import SOURCE_NAME  # noqa: E402
from vppdemo import install  # noqa: E402
from vppdemo.kube import Kube  # noqa: E402

NAMESPACE: Final = "vpp-bench-source"
BROKER: Final = "bench"
REPEATS: Final = int(os.environ.get("REPEATS") or 5)
BATCHED_MESSAGES: Final = 20_000
SINGLE_MESSAGES: Final = 200_000
BASELINE_MESSAGES: Final = {100: 2_000, 1: 50_000}
"""The straightforward ways read this many of the same messages: they would take minutes for all."""
TARGETS: Final = {100: 1_000_000.0, 1: 50_000.0}
TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds_below(pid: int) -> float:
    """Return the CPU seconds of a process's descendants, those that have ended included."""
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(folder.name))
        used[int(folder.name)] = sum(map(int, fields[11:15])) / TICKS
    total, left = 0.0, list(children.get(pid, ()))
    while left:
        child = left.pop()
        total += used.get(child, 0.0)
        left += children.get(child, ())
    return total


def broker_cpu_seconds(kube: Kube) -> float:
    """Return the CPU seconds of the broker's container."""
    return container_cpu_seconds(kube, NAMESPACE, f"{BROKER}-0")


def fill(streams: Streams, name: str, messages: int, readings: int) -> None:
    """Make a stream of so many messages with so many readings each."""
    streams.add(name, arguments={"x-stream-max-segment-size-bytes": 50_000_000})
    key, done = readings_key("house-01"), 0
    while done < messages:
        count = min(5_000, messages - done)
        bodies = [
            (key, encode_batch([a_reading(at * readings + i) for i in range(readings)]))
            for at in range(done, done + count)
        ]
        streams.publish_unconfirmed(name, bodies)
        done += count
    streams.wait_for_messages(name, messages)


def drained(spark: SparkSession, source: str, options: dict[str, str]) -> float:
    """Read all there is into a sink that does nothing; return the wall seconds."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        reader = spark.readStream.format(source).options(**options).load()
        writer = reader.writeStream.format("noop").option("checkpointLocation", folder)
        query = writer.trigger(availableNow=True).start()
        query.awaitTermination(900)
        assert query.exception() is None, query.exception()
        return time.monotonic() - started


def per_core(kube: Kube, read: Callable[[], float], readings: int) -> Iterator[tuple[float, float, float]]:
    """Yield readings a second and core, the broker counted and not, and readings a second of wall time, per repeat."""
    for _ in range(REPEATS):
        before, broker_before = cpu_seconds_below(os.getpid()), broker_cpu_seconds(kube)
        wall = read()
        spark_cpu = cpu_seconds_below(os.getpid()) - before
        broker_cpu = broker_cpu_seconds(kube) - broker_before
        yield readings / (spark_cpu + broker_cpu), readings / spark_cpu, readings / wall


def main() -> int:
    """Measure and write out/bench/source.json."""
    kube = install.cluster()
    images = install.images()
    install.remove(kube, NAMESPACE)
    servers = start_servers(kube, NAMESPACE, images)
    at: BrokerAddress = servers.rabbitmq(BROKER)
    streams = Streams(at)
    quiet = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    spark = start_session(COMMON_OPTIONS | quiet | {"spark.master": "local[2]"})
    for way in ways.ALL:
        spark.dataSource.register(way)
    rows: list[dict[str, Any]] = []
    for size, messages in ((100, BATCHED_MESSAGES), (1, SINGLE_MESSAGES)):
        rows += measured(kube, spark, streams, at, size, messages)
    write(
        "source",
        limits={"broker cpu": "1", "broker memory": "512Mi", "spark": "local[2]", "reading": f"{RECORD_BYTES} B"},
        versions={"spark": spark.version, "python": sys.version.split()[0]},
        repeats=REPEATS,
        results=rows,
    )
    spark.stop()
    install.remove(kube, NAMESPACE)
    return 0


def measured(
    kube: Kube, spark: SparkSession, streams: Streams, at: BrokerAddress, size: int, messages: int
) -> list[dict[str, Any]]:
    """Return the rows of one size of messages."""
    name = f"{'batched' if size > 1 else 'single'}"
    print(f"  filling a stream with {messages:,} messages of {size} readings", flush=True)
    fill(streams, f"{name}-0", messages, size)
    fill(streams, f"{name}-1", BASELINE_MESSAGES[size], size)
    account = {"username": at.username, "password": at.password}

    def topology(channel: str) -> str:
        only = Streams(at)
        only.channels[channel] = streams.channels[channel]
        return encode_topology(only.topology()).decode()

    ours = {
        **account,
        "topology": topology(f"{name}-0"),
        "maxOffsetsPerTrigger": "1000000",
        "maxBytesPerTrigger": "200000000",
        "maxOffsetsPerPartition": "10000",
    }
    drained(spark, SOURCE_NAME, {**ours, "topology": topology(f"{name}-1")})  # compiles what is hot
    samples = list(per_core(kube, lambda: drained(spark, SOURCE_NAME, ours), messages * size))
    baselines = {}
    for way in ways.ALL:
        options = {
            **account,
            "host": at.host,
            "stream": streams.channels[f"{name}-1"].stream,
            "messages": str(BASELINE_MESSAGES[size]),
        }
        found = list(
            per_core(kube, lambda w=way, o=options: drained(spark, w.name(), o), BASELINE_MESSAGES[size] * size)  # type: ignore[misc]
        )
        baselines[way.name()] = [one for one, _, _ in found]
        print(
            f"  {name}, {way.name()}: {statistics.median(baselines[way.name()]):,.0f} readings/s and core", flush=True
        )
    return rows_of(name, size, samples, baselines)


def rows_of(
    name: str, size: int, samples: Sequence[tuple[float, float, float]], baselines: dict[str, list[float]]
) -> list[dict[str, Any]]:
    """Return what was measured of one size as rows of the document."""
    with_broker, without_broker, wall = (list(column) for column in zip(*samples, strict=True))
    best = max(statistics.median(found) for found in baselines.values())
    ratio = statistics.median(with_broker) / best
    return [
        result(
            f"{name}: readings per CPU second, broker counted",
            "1/s",
            with_broker,
            baseline=round(best, 1),
            target=TARGETS[size],
            at_most=False,
        ),
        result(f"{name}: readings per CPU second of Spark alone", "1/s", without_broker),
        result(f"{name}: readings per second", "1/s", wall),
        *(result(f"{name}: {way}, readings per CPU second", "1/s", found) for way, found in baselines.items()),
        result(f"{name}: times the best straightforward way", "1", [ratio], target=5.0, at_most=False),
    ]


if __name__ == "__main__":
    sys.exit(main())
