"""The rules on days of simulated DERs: all of them are well, and a broken one among them is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from vpp_contract.plant import Rating
from vpp_contract.readings import Reading
from vpp_workloads.gateway.measurement import reading_of
from vpp_workloads.simulator.config import parse_config
from vpp_workloads.simulator.profile import measurements_of_hour
from vpp_workloads.simulator.sites import site_profiles
from vpp_workloads.streaming.health import Case, findings
from vpp_workloads.streaming.watch import Flow, begin, observe

RATINGS: Final = {
    "pv": Rating(site="s", kind="pv", power_kw=5.0),
    "battery": Rating(site="s", kind="battery", power_kw=4.0, capacity_kwh=9.0, efficiency=0.9, depth_of_discharge=0.9),
    "wind": Rating(site="s", kind="wind", power_kw=5.0),
    "hydro": Rating(site="s", kind="hydro", power_kw=5.0),
    "ev": Rating(site="s", kind="ev", power_kw=11.0, capacity_kwh=60.0),
    "load": Rating(site="s", kind="load"),
}
DERS: Final[dict[str, dict[str, Any]]] = {
    "pv": {"nominal_kw": 5},
    "battery": {"capacity_kwh": 9, "max_power_kw": 4},
    "wind": {"nominal_kw": 5},
    "hydro": {"nominal_kw": 5},
    "ev": {"capacity_kwh": 60, "charger_kw": 11},
    "load": {"annual_kwh": 4000},
}
A_BATCH: Final = 7
"""So many readings of a DER come in one batch; the twin sees the newest of them and the energies of all."""


def days(start: str, location: tuple[float, float]) -> dict[str, list[Reading]]:
    """Two days of each DER of a site, a reading a minute."""
    site = {
        "site": "s",
        "gateway_file": "none",
        "profile": {"type": "Physical"},
        "location": {"latitude": location[0], "longitude": location[1]},
        "ders": [{"name": kind, "kind": kind, **values} for kind, values in DERS.items()],
    }
    config = parse_config({"vpp": "demo", "start": start, "days": 2, "sites": [site]}, "test")
    found: dict[str, list[Reading]] = {}
    for profile in site_profiles(config.sites[0], config):
        for hour in range(config.horizon.hours):
            for one in measurements_of_hour(profile, config.horizon, hour, 60):
                of_der = found.setdefault(profile.kind, [])
                of_der.append(reading_of(one, boot=1, seq=len(of_der), created_us=one.event_time_us))
    return found


def reasons(readings: list[Reading]) -> set[str]:
    """Everything that is found while these come in batches."""
    found: set[str] = set()
    rating = RATINGS[readings[0].kind]
    watch = begin(readings[0], rating, readings[0].created_us)
    for at in range(1, len(readings), A_BATCH):
        batch = readings[at : at + A_BATCH]
        flow = Flow(
            after_boot=1,
            after_seq=watch.reading.seq,
            readings=len(batch),
            charged_kwh=sum(max(one.energy_kwh, 0.0) for one in batch),
            discharged_kwh=sum(max(-one.energy_kwh, 0.0) for one in batch),
        )
        watch = observe(watch, batch[-1], flow, rating, batch[-1].created_us)
        found |= {one.reason for one in findings(Case(watch=watch, rating=rating, now_us=watch.arrived_us))}
    return found


@pytest.mark.parametrize(
    ("start", "location"),
    [("2022-06-21T00:00:00Z", (34.0, -117.0)), ("2022-12-21T00:00:00Z", (52.0, 13.0))],
    ids=["a summer in California", "a winter in Berlin"],
)
def test_sound_ders_are_found_well_day_and_night(start: str, location: tuple[float, float]) -> None:
    assert {kind: reasons(readings) for kind, readings in days(start, location).items()} == {
        kind: set() for kind in DERS
    }


def test_broken_ders_are_found() -> None:
    sound = days("2022-06-21T00:00:00Z", (34.0, -117.0))
    half = [replace(one, power_kw=0.5 * one.power_kw, energy_kwh=0.5 * one.energy_kwh) for one in sound["pv"]]
    assert reasons(half) == {"off_expected_power"}
    frozen = [replace(one, power_kw=0.4, energy_kwh=0.4 / 60) for one in sound["load"]]
    assert reasons(frozen) == {"stuck"}
    leaking = [
        replace(one, state_of_charge_kwh=max((one.state_of_charge_kwh or 0) - 0.001 * one.seq, 0.0))
        for one in sound["battery"]
    ]
    assert reasons(leaking) == {"off_energy_balance"}
