"""Fig. 10: delay, refusals and losses as load grows to a multiple of what one channel carries.

First one unit's saturation is measured under its CPU limit. Then gateways offer multiples of it, to one unit (fixed),
and to as many as the multiple asks for (channels added). They hold back so much and no more; the rest is refused.
"""

from __future__ import annotations

import math
import statistics
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any, Final

from tests.bench._document import FOLDER, percentile, result, write
from tests.bench._fit import numbers, units_for
from tests.bench._plot import Line, plot
from tests.bench._units import MOST_UNITS, Measured, Unit, run_load, units_on_cluster
from tests.bench._workload import Stream

NAMESPACE: Final = "vpp-bench-saturation"
CONNECTIONS: Final = 6
READINGS: Final = 100
BOUND_SECONDS: Final = 2.0
"""What gateways may hold back, in seconds of one unit's saturation."""
PAPER_MB_PER_SECOND: Final = tuple(range(10, 101, 10))
"""The axis of the paper's Fig. 10."""
FULL_PUBLISHER: Final = 0.85


def add_arguments(parser: ArgumentParser) -> None:
    """Add this part's options."""
    parser.add_argument("--multiples", type=numbers, default="0.5,1,1.5,2,3,5", help="of one unit's saturation")
    parser.add_argument("--load-seconds", type=float, default=8.0, help="how long each multiple is offered")
    parser.add_argument("--saturations", type=int, default=3, help="how often the saturation is measured")
    parser.add_argument("--unit-cpu", default="100m", help="the CPU limit of each unit for Fig. 10")
    parser.add_argument("--units", type=int, default=MOST_UNITS, help=f"units at most, {MOST_UNITS} or fewer")


def rate_of(found: Measured) -> float:
    """Return confirmed messages a second, of those that came after the first second."""
    moments = [moment for moment in found.sent.confirmed_at if moment >= 1.0]
    return (len(moments) - 1) / (max(moments) - min(moments))


def saturation(unit: Unit, seconds: float, times: int) -> list[float]:
    """Return what one unit confirms, in messages a second, when there is always another message."""
    found = []
    for _ in range(times):
        load = Stream(messages_per_second=math.inf, senders=CONNECTIONS, readings=READINGS)
        measured = run_load([unit], load, connections=CONNECTIONS, seconds=seconds, bound=0)
        found.append(rate_of(measured))
        print(
            f"  one unit confirms {found[-1]:,.0f} messages/s, with {measured.cpu_cores[0]:.2f} cores "
            f"(the publisher uses {measured.sent.cpu_cores:.2f})",
            flush=True,
        )
    return found


def point(units: Sequence[Unit], multiple: float, saturated: float, seconds: float) -> dict[str, float]:
    """Offer a multiple of the saturation to some units."""
    bound = max(1, round(BOUND_SECONDS * saturated / CONNECTIONS))
    load = Stream(messages_per_second=multiple * saturated, senders=CONNECTIONS, readings=READINGS)
    found = run_load(units, load, connections=CONNECTIONS, seconds=seconds, bound=bound)
    body_bytes = found.stored.body_bytes / found.stored.messages
    refused = found.sent.refused + found.sent.rejected
    return {
        "multiple": multiple,
        "units": len(units),
        "offered_mb_per_second": multiple * saturated * body_bytes / 1e6,
        "confirmed_mb_per_second": rate_of(found) * body_bytes / 1e6,
        "delay_p50_seconds": percentile(found.stored.delays_seconds, 0.5),
        "delay_p99_seconds": percentile(found.stored.delays_seconds, 0.99),
        "refused_percent": 100 * refused / found.sent.offered,
        "offered": found.sent.offered,
        "confirmed": len(found.sent.confirmed),
        "stored": found.stored.messages,
        "lost": found.lost,
        "surplus": found.surplus,
        "units_cpu_cores": sum(found.cpu_cores),
        "publisher_cpu_cores": found.sent.cpu_cores,
    }


