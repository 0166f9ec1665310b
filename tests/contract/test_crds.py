"""The CRDs follow from the API's types, explain every field, and every rule in them is tried on a real API server."""

from __future__ import annotations

import ast
import dataclasses
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import generate
from tests.integration.api_cases import BAD_FIELDS, CASES, NAMES
from vpp_contract.readings import KINDS
from vpp_operator.api.crd import SPECS, definitions
from vpp_operator.api.nanogrid import LOAD_PROFILES, Battery, Ev, Hydro, Load, Location, Pv, Wind
from vpp_operator.api.schema import NOT_YET, Rule, camel
from vpp_operator.resources import names
from vpp_workloads.simulator.config import MAX_DAYS
from vpp_workloads.simulator.household import PROFILES

ROOT = Path(__file__).resolve().parents[2]
OPERATOR = ROOT / "operator" / "vpp_operator"
DEFINITIONS = definitions()


def nested_types(found: Any) -> set[type]:
    """The dataclasses that a type is made of, itself among them."""
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        return {inner for argument in typing.get_args(found) for inner in nested_types(argument)}
    hints = typing.get_type_hints(found)
    return {found, *(inner for field in dataclasses.fields(found) for inner in nested_types(hints[field.name]))}


SPEC_TYPES = sorted(
    {found for spec in SPECS.values() for found in nested_types(spec)}, key=lambda found: found.__name__
)
RULES = {rule.name: rule for found in SPEC_TYPES for rule in getattr(found, "RULES", ())}
# The two that explain themselves.
UNDESCRIBED = {"apiVersion", "kind", "metadata"}
PENDING = NOT_YET.strip()

Schema = Mapping[str, Any]


