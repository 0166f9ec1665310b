"""Runs the tests: `run_tests.py` all of them with everything they need, `run_tests.py --check` the quick ones.

All tests share one pytest run and so one summary, which comes last. How long each part took is written to
out/test-times.json. Standard library only: it runs before any virtual environment exists.
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vpplocal.cluster import choice
from vpplocal.errors import LocalError
from vpplocal.packages import TEST_PACKAGES, install_missing, node_packages
from vpplocal.progress import duration

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out"
BIN = ROOT / ".venv" / "bin"
QUICK = ("unit", "contract")
PARTS = (*QUICK, "integration", "e2e")
CHECKS = {
    "format": [str(BIN / "ruff"), "format", "--check", "--quiet", "."],
    "lint": [str(BIN / "ruff"), "check", "--quiet", "."],
    "types": [str(BIN / "mypy"), "--no-error-summary"],
    "imports": [str(BIN / "lint-imports"), "--no-logo"],
    "generated": [str(BIN / "python"), "hack/generate.py", "--check"],
}
CHECK_DEADLINE_SECONDS = 900


@dataclass(slots=True)
class Run:
    """What a run of the tests came to; the one place where its outcome is gathered."""

    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    tests: dict[str, dict[str, float]] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started, 1)

    def write(self, started: float) -> None:
        document = {
            "seconds": {**self.seconds, "total": round(time.monotonic() - started, 1)},
            "tests": self.tests,
            "failures": self.failures,
        }
        OUT.mkdir(exist_ok=True)
        (OUT / "test-times.json").write_text(json.dumps(document, indent=2) + "\n")


def own_command(*arguments: str) -> list[str]:
    """The command line of another script of hack/, run with this Python."""
    return [sys.executable, str(ROOT / "hack" / arguments[0]), *arguments[1:]]


def check(run: Run) -> None:
    """Run formatter, linter, type checker, import contracts and generators, two at a time; report those that fail."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for name, output in pool.map(lambda item: (item[0], _check_one(run, *item)), CHECKS.items()):
            if output is None:
                print(f"  {name}: ok, {duration(run.seconds[name])}", flush=True)
            else:
                print(f"{output.rstrip()}\n  {name}: FAILED, {duration(run.seconds[name])}", flush=True)
                run.failures.append(name)


def _check_one(run: Run, name: str, command: list[str]) -> str | None:
    with run.part(name):
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=CHECK_DEADLINE_SECONDS
            )
        except subprocess.TimeoutExpired:
            return f"{name} did not finish within {duration(CHECK_DEADLINE_SECONDS)}"
    return None if done.returncode == 0 else done.stdout + done.stderr


def prepare(run: Run) -> None:
    """Bring up the cluster and load the images while the checks run beside.

    Raises:
        LocalError: the cluster or an image is not to be had, so no cluster test can run.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        checks = pool.submit(check, run)
        for name, command in (
            ("cluster", own_command("cluster.py", "up")),
            ("images", own_command("images.py", "load")),
        ):
            with run.part(name):
                code = subprocess.run(command, cwd=ROOT, check=False, stdin=subprocess.DEVNULL).returncode
            if code != 0:
                checks.result()
                raise LocalError(f"the tests need {name}: see above")
        checks.result()


def pytest(run: Run, parts: tuple[str, ...], arguments: list[str]) -> None:
    """Run the tests of these parts in one pytest process, in this order."""
    folders = [f"tests/{part}" for part in parts if (ROOT / "tests" / part).is_dir()]
    report = OUT / "junit.xml"
    report.unlink(missing_ok=True)
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if not os.environ.get("CONTEXT"):
        environ.setdefault("KUBECONFIG", str(OUT / "kubeconfig"))
    command = [str(BIN / "pytest"), f"--junitxml={report}", "--durations=10", *folders, *arguments]
    with run.part("pytest"):
        code = subprocess.run(command, cwd=ROOT, check=False, stdin=subprocess.DEVNULL, env=environ).returncode
    if code != 0:
        run.failures.append("pytest")
    if report.is_file():
        run.tests = _count(report)


def _count(report: Path) -> dict[str, dict[str, float]]:
    """Tests, skipped tests and seconds of each part, from pytest's own report."""
    counted: dict[str, dict[str, float]] = {}
    for case in ET.parse(report).iter("testcase"):
        names = str(case.get("classname", "")).split(".")
        part = names[1] if len(names) > 1 and names[0] == "tests" else "other"
        row = counted.setdefault(part, {"tests": 0, "skipped": 0, "seconds": 0.0})
        row["tests"] += 1
        row["skipped"] += case.find("skipped") is not None
        row["seconds"] = round(row["seconds"] + float(case.get("time") or 0.0), 2)
    return counted


def everything(run: Run, parts: tuple[str, ...], arguments: list[str]) -> None:
    """Packages, environment, checks, cluster, images, and then every test."""
    with run.part("packages"):
        if choice() == "node":  # elsewhere no root is needed, unless images are built without Docker
            install_missing(node_packages() | TEST_PACKAGES)
    _venv(run)
    prepare(run)
    pytest(run, parts, arguments)
    skipped = int(sum(row["skipped"] for row in run.tests.values()))
    if skipped and not arguments and parts == PARTS:
        run.failures.append(f"{skipped} skipped (a full run skips no test)")


def _venv(run: Run) -> None:
    with run.part("venv"):
        if subprocess.run(own_command("make_venv.py"), cwd=ROOT, check=False).returncode != 0:
            raise LocalError("the tests need the development environment: see above")


def main() -> int:
    """Run the tests and say what failed."""
    parser = argparse.ArgumentParser(description="run the tests")
    parser.add_argument(
        "--check", action="store_true", help="only what needs no cluster: checks, unit and contract tests"
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be given several times")
    parser.add_argument("pytest", nargs="*", metavar="ARGUMENT", help="more arguments for pytest, after --")
    arguments = parser.parse_args()
    started = time.monotonic()
    run = Run()
    try:
        if arguments.check:
            _venv(run)
            check(run)
            pytest(run, QUICK, arguments.pytest)
        else:
            everything(run, tuple(arguments.only or PARTS), arguments.pytest)
    except LocalError as error:
        run.failures.append(str(error))
    if not arguments.check:
        run.write(started)
    if run.failures:
        print(f"FAILED: {'; '.join(run.failures)}", file=sys.stderr, flush=True)
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
