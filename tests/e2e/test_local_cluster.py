"""The local node comes and goes without a trace, also when its start is killed half-way."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vpplocal.cache import cache_folder
from vpplocal.down import remains

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "hack" / "cluster.py"
NAMESPACES = ("net", "pid", "mnt", "ipc", "uts")
BUILT_ANEW = "local-path-provisioner"


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
    """What a node could leave on the host: links, routes, mounts, packet filter rules and sets, cgroups, namespaces."""
    commands = {
        "link": "ip -o link show | cut -d: -f2 | cut -d@ -f1",
        "route": "ip route show",
        "rule": "iptables-save | grep -v '^#' | sed 's/\\[.*//'",
        "set": "ipset list -name",
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


def namespaces(process: Path) -> set[str]:
    return {str((process / "ns" / kind).readlink()) for kind in NAMESPACES}


def processes_of(identity: str) -> dict[int, set[str]]:
    """The node's processes and what was started to make it, by pid, each with its namespaces that are not the host's.

    They are known by what they inherit: the identity in their environment, or the node's cgroup, as pods are.
    """
    found, host = {}, namespaces(Path("/proc/self"))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            by_environment = f"VPP_LOCAL_ID={identity}".encode() in (process / "environ").read_bytes().split(b"\0")
            if by_environment or f"vpp-local-{identity}" in (process / "cgroup").read_text():
                found[int(process.name)] = namespaces(process) - host
        except OSError:
            continue  # it ended meanwhile
    return found


def running() -> set[tuple[int, str]]:
    """Every process of the machine, by pid and the time of its start: pids come again."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.add((int(process.name), (process / "stat").read_text().rpartition(")")[2].split()[19]))
        except OSError:
            continue
    return found


def namespaces_of(processes: set[tuple[int, str]]) -> set[str]:
    """Return the namespaces of those processes that still run."""
    found = set()
    for pid, _ in processes & running():
        try:
            found |= namespaces(Path(f"/proc/{pid}"))
        except OSError:
            continue
    return found


def wait_until(what: str, holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s"
        time.sleep(0.05)


def take_down_and_find_nothing(before: set[str], identity: str) -> int:
    """Take the node down; nothing of it may be left. Returns how many processes it had."""
    had, older = processes_of(identity), running()
    run("down")
    assert remains(identity) == []
    assert left_behind(before, identity) == []
    # What a killed start was building is ended by a guard of its own, not by `down`.
    wait_until("the end of its processes", lambda: not processes_of(identity), 5)
    # The numbers of namespaces come again, so those of younger processes, of other work, say nothing.
    assert set().union(*had.values()) & namespaces_of(older) == set()
    return len(had)


def start(log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(("make", "up"), cwd=ROOT, stdout=output, stderr=output)


def kill(starting: subprocess.Popen[bytes]) -> None:
    """Kill `make` and the command that it runs, both at once: neither can clean up."""
    children = Path(f"/proc/{starting.pid}/task/{starting.pid}/children").read_text().split()
    for pid in (starting.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    starting.wait(timeout=10)


def cache_without(program: str, folder: Path) -> None:
    """Make a cache that has everything of the user's but one program, and a place of its own to build it."""
    for entry in (*cache_folder().iterdir(), *(cache_folder() / "toolchain").iterdir()):
        link = folder / entry.relative_to(cache_folder().parent)
        if entry.name in ("toolchain", "locks"):
            link.mkdir(parents=True)
        elif not entry.name.startswith(program):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(entry)


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
    assert time.monotonic() - started < 10, "a start takes longer, on an idle machine too"
    manifest = tmp_path / "workload.yaml"
    manifest.write_text(WORKLOAD)
    run("kubectl", "apply", "-f", str(manifest))
    run("kubectl", "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/probe", "--timeout=60s")
    assert run("kubectl", "logs", "probe").splitlines() == ["kept", "API server by name", "Prometheus by name"]
    assert take_down_and_find_nothing(before, identity) >= 10
    assert run("down") == ""


@pytest.mark.parametrize("after_seconds", [0.6, 2.0, 6.0])
def test_down_leaves_nothing_of_a_start_that_was_killed(identity: str, after_seconds: float, tmp_path: Path) -> None:
    before = host_state()
    starting = start(tmp_path / "up.log")
    time.sleep(after_seconds)
    kill(starting)
    take_down_and_find_nothing(before, identity)


def test_down_leaves_nothing_of_a_start_that_was_killed_while_pods_came_up(identity: str, tmp_path: Path) -> None:
    before = host_state()
    log = tmp_path / "up.log"
    starting = start(log)
    wait_until("the node's last step", lambda: "node: images and add-ons: done" in log.read_text(), 120)
    # All programs of the node share three namespaces; every pod brings some of its own.
    wait_until("a pod", lambda: len(set().union(*processes_of(identity).values())) > 3, 60)
    kill(starting)
    assert take_down_and_find_nothing(before, identity) >= 10


def test_down_leaves_nothing_of_a_build_that_was_killed(
    identity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = host_state()
    cache_without(BUILT_ANEW, tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    starting = start(tmp_path / "up.log")

    def builds() -> bool:
        names = [Path(f"/proc/{pid}/comm") for pid in processes_of(identity)]
        return any(name.exists() and name.read_text().strip() == "go" for name in names)

    wait_until("the build", builds, 60)
    kill(starting)
    take_down_and_find_nothing(before, identity)


def test_up_mends_what_a_killed_start_left(identity: str, tmp_path: Path) -> None:
    starting = start(tmp_path / "up.log")
    time.sleep(3)
    kill(starting)
    assert "is up after" in run("up")


def test_two_starts_at_once_make_one_node_between_them(identity: str) -> None:
    first = subprocess.Popen((sys.executable, str(CLUSTER), "up"), stdout=subprocess.PIPE, text=True)
    assert "is up" in run("up")
    said, _ = first.communicate(timeout=120)
    assert first.returncode == 0, said
    assert "is up" in said
