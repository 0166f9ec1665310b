"""Which cluster is used: the context CONTEXT names, else kind where Docker answers, else the local node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vpplocal import addons, node, packages
from vpplocal.cache import cache_folder, lock, require_room
from vpplocal.down import bring_down
from vpplocal.errors import LocalError
from vpplocal.images import load_image, node_image_archives
from vpplocal.instance import CHECKOUT, instance_id, kubeconfig_file
from vpplocal.progress import duration, run_long, step
from vpplocal.toolchain import is_built, toolchain_binary

KIND_NAME = "vpp-operator"
CACHES_GIB = 16.0
"""Programs, images and packages in the user's cache, and what Go keeps beside them."""
STATE_GIB = 9.0
"""The node's own state and containers, and the layers that images are built from, below /var/lib."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster to work on; `kubeconfig` is None where the user's own is meant."""

    kind: Literal["context", "kind", "node"]
    name: str
    kubeconfig: Path | None

    def ctr(self, *args: str) -> tuple[str, ...]:
        """Return the command that runs containerd's client inside the local node.

        Raises:
            LocalError: it does not run.
        """
        instance = node.current()
        if instance is None:
            raise LocalError("the local node does not run; start it with `make up`")
        return node.inside(instance, "ctr", "--namespace=k8s.io", *args)


def selected() -> Cluster:
    """Return the cluster that the environment selects; it need not be up.

    Raises:
        LocalError: the local node is meant and does not run.
    """
    chosen = choice()
    if chosen != "node":
        return _elsewhere(chosen)
    instance = node.current()
    if instance is None:
        raise LocalError("the local node does not run; start it with `make up`")
    return Cluster(kind="node", name=instance.id, kubeconfig=kubeconfig_file())


def choice() -> Literal["context", "kind", "node"]:
    """Return which kind of cluster the environment selects."""
    if os.environ.get("CONTEXT"):
        return "context"
    if shutil.which("kind") and shutil.which("docker"):
        try:
            done = subprocess.run(("docker", "info"), capture_output=True, timeout=10, check=False)
        except subprocess.TimeoutExpired:
            return "node"
        if done.returncode == 0:
            return "kind"
    return "node"


def _elsewhere(chosen: Literal["context", "kind"]) -> Cluster:
    if chosen == "context":
        return Cluster(kind="context", name=os.environ["CONTEXT"], kubeconfig=None)
    return Cluster(kind="kind", name=KIND_NAME, kubeconfig=kubeconfig_file())


def client(name: Literal["kubectl", "helm"]) -> Path:
    """Return kubectl or helm as a program: one built for the local node, for other clusters the one on the path.

    Raises:
        LocalError: there is none on the path, and it could not be built.
    """
    installed = shutil.which(name) if choice() != "node" else None
    return Path(installed) if installed else toolchain_binary(name)


def up() -> None:
    """Bring the selected cluster up; harmless where it is up already.

    Raises:
        LocalError: it could not be brought up.
    """
    chosen = choice()
    if chosen == "context":
        _check_context(os.environ["CONTEXT"])
    elif chosen == "kind":
        _kind_up()
    else:
        _node_up()


def _check_context(name: str) -> None:
    command = ("kubectl", "--context", name, "get", "--raw=/readyz")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        raise LocalError(f"CONTEXT={name} needs kubectl on the path; install it") from None
    if done.returncode != 0:
        raise LocalError(f"the cluster of CONTEXT={name} does not answer: {done.stderr.strip()}")
    print(f"  cluster of the context {name} answers")


def _kind_up() -> None:
    listed = subprocess.run(("kind", "get", "clusters"), capture_output=True, text=True, timeout=60, check=False)
    kubeconfig = kubeconfig_file()
    if KIND_NAME not in listed.stdout.split():
        run_long(
            "kind cluster",
            ("kind", "create", "cluster", "--name", KIND_NAME, "--kubeconfig", str(kubeconfig), "--wait", "120s"),
            log=CHECKOUT / "out" / "kind.log",
            usual_seconds=60,
        )
    subprocess.run(
        ("kind", "export", "kubeconfig", "--name", KIND_NAME, "--kubeconfig", str(kubeconfig)),
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip


def _node_up() -> None:
    started = time.monotonic()
    if _is_up():
        return
    packages.require_root("the local node, with its own network and mounts,")
    if not is_built("kube-apiserver"):
        # Said now, and not in the middle of a build half an hour later.
        require_room({cache_folder(): CACHES_GIB, Path("/var/lib"): STATE_GIB})
    packages.install_missing(packages.node_packages())
    with node_lock():
        if not _is_up():
            _make_node(started)


def node_lock() -> AbstractContextManager[None]:
    """Keep two commands from making and unmaking one node at once: each would take the other's half for remnants."""
    return lock(f"node-{instance_id(CHECKOUT)}", "another command is starting or stopping this node; waiting for it")


def _is_up() -> bool:
    instance = node.current()
    if instance is None or not (instance.state / "complete").exists() or not node.is_ready(instance):
        return False
    print(f"  the local node {instance.id} is up already ({node.publish_kubeconfig(instance)})")
    return True


def _make_node(started: float) -> None:
    archives = node_image_archives()
    bring_down(instance_id(CHECKOUT))  # whatever an earlier run left: half a node is never mended, always made anew
    instance = node.create()
    with step("node: images and add-ons"):
        documents = addons.manifests(instance.dns_service)
        node.wait_for(instance, "the default namespace", lambda: bool(node.kubectl("get", "namespace", "default")), 30)
        node.kubectl(
            "apply", "--server-side", "-f", "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}),
        )  # fmt: skip
        node.wait_for(instance, "containerd", lambda: _containerd_answers(), 30)
        for reference, archive in archives.items():
            load_image(archive, reference, instance)
    with step("node: ready, with names, volumes, network policies and Prometheus"):
        node.wait_for(instance, "the node's Ready condition", _all_ready, 120)
        node.wait_for(instance, "kube-router's packet filter", lambda: node.enforces_policies(instance), 60)
    kubeconfig = node.publish_kubeconfig(instance)
    (instance.state / "complete").touch()
    print(f"  the local node {instance.id} is up after {duration(time.monotonic() - started)}: KUBECONFIG={kubeconfig}")


def _containerd_answers() -> bool:
    done = subprocess.run(selected().ctr("images", "ls", "-q"), capture_output=True, timeout=10, check=False)
    return done.returncode == 0


def _all_ready() -> bool:
    documents = json.loads(node.kubectl("get", "nodes,deployments", "-A", "-o", "json"))["items"]
    nodes = [document for document in documents if document["kind"] == "Node"]
    deployments = [document for document in documents if document["kind"] == "Deployment"]
    return bool(nodes and deployments) and all(
        any(condition["type"] == wanted and condition["status"] == "True" for condition in _conditions(document))
        for group, wanted in ((nodes, "Ready"), (deployments, "Available"))
        for document in group
    )


def _conditions(document: dict[str, object]) -> list[dict[str, str]]:
    status = document.get("status")
    return status.get("conditions", []) if isinstance(status, dict) else []


def down() -> None:
    """Remove the cluster this checkout made; a context of the user's is left alone."""
    chosen = choice()
    if chosen == "context":
        print("  CONTEXT names a cluster that this project did not make; nothing to take down")
        return
    if chosen == "kind":
        subprocess.run(("kind", "delete", "cluster", "--name", KIND_NAME), timeout=180, check=True)
    with node_lock():
        bring_down(instance_id(CHECKOUT))
        kubeconfig_file().unlink(missing_ok=True)
