"""How old a reading is when the twin has it, beside what a batch costs at least in the same plant.

Steady and while a channel wakes, and with lower triggers, for the readings of the whole plant. The floor are batches of
one reading each, of the same query with the same state and the same sinks, after the simulator has been removed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "hack"), str(ROOT / "operator"), str(ROOT / "workloads")]

from tests.bench import _probe as probe  # noqa: E402
from tests.bench._document import write  # noqa: E402
from tests.bench._fit import numbers  # noqa: E402
from tests.bench._latency import Latency, Window, rows  # noqa: E402
from tests.bench._waking import seconds_until, wish  # noqa: E402
from tests.reach import open_to_this_machine  # noqa: E402
from vpp_contract.environment import TRIGGER_SECONDS  # noqa: E402
from vppdemo import install, live, plant  # noqa: E402
from vppdemo.kube import Kube, wait_until  # noqa: E402
from vppdemo.versions import running_versions  # noqa: E402

NAMESPACE: Final = "vpp-bench-latency"
SITE: Final = "probe"
DAY_SECONDS: Final = 1200
READING_SECONDS: Final = 6
"""A reading of each device for so many simulated seconds: with a day that lasts, the demo's rate."""
SETTLED_BATCHES: Final = 6
LAST_BATCHES: Final = 3
"""After a span, so that the readings created in it are committed before anything is changed."""
BEHIND_SECONDS: Final = 4.0
CATCH_UP_SECONDS: Final = 40.0
# Runs in the driver's pod: the history and the batches' times as the audit reads them, for spans of creation time.
SCRIPT: Final = """
import json, os, sys
import numpy as np
from vpp_contract import environment as env
from vpp_workloads.streaming.audit.__main__ import read_twin
from vpp_workloads.streaming.audit.compare import latencies_ms
from vpp_workloads.streaming.audit.files import open_files, read_history
from vpp_workloads.streaming.influx import Influx
from vpp_workloads.streaming.settings import influx_settings, storage_settings
influx = Influx(influx_settings(os.environ))
_, committed_us = read_twin(influx, env.text(os.environ, env.VPP_NAME))
influx.close()
history = read_history(open_files(storage_settings(os.environ)))
latency, created_us = latencies_ms(history, committed_us), history["created_us"].to_numpy()
found = []
for spans in json.loads(sys.argv[1]):
    chosen = np.zeros(len(created_us), bool)
    for start_us, end_us in spans:
        chosen |= (created_us >= start_us) & (created_us < end_us)
    known = latency[chosen & np.isfinite(latency)]
    p50, p99 = np.percentile(known, (50, 99)) if len(known) else (np.nan, np.nan)
    found.append([len(known), float(p50) / 1000, float(p99) / 1000])
print(json.dumps(found))
"""


