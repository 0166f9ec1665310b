"""What a run of the tests counts and when it fails."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

import run_tests

REPORT = """<?xml version="1.0"?>
<testsuites><testsuite>
  <testcase classname="tests.unit.hack.test_a" name="one" time="0.5"/>
  <testcase classname="tests.unit.test_b" name="two" time="0.25"/>
  <testcase classname="tests.e2e.test_c" name="three" time="60"><skipped message="no cluster"/></testcase>
</testsuite></testsuites>
"""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "junit.xml"
    path.write_text(REPORT)
    return path


def test_tests_are_counted_by_part(report: Path) -> None:
    assert run_tests._count(report) == {
        "unit": {"tests": 2, "skipped": 0, "seconds": 0.75},
        "e2e": {"tests": 1, "skipped": 1, "seconds": 60.0},
    }


def test_times_and_failures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_tests, "OUT", tmp_path)
    run = run_tests.Run()
    with run.part("venv"):
        pass
    run.failures.append("types")
    run.write(started=0.0)
    written = json.loads((tmp_path / "test-times.json").read_text())
    assert written["seconds"].keys() == {"venv", "total"}
    assert written["failures"] == ["types"]


def test_a_failing_check_is_a_failure_with_its_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_tests, "CHECKS", {"lint": ["sh", "-c", "echo bad line; exit 1"], "types": ["true"]})
    run = run_tests.Run()
    run_tests.check(run)
    assert run.failures == ["lint"]
    assert "bad line" in capsys.readouterr().out


@pytest.mark.parametrize(("context", "installed"), [("mine", False), ("", True)])
def test_the_local_nodes_packages_are_installed_for_the_local_node_only(
    context: str, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Mapping[str, str]] = []
    monkeypatch.setenv("CONTEXT", context)
    monkeypatch.setattr(run_tests, "install_missing", asked.append)
    for step in ("_venv", "prepare", "pytest"):
        monkeypatch.setattr(run_tests, step, lambda *_: None)
    run_tests.everything(run_tests.Run(), run_tests.PARTS, [])
    assert ["etcd-server" in packages for packages in asked] == ([True] if installed else [])


def test_a_skipped_test_fails_a_full_run(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_tests.Run()
    for step in ("install_missing", "_venv", "prepare"):
        monkeypatch.setattr(run_tests, step, lambda *_, **__: None)
    monkeypatch.setattr(run_tests, "pytest", lambda run, *_: run.tests.update(run_tests._count(report)))
    run_tests.everything(run, run_tests.PARTS, [])
    assert run.failures == ["1 skipped (a full run skips no test)"]
