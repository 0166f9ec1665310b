"""The document that each benchmark writes: what was measured, where, and whether it reached its target.

A benchmark may have parts that run alone. Each run replaces its own parts in the document and keeps the others, and
`parts` says of each by which command, on which commit and when it was measured.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "out" / "bench"


def result(
    metric: str,
    unit: str,
    samples: Sequence[float],
    *,
    value: float | None = None,
    baseline: float | None = None,
    target: float | None = None,
    at_most: bool = True,
    reason: str = "",
) -> dict[str, Any]:
    """Return one row. `value` is what is held against the target, by default the median of the samples.

    `reason` is what stops a figure that misses its target, in words.
    """
    held = statistics.median(samples) if value is None else value
    met = None if target is None else held <= target if at_most else held >= target
    return {
        "metric": metric,
        "unit": unit,
        "samples": [round(sample, 4) for sample in samples],
        "median": round(held, 4),
        "baseline": baseline,
        "target": target,
        "met": met,
        "reason": reason,
    }


def not_measured(metric: str, unit: str, reason: str) -> dict[str, Any]:
    """Return a row without a figure, that says why there is none."""
    row = result(metric, unit, [0.0], reason=reason)
    return {**row, "samples": [], "median": None}


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least this share of all samples do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]


def merged(old: Mapping[str, Any], new: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Return a document with one part's results, and those of other parts from an older document."""
    others = {name: about for name, about in old.get("parts", {}).items() if name != part}
    kept = [row for row in old.get("results", ()) if row.get("part") in others]
    rows = [*kept, *({**row, "part": part} for row in new["results"])]
    about = {name: new[name] for name in ("command", "commit", "repeats", "finished", "series")}
    about["limits"] = new["environment"]["limits"]
    parts = {**others, part: about}
    environment = {
        **new["environment"],
        "limits": {f"{name}: {what}": limit for name, one in parts.items() for what, limit in one["limits"].items()},
        "versions": {**old.get("environment", {}).get("versions", {}), **new["environment"]["versions"]},
    }
    document = {**new, "environment": environment, "results": sorted(rows, key=lambda row: row["part"]), "parts": parts}
    return {name: value for name, value in document.items() if name not in ("finished", "series")}


def write(
    name: str,
    *,
    limits: Mapping[str, str],
    versions: Mapping[str, str],
    repeats: int,
    results: Sequence[Mapping[str, Any]],
    part: str = "",
    arguments: Sequence[str] = (),
    series: Mapping[str, Any] | None = None,
) -> Path:
    """Write out/bench/NAME.json, or the part of it that was measured, and return its path.

    Args:
        name: the benchmark's.
        limits: what processes and machine were held to.
        versions: of what was measured.
        repeats: of a measurement.
        results: rows, see `result`.
        part: the part of the benchmark that this is, if it has parts.
        arguments: the command's.
        series: what a plot is drawn from.
    """
    command = f"make bench NAME={name}"
    if arguments:
        command += f" ARGS={shlex.quote(shlex.join(arguments))}"
    document: dict[str, Any] = {
        "name": name,
        "command": command,
        "commit": _commit(),
        "environment": {
            "cores": os.cpu_count(),
            "memory_gib": _memory_gib(),
            "limits": dict(limits),
            "versions": dict(versions),
        },
        "repeats": repeats,
        "results": [dict(row) for row in results],
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "series": dict(series or {}),
    }
    path = FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if part:
        document = merged(json.loads(path.read_text()) if path.is_file() else {}, document, part)
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def _commit() -> str:
    done = subprocess.run(
        ("git", "rev-parse", "--short", "HEAD"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _memory_gib() -> float:
    memory_kib = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0])
    return round(memory_kib / 2**20, 1)
