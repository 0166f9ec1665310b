"""`make chaos`: a plant through wake, sleep and faults of every kind; not a reading may be lost or counted twice.

Before it the checker has to find faults put into the programs on purpose. Writes out/chaos.json. SEED=n repeats a
schedule, MINUTES=n bounds the time in which faults begin, DURABILITY=Broker leaves the channels their volumes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "hack"), str(ROOT / "workloads")]

from vppchaos.report import counted, verdict  # noqa: E402
from vppchaos.run import Size, run  # noqa: E402
from vppdemo import install  # noqa: E402
from vppdemo.kube import DemoError  # noqa: E402
from vpplocal.errors import LocalError  # noqa: E402

NAMESPACE = "vpp-chaos"
LONG = Size(days=5, acceleration=360, reading_interval_seconds=10, most_faults=1000, seconds=1500.0)
"""5 days of 54 DERs with a reading every 10 s are 2.3 million readings."""


def seeded_bugs(report: Path) -> dict[str, str]:
    """Let the checker look at each program with a bug put into it, and without; return what came of each test."""
    test = "tests/integration/test_seeded_bugs.py"
    command = (str(ROOT / ".venv" / "bin" / "python"), "-m", "pytest", "-q", "--show-capture=no", test)
    print("\nthe checker itself: bugs put into the programs on purpose", flush=True)
    report.unlink(missing_ok=True)
    subprocess.run((*command, f"--junitxml={report}"), cwd=ROOT, check=False, timeout=900)
    cases = ET.parse(report).iter("testcase") if report.exists() else ()
    found = {str(case.get("name")): "caught" if _passed(case) else "MISSED" for case in cases}
    return {name.removeprefix("test_").replace("_", " "): said for name, said in found.items()}


def _passed(case: ET.Element) -> bool:
    return all(case.find(name) is None for name in ("failure", "error", "skipped"))


def main() -> int:
    """Run it; 0 when nothing was lost, doubled or out of order."""
    seed = int(os.environ.get("SEED") or time.time())
    minutes = os.environ.get("MINUTES")
    size = replace(LONG, seconds=float(minutes) * 60) if minutes else LONG
    size = replace(size, durability=os.environ.get("DURABILITY") or size.durability)
    out = ROOT / "out" / "chaos.json"
    out.parent.mkdir(exist_ok=True)
    try:
        kube = install.cluster()
        images = install.images()
        install.chart(kube, images)
        bugs = seeded_bugs(out.with_name("seeded-bugs.xml"))
        print(f"\nfaults, SEED={seed}", flush=True)
        result = run(kube, NAMESPACE, images, size, seed)
    except (DemoError, LocalError) as error:
        print(f"\nmake chaos: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nmake chaos: stopped; SEED={seed} repeats the faults", file=sys.stderr)
        return 130
    result = {**result, **counted(result["events"]), "seeded_bugs": bugs}
    faults = verdict(result)
    if not bugs or "MISSED" in bugs.values():
        faults.append(f"the checker does not find what it should: {bugs or 'no test ran'}")
    out.write_text(json.dumps({**result, "verdict": faults}, indent=2) + "\n")
    for name in (
        "durability",
        "readings",
        "faults",
        "by_fault",
        "by_moment",
        "with_full_spools",
        "seeded_bugs",
        "latency_ms",
        "seconds",
    ):
        print(f"{name.replace('_', ' '):12}{result[name]}")
    print(f"{'written to':12}{out.relative_to(ROOT)}")
    for fault in faults:
        print(f"make chaos: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