def schema(plural: str) -> Schema:
    found: Schema = DEFINITIONS[plural]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def fields(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every field below a schema with its path."""
    for name, field in node.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        yield here, field
        yield from fields(field, here)
        if isinstance(field.get("items"), Mapping):
            yield from fields(field["items"], f"{here}[]")


def validations(node: Schema) -> Iterator[Schema]:
    """Every CEL rule in a schema."""
    yield from node.get("x-kubernetes-validations", ())
    for child in (*node.get("properties", {}).values(), node.get("items")):
        if isinstance(child, Mapping):
            yield from validations(child)


ALL_FIELDS = [(f"{plural}: {path}", field) for plural in DEFINITIONS for path, field in fields(schema(plural))]


@pytest.mark.parametrize(
    ("path", "text"), generate.files().items(), ids=[str(path.relative_to(ROOT)) for path in generate.files()]
)
def test_what_is_generated_is_what_the_types_say(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run `make generate`"


@pytest.mark.parametrize("plural", DEFINITIONS)
def test_the_files_are_crds_that_kubectl_can_read(plural: str) -> None:
    loaded = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())
    assert loaded == DEFINITIONS[plural]
    assert loaded["metadata"]["name"] == f"{plural}.vpp.energy"


def test_every_field_says_what_it_means() -> None:
    silent = [
        path for path, field in ALL_FIELDS if path.split(": ")[1] not in UNDESCRIBED and not field.get("description")
    ]
    assert silent == []
    fragments = [path for path, field in ALL_FIELDS if field.get("description", ".").strip()[-1] != "."]
    assert fragments == [], "a description is made of sentences"


def test_texts_and_lists_users_write_have_an_end() -> None:
    """The API server weighs a CEL rule by the longest input it may meet."""
    spec = [(path, field) for path, field in ALL_FIELDS if ": spec." in path]
    texts = [path for path, field in spec if field["type"] == "string" and not {"enum", "maxLength"} & set(field)]
    lists = [path for path, field in spec if field["type"] == "array" and "maxItems" not in field]
    assert (texts, lists) == ([], [])


@pytest.mark.parametrize("plural", DEFINITIONS)
def test_a_rule_in_a_crd_is_a_rule_of_the_types_or_that_of_names(plural: str) -> None:
    messages = {rule.message for rule in RULES.values()}
    others = [rule["message"] for rule in validations(schema(plural)) if rule["message"] not in messages]
    kind = DEFINITIONS[plural]["spec"]["names"]["kind"]
    assert {message.split(" must")[0] for message in others} == {f"the name of a {kind}"}


@pytest.mark.parametrize(
    "part", ["control", "influxdb", "hdfs", "name_node", "data_node", "spark_master", "workers", "driver", "simulator"]
)
def test_no_queuechannel_takes_the_name_of_a_part_of_its_plant(part: str) -> None:
    rules = " ".join(rule["rule"] for rule in schema("queuechannels")["x-kubernetes-validations"])
    assert getattr(names, part)("demo").removeprefix("demo-") in rules


def test_every_rule_of_the_types_is_in_a_crd() -> None:
    written = {rule["message"] for plural in DEFINITIONS for rule in validations(schema(plural))}
    assert [name for name, rule in RULES.items() if rule.message not in written] == []


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_a_case_that_keeps_it_and_one_that_breaks_it(name: str) -> None:
    found = [case for case in CASES if case.rule == name]
    assert found, f"add a case for the rule {name} to tests/integration/api_cases.py"
    assert all(case.sentence == RULES[name].message for case in found)
    assert all(case.taken != case.refused for case in found)
    is_about_changes = "oldSelf" in RULES[name].rule
    assert all((case.before is not None) == is_about_changes for case in found)


def test_no_case_is_of_a_rule_that_is_gone() -> None:
    assert [case.rule for case in CASES if case.rule not in RULES] == []


def test_the_api_takes_what_the_simulator_takes() -> None:
    assert LOAD_PROFILES == PROFILES
    simulator = schema("vppclusters")["properties"]["spec"]["properties"]["simulator"]["properties"]
    assert simulator["days"]["maximum"] == MAX_DAYS


def test_every_kind_has_names_that_are_taken_and_names_that_are_refused() -> None:
    assert {(case.kind, case.taken) for case in NAMES} == {(kind, taken) for kind in SPECS for taken in (True, False)}


def test_at_least_twenty_bad_resources_are_shown_to_a_real_api_server() -> None:
    assert len(BAD_FIELDS) >= 20
    assert {bad.kind for bad in BAD_FIELDS} == set(SPECS)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_what_a_user_reads_is_one_sentence(rule: Rule) -> None:
    assert rule.message[0].islower()
    assert not rule.message.endswith(".")
    assert "self" not in rule.message
    assert len(rule.message) <= 120


@pytest.mark.parametrize("plural", DEFINITIONS)
def test_kinds_are_reached_in_the_ways_users_know(plural: str) -> None:
    definition = DEFINITIONS[plural]
    version = definition["spec"]["versions"][0]
    assert definition["spec"]["scope"] == "Namespaced"
    assert definition["spec"]["names"]["categories"] == ["vpp-all"]
    assert "status" in version["subresources"]
    scale = version["subresources"].get("scale")
    if plural == "nanogrids":
        assert scale is None
    else:
        assert scale == {
            "specReplicasPath": ".spec.pinned",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
        spec = schema(plural)["properties"]["spec"]
        assert "default" not in spec["properties"]["pinned"], "a pin is there only where a user has set one"
        assert "pinned" not in spec["required"]
    assert {"Ready", "Reason", "Age"} <= {column["name"] for column in version["additionalPrinterColumns"]}


@pytest.mark.parametrize("plural", DEFINITIONS)
def test_conditions_have_the_shape_that_kubectl_wait_and_gitops_tools_read(plural: str) -> None:
    conditions = schema(plural)["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert {"type", "status", "reason", "message", "lastTransitionTime"} <= set(conditions["items"]["properties"])


def pending_in(found: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(found) if field.metadata["pending"]]


def test_a_field_that_is_not_acted_on_says_so_and_has_a_default() -> None:
    for found in SPEC_TYPES:
        for field in pending_in(found):
            assert field.metadata["text"].endswith(PENDING), f"{found.__name__}.{field.name}"
            assert field.default is not dataclasses.MISSING, f"{found.__name__}.{field.name}"


def names_read() -> set[str]:
    """Names of fields that the operator reads outside its API's types, from a parsed spec or from a raw one."""
    files = [file for file in OPERATOR.rglob("*.py") if "api" not in file.relative_to(OPERATOR).parts]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    raw = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {camel(node.attr) for node in nodes if isinstance(node, ast.Attribute)} | raw


# What the simulator gets as it stands, without the operator reading single values of it.
HANDED_ON = {Location, Pv, Battery, Load, Wind, Hydro, Ev}


def fields_acted_on(found: type) -> Iterator[str]:
    """The fields below a type that are not pending, but for groups of which all is."""
    hints = typing.get_type_hints(found)
    for field in dataclasses.fields(found):
        if field.metadata["pending"]:
            continue
        inner = [part for part in SPEC_TYPES if part in {hints[field.name], *typing.get_args(hints[field.name])}]
        below = [name for part in inner if part not in HANDED_ON for name in fields_acted_on(part)]
        if below or not inner or set(inner) & HANDED_ON:
            yield field.name
        yield from below


@pytest.mark.parametrize("kind", SPECS)
def test_a_field_is_read_somewhere_in_the_operator_or_says_that_it_is_not_acted_on(kind: str) -> None:
    unread = {camel(name) for name in fields_acted_on(SPECS[kind])} - names_read()
    assert sorted(unread - set(KINDS)) == [], "mark them as pending, or act on them"
