"""examples/spark-source as its README has it, in a process of its own, against a real broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.integration.streams import Streams, site_batches
from vpp_operator.ports import BrokerAddress

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]


def read(streams: Streams, folder: Path, *arguments: str) -> str:
    """Run the program; return what it shows."""
    channels = [
        {"name": one.name, "host": one.host, "stream": one.stream, "state": "Active"}
        for one in streams.channels.values()
    ]
    asleep = {"name": "q-9", "host": "nowhere", "stream": "readings-asleep", "state": "Asleep"}
    document = {"metadata": {"name": "q"}, "status": {"channels": [*channels, asleep]}}
    (folder / "ingest.json").write_text(json.dumps(document))
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "workloads"),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": "--master local[1] --conf spark.ui.enabled=false pyspark-shell",
        "CHANNEL_USERNAME": streams.broker.username,
        "CHANNEL_PASSWORD": streams.broker.password,
    }
    options = ["--queue-channel", "ingest.json", "--checkpoint", str(folder / "state"), *arguments]
    command = [sys.executable, str(ROOT / "examples" / "spark-source" / "read.py"), *options]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def rows(folder: Path) -> Counter[tuple[str, int, int]]:
    found: Counter[tuple[str, int, int]] = Counter()
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        found.update(zip(*(table[name].to_pylist() for name in ("der", "boot", "seq")), strict=True))
    return found


def sent(site: str, seqs: range) -> Counter[tuple[str, int, int]]:
    return Counter((f"{site}/{name}", 1, seq) for seq in seqs for name in ("pv", "load"))


@pytest.mark.timeout(600)
def test_the_example_reads_every_reading_and_goes_on_where_it_ended(rabbitmq: BrokerAddress, tmp_path: Path) -> None:
    streams = Streams(rabbitmq)
    streams.add("q-0")
    streams.add("q-1")
    streams.publish("q-0", site_batches("house-01", range(30)))
    streams.publish("q-1", [*site_batches("house-02", range(20)), ("readings.house-02", b"rubbish")])
    output = tmp_path / "readings"
    read(streams, tmp_path, "--output", str(output))
    assert rows(output) == sent("house-01", range(30)) + sent("house-02", range(20))
    streams.publish("q-0", site_batches("house-01", range(30, 40)))
    read(streams, tmp_path, "--output", str(output))
    assert rows(output) == sent("house-01", range(40)) + sent("house-02", range(20))


@pytest.mark.timeout(600)
def test_without_an_output_the_rows_are_shown(rabbitmq: BrokerAddress, tmp_path: Path) -> None:
    streams = Streams(rabbitmq)
    streams.add("q-0")
    streams.publish("q-0", site_batches("house-03", range(3)))
    shown = read(streams, tmp_path)
    assert "Batch: 0" in shown
    assert [shown.count(f"|house-03/{name}") for name in ("pv", "load")] == [3, 3]
