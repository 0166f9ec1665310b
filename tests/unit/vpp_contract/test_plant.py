"""What the driver is told of the plant."""

from __future__ import annotations

import json

import pytest

from vpp_contract.plant import Plant, PlantError, Rating, Target, decode_plant, encode_plant

PLANT = Plant(
    sites=("a", "b"),
    ratings=(Rating(site="a", kind="battery", power_kw=5.0, capacity_kwh=10.0), Rating(site="a", kind="load")),
    target=Target(power_kw=-3.0, order=("battery", "ev")),
)


@pytest.mark.parametrize("plant", [PLANT, Plant()], ids=["some", "nothing"])
def test_a_plant_comes_back_as_it_was(plant: Plant) -> None:
    assert decode_plant(encode_plant(plant)) == plant


def test_what_a_newer_operator_says_is_passed_over() -> None:
    values = json.loads(encode_plant(PLANT)) | {"weather": "fine"}
    values["ratings"][0]["colour"] = "white"
    assert decode_plant(json.dumps(values)) == PLANT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"ratings": []}',
        '{"sites": [], "ratings": [{"site": "a"}]}',
        '{"sites": [], "ratings": [{"site": "a", "kind": "fusion"}]}',
        '{"sites": [], "ratings": [], "target": {"power_kw": "much"}}',
        '{"sites": [], "ratings": [], "target": {"power_kw": 1, "order": ["sun"]}}',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(PlantError, match="no plant data"):
        decode_plant(text)
