"""Channels that stand by, and how one becomes active: alone in the Service while its share of publishers comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.plants import Plant
from vpp_contract.topology import ChannelState
from vpp_operator.decide.pace import Next


async def settled(*, gateways: int = 0, **spec: Any) -> Plant:
    """A plant with one active channel and one that stands by; so many publishers are on the active one."""
    plant = Plant()
    plant.change("QueueChannel", "ingest", {"spec": {"standby": 1, "max": 3, **spec}})
    await plant.settle(8)
    add_gateways(plant, "ingest-0", gateways)
    return plant


def add_gateways(plant: Plant, channel: str, count: int) -> None:
    broker = plant.world.broker(channel)
    for _ in range(count):
        broker.connections[f"gateway {len(broker.connections)} of {channel}"] = "site-house-01"


def entries(plant: Plant) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = plant.world.kubernetes.there("QueueChannel", "ingest")["status"]["channels"]
    return found


def states(plant: Plant) -> list[str]:
    return [entry["state"] for entry in entries(plant)]


def labels(plant: Plant) -> dict[str, str]:
    names = [name for name in plant.world.kubernetes.names("Pod") if name.startswith("ingest-")]
    return {
        name: plant.world.kubernetes.there("Pod", name)["metadata"]["labels"].get("vpp.energy/traffic", "")
        for name in sorted(names)
    }


async def wake(plant: Plant) -> None:
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 2}})
    assert await plant.look() is Next.SOON


async def test_a_channel_that_stands_by_is_up_with_all_accounts_and_its_stream_and_gets_no_traffic() -> None:
    plant = await settled()
    assert states(plant) == ["Active", "Standby"]
    assert labels(plant) == {"ingest-0": "active", "ingest-1": "standby"}
    broker = plant.world.broker("ingest-1")
    assert set(broker.names("users")) >= {"site-house-01", "site-house-02", "vpp-reader"}
    assert broker.names("queues") == [entries(plant)[1]["stream"]]
    newest = plant.world.broker("demo-control-0").topologies[-1]
    assert [channel.state for channel in newest.channels] == [ChannelState.ACTIVE, ChannelState.STANDBY]
    status = plant.world.kubernetes.there("QueueChannel", "ingest")["status"]
    assert status["replicas"] == 1
    assert plant.condition("QueueChannel", "ingest")["message"] == "1 channel takes readings."
    assert plant.condition("QueueChannel", "ingest", "FeaturesPending")["status"] == "False"


async def test_a_publisher_that_finds_a_channel_standing_by_is_sent_away() -> None:
    plant = await settled()
    add_gateways(plant, "ingest-1", 1)
    plant.world.broker("ingest-1").connections["reader"] = "vpp-reader"
    await plant.look()
    assert set(plant.world.broker("ingest-1").connections.values()) == {"vpp-reader"}


async def test_a_woken_channel_has_the_service_to_itself_until_its_share_of_publishers_has_come() -> None:
    plant = await settled(gateways=8)
    await wake(plant)
    assert labels(plant) == {"ingest-0": "held", "ingest-1": "active"}
    assert "fillingSince" in entries(plant)[1]
    assert len(plant.world.broker("ingest-0").connections) == 8
    plant.world.clock.now += 1
    await plant.look()
    assert len(plant.world.broker("ingest-0").connections) == 4
    plant.world.clock.now += 1
    await plant.look()
    assert len(plant.world.broker("ingest-0").connections) == 4
    assert labels(plant)["ingest-0"] == "held"
    add_gateways(plant, "ingest-1", 4)
    await plant.look()
    await plant.look()
    assert labels(plant)["ingest-0"] == labels(plant)["ingest-1"] == "active"
    assert "fillingSince" not in entries(plant)[1]
    await plant.settle(3)
    assert states(plant) == ["Active", "Active", "Standby"]
    assert len(plant.world.broker("ingest-0").connections) == 4


async def test_a_share_of_its_own_is_moved_when_the_spec_names_one() -> None:
    plant = await settled(gateways=8, rebalanceShare=0.25)
    await wake(plant)
    plant.world.clock.now += 1
    await plant.look()
    assert len(plant.world.broker("ingest-0").connections) == 6


async def test_publishers_that_do_not_come_are_not_awaited_for_ever() -> None:
    plant = await settled(gateways=8)
    await wake(plant)
    await plant.settle(6)
    assert labels(plant)["ingest-0"] == "active"
    assert "fillingSince" not in entries(plant)[1]


async def test_when_the_woken_channel_dies_the_others_are_back_in_the_service_with_the_next_look() -> None:
    plant = await settled(gateways=8)
    await wake(plant)
    plant.world.broker("ingest-1").down = True
    await plant.look()
    assert labels(plant)["ingest-0"] == "active"
    assert states(plant)[1] == "Down"


async def test_a_channel_that_comes_back_gets_its_share_again() -> None:
    plant = await settled(pinned=2)
    plant.world.broker("ingest-1").down = True
    await plant.look()
    add_gateways(plant, "ingest-0", 6)
    plant.world.broker("ingest-1").down = False
    await plant.look()
    plant.world.clock.now += 1
    await plant.look()
    assert len(plant.world.broker("ingest-0").connections) == 3


@pytest.mark.parametrize("looks", [1, 2, 3])
async def test_an_operator_that_starts_again_while_publishers_move_brings_all_channels_back(looks: int) -> None:
    plant = await settled(gateways=8)
    await wake(plant)
    for _ in range(looks):
        plant.world.clock.now += 1
        await plant.look()
    plant.restart_operator()
    await plant.settle(6)
    assert set(labels(plant).values()) == {"active", "standby"}
    assert states(plant) == ["Active", "Active", "Standby"]


async def test_an_active_channel_stands_by_once_its_publishers_are_gone_read_or_not() -> None:
    plant = await settled(gateways=2, pinned=2, max=2, standby=0)
    add_gateways(plant, "ingest-1", 2)
    plant.world.broker("ingest-1").messages[plant.stream(1)] = 10
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1, "standby": 1}})
    await plant.settle(1)
    assert (states(plant)[1], labels(plant)["ingest-1"]) == ("Draining", "draining")
    await plant.settle(3)
    assert (states(plant)[1], labels(plant)["ingest-1"]) == ("Standby", "standby")
    assert plant.world.broker("ingest-1").messages[plant.stream(1)] == 10


async def test_standby_gives_way_to_max() -> None:
    plant = await settled()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 3}})
    await plant.settle(8)
    assert states(plant) == ["Active", "Active", "Active"]
    assert plant.world.kubernetes.there("StatefulSet", "ingest")["spec"]["replicas"] == 3
