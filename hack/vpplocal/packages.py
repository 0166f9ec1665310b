"""System packages of Debian that the local node and the image builds need; only missing ones are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
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
    "ipset": "/usr/sbin/ipset",
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
TEST_PACKAGES = {"maven": "/usr/bin/mvn"}
"""What tests need besides; see tests/perftest."""
COMPILER_PACKAGES = {"gcc": "/usr/bin/gcc", "libc6-dev": "/usr/include/stdio.h"}
LANGUAGE_PACKAGES = {"golang-go": "/usr/bin/go", "cargo": "/usr/bin/cargo"}
FIRST_DEBIAN_WITH_LANGUAGES = 13
"""Debian 12 has Go 1.19, which cannot fetch a newer one, and a Rust that is too old for InfluxDB."""


def build_packages(os_release: str | None = None) -> dict[str, str]:
    """Return the packages that builds need and this Debian can give; `os_release` is the text of /etc/os-release."""
    if os_release is None:
        file = Path("/etc/os-release")
        os_release = file.read_text() if file.exists() else ""
    facts = dict(line.split("=", 1) for line in os_release.replace('"', "").splitlines() if "=" in line)
    release = facts.get("VERSION_ID", "")
    recent = facts.get("ID") == "debian" and release.isdecimal() and int(release) >= FIRST_DEBIAN_WITH_LANGUAGES
    return COMPILER_PACKAGES | (LANGUAGE_PACKAGES if recent else {})


def image_packages() -> dict[str, str]:
    """Return what building the images without Docker needs."""
    return IMAGE_PACKAGES | build_packages()


def node_packages() -> dict[str, str]:
    """Return what the local node and the images in it need."""
    return NODE_PACKAGES | image_packages()


def missing_packages(wanted: Mapping[str, str]) -> list[str]:
    """Return the packages whose files are not there."""
    return [package for package, file in wanted.items() if not _is_there(file)]


def _is_there(file: str) -> bool:
    # /usr/sbin and /usr/bin are one folder on newer systems, and a user's own build may stand elsewhere on the path.
    path = Path(file)
    return path.exists() or ("bin" in path.parent.name and shutil.which(path.name) is not None)


def install_missing(wanted: Mapping[str, str]) -> None:
    """Install with apt what is missing of `wanted` (package: its file); services of these packages are not started.

    Raises:
        LocalError: not root, no apt, or apt failed.
    """
    missing = missing_packages(wanted)
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
        instead = "" if os.environ.get("CONTEXT") else ", or name a cluster of yours with CONTEXT="
        raise LocalError(f"{what} needs root; type the command with sudo{instead}")


# The kinds of rules that kube-router writes.
_POLICY_RULES = """
set -e
ipset create vpp hash:ip
iptables -A FORWARD -m physdev --physdev-is-bridged -m comment --comment x -m set --match-set vpp src -j REJECT
iptables -A FORWARD -m addrtype --src-type LOCAL -m conntrack --ctstate ESTABLISHED -j MARK --set-xmark 1/1
iptables -A FORWARD -m mark --mark 1/1 -m limit --limit 10/minute -j NFLOG --nflog-group 100
"""

# Each is tried in a network namespace of its own, which vanishes with the command. Without one of them the node would
# come up to a time-out that does not name it.
_KERNEL_PROBES = {
    "namespaces for networks, mounts and processes": "unshare --mount --pid --fork true",
    "veth links": "ip link add name vpp-a type veth peer name vpp-b",
    "bridges": "ip link add name vpp-a type bridge",
    "address translation by iptables": "iptables -t nat -A POSTROUTING -m mark --mark 1 -j MASQUERADE",
    "connection tracking by iptables": "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP",
    "network policies by iptables and ipset": _POLICY_RULES,
    "load balancing by iptables": "iptables -t nat -A OUTPUT -m statistic --mode random --probability 0.5 -j ACCEPT",
}


def kernel_lacks(root: Path = Path("/")) -> list[str]:
    """Return the kernel features the node needs and this machine, whose files begin at `root`, does not have."""
    cgroups = root / "sys/fs/cgroup"
    checks = {
        "cgroups": cgroups.is_dir() and any(cgroups.iterdir()),
        "the overlay file system": _has_overlay(root),
        **{name: _works(("unshare", "--net", "sh", "-c", probe)) for name, probe in _KERNEL_PROBES.items()},
    }
    return [name for name, there in checks.items() if not there]


def _works(command: tuple[str, ...]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def _has_overlay(root: Path) -> bool:
    def listed() -> bool:
        return "\toverlay\n" in (root / "proc/filesystems").read_text()

    if not listed() and shutil.which("modprobe"):
        subprocess.run(("modprobe", "overlay"), capture_output=True, timeout=30, check=False)
    return listed()
