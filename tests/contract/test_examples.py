"""What examples/ holds: it builds, its parts fit together, and the GitOps examples point at what is there."""

from __future__ import annotations

import functools
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from vpp_operator.api.parsers import PARSERS
from vpp_operator.api.schema import pending_fields
from vpplocal import toolchain_binary

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
FOLDERS = sorted(str(file.parent.relative_to(EXAMPLES)) for file in EXAMPLES.rglob("kustomization.yaml"))
PLANTS = ("plant", "plant-data", "single-site", "external-services")

Object = Mapping[str, Any]


@functools.cache
def build(folder: str) -> Sequence[Object]:
    command = (str(toolchain_binary("kubectl")), "kustomize", str(EXAMPLES / folder))
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def of_kind(folder: str, kind: str) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in build(folder) if item["kind"] == kind}


@pytest.mark.parametrize("folder", FOLDERS)
def test_kustomize_builds(folder: str) -> None:
    assert build(folder)


def test_every_yaml_file_is_part_of_a_kustomization_or_says_that_it_is_none() -> None:
    listed: set[Path] = set()
    for folder in FOLDERS:
        listed.add(EXAMPLES / folder / "kustomization.yaml")
        kustomization = yaml.safe_load((EXAMPLES / folder / "kustomization.yaml").read_text())
        files = [
            *kustomization["resources"],
            *(patch["path"] for patch in kustomization.get("patches", []) if "path" in patch),
        ]
        listed |= {EXAMPLES / folder / file for file in files}
    alone = [file for file in EXAMPLES.rglob("*.yaml") if file not in listed]
    assert [str(file.relative_to(EXAMPLES)) for file in alone] == ["external-services/secrets.example.yaml"]


def test_the_sample_plant_has_17_houses_and_one_wind_hydro_and_vehicle_site() -> None:
    assert Counter(item["kind"] for item in build("plant")) == {"VPPCluster": 1, "QueueChannel": 1, "NanoGrid": 20}
    sites = of_kind("plant", "NanoGrid")
    assert set(sites) == {*(f"house-{i:02d}" for i in range(1, 18)), "wind-01", "hydro-01", "ev-01"}
    for name, site in sites.items():
        kinds = {"pv", "battery", "load", "wind", "hydro", "ev"} & set(site["spec"])
        assert kinds == ({"pv", "battery", "load"} if name.startswith("house") else {name.partition("-")[0]})


@pytest.mark.parametrize("folder", PLANTS)
def test_channels_and_sites_name_the_plant_beside_them(folder: str) -> None:
    plants = set(of_kind(folder, "VPPCluster"))
    for kind in ("QueueChannel", "NanoGrid"):
        for item in of_kind(folder, kind).values():
            assert item["spec"]["vppRef"]["name"] in plants


@pytest.mark.parametrize("folder", PLANTS)
def test_a_plant_leaves_its_namespace_to_whoever_applies_it(folder: str) -> None:
    assert all("namespace" not in item["metadata"] for item in build(folder))


@pytest.mark.parametrize("folder", PLANTS)
def test_the_operator_understands_every_resource_and_acts_on_every_field(folder: str) -> None:
    for item in build(folder):
        assert list(pending_fields(PARSERS[item["kind"]](item["spec"]))) == []


def test_the_data_overlay_changes_profiles_and_nothing_else() -> None:
    physical, measured = of_kind("plant", "NanoGrid"), of_kind("plant-data", "NanoGrid")
    assert set(physical) == set(measured)
    for name, site in measured.items():
        without = {**site["spec"], "source": {**site["spec"]["source"], "profile": {"type": "Physical"}}}
        assert without == physical[name]["spec"]
        if name.startswith("house"):
            building = f"Building_{int(name.removeprefix('house-'))}"
            assert site["spec"]["source"]["profile"] == {"type": "Data", "building": building}


def test_the_data_overlay_names_the_config_maps_that_its_own_comment_makes() -> None:
    data = of_kind("plant-data", "VPPCluster")["demo"]["spec"]["simulator"]["data"]
    buildings = [f"profile-building-{i}" for i in range(1, 18)]
    assert data == {"configMaps": ["profile-schema", "profile-weather", "profile-pricing", *buildings]}


def test_external_services_have_a_sample_of_every_secret_they_name() -> None:
    spec = of_kind("external-services", "VPPCluster")["region"]["spec"]
    broker, influxdb = spec["broker"]["external"], spec["monitoring"]["influxdb"]
    samples = list(yaml.safe_load_all((EXAMPLES / "external-services/secrets.example.yaml").read_text()))
    keys = {sample["metadata"]["name"]: set(sample["stringData"]) for sample in samples}
    assert keys == {broker["secretRef"]["name"]: {"username", "password"}, influxdb["secretRef"]["name"]: {"token"}}
    values = {value for sample in samples for key, value in sample["stringData"].items() if key != "username"}
    assert values == {"change-me"}


@pytest.mark.parametrize("name", ["vpp-operator", "vpp-demo"])
def test_an_argo_cd_application_points_at_a_folder_that_is_there(name: str) -> None:
    application = of_kind("gitops/argocd", "Application")[name]
    path = ROOT / application["spec"]["source"]["path"]
    assert (path / "Chart.yaml").is_file() or (path / "kustomization.yaml").is_file()
    assert {"CreateNamespace=true", "ServerSideApply=true"} <= set(application["spec"]["syncPolicy"]["syncOptions"])


def test_flux_starts_the_plant_after_the_operator_and_from_a_source_it_has() -> None:
    steps = of_kind("gitops/flux", "Kustomization")
    sources = of_kind("gitops/flux", "GitRepository")
    assert steps["vpp-demo"]["spec"]["dependsOn"] == [{"name": "vpp-operator"}]
    for step in steps.values():
        assert (ROOT / step["spec"]["path"] / "kustomization.yaml").is_file()
        assert step["spec"]["sourceRef"]["name"] in sources
        assert step["spec"]["wait"] is True


def test_flux_upgrades_the_resource_definitions_with_the_chart() -> None:
    release = of_kind("gitops/flux/operator", "HelmRelease")["vpp-operator"]["spec"]
    assert (ROOT / release["chart"]["spec"]["chart"] / "Chart.yaml").is_file()
    assert release["install"]["crds"] == release["upgrade"]["crds"] == "CreateReplace"


@pytest.mark.parametrize("tool", ["Argo CD", "Flux"])
def test_the_chart_takes_the_values_of_the_gitops_example(tool: str, tmp_path: Path) -> None:
    if tool == "Flux":
        values = of_kind("gitops/flux/operator", "HelmRelease")["vpp-operator"]["spec"]["values"]
    else:
        values = of_kind("gitops/argocd", "Application")["vpp-operator"]["spec"]["source"]["helm"]["valuesObject"]
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    helm, chart = str(toolchain_binary("helm")), str(ROOT / "charts/vpp-operator")
    command = (helm, "template", "x", chart, "--kube-version", "1.34.0", "--values", str(file))
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "registry.example.org/vpp/vpp-operator:" in done.stdout
