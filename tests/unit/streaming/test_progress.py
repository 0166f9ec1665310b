"""What `/progress`, `/healthz` and `/metrics` tell."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from vpp_workloads.streaming import progress as progress_module
from vpp_workloads.streaming.checkpoint import parse_offsets
from vpp_workloads.streaming.job import reason_of
from vpp_workloads.streaming.progress import Progress
from vpp_workloads.streaming.server import serve
from vpp_workloads.streaming.sinks import Counts, Written

OURS = "vpp_workloads.streaming.errors.BrokerUnavailableError: q-0:5672 fails reader: timeout\n\tat org.apache"
RATES = {"input_rows_per_second": 10.0, "processed_rows_per_second": 20.0}


@pytest.fixture
def status_file(tmp_path: Path) -> Path:
    return tmp_path / "planner.json"


@pytest.fixture
def progress(status_file: Path) -> Progress:
    return Progress("demo", status_file)


def test_a_batch_counts_when_spark_has_committed_it_not_before(progress: Progress) -> None:
    progress.running("query", "run")
    progress.written(Written(batch_id=0, totals=Counts(accepted=5), durations_ms={"write_files": 70}))
    assert progress.document()["readings"]["accepted"] == 0
    progress.finished(0, {"q-0/a": 5}, RATES, {"triggerExecution": 400})
    document = progress.document()
    assert (document["readings"]["accepted"], document["committed"], document["batch_id"]) == (5, {"q-0/a": 5}, 0)
    assert document["durations_ms"] == {"triggerExecution": 400, "write_files": 70}


def test_a_restart_takes_over_what_was_finished(progress: Progress) -> None:
    progress.resumed(41, {"q-0/a": 7}, Counts(accepted=1000, duplicates=3))
    document = progress.document()
    assert (document["batch_id"], document["committed"]) == (41, {"q-0/a": 7})
    assert (document["readings"]["accepted"], document["readings"]["duplicates"]) == (1000, 3)


def test_what_the_planner_knows_is_told(progress: Progress, status_file: Path) -> None:
    report = {"topology_generation": 4, "topology_problem": "gone", "problems": {"q-1/b": "refused"}, "went_back": {},
              "seen": {"q-0/a": [[5, 100], [9, 200]]}}  # fmt: skip
    status_file.write_text(json.dumps(report))
    progress.running("query", "run")
    progress.finished(0, {"q-0/a": 6, "q-1/b": 0}, RATES, {})
    document = progress.document()
    assert document["planned_us"] == {"q-0/a": 100, "q-1/b": 0}
    assert (document["topology_generation"], document["unreachable"]) == (4, {"q-1/b": "refused"})
    assert document["reason"] == "topology: gone"


def test_no_executor_is_a_reason(progress: Progress) -> None:
    progress.running("query", "run")
    progress.executors(0)
    assert progress.document()["reason"].startswith("Spark has no executor")


def test_failures_are_counted_and_explained(progress: Progress) -> None:
    progress.failed("the broker is gone")
    document = progress.document()
    assert (document["state"], document["reason"], document["restarts"]) == ("Failed", "the broker is gone", 1)


def test_a_running_query_without_a_sign_of_life_is_dead(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    progress.running("query", "run")
    assert progress.alive()
    monkeypatch.setattr(progress_module, "STUCK_SECONDS", -1.0)
    assert not progress.alive()
    progress.starting("waiting for InfluxDB")
    assert progress.alive()


@pytest.fixture
def address(progress: Progress) -> Iterator[str]:
    server = serve(progress, 0, "127.0.0.1")
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_query_listens_while_it_reports(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not progress.listening()
    progress.running("q", "r")
    assert progress.listening()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 31)
    assert not progress.listening()
    progress.idle()
    assert progress.listening()
    progress.failed("HDFS is away")
    assert not progress.listening()


def test_the_port_answers(progress: Progress, address: str) -> None:
    progress.finished(3, {"q-0/a": 6}, RATES, {"triggerExecution": 500})
    with urlopen(f"{address}/progress", timeout=5) as response:
        assert json.load(response)["batch_id"] == 3
    with urlopen(f"{address}/healthz", timeout=5) as response:
        assert response.read() == b"ok\n"
    progress.twin({"ders": 4, "unhealthy_by_reason": {"silent": 1}, "delivery_kw": 1.5, "target_kw": None})
    with urlopen(f"{address}/metrics", timeout=5) as response:
        text = response.read().decode()
    assert 'vpp_streaming_committed_offset{channel="q-0",stream="a",vpp="demo"} 6.0' in text
    assert 'vpp_streaming_batch_seconds{vpp="demo"} 0.5' in text
    assert 'vpp_twin_unhealthy_ders{reason="silent",vpp="demo"} 1.0' in text
    assert 'vpp_twin_delivery_kw{vpp="demo"} 1.5' in text
    assert "vpp_twin_target_kw" not in text
    assert 'vpp_streaming_readings_accepted_total{vpp="demo"} 0.0' in text


@pytest.mark.parametrize(
    ("text", "offsets"),
    [
        ('v1\n{"batchWatermarkMs":0,"conf":{"a":"b"}}\n{"q-0/a": 7, "q-1/b": 0}', {"q-0/a": 7, "q-1/b": 0}),
        ('v1\n{"batchWatermarkMs":0,"conf":{}}\n{}', {}),
        ('v1\n{"batchWatermarkMs":0,"conf":{}}\n-', {}),
    ],
)
def test_offsets_of_a_checkpoint(text: str, offsets: dict[str, int]) -> None:
    assert parse_offsets(text) == offsets


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "[STREAM_FAILED] Query failed\nTraceback ...\n" + OURS,
            "q-0:5672 fails reader: timeout",
        ),
        ("\n  Connection refused\n\tat java.net", "Connection refused"),
        ("", "RuntimeError"),
    ],
    ids=["our own sentence inside Spark's", "the first line", "nothing said"],
)
def test_reasons_are_sentences(text: str, reason: str) -> None:
    assert reason_of(RuntimeError(text)) == reason
