"""From a checkout to a plant that is ready to run: cluster, images, chart, resources."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vppdemo import plant as plants
from vppdemo.kube import DemoError, Kube, wait_until
from vppdemo.live import SIMULATOR_POD, LiveLine, keeps_failing, resources_line
from vppimages.catalogue import IMAGES
from vpplocal.cluster import client

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "charts" / "vpp-operator"
EXAMPLE = ROOT / "examples" / "plant"
RELEASE = "vpp-operator"
OPERATOR_NAMESPACE = "vpp-system"
NOT_RUN_YET = {"vpp-nanogrid"}
"""Images that no pod is made from yet: half a gigabyte of packages that the demo need not wait for."""
MADE_BY_DEMO = {"vpp.energy/made-by": "demo"}
"""Label of the namespaces that the demo made, and so may empty again."""


def cluster() -> Kube:
    """Bring the cluster up (see hack/cluster.py for which one) and return the way to reach it.

    Raises:
        DemoError: it could not be brought up; what failed has been printed.
        LocalError: kubectl or helm is not to be had.
    """
    _script("cluster.py", "up")
    context = os.environ.get("CONTEXT") or None
    return Kube(
        kubectl=client("kubectl"),
        helm=client("helm"),
        kubeconfig=None if context else ROOT / "out" / "kubeconfig",
        context=context,
    )


def images() -> Mapping[str, str]:
    """Build the images that changed, load those that run into the cluster and return name -> full reference.

    Raises:
        DemoError: a build failed; what failed has been printed.
    """
    _script("images.py", "load", *(image.name for image in IMAGES if image.name not in NOT_RUN_YET))
    references: Mapping[str, str] = json.loads(_script("images.py", "list", "--json", capture=True))
    return references


def _script(name: str, *args: str, capture: bool = False) -> str:
    command = (sys.executable, str(ROOT / "hack" / name), *args)
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE if capture else None)
    if done.returncode != 0:
        raise DemoError(f"`hack/{name} {' '.join(args)}` failed; what it printed above says why")
    return done.stdout or ""


def chart(kube: Kube, images_by_name: Mapping[str, str], *options: str) -> None:
    """Install or upgrade the chart with these images, and the CRDs, which Helm installs but never upgrades.

    `options` are helm's, for values beside the images.

    Raises:
        DemoError: it failed, or a cluster of the user's has an operator already that the demo did not install.
    """
    if kube.context is not None:
        _refuse_another_operator(kube)
        kube.apply(_namespace(OPERATOR_NAMESPACE))
    values = [f"--set=images.{name.removeprefix('vpp-')}={reference}" for name, reference in images_by_name.items()]
    kube.run("apply", "--server-side", "--force-conflicts", "-f", str(CHART / "crds"))
    if kube.context is None:
        # A helm that was interrupted leaves its mark and blocks the next one; the local node is nobody else's.
        marks = f"owner=helm,name={RELEASE},status in (pending-install,pending-upgrade,pending-rollback)"
        kube.run("delete", "secret", "-n", OPERATOR_NAMESPACE, "-l", marks)
    kube.run_helm(
        "upgrade", "--install", RELEASE, str(CHART), "--namespace", OPERATOR_NAMESPACE, "--create-namespace",
        "--skip-crds", "--wait", "--timeout", "180s", *values, *options,
    )  # fmt: skip


def _refuse_another_operator(kube: Kube) -> None:
    definitions = kube.run("get", "crd", "vppclusters.vpp.energy", "--ignore-not-found", "-o", "name").strip()
    if definitions and not _made_by_demo(kube, OPERATOR_NAMESPACE):
        raise DemoError(
            f"the cluster of CONTEXT={kube.context} has an operator already that the demo did not install, and whose "
            "resource definitions and settings it would replace; choose another cluster, or remove that one first"
        )


def _made_by_demo(kube: Kube, namespace: str) -> bool | None:
    """Tell whether the demo made a namespace; None where there is none."""
    found = kube.run("get", "namespace", namespace, "--ignore-not-found", "-o", "json").strip()
    return MADE_BY_DEMO.items() <= json.loads(found)["metadata"].get("labels", {}).items() if found else None


def _namespace(name: str) -> Mapping[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": MADE_BY_DEMO}}


def plant(
    kube: Kube,
    namespace: str,
    data_folder: Path | None,
    change: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda document: document,
) -> None:
    """Apply the demo's resources and wait until the cluster behind them is ready and the day has begun.

    A plant of an earlier demo is removed first, with its namespace and volumes: the demo starts from nothing.
    `change` makes another plant of the resources.

    Raises:
        DemoError: the namespace is there and the demo did not make it; the old plant does not go; or the new one does
            not get ready within its time, or at all.
    """
    if _made_by_demo(kube, namespace) is False:
        raise DemoError(
            f"the namespace {namespace} is there and the demo, which would delete all that is in it, did not make it; "
            f"name another with VPP_DEMO_NAMESPACE=, or remove it: kubectl delete namespace {namespace}"
        )
    remove(kube, namespace)
    kube.apply(_namespace(namespace))
    kube.apply(*(_in(namespace, change(document)) for document in _documents(kube, data_folder)))
    line = LiveLine()

    def ready() -> bool:
        text = resources_line(kube, namespace)
        line.show(text)
        return text.count(": Ready") == 2

    wait_until(
        "the plant's Ready conditions",
        ready,
        timeout_seconds=420,
        explain=lambda: f"`kubectl -n {namespace} describe vpp,qch` says what is missing;",
        hopeless=lambda: keeps_failing(kube, namespace, SIMULATOR_POD),
    )
    line.end()


def _in(namespace: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**document, "metadata": {**document["metadata"], "namespace": namespace}}


def _documents(kube: Kube, data_folder: Path | None) -> list[Mapping[str, Any]]:
    rendered = kube.run("create", "--dry-run=client", "--validate=false", "-k", str(EXAMPLE), "-o", "json")
    documents = _split(rendered)
    if data_folder is None:
        return documents
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for document in documents:
        by_kind.setdefault(document["kind"], []).append(document)
    return [
        *plants.data_config_maps(plants.data_files(data_folder)),
        *by_kind["QueueChannel"],
        *plants.data_overlay(data_folder, by_kind["VPPCluster"][0], by_kind["NanoGrid"]),
    ]


def _split(text: str) -> list[Mapping[str, Any]]:
    """Return the documents of kubectl's JSON, which is one object after another, or one List."""
    decoder = json.JSONDecoder()
    documents: list[Mapping[str, Any]] = []
    rest = text.lstrip()
    while rest:
        document, end = decoder.raw_decode(rest)
        documents += document["items"] if document["kind"] == "List" else [document]
        rest = rest[end:].lstrip()
    return documents


def remove(kube: Kube, namespace: str) -> None:
    """Remove a plant with its namespace and volumes; nothing happens where there is none.

    Raises:
        DemoError: it was not gone within four minutes.
    """
    if not kube.run("get", "namespace", namespace, "--ignore-not-found", "-o", "name").strip():
        return
    print(f"  removing what is in namespace {namespace}", flush=True)
    kinds = "nanogrids.vpp.energy,queuechannels.vpp.energy,vppclusters.vpp.energy"
    kube.run("delete", kinds, "--all", "-n", namespace, "--timeout=120s", timeout_seconds=150)
    kube.run("delete", "namespace", namespace, "--timeout=120s", timeout_seconds=150)
