"""Starts the local node, reaches into it, and tells whether it is up."""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from vpplocal import cgroups, packages, pki, plan
from vpplocal.cache import cache_folder
from vpplocal.errors import LocalError
from vpplocal.instance import (
    CHECKOUT,
    Instance,
    choose_network,
    instance_id,
    kubeconfig_file,
    save_instance,
    saved_instance,
)
from vpplocal.progress import step
from vpplocal.toolchain import toolchain_binary

NODE_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kube-router")


def current() -> Instance | None:
    """Return this checkout's instance where its state is on disk."""
    return saved_instance(instance_id(CHECKOUT))


def supervisor_pid(instance: Instance) -> int | None:
    """Return the host's pid of the supervisor, None where it does not run.

    A pid may have been given to another process since: only one whose command names the state folder counts.
    """
    try:
        pid = int(instance.supervisor_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except (OSError, ValueError):
        return None
    return pid if str(instance.state) in command else None


def is_ready(instance: Instance) -> bool:
    """Tell whether the node runs and its API server says it is ready."""
    if supervisor_pid(instance) is None or not instance.kubeconfig.exists():
        return False
    done = subprocess.run(
        (str(toolchain_binary("kubectl")), "--kubeconfig", str(instance.kubeconfig), "get", "--raw=/readyz"),
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.stdout.strip() == "ok"


def create() -> Instance:
    """Choose addresses, write credentials and configuration, and start the supervisor in namespaces of its own.

    Raises:
        LocalError: not root, the kernel lacks something, or a program could not be built.
    """
    packages.require_root("the local node, with its own network and mounts,")
    lacking = packages.kernel_lacks()
    if lacking:
        raise LocalError(f"this kernel lacks {', '.join(lacking)}; name a cluster of yours with CONTEXT=")
    if any(cache_folder().resolve().is_relative_to(hidden) for hidden in ("/var/lib", "/var/log", "/run")):
        raise LocalError(
            f"the node has a /var/lib, /var/log and /run of its own and would not see the cache {cache_folder()}; "
            "set XDG_CACHE_HOME to a folder elsewhere"
        )
    binaries = {name: toolchain_binary(name) for name in NODE_PROGRAMS}
    identity = instance_id(CHECKOUT)
    instance = Instance(id=identity, network=choose_network(identity, _taken_networks()))
    with step("node: certificates and settings"):
        save_instance(instance)
        pki.write_credentials(instance)
        folder = instance.state / "lib" / "node"
        for name, text in plan.config_files(instance).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        document = {
            "address": f"{instance.node_address}/24",
            "gateway": instance.host_address,
            "programs": plan.programs(instance, binaries),
        }
        (instance.state / "plan.json").write_text(json.dumps(document))
        cgroups.make(instance.cgroup)
    with step("node: API server ready"):
        _start_supervisor(instance)
        wait_for(instance, "the API server", lambda: is_ready(instance), 60)
    return instance


def _taken_networks() -> list[ipaddress.IPv4Network]:
    said = subprocess.run(("ip", "-4", "-o", "route"), capture_output=True, text=True, timeout=30, check=False).stdout
    found = re.findall(r"^(\d+\.\d+\.\d+\.\d+/\d+)", said, flags=re.MULTILINE)
    return [ipaddress.ip_network(text, strict=False) for text in found]  # type: ignore[misc]  # all are IPv4


def _start_supervisor(instance: Instance) -> None:
    command = (
        "unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child",
        sys.executable, str(Path(__file__).with_name("supervisor.py")), str(instance.state),
    )  # fmt: skip
    log = (instance.state / "supervisor.log").open("ab")
    outer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
    instance.supervisor_file.write_text(str(outer.pid))
    inner = _child_of(outer.pid)
    _ip("link", "add", instance.host_link, "type", "veth", "peer", "name", "eth0", "netns", str(inner))
    _ip("address", "add", f"{instance.host_address}/24", "dev", instance.host_link)
    _ip("link", "set", instance.host_link, "up")
    for network in (instance.pod_network, instance.service_network):
        _ip("route", "add", str(network), "via", instance.node_address)


def _child_of(pid: int) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children and "supervisor.py" in Path(f"/proc/{children[0]}/cmdline").read_text():
            return int(children[0])
        time.sleep(0.02)
    raise LocalError(
        "the node's namespaces could not be made within 10 s; does this machine allow `unshare --net --pid`?"
    )


def _ip(*args: str) -> None:
    done = subprocess.run(("ip", *args), capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise LocalError(
            f"`ip {' '.join(args)}` failed: {done.stderr.strip()}; `make down` clears what an earlier run left"
        )


def inside(instance: Instance, *command: str) -> tuple[str, ...]:
    """Return the command that runs another one inside the node's namespaces.

    Raises:
        LocalError: the node does not run.
    """
    outer = supervisor_pid(instance)
    if outer is None:
        raise LocalError("the local node does not run; start it with `make up`")
    return ("nsenter", f"--target={_child_of(outer)}", "--mount", "--net", "--pid", *command)


def enforces_policies(instance: Instance) -> bool:
    """Tell whether kube-router has its rules in the packet filter, for the pods that run."""
    command = inside(instance, "iptables", "--wait", "--list-rules", "KUBE-ROUTER-FORWARD")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return "-j KUBE-POD-FW-" in done.stdout


def kubectl(*args: str, stdin: str | None = None, timeout_seconds: float = 60.0) -> str:
    """Run kubectl against this checkout's node and return what it prints.

    Raises:
        LocalError: there is no node, or kubectl failed.
    """
    instance = current()
    if instance is None:
        raise LocalError("there is no local node for this checkout; start it with `make up`")
    command = (str(toolchain_binary("kubectl")), "--kubeconfig", str(instance.kubeconfig), *args)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_seconds, check=False)
    if done.returncode != 0:
        raise LocalError(f"`kubectl {' '.join(args)}` failed: {done.stderr.strip()}")
    return done.stdout


def wait_for(instance: Instance, what: str, probe: Callable[[], bool], timeout_seconds: float) -> None:
    """Wait until `probe` is true.

    Raises:
        LocalError: it was not in time, or the supervisor ended.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            if probe():
                return
        except (LocalError, subprocess.TimeoutExpired):
            pass
        if supervisor_pid(instance) is None:
            raise LocalError(f"the node ended while it started; {instance.state}/supervisor.log says why")
        if time.monotonic() > deadline:
            raise LocalError(
                f"{what} did not come within {timeout_seconds:g} s; "
                f"look into {instance.state}/log, then `make down` and try again"
            )
        time.sleep(0.25)


def publish_kubeconfig(instance: Instance) -> Path:
    """Copy the kubeconfig to where users and tools look for it."""
    target = kubeconfig_file()
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(instance.kubeconfig, target)
    target.chmod(0o600)
    return target
