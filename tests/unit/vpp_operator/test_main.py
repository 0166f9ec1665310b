"""The program's own words: what it says when it is given nothing to work with."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from tests.plants import SETTINGS
from vpp_operator.__main__ import configure_logging, main, watched_resources
from vpp_operator.errors import VPPError
from vpp_operator.ports import Ports, Refused

EXAMPLE = Path(__file__).parents[3] / "examples" / "single-site" / "plant.yaml"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The program sets logging up for its own process; other tests must not write to its streams."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["vpp_operator", *arguments])
    return main()


def test_a_line_of_the_log_for_people_has_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(SETTINGS)
    logging.getLogger("vpp_operator.apply").warning("made Secret plants/house-01-gateway")
    line = capsys.readouterr().err.strip()
    assert re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*WARNING.*made Secret plants/house-01-gateway$", line), line


def test_a_dry_run_prints_manifests_as_yaml(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--dry-run", str(EXAMPLE)) == 0
    kinds = [manifest["kind"] for manifest in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds.count("StatefulSet") == 6
    assert "Secret" in kinds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind: [", "cannot be read as YAML: while parsing a flow node"),
        ("just words", "holds something that is no resource: 'just words'"),
        ("kind: Namespace\nmetadata: {name: x}", "there is no VPPCluster in"),
        ("kind: VPPCluster\nmetadata: {name: x}\nspec: {workerPools: 3}", "VPPCluster default/x: "),
    ],
)
def test_a_file_that_is_no_plant_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "plant.yaml"
    file.write_text(text)
    assert run(monkeypatch, "--dry-run", str(file)) == 1
    said = capsys.readouterr().err
    assert said.startswith("vpp-operator: ")
    assert sentence in said
    assert said.count("\n") == 1


async def test_a_cluster_without_the_definitions_is_told_how_to_get_them() -> None:
    class WithoutDefinitions:
        async def list(self, kind: Any, namespace: str | None, selector: str = "") -> list[Any]:
            assert namespace == "plants"
            raise Refused(f"cannot list {kind.plural}: 404 page not found")

    ports = cast(Ports, SimpleNamespace(kubernetes=WithoutDefinitions()))
    with pytest.raises(
        VPPError, match=r"cannot list vppclusters: 404.*apply --server-side -f charts/vpp-operator/crds"
    ):
        await watched_resources(ports, replace(SETTINGS, watch_namespaces=("plants",)))