def long_day(trigger_seconds: float) -> Any:
    """Return the change of the demo's resources: a day that outlasts the measurement, a trigger, two channels."""

    def change(document: Mapping[str, Any]) -> Mapping[str, Any]:
        spec = document["spec"]
        if document["kind"] == "VPPCluster":
            pace = {"acceleration": 86400 // DAY_SECONDS, "readingIntervalSeconds": READING_SECONDS}
            streaming = {**spec["streaming"], "triggerSeconds": trigger_seconds}
            simulator = {**spec["simulator"], **pace}
            return {**document, "spec": {**spec, "simulator": simulator, "streaming": streaming}}
        return {**document, "spec": {**spec, "max": 2}} if document["kind"] == "QueueChannel" else document

    return change


def now_us() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1000


def pass_batches(driver: probe.Driver, count: int) -> None:
    """Wait for some batches."""
    first = driver.batch()
    wait_until(
        f"{count} batches",
        lambda: driver.batch() >= first + count,
        timeout_seconds=90,
        explain=lambda: f"the driver says {dict(driver.progress())}",
        interval_seconds=0.2,
    )


def settle(driver: probe.Driver) -> None:
    """Wait until what piled up is read; go on with a word when that does not come to an end."""
    pass_batches(driver, SETTLED_BATCHES)
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while driver.behind_seconds() > BEHIND_SECONDS and time.monotonic() < deadline:
        time.sleep(0.2)
    if driver.behind_seconds() > BEHIND_SECONDS:
        print(f"  the twin is {driver.behind_seconds():.1f} s behind and does not catch up", flush=True)


def set_trigger(kube: Kube, driver: probe.Driver, trigger_seconds: float) -> None:
    """Change the trigger and wait until the driver runs with it."""
    patch = json.dumps({"spec": {"streaming": {"triggerSeconds": trigger_seconds}}})
    kube.run("patch", "vppcluster", plant.VPP, "-n", NAMESPACE, "--type=merge", "-p", patch)

    def runs() -> bool:
        pod = kube.get("pod", live.DRIVER_POD, "-n", NAMESPACE)
        values = {one["name"]: one.get("value") for one in pod["spec"]["containers"][0]["env"]}
        driver.refresh()
        return values.get(TRIGGER_SECONDS) == f"{trigger_seconds:g}" and driver.progress().get("state") == "Running"

    wait_until(
        f"a trigger of {trigger_seconds:g} s",
        runs,
        timeout_seconds=180,
        explain=lambda: f"the driver says {dict(driver.progress())}",
    )


def wake(kube: Kube, trigger_seconds: float) -> Window:
    """Wake a channel, return the span from the command until it is filled, and put it to sleep again."""
    seconds_until(kube, wish(kube, 1, 1, NAMESPACE), "Standby", NAMESPACE)
    start_us = now_us()
    seconds_until(kube, wish(kube, 2, 0, NAMESPACE), "Active", NAMESPACE)
    window = Window(name="wake", trigger_seconds=trigger_seconds, start_us=start_us, end_us=now_us(), waking=True)
    seconds_until(kube, wish(kube, 1, 0, NAMESPACE), "Asleep", NAMESPACE)
    return window


def silence(kube: Kube) -> None:
    """Let all sites have gateways of their own, of which none runs: the operator removes the simulator."""
    sites = [
        {
            **{name: document[name] for name in ("apiVersion", "kind")},
            "metadata": {name: document["metadata"][name] for name in ("name", "namespace")},
            "spec": {**document["spec"], "source": {"type": "Gateway"}},
        }
        for document in kube.get("nanogrids", "-n", NAMESPACE)["items"]
    ]
    kube.apply(*sites)
    pod = f"pod/{live.SIMULATOR_POD}"
    kube.run("wait", "--for=delete", pod, "-n", NAMESPACE, "--timeout=120s", timeout_seconds=130)


def latencies(kube: Kube, windows: Sequence[Window]) -> dict[tuple[float, bool], Latency]:
    """Return the latencies of all readings created in the windows, by trigger and whether a channel was waking."""
    keys = list(dict.fromkeys((window.trigger_seconds, window.waking) for window in windows))
    spans = [[(w.start_us, w.end_us) for w in windows if (w.trigger_seconds, w.waking) == key] for key in keys]
    command = ("exec", "-n", NAMESPACE, live.DRIVER_POD, "--", "python", "-c", SCRIPT, json.dumps(spans))
    found = json.loads(kube.run(*command, timeout_seconds=180))
    return {
        key: Latency(readings=count, p50_seconds=p50, p99_seconds=p99)
        for key, (count, p50, p99) in zip(keys, found, strict=True)
        if count
    }


def main() -> int:
    """Measure and write out/bench/latency.json."""
    parser = argparse.ArgumentParser(description="how old a reading is when the twin has it")
    parser.add_argument("--triggers", type=numbers, default="1,0.5,0.1", help="seconds; wakes use the first")
    parser.add_argument("--steady-seconds", type=float, default=20.0, help="how long each trigger is measured")
    parser.add_argument("--wakes", type=int, default=3, help="how often a channel wakes")
    parser.add_argument("--floor-batches", type=int, default=30, help="batches of one reading")
    arguments = parser.parse_args()
    kube = install.cluster()
    install.chart(kube, install.images())
    install.plant(kube, NAMESPACE, None, long_day(arguments.triggers[0]))
    open_to_this_machine(kube, NAMESPACE)
    kube.apply(probe.site(NAMESPACE, SITE))
    measured = measure(kube, arguments)
    write(
        "latency",
        limits={"worker": "1 core, 1536Mi", "channel cpu": "500m", "driver cpu": "2"},
        versions=running_versions(kube, NAMESPACE, plant.VPP),
        repeats=arguments.floor_batches,
        results=measured.pop("rows"),
        arguments=sys.argv[1:],
        series=measured,
    )
    install.remove(kube, NAMESPACE)
    return 0


def measure(kube: Kube, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything in one plant; return the rows and what they come from."""
    driver, windows = probe.Driver(kube, NAMESPACE), []
    batches: dict[float, list[float]] = {}
    for number, trigger in enumerate(arguments.triggers):
        if number:
            set_trigger(kube, driver, trigger)
        settle(driver)
        start_us = now_us()
        batches[trigger] = driver.durations(arguments.steady_seconds)
        windows.append(Window(name="steady", trigger_seconds=trigger, start_us=start_us, end_us=now_us()))
        pass_batches(driver, LAST_BATCHES)
        print(f"  trigger {trigger:g} s: {len(batches[trigger])} batches", flush=True)
        if not number:
            for turn in range(1, arguments.wakes + 1):
                windows.append(wake(kube, trigger))
                print(f"  wake {turn}/{arguments.wakes}", flush=True)
    silence(kube)
    floor = probe.one_at_a_time(kube, NAMESPACE, SITE, driver, arguments.floor_batches)
    print(f"  {len(floor)} batches of one reading", flush=True)
    found = latencies(kube, windows)
    return {
        "rows": rows(floor, found, batches),
        "windows": [asdict(window) for window in windows],
        "batches_seconds": {f"{trigger:g}": durations for trigger, durations in batches.items()},
        "floor_seconds": floor,
    }


if __name__ == "__main__":
    sys.exit(main())
