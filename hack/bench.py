"""Runs the benchmarks, `bench.py [NAME [ARGUMENT...]]`, and prints what they measured.

A benchmark is a script tests/bench/NAME.py; it writes out/bench/NAME.json: `{name, command, commit, environment,
repeats, results: [{metric, unit, samples, median, baseline, target, met, reason}]}`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "tests" / "bench"
RESULTS = ROOT / "out" / "bench"
COLUMNS = ("metric", "unit", "median", "baseline", "target", "met", "reason")


def benchmarks() -> dict[str, Path]:
    """The benchmarks by name."""
    return {path.stem: path for path in sorted(SCRIPTS.glob("*.py")) if not path.stem.startswith(("_", "conftest"))}


def table(document: dict[str, Any]) -> str:
    """What a benchmark measured, one line a metric."""
    rows = [COLUMNS, *(tuple(_text(result.get(column)) for column in COLUMNS) for result in document["results"])]
    widths = [max(len(row[index]) for row in rows) for index in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"{document['name']} ({document['repeats']} repeats, {document['commit']})", *lines])


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def main() -> int:
    """Run one benchmark or all of them; fails when one of them failed, not when a target was missed."""
    found = benchmarks()
    parser = argparse.ArgumentParser(description="run the benchmarks")
    parser.add_argument("name", nargs="?", help=f"one of {', '.join(found) or '(none yet)'}; default: all")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the benchmark takes; see its --help")
    parsed = parser.parse_args()
    name: str | None = parsed.name
    if name is not None and name not in found:
        print(f"bench: there is no benchmark {name!r}; there are {', '.join(found) or 'none yet'}", file=sys.stderr)
        return 2
    failed: list[str] = []
    for one in [name] if name else list(found):
        done = subprocess.run([sys.executable, str(found[one]), *parsed.arguments], cwd=ROOT, check=False)
        result = RESULTS / f"{one}.json"
        if done.returncode != 0 or not result.is_file():
            failed.append(one)
        else:
            print(table(json.loads(result.read_text())), flush=True)
    if failed:
        print(f"bench: failed: {', '.join(failed)}", file=sys.stderr)
    if not found:
        print("bench: there are no benchmarks yet")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
