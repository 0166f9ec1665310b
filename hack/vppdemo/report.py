"""What the demo says at the end: a table of the sites, and `out/demo.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_COLUMNS = (
    ("site", "site", "<"),
    ("kWh source", "kwh_source", ">"),
    ("kWh twin", "kwh_twin", ">"),
    ("readings", "readings", ">"),
    ("lost", "lost", ">"),
    ("dup.", "duplicated", ">"),
    ("p50 ms", "latency_ms_p50", ">"),
    ("p99 ms", "latency_ms_p99", ">"),
)


def site_table(sites: Sequence[Mapping[str, Any]]) -> str:
    """Return the sites as a table in text, one row a site and a row of totals."""
    rows = [[_cell(site.get(key)) for _, key, _ in _COLUMNS] for site in sites]
    total: dict[str, Any] = {"site": "all"}
    for key in ("kwh_source", "kwh_twin", "readings", "lost", "duplicated"):
        total[key] = sum(site.get(key) or 0 for site in sites)
    rows.append([_cell(total.get(key)) for _, key, _ in _COLUMNS])
    heads = [head for head, _, _ in _COLUMNS]
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    lines = [
        "  ".join(f"{cell:{align}{width}}" for cell, width, (_, _, align) in zip(row, widths, _COLUMNS, strict=True))
        for row in (heads, *rows)
    ]
    rule = "-" * len(lines[0])
    return "\n".join((lines[0], rule, *lines[1:-1], rule, lines[-1]))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def summary(
    *,
    profile: str,
    audit: Mapping[str, Any],
    seconds: Mapping[str, float],
    peak_memory_gib: float | None,
    operator_mib: float | None,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Return the content of `out/demo.json`: the audit's figures beside what the run itself measured."""
    return {
        "profile": profile,
        "readings": audit["readings"],
        "current_values": audit["current_values"],
        "energy_max_relative_error": audit["energy_max_relative_error"],
        "hours_compared": audit["hours_compared"],
        "latency_ms": audit["latency_ms"],
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "peak_memory_gib": None if peak_memory_gib is None else round(peak_memory_gib, 2),
        "operator_resident_mib": None if operator_mib is None else round(operator_mib, 1),
        "versions": dict(versions),
        "sites": audit["sites"],
    }


def faults(result: Mapping[str, Any]) -> list[str]:
    """Return what keeps a run from being a success, one sentence each; empty when all is well."""
    readings = result["readings"]
    found = []
    if readings["confirmed"] == 0:
        found.append("no reading was confirmed, so nothing was shown")
    found += [
        f"{readings[name]:,} readings were {words}"
        for name, words in (
            ("lost", "confirmed to a gateway but are not in the history"),
            ("duplicated", "counted more than once"),
            ("phantom", "in the history though no gateway had them confirmed"),
        )
        if readings.get(name)
    ]
    found += [
        f"{result['current_values'][name]:,} {words}"
        for name, words in (
            ("inversions", "times a DER's current value went back to an older reading"),
            ("behind", "DERs do not have their newest reading as their current value"),
        )
        if result["current_values"].get(name)
    ]
    if result["energy_max_relative_error"] is None or not result["energy_max_relative_error"] <= 1e-6:
        found.append(
            f"the twin's energy differs from the source's by {result['energy_max_relative_error']} (at most 1e-6)"
        )
    return found
