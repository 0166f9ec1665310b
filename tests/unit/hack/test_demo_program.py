"""What the demo takes from the machine it runs on, and how it ends when something is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Never

import pytest

import demo
from vppdemo import install
from vppdemo.kube import DemoError
from vpplocal.cluster import client
from vpplocal.errors import LocalError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, and a cache that holds nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def program(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("name", ["kubectl", "helm"])
def test_a_cluster_of_ones_own_is_reached_with_the_programs_on_the_path(
    name: Literal["kubectl", "helm"], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTEXT", "mine")
    installed = program(path, name)
    assert client(name) == installed


def test_helm_that_is_neither_there_nor_to_be_built_is_asked_for_in_a_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTEXT", "mine")
    with pytest.raises(LocalError, match=r"^helm is built with Go 1\.26, which is not installed; .*, or helm itself$"):
        client("helm")


def test_the_local_node_is_reached_with_the_program_built_for_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTEXT", raising=False)
    program(path, "kubectl")
    with pytest.raises(LocalError, match=r"kubectl is built with Go .*, or name a cluster of yours with CONTEXT=$"):
        client("kubectl")


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (DemoError("helm failed"), 1, "make demo: helm failed"),
        (LocalError("the disk is full"), 1, "make demo: the disk is full"),
        (KeyboardInterrupt(), 130, "make demo: stopped; "),
    ],
)
def test_the_demo_ends_in_one_sentence(
    raised: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> Never:
        raise raised

    monkeypatch.delenv("VPP_DATA", raising=False)
    monkeypatch.setattr(install, "cluster", fail)
    assert demo.main([]) == code
    assert capsys.readouterr().err.strip().startswith(said)


@pytest.mark.parametrize("by", ["VPP_DATA", "--data"])
def test_a_data_folder_is_looked_at_before_anything_is_built(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def built() -> Never:
        raise AssertionError("the cluster came before the folder")

    folder = str(tmp_path / "nowhere")
    monkeypatch.setenv("VPP_DATA", folder if by == "VPP_DATA" else "/another")
    monkeypatch.setattr(install, "cluster", built)
    assert demo.main(["--data", folder] if by == "--data" else []) == 1
    assert f"{folder}/schema.json is missing" in capsys.readouterr().err
