"""A real API server refuses what cannot be, in a sentence that says what to do, and takes the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.integration.api_cases import BAD_FIELDS, CASES, NAMES, SMALLEST, BadField, Case, NameCase, resource
from vppdemo import install
from vppdemo.kube import DemoError, Kube

pytestmark = pytest.mark.integration
NAMESPACE = "vpp-test-api"
CRDS = install.ROOT / "crds"
PLURALS = ("vppclusters", "queuechannels", "nanogrids")


@pytest.fixture(scope="module")
def kube() -> Iterator[Kube]:
    """A cluster that knows our kinds, and a namespace for these tests alone."""
    kube = install.cluster()
    kube.run("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    kube.run("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}.vpp.energy" for name in PLURALS))
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    # Resources that stay make an operator that runs here build plants; without pods they cost nothing.
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "no-pods", "namespace": NAMESPACE},
            "spec": {"hard": {"pods": "0"}},
        }
    )
    yield kube
    kube.run("delete", "namespace", NAMESPACE, "--timeout=60s", timeout_seconds=90)  # the next run finds none going


def dry_run(kube: Kube, document: Mapping[str, Any]) -> dict[str, Any]:
    """What the server would store; nothing is stored."""
    options = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-o", "json")
    made: dict[str, Any] = json.loads(
        kube.run("apply", *options, "-n", NAMESPACE, "-f", "-", stdin=json.dumps(document))
    )
    return made


def with_what_was_there(kube: Kube, case: Case) -> str:
    """The case's name for its resource, which exists already where the rule is about changes."""
    name = f"case-{case.rule}"[:30].rstrip("-")
    if case.before is not None:
        kube.run(
            "apply", "--server-side", "-n", NAMESPACE, "-f", "-",
            stdin=json.dumps(resource(case.kind, case.before, name=name)),
        )  # fmt: skip
    return name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_resource_that_keeps_the_rule_is_taken(kube: Kube, case: Case) -> None:
    name = with_what_was_there(kube, case)
    assert dry_run(kube, resource(case.kind, case.taken, name=name))["metadata"]["name"] == name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_resource_that_breaks_the_rule_is_refused_in_the_rules_own_words(kube: Kube, case: Case) -> None:
    name = with_what_was_there(kube, case)
    with pytest.raises(DemoError) as caught:
        dry_run(kube, resource(case.kind, case.refused, name=name))
    assert case.sentence in str(caught.value)
    others = [
        other.sentence for other in CASES if other.sentence != case.sentence and other.sentence in str(caught.value)
    ]
    assert others == [], "the resource breaks other rules as well, so it does not show this one"


@pytest.mark.parametrize("bad", BAD_FIELDS, ids=lambda bad: f"{bad.kind}: {bad.title}")
def test_a_bad_field_is_refused_by_name(kube: Kube, bad: BadField) -> None:
    with pytest.raises(DemoError) as caught:
        dry_run(kube, resource(bad.kind, bad.refused))
    assert bad.says in str(caught.value)


@pytest.mark.parametrize("case", NAMES, ids=lambda case: f"{case.kind} {case.name}")
def test_names_are_such_that_the_operators_objects_can_carry_them(kube: Kube, case: NameCase) -> None:
    document = resource(case.kind, {}, name=case.name)
    if case.taken:
        assert dry_run(kube, document)["metadata"]["name"] == case.name
        return
    with pytest.raises(DemoError, match=f"the name of a {case.kind} .*{case.says}"):
        dry_run(kube, document)


@pytest.mark.parametrize("kind", SMALLEST)
def test_the_smallest_resource_comes_back_with_every_default(kube: Kube, kind: str) -> None:
    spec = dry_run(kube, resource(kind, {}))["spec"]
    defaults: dict[str, dict[str, Any]] = {
        "VPPCluster": {"mode": "Auto", "deletionPolicy": "Retain", "policy": "Full"},
        "QueueChannel": {"mode": "Auto", "min": 1, "max": 1, "standby": 0, "exchange": "topic", "durability": "Broker"},
        "NanoGrid": {
            "source": {
                "type": "Gateway",
                "spool": "64Mi",
                "credentials": {"generation": 1, "graceSeconds": 60, "silenceSeconds": 86400},
            }
        },
    }
    assert {name: spec[name] for name in defaults[kind]} == defaults[kind]
    assert "pinned" not in spec


@pytest.mark.parametrize(
    ("kind", "most", "rule"), [("VPPCluster", 2, "vpp-pinned"), ("QueueChannel", 3, "channel-pinned")]
)
def test_scale_pins_within_the_bounds_and_no_further(kube: Kube, kind: str, most: int, rule: str) -> None:
    bounds = {"max": most} if kind == "QueueChannel" else {}
    kube.apply({**resource(kind, bounds, name="scaled"), "metadata": {"name": "scaled", "namespace": NAMESPACE}})
    what = f"{kind.lower()}/scaled"
    kube.run("scale", "-n", NAMESPACE, what, f"--replicas={most}")
    assert kube.get(what, "-n", NAMESPACE)["spec"]["pinned"] == most
    sentence = next(case.sentence for case in CASES if case.rule == rule)
    with pytest.raises(DemoError) as caught:
        kube.run("scale", "-n", NAMESPACE, what, f"--replicas={most + 1}")
    assert sentence in str(caught.value)
    kube.run("patch", "-n", NAMESPACE, what, "--type=json", '-p=[{"op":"remove","path":"/spec/pinned"}]')
    assert "pinned" not in kube.get(what, "-n", NAMESPACE)["spec"]


def test_kinds_have_their_short_names_and_one_category(kube: Kube) -> None:
    listed = kube.run("api-resources", "--api-group=vpp.energy", "--categories=vpp-all", "--no-headers")
    assert {tuple(line.split()[:2]) for line in listed.splitlines()} == {
        ("vppclusters", "vpp"),
        ("queuechannels", "qch"),
        ("nanogrids", "ng"),
    }
