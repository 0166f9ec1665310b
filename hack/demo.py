"""`make demo`: from nothing to a living digital twin on a real cluster, and the proof that it lost nothing.

Steps: cluster, images, chart, plant, one simulated day, audit. Physical profiles by default; VPP_DATA=FOLDER,
or `demo.py --data FOLDER`, replays the houses of a data folder. CONTEXT=NAME uses a cluster of your own.
Writes out/demo.json and leaves the cluster up.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "hack"), str(ROOT / "workloads")]

from vppdemo import install, live, plant, report  # noqa: E402
from vppdemo.kube import DemoError, Kube  # noqa: E402
from vppdemo.memory import PeakMemory, operator_resident_mib  # noqa: E402
from vppdemo.versions import running_versions  # noqa: E402
from vpplocal.errors import LocalError  # noqa: E402

NAMESPACE = os.environ.get("VPP_DEMO_NAMESPACE", "vpp-demo")


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the time the block takes to `seconds[name]`."""
    started = time.monotonic()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.monotonic() - started


def step(number: int, text: str) -> None:
    """Announce a step."""
    print(f"\n[{number}/6] {text}", flush=True)


def run(data_folder: Path | None, out: Path) -> list[str]:
    """Run the whole demo and return its faults, none when it was a success.

    Raises:
        DemoError: a step could not be done.
        LocalError: a program that it needs is not to be had.
    """
    if data_folder is not None:
        plant.check(data_folder)
    seconds: dict[str, float] = {}
    memory = PeakMemory()
    with timed(seconds, "total"):
        step(1, "cluster")
        with timed(seconds, "cluster"):
            kube = install.cluster()
        step(2, "images")
        with timed(seconds, "images"):
            images = install.images()
        step(3, "operator: helm upgrade --install")
        with timed(seconds, "install"):
            install.chart(kube, images)
        step(4, f"plant: {'houses of ' + data_folder.name if data_folder else 'physical profiles'}, kubectl apply")
        with timed(seconds, "plant"):
            install.plant(kube, NAMESPACE, data_folder)
        step(5, "one simulated day")
        with timed(seconds, "run"):
            live.follow_day(kube, NAMESPACE, timeout_seconds=600)
        step(6, "audit: the gateways' ledger against the history files, energies against the source")
        with timed(seconds, "audit"):
            audit = live.audit(kube, NAMESPACE)
            versions = running_versions(kube, NAMESPACE, plant.VPP)
    peak_gib = memory.close()
    result = report.summary(
        profile=data_folder.name if data_folder else "physical",
        audit=audit,
        seconds=seconds,
        peak_memory_gib=None if kube.context else peak_gib,  # a cluster elsewhere uses another machine's memory
        operator_mib=operator_resident_mib(kube, install.OPERATOR_NAMESPACE),
        versions=versions,
    )
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    _print_result(result, out, kube)
    return report.faults(result)


def _print_result(result: dict[str, object], out: Path, kube: Kube) -> None:
    print("\n" + report.site_table(result["sites"]))  # type: ignore[arg-type]  # a list of mappings from the audit
    figures = ("readings", "energy_max_relative_error", "latency_ms", "seconds")
    for name in (*figures, "peak_memory_gib", "operator_resident_mib", "versions"):
        value = result[name]
        value = "not measured" if value is None else value
        text = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else value
        print(f"{name.replace('_', ' '):26}{text}")
    print(f"{'written to':26}{out.relative_to(ROOT)}")
    prefix = (
        "" if kube.kubeconfig is None else f"export KUBECONFIG={kube.kubeconfig} PATH={kube.kubectl.parent}:$PATH\n  "
    )
    print(
        f"\nThe cluster stays up. Where to look next:\n  {prefix}kubectl -n {NAMESPACE} get vpp,qch,ng\n"
        f"  kubectl -n {NAMESPACE} describe vpp {plant.VPP}\n  kubectl -n {NAMESPACE} get pods\n"
        f"  kubectl -n {NAMESPACE} logs {live.DRIVER_POD}\n  kubectl explain nanogrid.spec\n  make down"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the demo as a program; 0 when nothing was lost or counted twice and the energies agree."""
    parser = argparse.ArgumentParser(description="from nothing to a living digital twin on a real cluster")
    default = os.environ.get("VPP_DATA") or None
    parser.add_argument("--data", metavar="FOLDER", default=default, help="replay a data folder; default: VPP_DATA")
    data = parser.parse_args(arguments).data
    try:
        found = run(Path(data).resolve() if data else None, ROOT / "out" / "demo.json")
    except (DemoError, LocalError) as error:
        print(f"\nmake demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nmake demo: stopped; what is up stays up, and the same command begins anew on it", file=sys.stderr)
        return 130
    for fault in found:
        print(f"make demo: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
