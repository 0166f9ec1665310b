"""What the demo makes of a simulator that keeps failing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vppdemo.kube import DemoError, Kube, wait_until
from vppdemo.live import follow_day, keeps_failing

SENTENCE = "simulator: /data/Building_1.csv, line 5, column hour: 'x' is no whole number"
WAITS = {"waiting": {"reason": "CrashLoopBackOff"}}


def cluster(folder: Path, container: dict[str, Any] | None) -> Kube:
    """A cluster whose kubectl knows one pod, or none, and reaches no program."""
    pod = folder / "pod.json"
    pod.write_text(json.dumps({"status": {"containerStatuses": [container] if container else []}}))
    kubectl = folder / "kubectl"
    found = f"cat {pod}" if container else "exit 1"
    kubectl.write_text(f'#!/bin/sh\ncase "$*" in *--raw*) exit 1;; *) {found};; esac\n')
    kubectl.chmod(0o755)
    return Kube(kubectl=kubectl, helm=kubectl, kubeconfig=folder / "kubeconfig", context=None)


def ended(exit_code: int = 1, restarts: int = 3, state: dict[str, Any] = WAITS, said: str = SENTENCE) -> dict[str, Any]:
    last = {"terminated": {"exitCode": exit_code, "message": f"INFO starting\n{said}\n"}}
    return {"restartCount": restarts, "state": state, "lastState": last}


@pytest.mark.parametrize(
    ("container", "told"),
    [
        (ended(), f"demo-simulator-0 has failed 3 times and will again; it says: {SENTENCE}"),
        (ended(restarts=2), ""),
        (ended(exit_code=137), ""),
        (ended(exit_code=0), ""),
        (ended(state={"running": {}}), ""),
        ({"restartCount": 0, "state": {"running": {}}}, ""),
        (None, ""),
    ],
    ids=["failing", "failed twice", "killed", "ended well", "running again", "never failed", "no pod"],
)
def test_only_a_program_that_failed_three_times_by_itself_keeps_failing(
    container: dict[str, Any] | None, told: str, tmp_path: Path
) -> None:
    assert keeps_failing(cluster(tmp_path, container), "vpp-demo", "demo-simulator-0") == told


def test_a_day_whose_simulator_keeps_failing_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="line 5, column hour"):
        follow_day(cluster(tmp_path, ended()), "vpp-demo", timeout_seconds=20)


def test_what_is_hopeless_is_not_waited_for() -> None:
    with pytest.raises(DemoError, match=r"^it is broken$"):
        wait_until("x", lambda: False, timeout_seconds=20, explain=lambda: "too late", hopeless=lambda: "it is broken")
