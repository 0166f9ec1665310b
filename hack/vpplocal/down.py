"""Ends a node and removes every trace of it, also after a start that was killed half-way.

The supervisor is the first process of the node's PID namespace, so the kernel ends all of them with it: programs,
container shims and pods. Its network namespace goes with them, and the link to the host with that.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from vpplocal import cgroups
from vpplocal.errors import LocalError
from vpplocal.instance import STATE_FOLDER
from vpplocal.packages import require_root
from vpplocal.progress import step


def bring_down(identity: str) -> None:
    """Remove the node with this identity; nothing happens where there is none.

    Raises:
        LocalError: not root, or something would not go within its time.
    """
    state = STATE_FOLDER / identity
    leftovers = remains(identity)
    if not leftovers:
        return
    require_root("taking the local node down")
    with step(f"node {identity}: down"):
        _end_processes(state)
        cgroups.remove(f"vpp-local-{identity}")
        link = f"vpp{identity}"
        if Path(f"/sys/class/net/{link}").exists():
            subprocess.run(("ip", "link", "delete", link), capture_output=True, timeout=30, check=False)
        shutil.rmtree(state, ignore_errors=True)
        if state.exists():  # a file written between the last look and now
            shutil.rmtree(state)
        if STATE_FOLDER.exists() and not any(STATE_FOLDER.iterdir()):
            STATE_FOLDER.rmdir()
    still = remains(identity)
    if still:
        raise LocalError(f"the node {identity} left {', '.join(still)}; type `make down` again")


def remains(identity: str) -> list[str]:
    """Return what is there of a node, in words; empty when nothing is."""
    state = STATE_FOLDER / identity
    found = []
    if processes(state):
        found.append(f"{len(processes(state))} processes")
    if state.exists():
        found.append(f"the folder {state}")
    if Path(f"/sys/class/net/vpp{identity}").exists():
        found.append(f"the link vpp{identity}")
    groups = [group for hierarchy in cgroups.hierarchies() if (group := hierarchy / f"vpp-local-{identity}").exists()]
    if groups:
        found.append(f"{len(groups)} cgroups")
    if str(state) in Path("/proc/self/mountinfo").read_text():
        found.append("mounts")
    return found


def processes(state: Path) -> list[int]:
    """Return the pids of a node's supervisor (its outer half and its inner one), found by their command."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if str(state) in command and any(part.endswith("supervisor.py") for part in command):
            found.append(int(entry.name))
    return found


def _end_processes(state: Path) -> None:
    deadline = time.monotonic() + 60
    while pids := processes(state):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            raise LocalError(f"processes {pids} did not end within a minute; is the machine out of memory?")
        time.sleep(0.1)
