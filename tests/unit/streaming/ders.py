"""DERs of a small plant, as tests of the twin's judgement make them."""

from __future__ import annotations

from typing import Any

from vpp_contract.plant import Rating
from vpp_contract.readings import QUANTITIES, Reading, site_of
from vpp_workloads.streaming.watch import Flow, Watch, begin, observe

T0 = 1_655_769_600_000_000
MINUTE_US = 60_000_000
PV = Rating(site="house-01", kind="pv", power_kw=10.0)
BATTERY = Rating(
    site="house-01", kind="battery", power_kw=5.0, capacity_kwh=10.0, efficiency=0.81, depth_of_discharge=0.9
)
EV = Rating(site="house-01", kind="ev", power_kw=11.0, capacity_kwh=60.0)


def a_reading(seq: int = 0, der: str = "house-01/pv", **values: Any) -> Reading:
    """A reading a minute after the one before, created when it ended."""
    at_us = T0 + (seq + 1) * MINUTE_US
    stated: dict[str, Any] = {"kind": der.partition("/")[2], "boot": 1, "event_time_us": at_us, "created_us": at_us}
    stated |= {"interval_seconds": 60.0, "power_kw": 1.0, "energy_kwh": 1 / 60}
    return Reading(der=der, seq=seq, **{**stated, **values})


def flow_after(last: Reading, kwh: float = 0.0, readings: int = 1) -> Flow:
    """The energies of the readings after one, without a gap."""
    return Flow(
        after_boot=last.boot,
        after_seq=last.seq,
        readings=readings,
        charged_kwh=max(kwh, 0.0),
        discharged_kwh=max(-kwh, 0.0),
    )


def watched(readings: list[Reading], rating: Rating | None = None) -> Watch:
    """What is known after some readings, each in a batch of its own that arrives when it was created."""
    watch = begin(readings[0], rating, readings[0].created_us)
    for reading in readings[1:]:
        flow = flow_after(watch.reading, reading.energy_kwh, reading.seq - watch.reading.seq)
        watch = observe(watch, reading, flow, rating, reading.created_us)
    return watch


def row_of(reading: Reading, after: Reading | None = None, readings: int = 1) -> dict[str, Any]:
    """A row as a batch brings it: the newest reading, and the flow since the newest before."""
    names = ("der", "kind", "boot", "seq", "event_time_us", "created_us", *QUANTITIES)
    return {name: getattr(reading, name) for name in names} | {
        "site": site_of(reading.der),
        "after_boot": after.boot if after else -1,
        "after_seq": after.seq if after else -1,
        "flow_readings": readings,
        "charged_kwh": max(reading.energy_kwh, 0.0),
        "discharged_kwh": max(-reading.energy_kwh, 0.0),
    }
