"""`python -m vpp_workloads.streaming.history` as a pod runs it, on a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.streaming.storages import MemoryFiles, write_batch
from vpp_workloads.streaming.errors import StreamingError
from vpp_workloads.streaming.files import Entry, LocalFiles
from vpp_workloads.streaming.history import __main__ as program_module
from vpp_workloads.streaming.history.__main__ import wait_for_answer
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
        ({"VPP_STORAGE_URL": "file:///x", "VPP_HISTORY_FILE_BYTES": "0"}, "VPP_HISTORY_FILE_BYTES is 0"),
    ],
    ids=["no storage", "a storage that only Spark reaches", "files of no size"],
)
def test_what_keeps_it_from_folding_is_one_sentence(settings: dict[str, str], sentence: str) -> None:
    done = program(settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


class RefusesAtFirst(MemoryFiles):
    """A storage that a network keeps a new pod from, as many times as `refusals` says."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals

    def entries(self, folder: str) -> list[Entry]:
        self.refusals -= 1
        if self.refusals >= 0:
            raise StreamingError("HDFS does not answer")
        return super().entries(folder)


def test_a_storage_that_refuses_a_new_pod_for_a_moment_is_asked_again() -> None:
    files = RefusesAtFirst(2)
    wait_for_answer(files, 5.0)
    assert files.refusals < 0


def test_hdfs_that_is_down_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(program_module, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setenv("VPP_STORAGE_URL", "hdfs://x:8020/vpp")
    monkeypatch.setenv("VPP_WEBHDFS_URL", "http://127.0.0.1:9")
    assert program_module.main() == 1
    assert "vpp history: HDFS does not answer http://127.0.0.1:9/" in capsys.readouterr().err
