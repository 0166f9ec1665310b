"""The benchmarks' document: rows against their targets, and parts that are measured apart."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench._document import merged, result


@pytest.mark.parametrize(
    ("samples", "value", "target", "at_most", "met"),
    [
        pytest.param([1.0, 2.0, 9.0], None, 2.0, True, True, id="the median is held against the target"),
        pytest.param([1.0, 2.0, 9.0], 9.0, 2.0, True, False, id="or the value that is given"),
        pytest.param([0.5, 0.7], None, 0.6, False, True, id="at least"),
        pytest.param([0.5, 0.6], None, 0.6, False, False, id="less than at least"),
        pytest.param([1.0], None, None, True, None, id="no target"),
    ],
)
def test_a_row(samples: list[float], value: float | None, target: float | None, at_most: bool, met: bool) -> None:
    assert result("m", "s", samples, value=value, target=target, at_most=at_most)["met"] is met


def document(commit: str, metric: str, limit: str) -> dict[str, Any]:
    return {
        "name": "channels",
        "command": f"make bench, {commit}",
        "commit": commit,
        "environment": {"cores": 2, "limits": {"cpu": limit}, "versions": {commit: "1"}},
        "repeats": 3,
        "results": [{"metric": metric}],
        "finished": "2026-01-01T00:00:00Z",
        "series": {"x": [1]},
    }


def test_a_part_replaces_its_own_rows_and_keeps_those_of_others() -> None:
    first = merged({}, document("aaa", "old", "1"), "sensors")
    second = merged(first, document("bbb", "other", "250m"), "saturation")
    third = merged(second, document("ccc", "new", "2"), "sensors")
    assert [(row["part"], row["metric"]) for row in third["results"]] == [("saturation", "other"), ("sensors", "new")]
    assert {name: part["commit"] for name, part in third["parts"].items()} == {"saturation": "bbb", "sensors": "ccc"}
    assert third["environment"]["limits"] == {"saturation: cpu": "250m", "sensors: cpu": "2"}
    assert set(third["environment"]["versions"]) == {"aaa", "bbb", "ccc"}
    assert third["commit"] == "ccc"


def test_rows_of_a_document_without_parts_are_not_taken_over() -> None:
    old = {"results": [{"metric": "from an older version"}], "environment": {"versions": {}}}
    assert [row["metric"] for row in merged(old, document("aaa", "new", "1"), "sensors")["results"]] == ["new"]
