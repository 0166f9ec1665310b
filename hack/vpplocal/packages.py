"""System packages of Debian that the local node and the image builds need; only missing ones are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from vpplocal.cache import cache_folder
from vpplocal.errors import LocalError
from vpplocal.progress import run_long

# package -> a file that shows it is there
NODE_PACKAGES = {
    "containerd": "/usr/bin/containerd",
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "etcd-server": "/usr/bin/etcd",
    "iptables": "/usr/sbin/iptables",
    "conntrack": "/usr/sbin/conntrack",
    "iproute2": "/usr/sbin/ip",
    "openssl": "/usr/bin/openssl",
    "util-linux": "/usr/bin/unshare",
}
IMAGE_PACKAGES = {
    "buildah": "/usr/bin/buildah",
    "mmdebstrap": "/usr/bin/mmdebstrap",
    "catatonit": "/usr/bin/catatonit",
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
}


def missing_packages() -> list[str]:
    """Return the packages whose files are not there."""
    wanted = {**NODE_PACKAGES, **IMAGE_PACKAGES}
    return [package for package, file in wanted.items() if not _is_there(file)]


def _is_there(file: str) -> bool:
    # /usr/sbin and /usr/bin are one folder on newer systems, and a user's own build may stand elsewhere on the path.
    path = Path(file)
    return path.exists() or ("bin" in path.parent.name and shutil.which(path.name) is not None)


def install_missing() -> None:
    """Install what is missing with apt; services of these packages are not started.

    Raises:
        LocalError: not root, no apt, or apt failed.
    """
    missing = missing_packages()
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise LocalError(f"{', '.join(missing)} are missing and there is no apt-get here; install them your way")
    require_root(f"installing {', '.join(missing)}")
    print(f"  installing system packages, as root: {', '.join(missing)}", flush=True)
    logs = cache_folder() / "logs"
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run_long("apt-get update", ("apt-get", "update"), log=logs / "apt-update.log", usual_seconds=10, environ=environ)
    # A service started by a package would listen outside the node's namespaces: policy-rc.d keeps them down.
    with _no_services():
        run_long(
            "apt-get install",
            ("apt-get", "install", "-y", "--no-install-recommends", *missing),
            log=logs / "apt-install.log",
            usual_seconds=40,
            environ=environ,
            advice="check that Debian's mirrors can be reached",
        )


class _no_services:  # noqa: N801 - used like the contextlib functions
    """Keeps packages from starting services while they are installed."""

    _file = Path("/usr/sbin/policy-rc.d")

    def __enter__(self) -> None:
        self._ours = not self._file.exists()
        if self._ours:
            self._file.write_text("#!/bin/sh\nexit 101\n")
            self._file.chmod(0o755)

    def __exit__(self, *_: object) -> None:
        if self._ours:
            self._file.unlink(missing_ok=True)


def require_root(what: str) -> None:
    """Raise where the user is not root.

    Raises:
        LocalError: naming what root is needed for.
    """
    if os.geteuid() != 0:
        raise LocalError(f"{what} needs root; type the command with sudo, or name a cluster of yours with CONTEXT=")


def kernel_lacks() -> list[str]:
    """Return the kernel features the node needs and this machine does not have."""
    checks = {
        "network namespaces": Path("/proc/self/ns/net").exists(),
        "process namespaces": Path("/proc/self/ns/pid").exists(),
        "cgroups": Path("/sys/fs/cgroup").is_dir() and any(Path("/sys/fs/cgroup").iterdir()),
        "the overlay file system": _has_overlay(),
    }
    return [name for name, there in checks.items() if not there]


def _has_overlay() -> bool:
    def listed() -> bool:
        return "\toverlay\n" in Path("/proc/filesystems").read_text()

    if not listed() and shutil.which("modprobe"):
        subprocess.run(("modprobe", "overlay"), capture_output=True, timeout=30, check=False)
    return listed()
