"""The local node comes and goes without a trace, also when its start is killed half-way."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vpplocal.down import remains

pytestmark = pytest.mark.e2e
CLUSTER = Path(__file__).resolve().parents[2] / "hack" / "cluster.py"


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A node beside the one under test, with an identity of its own; removed whatever happens."""
    name = secrets.token_hex(4)
    monkeypatch.setenv("VPP_LOCAL_ID", name)
    monkeypatch.setenv("VPP_LOCAL_KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield name
    run("down")


def run(command: str, timeout_seconds: float = 300) -> str:
    done = subprocess.run(
        (sys.executable, str(CLUSTER), command), capture_output=True, text=True, timeout=timeout_seconds, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def host_state() -> dict[str, str]:
    """What a node could leave on the host: links, routes, mounts, packet filter rules, cgroups."""
    commands = {
        "links": "ip -o link show | cut -d: -f2",
        "routes": "ip route show",
        "rules": "iptables-save | grep -v '^#' | sed 's/\\[.*//'",
        "cgroups": "find /sys/fs/cgroup -maxdepth 2 -type d -name 'vpp-local-*' | sort",
        "namespaces": "ls /run/netns 2>/dev/null",
        "mounts": "awk '{print $5}' /proc/self/mountinfo | sort",
    }
    return {
        name: subprocess.run(("sh", "-c", command), capture_output=True, text=True, timeout=30, check=False).stdout
        for name, command in commands.items()
    }


def test_up_twice_is_harmless_and_down_leaves_nothing(identity: str) -> None:
    before = host_state()
    run("up")
    assert "is up already" in run("up")
    run("down")
    assert remains(identity) == []
    assert host_state() == before
    run("down")


@pytest.mark.parametrize("after_seconds", [0.6, 2.0, 6.0])
def test_down_leaves_nothing_of_a_start_that_was_killed(identity: str, after_seconds: float) -> None:
    before = host_state()
    starting = subprocess.Popen(
        (sys.executable, str(CLUSTER), "up"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(after_seconds)
    os.kill(starting.pid, signal.SIGKILL)
    starting.wait(timeout=10)
    run("down")
    assert remains(identity) == []
    assert host_state() == before


def test_up_mends_what_a_killed_start_left(identity: str) -> None:
    starting = subprocess.Popen(
        (sys.executable, str(CLUSTER), "up"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(3)
    os.kill(starting.pid, signal.SIGKILL)
    starting.wait(timeout=10)
    assert "is up after" in run("up")
