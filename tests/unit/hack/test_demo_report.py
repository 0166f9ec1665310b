"""What the demo prints and calls a success."""

from __future__ import annotations

from typing import Any

import pytest

from vppdemo.report import faults, site_table, summary

SITE = {
    "site": "house-01",
    "kwh_source": 12.3456,
    "kwh_twin": 12.3456,
    "readings": 4320,
    "lost": 0,
    "duplicated": 0,
    "latency_ms_p50": 900.0,
    "latency_ms_p99": 1800.0,
}


def result(**readings: int) -> dict[str, Any]:
    audit = {
        "readings": {"confirmed": 10, "in_twin": 10, "lost": 0, "duplicated": 0, "phantom": 0, **readings},
        "current_values": {"inversions": 0, "behind": 0},
        "energy_max_relative_error": 1e-9,
        "hours_compared": 24,
        "latency_ms": {"p50": 1.0, "p99": 2.0},
        "sites": [SITE],
    }
    return summary(
        profile="physical",
        audit=audit,
        seconds={"total": 1.26},
        peak_memory_gib=1.234,
        operator_mib=81.26,
        versions={},
    )


def test_a_run_without_loss_has_no_fault() -> None:
    assert faults(result()) == []


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"lost": 2}, "2 readings were confirmed to a gateway but are not in the history"),
        ({"duplicated": 1}, "1 readings were counted more than once"),
        ({"phantom": 3}, "3 readings were in the history though no gateway had them confirmed"),
        ({"confirmed": 0}, "no reading was confirmed, so nothing was shown"),
    ],
)
def test_each_kind_of_loss_is_a_fault_with_its_sentence(counts: dict[str, int], sentence: str) -> None:
    assert faults(result(**counts)) == [sentence]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"inversions": 2, "behind": 0}, "2 times a DER's current value went back to an older reading"),
        ({"inversions": 0, "behind": 1}, "1 DERs do not have their newest reading as their current value"),
    ],
)
def test_a_current_value_that_is_not_the_newest_is_a_fault(values: dict[str, int], sentence: str) -> None:
    assert faults({**result(), "current_values": values}) == [sentence]


@pytest.mark.parametrize("error", [1.1e-6, float("nan"), None])
def test_an_energy_error_that_is_large_or_unknown_is_a_fault(error: float | None) -> None:
    found = faults({**result(), "energy_max_relative_error": error})
    assert len(found) == 1
    assert "the twin's energy differs" in found[0]


def test_memory_that_was_not_measured_is_no_figure() -> None:
    measured: Any = {"profile": "p", "seconds": {}, "versions": {}, "operator_mib": None, "audit": result()}
    assert summary(**measured, peak_memory_gib=None)["peak_memory_gib"] is None
    assert summary(**measured, peak_memory_gib=5.349)["peak_memory_gib"] == 5.35


def test_the_table_has_a_row_for_each_site_and_one_of_totals() -> None:
    lines = site_table([SITE, {**SITE, "site": "wind-01", "latency_ms_p50": None}]).splitlines()
    assert [line.split()[0] for line in lines if not line.startswith("-")] == ["site", "house-01", "wind-01", "all"]
    assert "24.691" in lines[-1]
    assert "8,640" in lines[-1]
    assert len({len(line) for line in lines}) == 1
