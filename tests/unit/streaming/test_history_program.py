"""`python -m vpp_workloads.streaming.history` as a pod runs it, on a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.streaming.storages import MemoryFiles, write_batch
from vpp_workloads.streaming.files import LocalFiles
from vpp_workloads.streaming.history.rows import RECENT_SCHEMA, read_all

WORKLOADS = Path(__file__).parents[3] / "workloads"


def program(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vpp_workloads.streaming.history"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(WORKLOADS), **settings}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    memory = MemoryFiles()
    for batch in range(3):
        write_batch(memory, batch)
    for path, (content, _) in memory.held.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return tmp_path


def test_it_folds_and_says_what_it_did(storage: Path) -> None:
    done = program({"VPP_STORAGE_URL": f"file://{storage}"})
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document.pop("seconds") >= 0
    assert document.pop("bytes") == sum(path.stat().st_size for path in storage.glob("history/date=*/*/*.parquet"))
    assert document == {
        "version": 0,
        "files": 2,
        "full_files": 0,
        "folded_batch": 2,
        "folded_batches": 3,
        "removed_files": 0,
        "removed_batches": 0,
    }
    assert len(read_all(LocalFiles(storage), RECENT_SCHEMA)) == 6


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "vpp history: VPP_STORAGE_URL is not set"),
        ({"VPP_STORAGE_URL": "s3a://bucket/vpp"}, "vpp history: the history at s3a://bucket/vpp cannot be read here"),
        (
            {"VPP_STORAGE_URL": "hdfs://x:8020/vpp", "VPP_WEBHDFS_URL": "http://127.0.0.1:9"},
            "vpp history: HDFS does not answer http://127.0.0.1:9/",
        ),
        ({"VPP_STORAGE_URL": "file:///x", "VPP_HISTORY_FILE_BYTES": "0"}, "VPP_HISTORY_FILE_BYTES is 0"),
    ],
    ids=["no storage", "a storage that only Spark reaches", "HDFS that is down", "files of no size"],
)
def test_what_keeps_it_from_folding_is_one_sentence(settings: dict[str, str], sentence: str) -> None:
    done = program(settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
