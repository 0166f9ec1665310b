"""System packages of Debian that the local node and the image builds need; only missing ones are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from vpplocal.cache import cache_folder, lock
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
    with lock("packages", "another checkout is installing system packages; waiting for it"):
        run_long(
            "apt-get update", ("apt-get", "update"), log=logs / "apt-update.log", usual_seconds=10, environ=environ
        )
        run_long(
            "apt-get install",
            ("sh", "-c", _INSTALL_WITHOUT_SERVICES, "sh", *missing),
            log=logs / "apt-install.log",
            usual_seconds=40,
            environ=environ,
            advice="check that Debian's mirrors can be reached",
            outlives=True,  # dpkg, ended half-way, would have to be repaired by hand
        )


# A service started by a package would listen outside the node's namespaces: policy-rc.d keeps them down. It is the
# shell's to remove, so that it goes even if the command that asked for the packages is killed meanwhile.
_INSTALL_WITHOUT_SERVICES = """
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 143' HUP INT TERM
    printf '#!/bin/sh\\nexit 101\\n' > $policy
    chmod 755 $policy
fi
apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"
"""


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
