"""The document that each benchmark writes: what was measured, where, and whether it reached its target."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


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


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least this share of all samples do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]


def write(
    name: str,
    *,
    limits: Mapping[str, str],
    versions: Mapping[str, str],
    repeats: int,
    results: Sequence[Mapping[str, Any]],
) -> Path:
    """Write out/bench/NAME.json and return its path."""
    commit = subprocess.run(
        ("git", "rev-parse", "--short", "HEAD"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    memory_kib = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0])
    document = {
        "name": name,
        "command": f"make bench NAME={name}",
        "commit": commit.stdout.strip(),
        "environment": {
            "cores": os.cpu_count(),
            "memory_gib": round(memory_kib / 2**20, 1),
            "limits": dict(limits),
            "versions": dict(versions),
        },
        "repeats": repeats,
        "results": list(results),
    }
    path = ROOT / "out" / "bench" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
