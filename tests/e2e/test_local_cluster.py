"""The local node comes and goes without a trace, also when its start is killed half-way."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vpplocal.down import remains

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
CLUSTER = Path(__file__).resolve().parents[2] / "hack" / "cluster.py"


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A node beside the one under test, with an identity of its own; removed whatever happens."""
    name = secrets.token_hex(4)
    monkeypatch.setenv("VPP_LOCAL_ID", name)
    monkeypatch.setenv("VPP_LOCAL_KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield name
    run("down")


def run(*command: str, timeout_seconds: float = 300) -> str:
    done = subprocess.run(
        (sys.executable, str(CLUSTER), *command), capture_output=True, text=True, timeout=timeout_seconds, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def host_state() -> set[str]:
    """What a node could leave on the host: links, routes, mounts, packet filter rules, cgroups, namespaces."""
    commands = {
        "link": "ip -o link show | cut -d: -f2 | cut -d@ -f1",
        "route": "ip route show",
        "rule": "iptables-save | grep -v '^#' | sed 's/\\[.*//'",
        "cgroup": "find /sys/fs/cgroup -maxdepth 2 -type d -name 'vpp-local-*'",
        "namespace": "ls /run/netns 2>/dev/null",
        "mount": "awk '{print $5}' /proc/self/mountinfo",
    }
    found = set()
    for kind, command in commands.items():
        done = subprocess.run(("sh", "-c", command), capture_output=True, text=True, timeout=30, check=False)
        found |= {f"{kind} {line.strip()}" for line in done.stdout.splitlines()}
    return found


def left_behind(before: set[str], identity: str) -> list[str]:
    """What is new on the host and may be the node's.

    The machine goes on with other work meanwhile: nodes of other checkouts have their identity in every name, and image
    builds mount their layers.
    """
    another_node = re.compile(rf"\bvpp(-local-)?(?!{identity})[0-9a-z]+\b")
    image_build = re.compile(r"^mount .*/overlay(-containers)?/[0-9a-f]{64}/")
    new = host_state() - before
    return sorted(line for line in new if not another_node.search(line) and not image_build.search(line))


WORKLOAD = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: volume}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: probe}
spec:
  restartPolicy: Never
  securityContext: {runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, runAsNonRoot: true}
  volumes: [{name: volume, persistentVolumeClaim: {claimName: volume}}]
  containers:
  - name: probe
    image: localhost/vpp-base:trixie
    imagePullPolicy: Never
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: volume, mountPath: /data}]
    command:
    - bash
    - -ec
    - |
      echo kept > /data/file && cat /data/file
      exec 3<>/dev/tcp/kubernetes.default.svc.cluster.local/443 && echo API server by name
      exec 4<>/dev/tcp/prometheus.monitoring/9090 && echo Prometheus by name
"""


def test_a_node_runs_pods_without_root_rights_and_down_leaves_nothing(identity: str, tmp_path: Path) -> None:
    before = host_state()
    run("up")
    started = time.monotonic()
    assert "is up already" in run("up")
    assert time.monotonic() - started < 2
    manifest = tmp_path / "workload.yaml"
    manifest.write_text(WORKLOAD)
    run("kubectl", "apply", "-f", str(manifest))
    run("kubectl", "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/probe", "--timeout=60s")
    assert run("kubectl", "logs", "probe").splitlines() == ["kept", "API server by name", "Prometheus by name"]
    run("down")
    assert remains(identity) == []
    assert left_behind(before, identity) == []
    assert run("down") == ""


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
    assert left_behind(before, identity) == []


def test_up_mends_what_a_killed_start_left(identity: str) -> None:
    starting = subprocess.Popen(
        (sys.executable, str(CLUSTER), "up"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(3)
    os.kill(starting.pid, signal.SIGKILL)
    starting.wait(timeout=10)
    assert "is up after" in run("up")


def test_two_starts_at_once_make_one_node_between_them(identity: str) -> None:
    first = subprocess.Popen((sys.executable, str(CLUSTER), "up"), stdout=subprocess.PIPE, text=True)
    assert "is up" in run("up")
    said, _ = first.communicate(timeout=120)
    assert first.returncode == 0, said
    assert "is up" in said
