"""What the mirror's thread does around it: the plant file, points that wait, commands that are not confirmed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.streaming.ders import BATTERY, T0, a_reading, row_of
from vpp_contract.commands import Acknowledgement, Command, Status
from vpp_contract.plant import Plant, Target, encode_plant
from vpp_workloads.streaming.errors import SinkError
from vpp_workloads.streaming.mirror import Mirror
from vpp_workloads.streaming.operations import Operations

READING = a_reading(0, "house-01/battery", power_kw=0.0, state_of_charge_kwh=5.0)
SECOND = 1_000_000
PLANT = Plant(ratings=(BATTERY,), target=Target(power_kw=2.0))


class World:
    """InfluxDB, the control broker and `/progress` as the thread sees them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "plant.json"
        self.written: list[str] = []
        self.away = False
        self.connected = True
        self.listening = True
        self.sent: list[Command] = []
        self.waiting: list[Acknowledgement] = []
        self.summary: dict[str, Any] = {}
        self.operations = Operations(
            Mirror(vpp="demo", heard_since_us=T0),
            plant_file=self.file,
            write=self.write,
            tell=self.tell,
            listening=lambda: self.listening,
            link=self,
        )

    def write(self, lines: Sequence[str]) -> None:
        if self.away:
            raise SinkError("InfluxDB is away")
        self.written += lines

    def tell(self, summary: dict[str, Any]) -> None:
        self.summary = summary

    def send(self, commands: Sequence[Command]) -> list[Command]:
        self.sent += commands if self.connected else ()
        return list(commands) if self.connected else []

    def answers(self) -> list[Acknowledgement]:
        waiting, self.waiting = self.waiting, []
        return waiting

    @property
    def reason(self) -> str:
        return "" if self.connected else "the control broker is away"

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_plant_file_that_is_not_there_yet_is_said_and_taken_when_it_comes(world: World) -> None:
    world.operations.look([[row_of(READING)]], T0)
    assert "plant.json" in world.summary["reason"]
    assert world.summary["target_kw"] is None
    world.file.write_text(encode_plant(PLANT))
    world.operations.look([], T0)
    assert world.summary["reason"] == ""
    assert world.summary["target_kw"] == pytest.approx(2.0)
    assert [command.setpoint_kw for command in world.sent] == [-2.0]


def test_a_broken_plant_file_leaves_what_was_known(world: World) -> None:
    world.file.write_text(encode_plant(PLANT))
    world.operations.look([[row_of(READING)]], T0)
    world.file.write_text(json.dumps({"ratings": 3}))
    world.operations.look([], T0)
    assert "no plant data" in world.summary["reason"]
    assert world.summary["target_kw"] == 2.0


def test_points_wait_for_influxdb(world: World) -> None:
    world.away = True
    world.operations.look([[row_of(READING)]], T0)
    assert world.written == []
    world.away = False
    world.operations.look([], T0)
    assert any(line.startswith("twin_health,") for line in world.written)


def test_a_command_that_no_broker_confirmed_is_sent_again(world: World) -> None:
    world.file.write_text(encode_plant(PLANT))
    world.connected = False
    world.operations.look([[row_of(READING)]], T0)
    assert world.summary["commands"] == {}
    assert world.summary["reason"] == "the control broker is away"
    world.connected = True
    world.operations.look([], T0)
    (command,) = world.sent
    world.waiting.append(
        Acknowledgement(id=command.id, der=command.der, status=Status.ACCEPTED, at_us=T0, setpoint_kw=-2.0)
    )
    world.operations.look([], T0)
    assert world.summary["commands"] == {"accepted": 1}
    assert len(world.sent) == 1


def test_a_driver_that_hears_nothing_calls_nobody_silent_and_commands_nobody(world: World) -> None:
    world.file.write_text(encode_plant(PLANT))
    world.operations.look([[row_of(READING)]], T0)
    assert len(world.sent) == 1
    world.listening = False
    world.operations.look([], T0 + 3600 * SECOND)
    assert len(world.sent) == 1
    assert world.summary["unhealthy"] == 0
    world.listening = True
    world.operations.look([], T0 + 3700 * SECOND)
    assert world.summary["unhealthy"] == 0
    world.operations.look([], T0 + 4000 * SECOND)
    assert world.summary["unhealthy_by_reason"] == {"silent": 1}
