"""`make chaos`: a plant through wake, sleep and faults of every kind; not a reading may be lost or counted twice.

Writes out/chaos.json. SEED=n repeats a schedule, MINUTES=n bounds the time in which faults begin.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "hack"), str(ROOT / "workloads")]

from vppchaos.report import counted, verdict  # noqa: E402
from vppchaos.run import Size, run  # noqa: E402
from vppdemo import install  # noqa: E402
from vppdemo.kube import DemoError  # noqa: E402

NAMESPACE = "vpp-chaos"
LONG = Size(days=5, acceleration=360, reading_interval_seconds=10, most_faults=1000, seconds=1500.0)
"""5 days of 54 DERs with a reading every 10 s are 2.3 million readings."""


def main() -> int:
    """Run it; 0 when nothing was lost, doubled or out of order."""
    seed = int(os.environ.get("SEED") or time.time())
    minutes = os.environ.get("MINUTES")
    size = replace(LONG, seconds=float(minutes) * 60) if minutes else LONG
    out = ROOT / "out" / "chaos.json"
    try:
        kube = install.cluster()
        images = install.images()
        install.chart(kube, images)
        print(f"\nfaults, SEED={seed}", flush=True)
        result = run(kube, NAMESPACE, images, size, seed)
    except DemoError as error:
        print(f"\nmake chaos: {error}", file=sys.stderr)
        return 1
    result = {**result, **counted(result["events"])}
    faults = verdict(result)
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({**result, "verdict": faults}, indent=2) + "\n")
    for name in ("readings", "faults", "by_fault", "by_moment", "latency_ms", "seconds"):
        print(f"{name.replace('_', ' '):12}{result[name]}")
    print(f"{'written to':12}{out.relative_to(ROOT)}")
    for fault in faults:
        print(f"make chaos: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
