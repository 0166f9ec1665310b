"""Where built things are kept between runs and shared by all checkouts of a user."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vpplocal.errors import LocalError


def cache_folder() -> Path:
    """Return the project's folder in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "vpp-operator"


def require_free_disk(folder: Path, gib: float) -> None:
    """Raise where a disk has too little room for what is about to be built.

    Raises:
        LocalError: less than `gib` are free.
    """
    require_room({folder: gib})


def require_room(needs: Mapping[Path, float]) -> None:
    """Raise where a disk has too little room for all that goes onto it; `needs` is folder -> GiB.

    Raises:
        LocalError: less than the sum over a disk's folders is free.
    """
    disks: dict[int, list[Path]] = {}
    for folder in needs:
        folder.mkdir(parents=True, exist_ok=True)
        disks.setdefault(folder.stat().st_dev, []).append(folder)
    for folders in disks.values():
        free_gib, gib = shutil.disk_usage(folders[0]).free / 1024**3, sum(needs[folder] for folder in folders)
        if free_gib < gib:
            where = " and ".join(str(folder) for folder in folders)
            raise LocalError(f"the disk of {where} has {free_gib:.1f} GiB free and {gib:g} are needed; make room there")


@contextmanager
def build_lock(name: str) -> Iterator[None]:
    """Hold a lock in the cache, so that two checkouts never build the same thing at once."""
    with lock(name, f"another checkout is building {name}; waiting for it"):
        yield


@contextmanager
def lock(name: str, waiting: str) -> Iterator[None]:
    """Hold a lock in the cache and say `waiting` while another process does; it is freed however its holder ends."""
    path = cache_folder() / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"  {waiting}", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            # Its last holder removed the file, so that no trace stays: who waited for that one holds nothing.
            if not _is_same_file(file.fileno(), path):
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
