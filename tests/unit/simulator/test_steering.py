"""Batteries and vehicles under set-points: within their limits, and known exactly whatever comes between."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.unit.simulator.test_site import FakeGateway
from vpp_contract.commands import Command
from vpp_workloads.gateway.errors import SpoolFullError
from vpp_workloads.gateway.measurement import Measurement
from vpp_workloads.simulator.battery import Battery, self_consumption
from vpp_workloads.simulator.horizon import HOUR_US, Horizon
from vpp_workloads.simulator.profile import DerProfile, Storage
from vpp_workloads.simulator.record import Record
from vpp_workloads.simulator.site import Site
from vpp_workloads.simulator.steering import Steering, moved

HORIZON = Horizon(start=datetime(2022, 6, 21, tzinfo=UTC), hours=4)
START_US = HORIZON.start_us
QUARTER_US = 900_000_000
BATTERY = Storage(
    capacity_kwh=10.0,
    lowest_kwh=1.0,
    charge_limit_kw=5.0,
    discharge_limit_kw=4.0,
    in_efficiency=0.9,
    out_efficiency=0.9,
)
VEHICLE = Storage(
    capacity_kwh=40.0,
    lowest_kwh=0.0,
    charge_limit_kw=8.0,
    discharge_limit_kw=0.0,
    in_efficiency=0.9,
    out_efficiency=1.0,
)
PV_KWH, LOAD_KWH = (0.0, 2.0, 6.0, 1.0), (1.0, 1.0, 1.0, 3.0)


@given(soc_kwh=st.floats(1.0, 10.0), wanted_kwh=st.floats(-20.0, 20.0), hours=st.floats(0.001, 2.0))
def test_a_storage_keeps_its_limits_and_its_balance(soc_kwh: float, wanted_kwh: float, hours: float) -> None:
    kwh, after_kwh = moved(BATTERY, soc_kwh, wanted_kwh, hours)
    assert -4.0 * hours - 1e-9 <= kwh <= 5.0 * hours + 1e-9
    assert 1.0 - 1e-9 <= after_kwh <= 10.0
    assert abs(kwh) <= abs(wanted_kwh)
    assert kwh * wanted_kwh >= 0
    gained_kwh = kwh * 0.9 if kwh >= 0 else kwh / 0.9
    assert after_kwh - soc_kwh == pytest.approx(gained_kwh, abs=1e-9)


def profiles() -> list[DerProfile]:
    own = Battery(capacity_kwh=10.0, max_power_kw=4.0, efficiency=0.81, depth_of_discharge=0.9, initial_soc=0.5)
    run = self_consumption(own, [pv - load for pv, load in zip(PV_KWH, LOAD_KWH, strict=True)])
    return [
        DerProfile(der="s/pv", kind="pv", hourly_kwh=PV_KWH, smooth=True),
        DerProfile(der="s/load", kind="load", hourly_kwh=LOAD_KWH, smooth=False),
        DerProfile(
            der="s/battery", kind="battery", hourly_kwh=run.hourly_kwh, smooth=False, soc_kwh=run.soc_kwh,
            storage=BATTERY,
        ),
        DerProfile(
            der="s/ev", kind="ev", hourly_kwh=(0.0, 0.0, 8.0, 8.0), smooth=False,
            soc_kwh=(20.0, 18.0, 16.0, 23.2, 30.4), storage=VEHICLE, driven_kwh=(2.0, 2.0, None, None),
        ),
    ]  # fmt: skip


def command(der: str, setpoint_kw: float) -> Command:
    return Command(id="c", der=der, setpoint_kw=setpoint_kw, issued_us=0, valid_until_us=1)


class House:
    """The site with a gateway and a record that outlive it."""

    def __init__(self, folder: Path) -> None:
        self.gateway = FakeGateway()
        self.record = Record(folder / "s.sqlite")
        self.commands: dict[str, Command] = {}
        self.start()

    def start(self) -> None:
        self.site = Site("s", profiles(), HORIZON, 900, self.gateway, record=self.record, set_point=self.commands.get)

    def tell(self, der: str, setpoint_kw: float | None) -> None:
        self.commands.pop(der, None)
        if setpoint_kw is not None:
            self.commands[der] = command(der, setpoint_kw)

    def until(self, quarters: int) -> None:
        while self.site.step(START_US + quarters * QUARTER_US):
            pass

    def of(self, der: str) -> list[Measurement]:
        return [one for one in self.gateway.taken if one.der == der]

    def taken_kwh(self) -> dict[str, dict[int, float]]:
        found: dict[str, dict[int, list[float]]] = {}
        for one in self.gateway.taken:
            hour_us = (one.event_time_us - 1 - START_US) // HOUR_US * HOUR_US + START_US
            found.setdefault(one.der, {}).setdefault(hour_us, []).append(one.energy_kwh)
        return {der: {hour: math.fsum(kwh) for hour, kwh in hours.items()} for der, hours in found.items()}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_without_commands_everything_follows_its_profile(house: House) -> None:
    house.until(16)
    assert house.record.energies_kwh() == {}
    for profile in profiles():
        hours = house.taken_kwh()[profile.der]
        assert list(hours.values()) == pytest.approx(list(profile.hourly_kwh), abs=1e-12)


def test_a_battery_follows_its_set_point_and_says_so(house: House) -> None:
    house.until(2)
    house.tell("s/battery", -2.0)
    house.until(4)
    first, second = house.of("s/battery")[2:]
    assert [one.setpoint_kw for one in house.of("s/battery")] == [None, None, -2.0, -2.0]
    assert (first.power_kw, first.energy_kwh) == (-2.0, -0.5)
    assert first.state_of_charge_kwh is not None
    assert second.state_of_charge_kwh == pytest.approx(first.state_of_charge_kwh - 0.5 / 0.9)
    before = house.of("s/battery")[1].state_of_charge_kwh
    assert before is not None
    assert first.state_of_charge_kwh == pytest.approx(before - 0.5 / 0.9)


def test_a_battery_gives_no_more_than_it_can(house: House) -> None:
    house.tell("s/battery", -100.0)
    house.until(8)
    powers = [one.power_kw for one in house.of("s/battery")]
    assert powers[:3] == [-4.0, -4.0, -4.0]
    assert powers[-1] == 0.0
    assert house.of("s/battery")[-1].state_of_charge_kwh == pytest.approx(1.0)


def test_when_the_command_ends_the_battery_keeps_the_sites_own_surplus(house: House) -> None:
    house.tell("s/battery", -4.0)
    house.until(2)
    house.tell("s/battery", None)
    house.until(12)
    for battery in house.of("s/battery")[2:]:
        at_once = {one.der: one for one in house.gateway.taken if one.event_time_us == battery.event_time_us}
        surplus_kwh = sum(at_once[der].energy_kwh * sign for der, sign in (("s/pv", 1), ("s/load", -1), ("s/ev", -1)))
        assert battery.setpoint_kw is None
        assert battery.energy_kwh * surplus_kwh >= 0
        assert abs(battery.energy_kwh) <= abs(surplus_kwh) + 1e-12


@pytest.mark.parametrize(
    ("setpoint_kw", "powers_kw"),
    [(None, [0.0, 0.0, 8.0]), (3.0, [0.0, 0.0, 3.0]), (0.0, [0.0, 0.0, 0.0]), (99.0, [0.0, 0.0, 8.0])],
    ids=["no command", "less", "nothing", "more than it can"],
)  # fmt: skip
def test_a_vehicle_takes_no_more_than_its_set_point(
    house: House, setpoint_kw: float | None, powers_kw: list[float]
) -> None:
    house.tell("s/ev", setpoint_kw)
    house.until(12)
    assert [one.power_kw for one in house.of("s/ev")][::4] == pytest.approx(powers_kw)
    assert house.of("s/ev")[0].available_kw == 0.0
    assert house.of("s/ev")[-1].available_kw == pytest.approx(8.0)


def test_a_vehicle_that_was_held_back_drives_and_fills_up_later(house: House) -> None:
    house.tell("s/ev", 0.0)
    house.until(12)
    house.tell("s/ev", None)
    house.until(16)
    charge = [one.state_of_charge_kwh for one in house.of("s/ev")]
    assert charge[7] == pytest.approx(16.0)
    assert charge[11] == pytest.approx(16.0)
    assert charge[15] == pytest.approx(16.0 + 8.0 * 0.9)


@pytest.mark.parametrize(
    ("der", "setpoint_kw", "answer"),
    [
        ("s/battery", -3.0, ""),
        ("s/ev", 3.0, ""),
        ("s/ev", -3.0, "s/ev does not discharge into the site; its set-point must be at least 0"),
        ("s/pv", 0.0, "s/pv follows no set-points; the simulator steers batteries and vehicles"),
        ("s/meter", 0.0, None),
    ],
)
def test_what_is_followed(der: str, setpoint_kw: float, answer: str | None) -> None:
    assert Steering(profiles(), HORIZON, 900).decide(command(der, setpoint_kw)) == answer


def test_another_simulation_begins_with_its_own_charges(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.tell("s/battery", -4.0)
    house.until(4)
    later = Horizon(start=datetime(2022, 7, 1, tzinfo=UTC), hours=4)
    house.site = Site("s", profiles(), later, 900, FakeGateway(), record=house.record)
    assert house.record.energies_kwh() == {}


events = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.sampled_from(["s/battery", "s/ev"]), st.none() | st.floats(-6.0, 9.0)),
        st.tuples(st.just("go"), st.integers(1, 6)),
        st.tuples(st.just("full"), st.integers(0, 30)),
        st.tuples(st.just("crash")),
    ),
    max_size=20,
)


@given(events)
@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_was_simulated_is_known_exactly_whatever_comes_between(
    tmp_path_factory: pytest.TempPathFactory, happened: list[tuple[Any, ...]]
) -> None:
    house = House(tmp_path_factory.mktemp("house"))
    quarters = 0
    for event in happened:
        match event:
            case ("tell", der, setpoint_kw):
                house.tell(der, setpoint_kw)
            case ("go", more):
                quarters = min(quarters + more, 16)
                house.until(quarters)
            case ("full", room):
                house.gateway.full_after = len(house.gateway.taken) + room
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr("vpp_workloads.simulator.site._AT_ONCE", 5)
                    with contextlib.suppress(SpoolFullError):
                        house.until(min(quarters + 3, 16))
                house.gateway.full_after = None
            case _:
                house.start()
    house.until(16)
    for profile in profiles():
        times = [one.event_time_us for one in house.of(profile.der)]
        assert times == [START_US + (number + 1) * QUARTER_US for number in range(16)]
    source, taken = house.site.source_kwh(), house.taken_kwh()
    for der, hours in taken.items():
        assert source[der] == pytest.approx(hours, rel=1e-12, abs=1e-12)
    charge_kwh, efficiency = 5.0, 0.9
    for one in house.of("s/battery"):
        charge_kwh += one.energy_kwh * efficiency if one.energy_kwh >= 0 else one.energy_kwh / efficiency
        assert one.state_of_charge_kwh == pytest.approx(charge_kwh, abs=1e-9)
