"""How dataclasses become OpenAPI schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from vpp_operator.api.schema import NOT_YET, Rule, as_yaml, camel, described, object_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A part of a sample."""

    size_kw: float = described("A size, in kW.", default=1.5, above=0, maximum=9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One field of every shape."""

    RULES: ClassVar = (Rule(name="sample", rule="self.count > 0", message="count must be above 0"),)

    name: str = described("A name.", pattern="^a", longest=5)
    kind: str = described("A choice.", default="A", enum=("A", "B"))
    count: int = described("A count.", default=2, minimum=1, maximum=3)
    flag: bool = described("A flag.", default=False, pending=True)
    leaf: Leaf = described("A part.", default=Leaf())  # noqa: RUF009
    maybe: Leaf | None = described("A part or none.", default=None)  # noqa: RUF009
    texts: tuple[str, ...] = described("Texts.", default=())
    numbers: tuple[float, ...] = described("Numbers.", default=())
    choices: tuple[str, ...] = described("Choices.", default=(), longest=2, enum=("A", "B"))
    leaves: tuple[Leaf, ...] = described("Parts.", fewest=1, longest=4, map_key="sizeKw")
    notes: Mapping[str, str] | None = described("Notes.", default=None)


LEAF = {
    "sizeKw": {
        "description": "A size, in kW.",
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 9,
        "default": 1.5,
    }
}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("name", {"description": "A name.", "type": "string", "pattern": "^a", "maxLength": 5}),
        ("kind", {"description": "A choice.", "type": "string", "enum": ["A", "B"], "default": "A"}),
        (
            "count",
            {"description": "A count.", "type": "integer", "format": "int64", "minimum": 1, "maximum": 3, "default": 2},
        ),
        ("flag", {"description": f"A flag.{NOT_YET}", "type": "boolean", "default": False}),
        ("leaf", {"description": "A part.", "type": "object", "properties": LEAF, "default": {"sizeKw": 1.5}}),
        ("maybe", {"description": "A part or none.", "type": "object", "properties": LEAF}),
        (
            "texts",
            {"description": "Texts.", "type": "array", "items": {"type": "string", "maxLength": 253}, "maxItems": 64},
        ),
        ("numbers", {"description": "Numbers.", "type": "array", "items": {"type": "number"}, "maxItems": 64}),
        (
            "choices",
            {
                "description": "Choices.",
                "type": "array",
                "items": {"type": "string", "enum": ["A", "B"]},
                "maxItems": 2,
            },
        ),
        (
            "leaves",
            {
                "description": "Parts.",
                "type": "array",
                "items": {"type": "object", "properties": LEAF},
                "minItems": 1,
                "maxItems": 4,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["sizeKw"],
            },
        ),
        (
            "notes",
            {
                "description": "Notes.",
                "type": "object",
                "additionalProperties": {"type": "string", "maxLength": 1024},
                "maxProperties": 64,
            },
        ),
    ],
)
def test_a_field_becomes(field: str, expected: Mapping[str, Any]) -> None:
    assert object_schema(Sample)["properties"][field] == expected


def test_fields_without_a_default_are_required_and_rules_are_taken_over() -> None:
    made = object_schema(Sample, "What it is.")
    assert made["required"] == ["name", "leaves"]
    assert made["description"] == "What it is."
    assert made["x-kubernetes-validations"] == [{"rule": "self.count > 0", "message": "count must be above 0"}]


@pytest.mark.parametrize(
    ("python", "yaml"),
    [("name", "name"), ("storage_class_name", "storageClassName"), ("altitude_m", "altitudeM")],
)
def test_names_in_yaml(python: str, yaml: str) -> None:
    assert camel(python) == yaml


def test_a_value_as_yaml_leaves_out_what_is_not_there() -> None:
    sample = Sample(name="a", leaves=(Leaf(size_kw=2.0),), notes={"x": "y"})
    assert as_yaml(sample) == {
        "name": "a",
        "kind": "A",
        "count": 2,
        "flag": False,
        "leaf": {"sizeKw": 1.5},
        "leaves": [{"sizeKw": 2.0}],
        "notes": {"x": "y"},
    }
