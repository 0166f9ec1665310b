"""The node's own cgroup: below it kubelet keeps every pod's, so that removing it leaves none."""

from __future__ import annotations

import time
from pathlib import Path

from vpplocal.errors import LocalError


def make(name: str) -> None:
    """Make a cgroup below the root of every hierarchy."""
    for hierarchy in hierarchies():
        _pass_controllers_down(hierarchy)
        (hierarchy / name).mkdir(exist_ok=True)
        if hierarchy.name == "cpuset":
            # cgroup v1: a new cpuset takes no process before it has processors and memory.
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (hierarchy / name / setting).write_text((hierarchy / setting).read_text())


def _pass_controllers_down(hierarchy: Path) -> None:
    """Give cgroups below the root the controllers kubelet insists on; cgroup v2 alone keeps them back by default."""
    switch = hierarchy / "cgroup.subtree_control"
    if not switch.exists():
        return
    there = (hierarchy / "cgroup.controllers").read_text().split()
    for controller in ("cpu", "cpuset", "hugetlb", "memory", "pids"):
        if controller in there and controller not in switch.read_text().split():
            switch.write_text(f"+{controller}")


def hierarchies() -> list[Path]:
    """Return the root folder of every cgroup hierarchy: one with cgroup v2, one a controller with v1."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [entry for entry in root.iterdir() if entry.is_dir() and not entry.is_symlink()]


def remove(name: str) -> None:
    """Remove a cgroup and those below it from every hierarchy.

    Raises:
        LocalError: processes in it did not end.
    """
    deadline = time.monotonic() + 30
    while True:
        left = [group for hierarchy in hierarchies() if (group := hierarchy / name).exists()]
        if not left:
            return
        for group in left:
            folders = sorted((path for path in group.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
            for folder in (*folders, group):
                try:
                    folder.rmdir()
                except OSError:
                    continue  # its last process is still going; the next round gets it
        if time.monotonic() > deadline:
            raise LocalError(f"cgroups {[str(group) for group in left]} are still in use")
        time.sleep(0.1)
