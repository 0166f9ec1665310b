"""The real API server checks every example, without making anything of it.

Argo CD and Flux are not installed here. Their kinds are stood in for by small definitions of the fields our examples
use, so there the server checks structure and names against what this file says of the tools, not the tools.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from vppdemo import install
from vppdemo.kube import DemoError, Kube

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
NAMESPACE = "vpp-e2e-examples"
GITOPS_NAMESPACES = {"gitops/argocd": "argocd", "gitops/flux": "flux-system", "gitops/flux/operator": "vpp-system"}

Schema = Mapping[str, Any]
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
FREE: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def mapping(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


BACKOFF = mapping(duration=TEXT, factor=NUMBER, maxDuration=TEXT)
APPLICATION = mapping(
    "project",
    "destination",
    project=TEXT,
    destination=mapping(server=TEXT, namespace=TEXT),
    source=mapping(
        "repoURL",
        repoURL=TEXT,
        targetRevision=TEXT,
        path=TEXT,
        helm=mapping(releaseName=TEXT, valuesObject=FREE),
    ),
    syncPolicy=mapping(
        automated=mapping(prune=FLAG, selfHeal=FLAG),
        syncOptions=many(TEXT),
        retry=mapping(limit=NUMBER, backoff=BACKOFF),
    ),
)
SOURCE_REF = mapping("kind", "name", kind=TEXT, name=TEXT, namespace=TEXT)
GIT_REPOSITORY = mapping("interval", "url", interval=TEXT, url=TEXT, ref=mapping(branch=TEXT))
FLUX_KUSTOMIZATION = mapping(
    "interval",
    "prune",
    "sourceRef",
    interval=TEXT,
    path=TEXT,
    prune=FLAG,
    wait=FLAG,
    timeout=TEXT,
    targetNamespace=TEXT,
    dependsOn=many(mapping("name", name=TEXT)),
    sourceRef=SOURCE_REF,
)
CRDS = {"type": "string", "enum": ["Skip", "Create", "CreateReplace"]}
HELM_RELEASE = mapping(
    "interval",
    interval=TEXT,
    releaseName=TEXT,
    chart=mapping("spec", spec=mapping("chart", "sourceRef", chart=TEXT, reconcileStrategy=TEXT, sourceRef=SOURCE_REF)),
    install=mapping(crds=CRDS, remediation=mapping(retries=NUMBER)),
    upgrade=mapping(crds=CRDS, remediation=mapping(retries=NUMBER)),
    values=FREE,
)
MONITOR_ENDPOINT = mapping(port=TEXT, path=TEXT, interval=TEXT, scrapeTimeout=TEXT)
SELECTOR = mapping(matchLabels=FREE)
NAMESPACE_SELECTOR = mapping(matchNames=many(TEXT))
STAND_INS = {
    ("argoproj.io", "v1alpha1", "Application"): APPLICATION,
    ("source.toolkit.fluxcd.io", "v1", "GitRepository"): GIT_REPOSITORY,
    ("kustomize.toolkit.fluxcd.io", "v1", "Kustomization"): FLUX_KUSTOMIZATION,
    ("helm.toolkit.fluxcd.io", "v2", "HelmRelease"): HELM_RELEASE,
    ("monitoring.coreos.com", "v1", "ServiceMonitor"): mapping(
        namespaceSelector=NAMESPACE_SELECTOR, selector=SELECTOR, endpoints=many(MONITOR_ENDPOINT)
    ),
    ("monitoring.coreos.com", "v1", "PodMonitor"): mapping(
        namespaceSelector=NAMESPACE_SELECTOR, selector=SELECTOR, podMetricsEndpoints=many(MONITOR_ENDPOINT)
    ),
}


def definition(group: str, version: str, kind: str, spec: Schema) -> Mapping[str, Any]:
    plural = "gitrepositories" if kind == "GitRepository" else f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": mapping("spec", spec=spec)},
                }
            ],
        },
    }


@pytest.fixture(scope="module")
def stand_ins(kube: Kube) -> Iterator[Kube]:
    """A cluster that knows our kinds, and stand-ins for those other tools define where it has no real ones."""
    kube.run("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "charts/vpp-operator/crds"))
    there = set(kube.run("get", "crd", "-o", "name").split())
    definitions = [definition(*kind, spec) for kind, spec in STAND_INS.items()]
    missing = [item for item in definitions if crd_name(item) not in there]
    namespaces = [name for name in {NAMESPACE, *GITOPS_NAMESPACES.values()} if not has_namespace(kube, name)]
    kube.apply(
        *missing, *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces)
    )
    names = [crd_name(item) for item in missing]
    if names:
        kube.run("wait", "--for=condition=Established", "--timeout=30s", *names)
    yield kube
    if names:
        kube.run("delete", *names, "--timeout=60s", timeout_seconds=90)
    kube.run("delete", "namespace", *namespaces, "--wait=false")


def crd_name(item: Mapping[str, Any]) -> str:
    return f"customresourcedefinition.apiextensions.k8s.io/{item['metadata']['name']}"


def has_namespace(kube: Kube, name: str) -> bool:
    return bool(kube.run("get", "namespace", name, "--ignore-not-found", "-o", "name").strip())


def dry_run(kube: Kube, namespace: str, *args: str, stdin: str | None = None) -> list[str]:
    options = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-o", "name")
    return kube.run("apply", *options, "-n", namespace, *args, stdin=stdin).split()


@pytest.mark.parametrize(
    ("example", "objects"), [("plant", 22), ("plant-data", 22), ("single-site", 3), ("external-services", 2)]
)
def test_the_api_server_takes_the_plant(stand_ins: Kube, example: str, objects: int) -> None:
    assert len(dry_run(stand_ins, NAMESPACE, "-k", str(EXAMPLES / example))) == objects


def test_the_api_server_takes_the_sample_secrets(stand_ins: Kube) -> None:
    assert len(dry_run(stand_ins, NAMESPACE, "-f", str(EXAMPLES / "external-services/secrets.example.yaml"))) == 2


@pytest.mark.parametrize("example", GITOPS_NAMESPACES)
def test_the_api_server_takes_the_gitops_example_by_our_small_definitions_of_the_tools_kinds(
    stand_ins: Kube, example: str
) -> None:
    assert dry_run(stand_ins, GITOPS_NAMESPACES[example], "-k", str(EXAMPLES / example))


def test_a_misspelt_field_would_be_noticed_in_a_gitops_example(stand_ins: Kube) -> None:
    text = (EXAMPLES / "gitops/argocd/plant.yaml").read_text().replace("syncPolicy:", "syncPolice:")
    with pytest.raises(DemoError, match="syncPolice"):
        dry_run(stand_ins, "argocd", "-f", "-", stdin=text)


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("metrics.serviceMonitor.enabled=true", "metrics.podMonitor.enabled=true"),
        (f"watch.namespaces={{{NAMESPACE}}}",),
    ],
    ids=["defaults", "monitors, by our small definitions of their kinds", "one namespace"],
)
def test_the_api_server_takes_the_chart(stand_ins: Kube, settings: tuple[str, ...]) -> None:
    options = [f"--set={setting}" for setting in settings]
    chart = str(install.CHART)
    rendered = stand_ins.run_helm(
        "template", "dry-run", chart, "--namespace", NAMESPACE, "--kube-version", "1.34.0", *options
    )
    assert dry_run(stand_ins, NAMESPACE, "-f", "-", stdin=rendered)
