"""The history on a real HDFS: folds that come and die while a plain `spark.read.parquet` reads, and every row once."""

from __future__ import annotations

import re
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's custom

from tests import servers as real
from tests.integration.streams import wait_for
from tests.unit.streaming.storages import Stopping
from vpp_contract.readings import QUANTITIES
from vpp_operator.resources.hdfs import RPC_PORT, WEB_PORT
from vpp_workloads.streaming.columns import HISTORY_COLUMNS
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.files import Entry, WebHdfsFiles
from vpp_workloads.streaming.history.fold import OvertakenError, fold
from vpp_workloads.streaming.history.plan import Limits
from vpp_workloads.streaming.history.rows import RECENT_SCHEMA, read_all

pytestmark = pytest.mark.integration
LIMITS = Limits(full_bytes=20_000, round_batches=3, grace_seconds=60)
DAY_US = 86_400_000_000
DOCUMENT = Path(__file__).parents[2] / "docs" / "streaming.md"
Identities = Counter[tuple[str, int, int]]


@pytest.fixture(scope="module")
def name_node(servers: real.Servers) -> str:
    """The HTTP address of an HDFS name node that has a data node."""
    pod, _ = servers.hdfs()
    return f"http://{servers.address(pod)}:{WEB_PORT}"


@pytest.fixture
def names_of_pods(servers: real.Servers, name_node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine find the data node under the name that the name node gives; only pods can ask the cluster."""
    pod = f"{real.VPP}-hdfs-datanode-0"
    look_up = socket.getaddrinfo

    def looking_up(host: Any, *arguments: Any, **options: Any) -> Any:
        return look_up(servers.address(pod) if str(host).startswith(f"{pod}.") else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", looking_up)


class Plant:
    """A storage folder in HDFS, which batches are written to as the driver does."""

    def __init__(self, spark: SparkSession, web: str) -> None:
        self.spark, self.web = spark, web
        self.root = f"/history-{uuid.uuid4().hex[:8]}"
        self.url = f"hdfs://{urlsplit(web).hostname}:{RPC_PORT}{self.root}"
        self.files = WebHdfsFiles(web, self.root)
        self.finished = -1

    def batch(self) -> None:
        """Write the next batch of 200 readings over two days and two kinds, and Spark's commit."""
        number = self.finished + 1
        rows = self.spark.range(200).select(
            F.concat(F.lit("house-"), F.col("id") % 10, F.lit("/pv")).alias("der"),
            F.lit("house").alias("site"),
            F.when(F.col("id") % 2 == 0, "pv").otherwise("load").alias("kind"),
            F.lit(1).cast("long").alias("boot"),
            (F.col("id") + 200 * number).alias("seq"),
            (F.lit(20_000 * DAY_US) + (F.col("id") % 3 + 1) * (DAY_US // 2)).alias("event_time_us"),
            *(F.rand().alias(name) for name in QUANTITIES),
        )
        origin = {"channel": F.lit("q-0"), "stream": F.lit("readings-1"), "offset": F.col("seq")}
        frame = rows.withColumns({"created_us": F.lit(1).cast("long"), **origin}).select(*HISTORY_COLUMNS)
        frame.coalesce(1).write.mode("overwrite").parquet(f"{self.url}/recent/batch_id={number}")
        self.files.create(f"checkpoint/commits/{number}", b"v1\n{}")
        self.finished = number

    def fold(self, files: Any = None) -> None:
        fold(files or self.files, self.url, LIMITS, lambda: time.time_ns() // 1_000_000)

    def seen(self) -> Identities:
        """Return what a plain reader sees."""
        rows = self.spark.read.parquet(f"{self.url}/history").select("der", "boot", "seq").collect()
        return Counter((row.der, row.boot, row.seq) for row in rows)

    def expected(self, batches: int) -> Identities:
        return Counter((f"house-{row % 10}/pv", 1, row + 200 * batch) for batch in range(batches) for row in range(200))


@pytest.fixture
def plant(spark: SparkSession, name_node: str, names_of_pods: None) -> Iterator[Plant]:
    plant = Plant(spark, name_node)
    hadoop: Any = spark.sparkContext._jsc
    hadoop.hadoopConfiguration().set("dfs.client.use.datanode.hostname", "false")
    wait_for("HDFS to take files", lambda: takes_files(plant), seconds=60)
    yield plant
    hadoop.hadoopConfiguration().set("dfs.client.use.datanode.hostname", "true")
    plant.files.remove("")


def takes_files(plant: Plant) -> bool:
    try:
        return plant.files.create(f"probe-{uuid.uuid4().hex}", b"")
    except StreamingError:
        return False


def test_hdfs_keeps_the_two_promises_of_files(plant: Plant, tmp_path: Path) -> None:
    files, source = plant.files, tmp_path / "source"
    source.write_bytes(b"content" * 100_000)
    files.put("a/b/file", source)
    files.fetch("a/b/file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes() == files.read("a/b/file")
    with pytest.raises(StreamingError, match="does not give the complete file"):
        files.put("a/b/file", source)
    assert files.create("log/0", b"first")
    assert not files.create("log/0", b"second")
    assert files.read("log/0") == b"first"
    (entry,) = files.entries("log")
    assert entry == Entry(name="0", size=5, modified_ms=entry.modified_ms)
    assert abs(entry.modified_ms - time.time() * 1000) < 60_000
    assert files.entries("nowhere") == []
    files.remove("log")
    files.remove("log")
    assert files.entries("log") == []


class DiedError(Exception):
    """A fold's process is gone."""


def test_a_reader_sees_each_reading_once_before_during_and_after_folds_that_die(plant: Plant) -> None:
    for _ in range(4):
        plant.batch()
    plant.fold()
    seen: list[Identities] = []
    failures: list[BaseException] = []
    end = threading.Event()

    def read() -> None:
        try:
            while not end.is_set():
                seen.append(plant.seen())
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for step in (0, 1, 3, 5, 7, 9):
            plant.batch()
            plant.batch()

            def die() -> None:
                raise DiedError

            with pytest.raises(DiedError):
                plant.fold(Stopping(plant.files, step, die))
        plant.fold()
        before = len(seen)
        wait_for("one more look", lambda: len(seen) > before + 1 or bool(failures))
    finally:
        end.set()
        reader.join(60)
    assert not failures, failures
    whole = [plant.expected(batches) for batches in range(plant.finished + 2)]
    assert all(look in whole for look in seen)
    assert [sum(look.values()) for look in seen] == sorted(sum(look.values()) for look in seen)
    assert seen[-1] == plant.expected(plant.finished + 1)
    assert len({sum(look.values()) for look in seen}) > 2
    assert len(read_all(plant.files, RECENT_SCHEMA)) == 200 * (plant.finished + 1)


def test_the_documented_reads_find_what_is_folded_and_what_is_not(plant: Plant) -> None:
    for _ in range(3):
        plant.batch()
    plant.fold()
    plant.batch()
    section = DOCUMENT.read_text().partition("## History")[2].partition("\n## ")[0]
    code = "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    names: dict[str, Any] = {"spark": plant.spark}
    exec(code.replace("hdfs://demo-hdfs-namenode.vpp-demo.svc:8020/vpp", plant.url), names)
    found = Counter((row.der, row.boot, row.seq) for row in names["everything"].select("der", "boot", "seq").collect())
    assert found == plant.expected(4)
    columns = dict(names["history"].dtypes)
    documented = re.findall(r"^\| (`.+?`) \| (.+?) \|", section, re.MULTILINE)
    for cells, types in documented:
        for name, kind in zip(re.findall("`(.+?)`", cells), types.split(", ") * 9, strict=False):
            assert columns[name] == kind, name
    assert set(columns) == {*HISTORY_COLUMNS, "batch_id", "date"}


def test_two_folds_at_once_and_one_of_them_publishes(plant: Plant) -> None:
    for _ in range(2):
        plant.batch()
    with pytest.raises(OvertakenError):
        plant.fold(Stopping(plant.files, 2, plant.fold))
    assert plant.seen() == plant.expected(2)
