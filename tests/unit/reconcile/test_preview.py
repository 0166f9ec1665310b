"""What --dry-run shows is what a look applies, and it gives no password away."""

from __future__ import annotations

import pytest

from tests.plants import CHANNELS, CLUSTER, HOUSE, NAMESPACE, SETTINGS, Plant, resource
from vpp_operator.errors import InvalidSpec
from vpp_operator.ports import OWNED_KINDS
from vpp_operator.reconcile.preview import HIDDEN, preview

DOCUMENTS = [
    resource("VPPCluster", "demo", CLUSTER),
    resource("QueueChannel", "ingest", CHANNELS),
    resource("NanoGrid", "house-01", HOUSE),
]


@pytest.mark.parametrize("cluster", [CLUSTER, {**CLUSTER, "tls": {}}], ids=["plain", "with TLS"])
async def test_a_preview_names_exactly_what_the_operator_makes(cluster: dict[str, object]) -> None:
    plant = Plant(houses=1, cluster=cluster)
    await plant.settle()
    made = {(kind.kind, name) for kind in OWNED_KINDS for name in plant.world.kubernetes.names(kind.kind)}
    documents = [resource("VPPCluster", "demo", cluster), *DOCUMENTS[1:]]
    shown = preview(documents, SETTINGS.images, SETTINGS.namespace)
    assert {(manifest["kind"], manifest["metadata"]["name"]) for manifest in shown} == made
    assert {manifest["metadata"]["namespace"] for manifest in shown} == {NAMESPACE}


def test_a_preview_shows_keys_of_secrets_and_no_values() -> None:
    secrets = [one for one in preview(DOCUMENTS, SETTINGS.images, SETTINGS.namespace) if one["kind"] == "Secret"]
    assert secrets
    for secret in secrets:
        assert "data" not in secret
        assert set(secret["stringData"].values()) == {HIDDEN}


def test_other_kinds_in_a_file_are_passed_over() -> None:
    shown = preview([{"kind": "Namespace", "metadata": {"name": "x"}}], SETTINGS.images, SETTINGS.namespace)
    assert shown == []


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            resource("NanoGrid", "house-01", HOUSE),
            r"^NanoGrid plants/house-01: names the VPPCluster demo, which is not",
        ),
        (resource("VPPCluster", "demo", {"workerPools": 3}), r"^VPPCluster plants/demo: .*workerPools: must be a list"),
        ({"kind": "NanoGrid", "spec": HOUSE}, r"^NanoGrid: has no metadata\.name; give it one$"),
    ],
)
def test_what_cannot_be_shown_is_said_with_its_name(document: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidSpec, match=sentence):
        preview([document], SETTINGS.images, SETTINGS.namespace)
