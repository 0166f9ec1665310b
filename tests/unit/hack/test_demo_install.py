"""The demo removes what an earlier one made, and nothing of anybody else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vppdemo import install
from vppdemo.kube import DemoError, Kube

OURS = {"metadata": {"labels": {"vpp.energy/made-by": "demo", "kubernetes.io/metadata.name": "x"}}}
FOREIGN = {"metadata": {"labels": {"kubernetes.io/metadata.name": "x"}}}


class Machine:
    """kubectl and helm as scripts: they note how they were called, and know the namespaces and definitions given."""

    def __init__(self, folder: Path, *, namespace: Mapping[str, Any] | None, crd: bool, context: str | None) -> None:
        self.calls = folder / "calls"
        self.calls.touch()
        known = folder / "namespace.json"
        known.write_text("" if namespace is None else json.dumps(namespace))
        tool = folder / "tool"
        tool.write_text(
            f'#!/bin/sh\necho "$*" >> {self.calls}\ncase "$*" in\n'
            f'*"get namespace "*) cat {known};;\n*"get crd "*) echo {"crd/x" if crd else ""};;\nesac\n'
        )
        tool.chmod(0o755)
        self.kube = Kube(kubectl=tool, helm=tool, kubeconfig=None, context=context)

    def did(self, words: str) -> bool:
        return any(words in call for call in self.calls.read_text().splitlines())


def test_the_images_that_no_pod_is_made_from_are_those_the_operator_does_not_use() -> None:
    sources = "".join(file.read_text() for file in (install.ROOT / "operator/vpp_operator/resources").glob("*.py"))
    used = {f"vpp-{name}" for name in re.findall(r"images\.([a-z]+)\b(?!\s+import)", sources)}
    assert used
    assert not used & install.NOT_RUN_YET


def test_a_namespace_that_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path, namespace=FOREIGN, crd=True, context=None)
    with pytest.raises(DemoError, match=r"namespace mine is there and the demo, .* VPP_DEMO_NAMESPACE=, or remove it"):
        install.plant(machine.kube, "mine", None)
    assert not machine.did("delete")
    assert not machine.did("apply")


def test_the_plant_of_an_earlier_demo_is_removed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, namespace=OURS, crd=True, context=None)
    with pytest.raises(json.JSONDecodeError):  # the scripts render no example
        install.plant(machine.kube, "vpp-demo", None)
    assert machine.did("delete namespace vpp-demo")


@pytest.mark.parametrize(
    ("namespace", "crd", "context", "installed"),
    [
        (None, False, "mine", True),
        (None, True, "mine", False),
        (FOREIGN, True, "mine", False),
        (FOREIGN, False, "mine", True),
        (OURS, True, "mine", True),
        (FOREIGN, True, None, True),
    ],
    ids=[
        "an empty cluster",
        "an operator in another namespace",
        "an operator in the same namespace",
        "an empty namespace",
        "an earlier demo",
        "the local node, which is nobody else's",
    ],
)
def test_an_operator_that_the_demo_did_not_install_is_left_alone(
    namespace: Mapping[str, Any] | None, crd: bool, context: str | None, installed: bool, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, namespace=namespace, crd=crd, context=context)
    if installed:
        install.chart(machine.kube, {})
    else:
        with pytest.raises(
            DemoError, match="the cluster of CONTEXT=mine has an operator already that the demo did not"
        ):
            install.chart(machine.kube, {})
    assert machine.did("apply") is installed
    assert machine.did("upgrade --install") is installed