def measure(units: Sequence[Unit], multiples: Sequence[float], saturated: float, seconds: float) -> dict[str, Any]:
    """Measure all multiples, fixed and with channels added."""
    found: dict[str, list[dict[str, float]]] = {"fixed": [], "added": []}
    for multiple in multiples:
        found["fixed"].append(point(units[:1], multiple, saturated, seconds))
        count = units_for(multiple, len(units))
        one = found["fixed"][-1] if count == 1 else point(units[:count], multiple, saturated, seconds)
        found["added"].append(one)
        for way, points in found.items():
            shown = points[-1]
            print(
                f"  {multiple:g} x, {way} ({shown['units']} units): p99 {shown['delay_p99_seconds']:.2f} s, "
                f"{shown['refused_percent']:.1f} % refused, {shown['lost']:.0f} lost",
                flush=True,
            )
    return found


def rows(found: dict[str, list[dict[str, float]]], saturations: Sequence[float], mb: float) -> list[dict[str, Any]]:
    """Return the document's rows. `mb` is the size of a message in MB."""
    made = [
        result("(b) one unit's saturation", "messages/s", saturations),
        result("(b) one unit's saturation", "MB/s", [one * mb for one in saturations]),
    ]
    for way, points in found.items():
        for one in points:
            mb_per_second, units = one["offered_mb_per_second"], one["units"]
            load = f"(b) {one['multiple']:g} x = {mb_per_second:.0f} MB/s, {way}, {units:.0f} unit(s)"
            full = "the publisher itself was near its limit" if one["publisher_cpu_cores"] > FULL_PUBLISHER else ""
            made.append(result(f"{load}: delay p50", "s", [one["delay_p50_seconds"]], reason=full))
            made.append(result(f"{load}: delay p99", "s", [one["delay_p99_seconds"]], reason=full))
            made.append(result(f"{load}: refused", "%", [one["refused_percent"]], reason=full))
        lost = [one["lost"] for one in points]
        made.append(result(f"(b) {way}: lost messages, all multiples", "1", lost, value=sum(lost), target=0))
    return made


def draw(found: dict[str, list[dict[str, float]]], saturated_mb_per_second: float) -> None:
    """Draw Fig. 10: multiples below, the paper's MB/s above."""
    for name, label in (("delay_p99_seconds", "delay p99, s"), ("refused_percent", "refused, %")):
        plot(
            FOLDER / f"channels-fig10-{name.partition('_')[0]}.svg",
            title=f"Load against {label.partition(',')[0]}",
            x_label="offered load, multiples of one channel's saturation",
            xs=[one["multiple"] for one in found["fixed"]],
            left=(label, [Line(f"{way}", [one[name] for one in points]) for way, points in found.items()]),
            above=("MB/s, the paper's axis", {mb / saturated_mb_per_second: f"{mb}" for mb in PAPER_MB_PER_SECOND}),
        )


def run(arguments: Namespace, command: Sequence[str]) -> int:
    """Measure and write; 1 if anything was lost."""
    with units_on_cluster(NAMESPACE, arguments.units, arguments.unit_cpu) as units:
        saturations = saturation(units[0], arguments.load_seconds, arguments.saturations)
        saturated = statistics.median(saturations)
        found = measure(units, arguments.multiples, saturated, arguments.load_seconds)
        versions = units[0].versions()
    first = found["fixed"][0]
    mb = first["offered_mb_per_second"] / first["multiple"] / saturated
    series = {
        **found,
        "saturation_messages_per_second": saturated,
        "saturation_mb_per_second": saturated * mb,
        "paper_mb_per_second": {f"{one}": one / (saturated * mb) for one in PAPER_MB_PER_SECOND},
    }
    limits = {
        "cpu of a unit": arguments.unit_cpu,
        "memory of a unit": "512Mi",
        "units": str(arguments.units),
        "held back at most": f"{BOUND_SECONDS:g} s of one unit's saturation",
        "message": f"{READINGS} readings, {mb * 1e6:.0f} B",
    }
    write(
        "channels", part="saturation", limits=limits, versions=versions, repeats=arguments.saturations,
        results=rows(found, saturations, mb), series=series, arguments=command,
    )  # fmt: skip
    draw(found, saturated * mb)
    return 1 if any(one["lost"] for points in found.values() for one in points) else 0
