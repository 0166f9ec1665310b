"""Runs inside the node's namespaces as their first process: sets them up, then keeps the node's programs running.

When it ends, however it ends, the kernel ends every process of the node, pods included: they share its PID namespace.
Call: `supervisor.py STATE_FOLDER`, with `plan.json` in that folder (see node.py).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_RESTART_SECONDS = 1.0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=60)


def _set_up(state: Path, plan: dict[str, Any]) -> None:
    """Give the node a /var/lib, /var/log and /run of its own, so that every program finds its usual folders there."""
    _run("mount", "--make-rprivate", "/")
    # The state folder lies below /var/lib, so that one goes last.
    for source, target in (("log", "/var/log"), ("lib", "/var/lib")):
        (state / source).mkdir(exist_ok=True)
        _run("mount", "--bind", str(state / source), target)
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    Path("/run/lock").mkdir()
    kubelet = Path("/var/lib/kubelet")
    kubelet.mkdir(exist_ok=True)
    _run("mount", "--bind", str(kubelet), str(kubelet))
    _run("mount", "--make-rshared", str(kubelet))  # mounts made for pods must reach the runtime
    _run("ip", "link", "set", "lo", "up")
    while subprocess.run(("ip", "link", "show", "eth0"), capture_output=True, check=False).returncode != 0:
        time.sleep(0.05)  # the host's side moves it in here
    _run("ip", "address", "add", plan["address"], "dev", "eth0")
    _run("ip", "link", "set", "eth0", "up")
    _run("ip", "route", "add", "default", "via", plan["gateway"])
    for setting, value in (("net/ipv4/ip_forward", "1"), ("net/ipv4/conf/all/route_localnet", "1")):
        Path("/proc/sys", setting).write_text(value)
    bridge = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if bridge.exists():
        bridge.write_text("1")


def _start(program: dict[str, Any]) -> subprocess.Popen[bytes]:
    with Path("/var/log", f"{program['name']}.log").open("ab") as log:
        return subprocess.Popen(
            program["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def main(state: Path) -> None:
    """Set up the namespaces, start the programs in order and start again what ends."""
    plan = json.loads((state / "plan.json").read_text())
    _set_up(state, plan)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    running: dict[int, dict[str, Any]] = {}
    ended: list[tuple[float, dict[str, Any]]] = []
    waiting = list(plan["programs"])
    while True:
        while waiting and (waiting[0]["after"] is None or _listens(*waiting[0]["after"])):
            program = waiting.pop(0)
            running[_start(program).pid] = program
        for due, program in list(ended):
            if time.monotonic() >= due:
                ended.remove((due, program))
                running[_start(program).pid] = program
        # The first process of a PID namespace inherits every orphan of it; all must be reaped.
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid in running:
                ended.append((time.monotonic() + _RESTART_SECONDS, running.pop(pid)))
        time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
