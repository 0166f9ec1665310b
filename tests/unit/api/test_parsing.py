"""What users write becomes values with defaults, or one sentence that names the place."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.api_cases import BAD_FIELDS, CASES, SMALLEST, BadField, Case, merged
from vpp_operator.api.crd import SPECS
from vpp_operator.api.nanogrid import parse_nanogrid_spec
from vpp_operator.api.parsers import PARSERS
from vpp_operator.api.queuechannel import parse_queuechannel_spec
from vpp_operator.api.schema import as_yaml, object_schema, parse, pending_fields
from vpp_operator.api.simulator import FULL_HOUR
from vpp_operator.api.vppcluster import parse_vppcluster_spec
from vpp_operator.errors import InvalidSpec, NotReady, Unavailable, VPPError

PLANT = Path(__file__).resolve().parents[3] / "examples" / "plant"
EXAMPLES = [
    document
    for file in sorted(PLANT.glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text())
    if document["apiVersion"].startswith("vpp.energy/")
]


def test_a_cluster_of_one_pool_gets_every_default() -> None:
    spec = parse_vppcluster_spec({"workerPools": [{"name": "small", "max": 3}]})
    assert (spec.mode, spec.pinned, spec.simulator, spec.deletion_policy) == ("Auto", None, None, "Retain")
    (pool,) = spec.worker_pools
    assert (pool.name, pool.min, pool.max, pool.cores) == ("small", 1, 3, 1)
    assert (spec.storage.type, spec.storage.data_nodes, spec.monitoring.influxdb.type) == ("HDFS", 1, "Managed")
    assert spec.streaming.trigger_seconds == 1.0


def test_a_channel_gets_every_default() -> None:
    spec = parse_queuechannel_spec({"vppRef": {"name": "demo"}})
    assert (spec.vpp_ref.name, spec.min, spec.max, spec.standby) == ("demo", 1, 1, 0)
    assert (spec.exchange, spec.durability, spec.mqtt.enabled) == ("topic", "Broker", True)
    assert spec.retention.segment_bytes == 1_000_000


def test_a_site_has_only_the_ders_it_names() -> None:
    spec = parse_nanogrid_spec({"vppRef": {"name": "demo"}, "pv": {"nominalKw": 4}})
    assert spec.pv is not None
    assert (spec.pv.nominal_kw, spec.pv.azimuth_deg) == (4.0, 180.0)
    assert (spec.battery, spec.load, spec.wind, spec.hydro, spec.ev) == (None,) * 5
    assert spec.source.type == "Gateway"


def test_whole_numbers_become_fractions_where_those_are_meant() -> None:
    spec = parse_nanogrid_spec({"vppRef": {"name": "demo"}, "pv": {"nominalKw": 4}})
    assert isinstance(spec.pv and spec.pv.nominal_kw, float)


def test_annotations_are_kept_as_they_are() -> None:
    spec = parse_queuechannel_spec({"vppRef": {"name": "demo"}, "service": {"annotations": {"a.b/c": "yes"}}})
    assert spec.service.annotations is not None
    assert dict(spec.service.annotations) == {"a.b/c": "yes"}


@pytest.mark.parametrize("document", EXAMPLES, ids=lambda document: document["metadata"]["name"])
def test_the_sample_plant_parses(document: Mapping[str, Any]) -> None:
    PARSERS[document["kind"]](document["spec"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_what_the_api_server_takes_parses(case: Case) -> None:
    PARSERS[case.kind](merged(SMALLEST[case.kind], case.taken))


@pytest.mark.parametrize(
    ("kind", "changes", "sentence"),
    [
        ("VPPCluster", {"workerPools": None}, "spec.workerPools: is missing; it has no default"),
        ("VPPCluster", {"workerPools": []}, "spec.workerPools: must have at least 1 items, not 0"),
        (
            "VPPCluster",
            {"workerPools": [{"name": f"p{i}"} for i in range(17)]},
            "spec.workerPools: must have at most 16 items, not 17",
        ),
        ("VPPCluster", {"workerPools": "two"}, "spec.workerPools: must be a list, not 'two'"),
        ("VPPCluster", {"workerPools": [{}]}, "spec.workerPools[0].name: is missing; it has no default"),
        (
            "VPPCluster",
            {"workerPools": [{"name": "a"}, {"name": "b", "cores": 0}]},
            "spec.workerPools[1].cores: must be at least 1, not 0",
        ),
        ("VPPCluster", {"mode": "Manual"}, "spec.mode: must be one of Observe, Recommend, Auto, not 'Manual'"),
        ("VPPCluster", {"pinned": 1.5}, "spec.pinned: must be a whole number, not 1.5"),
        ("VPPCluster", {"pinned": True}, "spec.pinned: must be a whole number, not True"),
        ("VPPCluster", {"storage": "HDFS"}, "spec.storage: must be an object, not 'HDFS'"),
        (
            "VPPCluster",
            {"simulator": {"acceleration": 0}},
            "spec.simulator.acceleration: must be more than 0, not 0",
        ),
        (
            "VPPCluster",
            {"simulator": {"days": 9999}},
            "spec.simulator.days: must be at most 366, not 9999",
        ),
        ("QueueChannel", {"mqtt": {"enabled": "no"}}, "spec.mqtt.enabled: must be true or false, not 'no'"),
        ("QueueChannel", {"vppRef": {"name": 7}}, "spec.vppRef.name: must be text, not 7"),
        (
            "QueueChannel",
            {"vppRef": {"name": "d" * 31}},
            "spec.vppRef.name: must have at most 30 characters, not 31",
        ),
        ("QueueChannel", {"service": {"annotations": "x"}}, "spec.service.annotations: must be an object, not 'x'"),
        (
            "VPPCluster",
            {"dispatch": {"order": ["pv", "fusion"]}},
            "spec.dispatch.order[1]: must be one of pv, battery, load, wind, hydro, ev, not 'fusion'",
        ),
        ("NanoGrid", {"pv": {"nominalKw": "4"}}, "spec.pv.nominalKw: must be a number, not '4'"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("spec") else "",
)
def test_bad_input_is_one_sentence_that_names_the_place(kind: str, changes: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        PARSERS[kind](merged(SMALLEST[kind], changes))
    assert str(caught.value) == sentence
    assert caught.value.path == sentence.split(": ")[0]


# But for uniqueness, which a structural schema says and these types do not, and for fields of newer CRDs.
CHECKED_ONCE = ("duplicate entries", "field not declared")
CHECKED_TWICE = [bad for bad in BAD_FIELDS if not bad.says.endswith(CHECKED_ONCE)]


@pytest.mark.parametrize("bad", CHECKED_TWICE, ids=lambda bad: f"{bad.kind}: {bad.title}")
def test_what_the_api_server_refuses_in_one_field_does_not_parse(bad: BadField) -> None:
    with pytest.raises(InvalidSpec):
        PARSERS[bad.kind](merged(SMALLEST[bad.kind], bad.refused))


def test_a_field_of_newer_crds_does_not_stop_an_older_operator() -> None:
    known = parse_queuechannel_spec(SMALLEST["QueueChannel"])
    assert parse_queuechannel_spec({**SMALLEST["QueueChannel"], "colour": "blue"}) == known


def test_a_text_that_does_not_fit_its_pattern_is_shown_with_it() -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.storage\.size: must look like .*, not 'big'"):
        parse_vppcluster_spec(merged(SMALLEST["VPPCluster"], {"storage": {"size": "big"}}))


@pytest.mark.parametrize("values", [None, [], "text", 3, {1: 2}, {"vppRef": None}, {"vppRef": []}], ids=repr)
def test_whatever_comes_is_a_spec_or_an_invalid_spec(values: Any) -> None:
    with pytest.raises(InvalidSpec):
        parse(SPECS["NanoGrid"], values)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


# The first text of a fresh clone takes seconds: hypothesis makes its tables of characters.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(sorted(SPECS)), data=st.data())
def test_nonsense_in_any_field_is_never_more_than_an_invalid_spec(kind: str, data: st.DataObject) -> None:
    names = sorted(object_schema(SPECS[kind])["properties"])
    changes = data.draw(st.dictionaries(st.sampled_from(names), ANYTHING, max_size=4))
    with contextlib.suppress(InvalidSpec):
        PARSERS[kind]({**SMALLEST[kind], **changes})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_spec_written_as_yaml_reads_back_as_itself(case: Case) -> None:
    spec = PARSERS[case.kind](merged(SMALLEST[case.kind], case.taken))
    assert PARSERS[case.kind](as_yaml(spec)) == spec


@pytest.mark.parametrize(
    ("kind", "changes", "pending"),
    [
        ("VPPCluster", {}, []),
        ("QueueChannel", {}, []),
        ("NanoGrid", {}, []),
        ("QueueChannel", {"min": 1, "max": 2, "standby": 0}, []),
        ("QueueChannel", {"max": 2, "standby": 1, "rebalanceShare": 0.5}, []),
        ("QueueChannel", {"durability": "EndToEnd"}, []),
        ("VPPCluster", {"mode": "Observe"}, ["spec.mode"]),
        ("VPPCluster", {"thresholds": {"cpu": {"low": 20, "high": 90}}}, ["spec.thresholds.cpu"]),
        ("VPPCluster", {"thresholds": {"cpu": {"low": 30, "high": 85}}}, []),
        ("VPPCluster", {"dispatch": {"targetKw": 5}}, []),
        ("VPPCluster", {"community": {}}, ["spec.community"]),
        ("NanoGrid", {"tariff": {"importPriceByHour": [0.3] * 24}}, ["spec.tariff.importPriceByHour"]),
        (
            "VPPCluster",
            {"broker": {"replicas": 3}, "quota": {"workers": 4}},
            ["spec.broker.replicas", "spec.quota.workers"],
        ),
        ("NanoGrid", {"trading": {"enabled": True}}, ["spec.trading.enabled"]),
    ],
)
def test_what_is_set_and_not_acted_on_is_named(kind: str, changes: Mapping[str, Any], pending: list[str]) -> None:
    assert sorted(pending_fields(PARSERS[kind](merged(SMALLEST[kind], changes)))) == sorted(pending)


def test_the_start_may_be_every_day_there_is_and_no_other() -> None:
    days = {f"{year:04}-{month:02}-{day:02}" for year in range(1899, 2102) for month in range(14) for day in range(33)}
    taken = {day for day in days if re.search(FULL_HOUR, f"{day}T00:00:00Z")}
    first = date(1900, 1, 1)
    count = (date(2100, 1, 1) - first).days
    assert taken == {(first + timedelta(days=number)).isoformat() for number in range(count)}


def test_a_spec_cannot_be_changed() -> None:
    spec = parse_queuechannel_spec(SMALLEST["QueueChannel"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.min = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        (NotReady("BrokerStarting", "q-0 starts"), "BrokerStarting", "q-0 starts"),
        (NotReady("BrokerStarting"), "BrokerStarting", "BrokerStarting"),
        (Unavailable("InfluxDB", "it answers 503"), "InfluxDBUnavailable", "it answers 503"),
        (Unavailable("InfluxDB"), "InfluxDBUnavailable", "InfluxDB does not answer"),
        (InvalidSpec("spec.min", "is odd"), "InvalidSpec", "spec.min: is odd"),
    ],
    ids=lambda value: str(value),
)
def test_errors_have_a_word_for_a_condition_and_a_sentence(error: VPPError, reason: str, text: str) -> None:
    assert (error.reason, str(error)) == (reason, text)
