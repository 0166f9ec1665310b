"""The twin's judgement over several batches: what is found, summed, dispatched and written."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.streaming.ders import BATTERY, EV, PV, T0, a_reading, row_of
from vpp_contract.commands import Acknowledgement, Command, Status
from vpp_contract.plant import Plant, Rating, Target
from vpp_contract.readings import Reading
from vpp_workloads.streaming.mirror import Look, Mirror

SECOND = 1_000_000
LOAD = Rating(site="house-01", kind="load")
RATINGS = (PV, LOAD, BATTERY, EV)


def a_mirror(target: Target | None = None, ratings: tuple[Rating, ...] = RATINGS) -> Mirror:
    mirror = Mirror(vpp="demo", heard_since_us=T0)
    mirror.knows(Plant(ratings=ratings, target=target))
    return mirror


def house(seq: int = 0, soc_kwh: float = 5.0, **values: dict[str, Any]) -> list[Reading]:
    """A house that makes 4 kW, uses 1 kW, and whose battery charges with 2 kW."""
    stated: dict[str, dict[str, Any]] = {
        "pv": {"power_kw": 4.0},
        "load": {"power_kw": 1.0},
        "battery": {"power_kw": 2.0, "state_of_charge_kwh": soc_kwh},
        "ev": {"power_kw": 0.0, "available_kw": 0.0},
    }
    return [a_reading(seq, f"house-01/{kind}", **{**own, **values.get(kind, {})}) for kind, own in stated.items()]


def look(mirror: Mirror, readings: list[Reading], now_us: int = T0) -> Look:
    mirror.take([row_of(reading) for reading in readings], now_us)
    return mirror.look(now_us)


def lines_of(seen: Look, measurement: str) -> list[str]:
    return [line for line in seen.lines if line.startswith(f"{measurement},")]


def test_the_plants_sums() -> None:
    seen = look(a_mirror(), house())
    assert seen.summary == {
        "ders": 4,
        "unhealthy": 0,
        "unhealthy_by_reason": {},
        "event_time_us": T0 + 60 * SECOND,
        "delivery_kw": 1.0,
        "target_kw": None,
        "unserved_kw": None,
        "commands": {},
    }
    (line,) = lines_of(seen, "twin_plant")
    assert line == (
        "twin_plant,vpp=demo delivery_kw=1.0,generation_kw=4.0,load_kw=1.0,charging_kw=2.0,state_of_charge_kwh=5.0,"
        f"ders=4i,current_ders=4i {(T0 + 60 * SECOND) * 1000}"
    )


def test_health_is_written_when_it_changes_and_once_for_a_new_der() -> None:
    mirror = a_mirror()
    assert len(lines_of(look(mirror, house()), "twin_health")) == 4
    assert not lines_of(look(mirror, house(1)), "twin_health")
    (line,) = lines_of(look(mirror, house(2, pv={"power_kw": 20.0})), "twin_health")
    assert 'der=house-01/pv,kind=pv,site=house-01,vpp=demo healthy=false,reasons="out_of_range"' in line
    assert 'evidence="power_kw is 20, outside -2.5 to 12.5"' in line
    seen = look(mirror, house(3))
    assert "healthy=true" in lines_of(seen, "twin_health")[0]
    assert seen.summary["unhealthy"] == 0


def test_a_batch_that_comes_twice_changes_nothing() -> None:
    mirror = a_mirror()
    look(mirror, house(5))
    assert look(mirror, house(3, pv={"power_kw": 20.0})).summary["unhealthy"] == 0


def test_silent_ders_are_told_and_are_in_no_sum() -> None:
    mirror = a_mirror()
    look(mirror, house())
    seen = look(mirror, house(1)[1:], now_us=T0 + 400 * SECOND)
    assert seen.summary["unhealthy_by_reason"] == {"silent": 1}
    assert seen.summary["delivery_kw"] == -3.0
    assert "house-01/pv" in lines_of(seen, "twin_health")[0]
    again = look(mirror, house(2), now_us=T0 + 401 * SECOND)
    assert again.summary["unhealthy"] == 0


def test_what_the_specs_name_and_never_comes_is_silent_after_a_while() -> None:
    mirror = a_mirror()
    soon = look(mirror, house()[:1], now_us=T0 + 59 * SECOND)
    assert soon.summary["unhealthy"] == 0
    later = look(mirror, house(1)[:1], now_us=T0 + 61 * SECOND)
    assert later.summary["unhealthy_by_reason"] == {"silent": 3}
    assert len(lines_of(later, "twin_health")) == 3
    assert not lines_of(mirror.look(T0 + 62 * SECOND), "twin_health")
    mirror.knows(Plant(ratings=(PV,)))
    assert mirror.look(T0 + 63 * SECOND).summary["unhealthy"] == 0


def test_ders_of_a_site_that_has_left_the_plant_are_forgotten_when_they_fall_silent() -> None:
    mirror = a_mirror()
    other = a_reading(0, "house-02/pv", power_kw=2.0)
    look(mirror, [*house(), other])
    mirror.knows(Plant(sites=("house-01",), ratings=RATINGS))
    assert mirror.look(T0 + SECOND).summary["ders"] == 5
    seen = look(mirror, house(1), now_us=T0 + 400 * SECOND)
    assert (seen.summary["ders"], seen.summary["unhealthy"]) == (4, 0)


def test_a_rating_belongs_to_the_only_der_of_its_kind_and_to_none_of_several() -> None:
    mirror = a_mirror()
    west = a_reading(0, "house-01/west", kind="pv", power_kw=20.0)
    assert look(mirror, [west]).summary["unhealthy_by_reason"] == {"out_of_range": 1}
    east = a_reading(0, "house-01/east", kind="pv", power_kw=20.0)
    west = a_reading(1, "house-01/west", kind="pv", power_kw=20.0)
    assert look(mirror, [east, west]).summary["unhealthy"] == 0


@pytest.mark.parametrize(
    ("target", "changes", "setpoints_kw", "unserved_kw"),
    [
        (Target(power_kw=3.0), {}, {"house-01/battery": 0.0}, 0.0),
        (Target(power_kw=5.0), {}, {"house-01/battery": -2.0}, 0.0),
        (Target(power_kw=-1.0), {}, {"house-01/battery": 4.0}, 0.0),
        (Target(power_kw=20.0), {}, {"house-01/battery": -5.0}, 12.0),
        (Target(power_kw=1.0, order=("pv",)), {}, {}, 0.0),
        (Target(power_kw=0.0, order=("pv",)), {}, {"house-01/pv": 3.0}, 0.0),
        (Target(power_kw=3.0, order=("load",)), {}, {}, 2.0),
        (
            Target(power_kw=0.0),
            {"ev": {"power_kw": 7.0, "available_kw": 7.0}},
            {"house-01/battery": -4.0},
            0.0,
        ),
        (
            Target(power_kw=6.0),
            {"ev": {"power_kw": 7.0, "available_kw": 7.0}},
            {"house-01/battery": -5.0, "house-01/ev": 2.0},
            0.0,
        ),
        (Target(power_kw=3.0), {"battery": {"power_kw": 9.0}}, {}, 9.0),
    ],
    ids=[
        "what the house has", "the battery gives", "the battery takes", "out of reach", "panels may do as they like",
        "panels are curtailed", "loads are never called on", "the battery feeds the car", "the car takes less",
        "a battery that cannot be believed is let be",
    ],
)  # fmt: skip
def test_dispatch(target: Target, changes: dict[str, Any], setpoints_kw: dict[str, float], unserved_kw: float) -> None:
    seen = look(a_mirror(target), house(**changes))
    assert {command.der: command.setpoint_kw for command in seen.commands} == pytest.approx(setpoints_kw)
    assert seen.summary["unserved_kw"] == pytest.approx(unserved_kw)
    assert seen.summary["target_kw"] == target.power_kw


def test_a_curtailed_der_is_set_free_once_and_then_left_alone() -> None:
    mirror = a_mirror(Target(power_kw=0.0, order=("pv",)))
    (held,) = look(mirror, house()).commands
    mirror.sent(held)
    mirror.knows(Plant(ratings=RATINGS, target=Target(power_kw=9.0, order=("pv",))))
    (free,) = mirror.look(T0 + SECOND).commands
    assert (free.der, free.setpoint_kw) == ("house-01/pv", PV.power_kw)
    mirror.sent(free)
    assert mirror.look(T0 + 50 * SECOND).commands == []


def test_desired_and_reported_set_points_are_written_when_one_changes() -> None:
    mirror = a_mirror(Target(power_kw=5.0))
    seen = look(mirror, house())
    assert not lines_of(seen, "twin_setpoints")
    (command,) = seen.commands
    mirror.sent(command)
    (line,) = lines_of(mirror.look(T0), "twin_setpoints")
    assert re.search(r'desired_kw=-2.0,status="sent",reason="",issued_us=\d+i ', line)
    mirror.acknowledge(answer_to(command, setpoint_kw=-2.0))
    (line,) = lines_of(mirror.look(T0), "twin_setpoints")
    assert 'desired_kw=-2.0,status="accepted",reason="",acknowledged_kw=-2.0' in line
    following = house(1, battery={"power_kw": -2.0, "setpoint_kw": -2.0})
    (line,) = lines_of(look(mirror, following), "twin_setpoints")
    assert "reported_kw=-2.0" in line
    assert not lines_of(mirror.look(T0), "twin_setpoints")


def answer_to(command: Command, **values: Any) -> Acknowledgement:
    stated = {"id": command.id, "der": command.der, "status": Status.ACCEPTED, "at_us": T0}
    return Acknowledgement(**{**stated, **values})


def test_who_refuses_is_left_alone_and_the_others_do_its_part() -> None:
    other = Rating(site="house-02", kind="battery", power_kw=5.0, capacity_kwh=10.0, efficiency=1, depth_of_discharge=1)
    mirror = a_mirror(Target(power_kw=5.0), (*RATINGS, other))
    second = a_reading(0, "house-02/battery", power_kw=0.0, state_of_charge_kwh=5.0)
    first, _ = look(mirror, [*house(), second]).commands
    mirror.sent(first)
    mirror.acknowledge(answer_to(first, status=Status.REFUSED, reason="it is being serviced"))
    seen = mirror.look(T0 + SECOND)
    assert {command.der: command.setpoint_kw for command in seen.commands} == {"house-02/battery": pytest.approx(-4.0)}
    assert seen.summary["commands"] == {"refused": 1}


def test_without_a_target_nobody_is_commanded() -> None:
    mirror = a_mirror(Target(power_kw=5.0))
    assert look(mirror, house()).commands
    mirror.knows(Plant(ratings=RATINGS))
    assert mirror.look(T0).commands == []


def test_texts_with_quotes_are_escaped() -> None:
    mirror = a_mirror(Target(power_kw=5.0))
    (command,) = look(mirror, house()).commands
    mirror.sent(command)
    mirror.acknowledge(answer_to(command, status=Status.REFUSED, reason='a "fuse" \\ blew'))
    (line,) = lines_of(mirror.look(T0), "twin_setpoints")
    assert r'reason="a \"fuse\" \\ blew"' in line
