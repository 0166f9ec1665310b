"""Runs long commands with a line that says what, how long so far and how long it usually takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from vpplocal.errors import LocalError

_GUARD = Path(__file__).with_name("guard.py")


def duration(seconds: float) -> str:
    """Return a duration as people say it: `8 s`, `1 min 05 s`."""
    whole = int(seconds + 0.5)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def progress_line(what: str, elapsed_seconds: float, usual_seconds: float | None) -> str:
    """Return the line shown while a step runs."""
    usual = "" if usual_seconds is None else f" (usually {duration(usual_seconds)})"
    return f"  {what}: {duration(elapsed_seconds)}{usual}"


class _Line:
    """Shows the line at once on a terminal, and every half minute elsewhere."""

    def __init__(self, what: str, usual_seconds: float | None) -> None:
        self._what, self._usual_seconds = what, usual_seconds
        self._started = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._shown_at = self._started

    def tick(self) -> None:
        now = time.monotonic()
        if not self._terminal and now - self._shown_at < 30:
            return
        self._shown_at = now
        text = progress_line(self._what, now - self._started, self._usual_seconds)
        print(f"\r\x1b[2K{text}" if self._terminal else text, end="" if self._terminal else "\n", flush=True)

    def end(self, outcome: str) -> None:
        text = f"  {self._what}: {outcome}, {duration(time.monotonic() - self._started)}"
        print(f"\r\x1b[2K{text}" if self._terminal else text, flush=True)


def run_long(
    what: str,
    command: Sequence[str],
    *,
    log: Path,
    usual_seconds: float | None = None,
    timeout_seconds: float = 3600.0,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    advice: str = "",
    outlives: bool = False,
) -> None:
    """Run a command with its output in `log` and a progress line on the terminal.

    The command ends with this process, however that ends; with `outlives` it runs to its own end instead.

    Raises:
        LocalError: it failed or took too long; the text ends with its last words and the advice.
    """
    line = _Line(what, usual_seconds)
    deadline = time.monotonic() + timeout_seconds
    log.parent.mkdir(parents=True, exist_ok=True)
    # Signals of the terminal reach a command without a session of its own; one that outlives must not see them.
    command = command if outlives else (sys.executable, "-I", "-S", str(_GUARD), *command)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if outlives else subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=environ,
            start_new_session=outlives,
        ) as process,
    ):
        while process.poll() is None:
            line.tick()
            if time.monotonic() > deadline:
                line.end("stopped")
                if outlives:
                    os.killpg(process.pid, signal.SIGTERM)
                raise LocalError(f"{what} took more than {duration(timeout_seconds)}; see {log}")
            time.sleep(0.1)
    if process.returncode != 0:
        line.end("failed")
        raise LocalError(f"{what} failed: {_last_words(log)}{f'; {advice}' if advice else ''} (all of it: {log})")
    line.end("done")


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-2:]) if lines else "it printed nothing"


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print how long a quick step took."""
    line = _Line(what, None)
    try:
        yield
    except BaseException:
        line.end("failed")
        raise
    line.end("done")
