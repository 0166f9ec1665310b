"""What the driver is told of the plant, and that a new target reaches it without a new pod."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plants import CLUSTER, Plant
from vpp_contract import plant as contract
from vpp_contract.plant import Rating, Target
from vpp_operator.api.nanogrid import parse_nanogrid_spec
from vpp_operator.api.vppcluster import parse_vppcluster_spec
from vpp_operator.resources.plant import plant_of

HOUSE = {
    "vppRef": {"name": "demo"},
    "pv": {"nominalKw": 4},
    "battery": {"capacityKwh": 10, "maxPowerKw": 5},
    "load": {},
    "ev": {"capacityKwh": 60, "chargerKw": 11},
    "source": {"filter": {"quantities": [{"quantity": "power_kw"}], "longestSeconds": 600}},
}


def told(cluster: dict[str, Any], **sites: dict[str, Any]) -> contract.Plant:
    return plant_of(
        parse_vppcluster_spec({**CLUSTER, **cluster}), {name: parse_nanogrid_spec(site) for name, site in sites.items()}
    )


def test_ratings_are_what_the_spec_says_and_no_more() -> None:
    assert told({}, house=HOUSE).ratings == (
        Rating(site="house", kind="pv", power_kw=4, quiet_seconds=600),
        Rating(
            site="house", kind="battery", power_kw=5, capacity_kwh=10, efficiency=0.9, depth_of_discharge=0.9,
            quiet_seconds=600,
        ),
        Rating(site="house", kind="load", quiet_seconds=600),
        Rating(site="house", kind="ev", power_kw=11, capacity_kwh=60, quiet_seconds=600),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cluster", "target"),
    [
        ({}, None),
        ({"dispatch": {}}, Target(power_kw=0.0)),
        ({"dispatch": {"targetKw": -20, "order": ["pv", "ev"]}}, Target(power_kw=-20, order=("pv", "ev"))),
    ],
)
def test_without_dispatch_there_is_no_target(cluster: dict[str, Any], target: Target | None) -> None:
    assert told(cluster).target == target


async def test_a_new_target_reaches_the_driver_and_renews_no_pod() -> None:
    plant = Plant()
    await plant.settle()
    kubernetes = plant.world.kubernetes
    pod = kubernetes.there("Pod", "demo-driver-0")["metadata"]["uid"]
    before = contract.decode_plant(kubernetes.there("ConfigMap", "demo-plant")["data"][contract.PLANT_FILE])
    assert (before.sites, before.target) == (("house-01", "house-02"), None)
    assert [rating.site for rating in before.ratings] == ["house-01", "house-02"]
    plant.change("VPPCluster", "demo", {"spec": {"dispatch": {"targetKw": 7.5}}})
    await plant.settle()
    after = contract.decode_plant(kubernetes.there("ConfigMap", "demo-plant")["data"][contract.PLANT_FILE])
    assert after.target == Target(power_kw=7.5)
    assert kubernetes.there("Pod", "demo-driver-0")["metadata"]["uid"] == pod
