"""Fig. 9: how messages and bytes a second grow with the number of sensors, on one channel.

Sensors send one reading an interval. Those of simple devices come as messages of their own, those behind gateways in
batches of a hundred. What counts is what brokers confirmed and what a reader found in the stream afterwards.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any, Final

from tests.bench._document import FOLDER, percentile, result, write
from tests.bench._fit import numbers, r_squared
from tests.bench._plot import Line, plot
from tests.bench._units import Unit, run_load, units_on_cluster
from tests.bench._workload import Fleet

NAMESPACE: Final = "vpp-bench-sensors"
CONNECTIONS: Final = 30
BOUND: Final = 2_000
LINEAR: Final = 0.99
WAYS: Final = {"single": (1, 60.0), "batched": (100, 10.0)}
"""Readings in a message, and the interval of a sensor in seconds."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add this part's options."""
    parser.add_argument(
        "--sensors", type=numbers, default="1000,10000,25000,50000,100000", help="numbers of sensors, for Fig. 9"
    )
    parser.add_argument("--sensor-seconds", type=float, default=8.0, help="how long each number is measured")
    parser.add_argument("--sensor-cpu", default="1", help="the broker's CPU limit for Fig. 9")


def point(unit: Unit, sensors: int, way: str, seconds: float) -> dict[str, float]:
    """Measure one number of sensors; return rates and what they cost."""
    readings, interval_seconds = WAYS[way]
    fleet = Fleet(sensors=sensors, interval_seconds=interval_seconds, readings=readings)
    found = run_load([unit], fleet, connections=CONNECTIONS, seconds=seconds, bound=BOUND)
    moments = found.sent.confirmed_at
    lasted = max(moments) - min(moments)
    rate = (len(moments) - 1) / lasted
    return {
        "sensors": sensors,
        "messages_per_second": rate,
        "readings_per_second": rate * found.stored.readings / found.stored.messages,
        "mb_per_second": rate * found.stored.body_bytes / found.stored.messages / 1e6,
        "delay_p99_seconds": percentile(found.stored.delays_seconds, 0.99),
        "broker_cpu_cores": found.cpu_cores[0],
        "publisher_cpu_cores": found.sent.cpu_cores,
        "offered": found.sent.offered,
        "refused": found.sent.refused + found.sent.rejected,
        "confirmed": len(found.sent.confirmed),
        "stored": found.stored.messages,
        "lost": found.lost,
    }


def measure(unit: Unit, sensors: Sequence[int], seconds: float) -> dict[str, list[dict[str, float]]]:
    """Measure all numbers of sensors, both ways. The largest runs a whole interval, so that every sensor sends."""
    found: dict[str, list[dict[str, float]]] = {}
    for way, (_, interval_seconds) in WAYS.items():
        for count in sensors:
            whole = max(seconds, interval_seconds) if count == max(sensors) and count >= 100_000 else seconds
            found.setdefault(way, []).append(point(unit, count, way, whole))
            one = found[way][-1]
            print(
                f"  {count:,} sensors, {way}: {one['messages_per_second']:,.1f} messages/s, "
                f"{one['mb_per_second']:.3f} MB/s, {one['lost']:.0f} lost",
                flush=True,
            )
    return found


def rows(found: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """Return the document's rows."""
    made: list[dict[str, Any]] = []
    for way, points in found.items():
        sensors = [one["sensors"] for one in points]
        for name, unit in (("messages_per_second", "1/s"), ("mb_per_second", "MB/s")):
            values = [one[name] for one in points]
            label = f"(a) {way}: {unit.replace('1/s', 'messages/s')}"
            most = f"the value at {max(sensors):,.0f} sensors; samples by number of sensors: {sensors}"
            made.append(result(label, unit, values, value=values[-1], reason=most))
            fit = r_squared(sensors, values)
            bend = "sensors send at constant intervals: what could bend the line is a channel that does not keep up"
            row = result(f"{label} over sensors, R²", "1", [fit], target=LINEAR, at_most=False, reason=bend)
            made.append(row)
        made.append(result(f"(a) {way}: broker's cores", "1", [one["broker_cpu_cores"] for one in points]))
        made.append(result(f"(a) {way}: refused messages", "1", [sum(one["refused"] for one in points)], target=0))
        made.append(result(f"(a) {way}: lost messages", "1", [sum(one["lost"] for one in points)], target=0))
    return made


def draw(found: dict[str, list[dict[str, float]]]) -> None:
    """Draw Fig. 9."""
    for way, points in found.items():
        sensors = [one["sensors"] for one in points]
        plot(
            FOLDER / f"channels-fig9-{way}.svg",
            title=f"Sensors against message rate and size, {way} readings",
            x_label="sensors",
            xs=sensors,
            left=("messages/s", [Line("messages/s", [one["messages_per_second"] for one in points])]),
            right=("MB/s", [Line("MB/s", [one["mb_per_second"] for one in points])]),
        )


def run(arguments: Namespace, command: Sequence[str]) -> int:
    """Measure and write; 1 if anything was lost."""
    with units_on_cluster(NAMESPACE, 1, arguments.sensor_cpu) as (unit,):
        found = measure(unit, [round(count) for count in arguments.sensors], arguments.sensor_seconds)
        limits = {
            "broker cpu": arguments.sensor_cpu,
            "broker memory": "512Mi",
            **{f"{way}, interval of a sensor": f"{seconds:g} s" for way, (_, seconds) in WAYS.items()},
        }
        versions = unit.versions()
    write(
        "channels", part="sensors", limits=limits, versions=versions, repeats=1, results=rows(found), series=found,
        arguments=command,
    )  # fmt: skip
    draw(found)
    return 1 if any(one["lost"] for points in found.values() for one in points) else 0
