"""The cluster to work on: `cluster.py up|down|status|shell|kubectl ARGS...|helm ARGS...|load ARCHIVE REFERENCE`.

CONTEXT=NAME uses that context of your kubeconfig; else kind where Docker answers; else a node of its own is made
on this machine (see vpplocal). Standard library only: it runs before any virtual environment exists.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parent))

from vpplocal import cluster, load_image, node
from vpplocal.errors import LocalError
from vpplocal.instance import kubeconfig_file


def _tool(name: Literal["kubectl", "helm"], arguments: list[str]) -> int:
    environ = {**os.environ, "KUBECONFIG": str(kubeconfig_file())}
    context = os.environ.get("CONTEXT")
    flag = {"kubectl": "--context", "helm": "--kube-context"}[name]
    chosen = (flag, context) if context else ()
    if context:
        environ.pop("KUBECONFIG")
    code = subprocess.run((str(cluster.client(name)), *chosen, *arguments), env=environ, check=False).returncode
    # Some of their commands need no cluster, so a missing one is no error before they fail.
    if code != 0 and not context and not kubeconfig_file().exists():
        raise LocalError(f"{name} had no cluster to work on; start one with `make up`, or name yours with CONTEXT=")
    return code


def _status() -> int:
    instance = node.current()
    if instance is None or not node.is_ready(instance):
        print("the local node of this checkout is not up; start it with `make up`")
        return 1
    print(f"the local node {instance.id} is up: {instance.api_server}, pods {instance.pod_network}, "
          f"services {instance.service_network}; pods and services can be reached from this machine")  # fmt: skip
    return _tool("kubectl", ["get", "nodes,pods", "-A"])


def _shell() -> int:
    """Open a shell inside the node's namespaces, to look at its processes, mounts and rules."""
    instance = node.current()
    if instance is None:
        raise LocalError("the local node of this checkout is not up; start it with `make up`")
    return subprocess.run(node.inside(instance, os.environ.get("SHELL") or "/bin/sh"), check=False).returncode


def main(arguments: list[str]) -> int:
    """Run one of the commands."""
    match arguments:
        case ["up"]:
            cluster.up()
        case ["down"]:
            cluster.down()
        case ["status"]:
            return _status()
        case ["shell"]:
            return _shell()
        case ["kubectl" | "helm" as name, *rest]:
            return _tool(name, rest)
        case ["load", archive, reference]:
            loaded = load_image(Path(archive), reference)
            print(f"  {reference}: {'loaded' if loaded else 'there already'}")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LocalError as error:
        print(f"cluster: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("cluster: stopped; the same command goes on where it was", file=sys.stderr)
        sys.exit(130)
