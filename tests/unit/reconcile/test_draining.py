"""A channel that is no longer wanted, from traffic to sleep and back, in the in-memory world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.fakes import running
from tests.plants import Plant
from vpp_contract.topology import ChannelState

CHANNEL = "ingest-1"


async def two_channels() -> Plant:
    """A plant with two active channels, of which the second has a publisher and unread messages."""
    plant = Plant()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 2}})
    await plant.settle(8)
    broker = plant.world.broker(CHANNEL)
    broker.messages[plant.stream(1)] = 10
    broker.connections = {"gateway": "site-house-01", "planner": "vpp-reader", "look": "vpp-operator"}
    commit(plant, 4)
    await plant.settle(1)
    assert entry(plant)["state"] == "Active"
    return plant


def entry(plant: Plant) -> Mapping[str, Any]:
    found: Mapping[str, Any] = plant.world.kubernetes.there("QueueChannel", "ingest")["status"]["channels"][1]
    return found


def commit(plant: Plant, offset: int) -> None:
    plant.world.spark.driver = running(committed={f"{CHANNEL}/{plant.stream(1)}": offset})


def label(plant: Plant) -> str:
    return str(plant.world.kubernetes.there("Pod", CHANNEL)["metadata"]["labels"]["vpp.energy/traffic"])


def topology_state(plant: Plant) -> ChannelState:
    newest = plant.world.broker("demo-control-0").topologies[-1]
    return next(channel.state for channel in newest.channels if channel.name == CHANNEL)


async def test_a_channel_sleeps_only_after_its_publishers_are_gone_and_the_twin_has_read_its_end() -> None:
    plant = await two_channels()
    stream, kubernetes, broker = plant.stream(1), plant.world.kubernetes, plant.world.broker(CHANNEL)
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    await plant.settle(1)
    assert (entry(plant)["state"], label(plant)) == ("Draining", "draining")
    assert topology_state(plant) is ChannelState.DRAINING
    assert set(broker.connections) == {"planner", "look"}
    await plant.settle(3)
    assert entry(plant)["markerOffset"] == 10
    assert broker.messages[stream] == 11
    await plant.settle(3)
    assert "read up to offset 4 of 11" in entry(plant)["reason"]
    assert kubernetes.there("StatefulSet", "ingest")["spec"]["replicas"] == 2
    commit(plant, 11)
    await plant.settle(1)
    assert entry(plant)["state"] == "Asleep"
    assert topology_state(plant) is ChannelState.ASLEEP
    await plant.settle(2)
    assert kubernetes.there("StatefulSet", "ingest")["spec"]["replicas"] == 1
    assert entry(plant)["stream"] == stream
    assert plant.condition("QueueChannel", "ingest")["status"] == "True"
    assert plant.condition("VPPCluster", "demo")["status"] == "True"


async def test_an_operator_that_starts_again_in_the_middle_goes_on_from_the_status() -> None:
    plant = await two_channels()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    for _ in range(12):
        plant.restart_operator()
        await plant.settle(2)
        plant.world.clock.now += 5
    assert entry(plant)["state"] == "Draining"
    commit(plant, 11)
    await plant.settle(2)
    assert entry(plant)["state"] == "Asleep"


async def test_a_channel_wakes_with_the_stream_it_had() -> None:
    plant = await two_channels()
    stream = plant.stream(1)
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    await plant.settle(4)
    commit(plant, 11)
    await plant.settle(3)
    assert CHANNEL not in plant.world.kubernetes.names("Pod")
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 2}})
    await plant.settle(1, driver=False)
    assert entry(plant)["state"] == "Waking"
    assert topology_state(plant) is ChannelState.ASLEEP
    await plant.settle(4)
    assert (entry(plant)["state"], entry(plant)["stream"], label(plant)) == ("Active", stream, "active")
    assert "lost" not in plant.world.kubernetes.there("QueueChannel", "ingest")["status"]


async def test_a_drain_is_cancelled_when_the_channel_is_wanted_again() -> None:
    plant = await two_channels()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    await plant.settle(4)
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 2}})
    await plant.settle(1)
    assert (entry(plant)["state"], label(plant)) == ("Active", "active")
    assert "markerOffset" not in entry(plant)
    assert topology_state(plant) is ChannelState.ACTIVE


async def test_readings_behind_the_marker_get_a_marker_of_their_own() -> None:
    plant = await two_channels()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    await plant.settle(4)
    plant.world.broker(CHANNEL).messages[plant.stream(1)] += 3
    commit(plant, 11)
    await plant.settle(1)
    assert (entry(plant)["state"], entry(plant)["markerOffset"]) == ("Draining", 14)
    commit(plant, 15)
    await plant.settle(1)
    assert entry(plant)["state"] == "Asleep"


async def test_quiet_seen_in_an_earlier_drain_does_not_count_for_the_next() -> None:
    plant = await two_channels()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    await plant.settle(4)
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 2}})
    await plant.settle(3)
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    await plant.settle(1)
    assert "no publisher may come back" in entry(plant)["reason"]
    assert "markerOffset" not in entry(plant)


async def test_a_drain_past_its_deadline_is_given_up_and_said_until_the_spec_changes() -> None:
    plant = await two_channels()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1, "drainDeadlineSeconds": 30}})
    await plant.settle(12)
    assert (entry(plant)["state"], label(plant)) == ("Standby", "standby")
    limited = plant.condition("QueueChannel", "ingest", "ScalingLimited")
    assert (limited["status"], limited["reason"]) == ("True", "DrainDeadline")
    assert CHANNEL in limited["message"]
    plant.change("QueueChannel", "ingest", {"spec": {"drainDeadlineSeconds": 60}})
    await plant.settle(1)
    assert entry(plant)["state"] == "Draining"
    assert plant.condition("QueueChannel", "ingest", "ScalingLimited")["status"] == "False"


async def test_a_channel_that_publishers_cling_to_serves_them_again_after_its_deadline() -> None:
    plant = await two_channels()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1, "drainDeadlineSeconds": 30}})
    for number in range(12):
        plant.world.broker(CHANNEL).connections[f"gateway {number}"] = "site-house-01"
        await plant.settle(1)
    assert (entry(plant)["state"], label(plant)) == ("Active", "active")
    assert plant.condition("QueueChannel", "ingest", "ScalingLimited")["status"] == "True"


async def test_a_channel_that_never_came_up_is_let_go_without_talk_of_loss() -> None:
    plant = Plant()
    await plant.settle()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 2}})
    await plant.look()
    assert entry(plant)["state"] == "Starting"
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    await plant.look()
    await plant.settle(2)
    status = plant.world.kubernetes.there("QueueChannel", "ingest")["status"]
    assert [channel["name"] for channel in status["channels"]] == ["ingest-0"]
    assert "lost" not in status
    assert plant.world.kubernetes.there("StatefulSet", "ingest")["spec"]["replicas"] == 1


async def test_a_channel_that_comes_up_unwanted_is_drained_without_talk_of_loss() -> None:
    plant = Plant()
    await plant.settle()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 2}})
    await plant.look()
    await plant.look()
    plant.world.run_stateful_sets()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    await plant.settle(6)
    assert entry(plant)["markerOffset"] == 0
    commit(plant, 1)
    await plant.settle(2)
    assert entry(plant)["state"] == "Asleep"
    assert "lost" not in plant.world.kubernetes.there("QueueChannel", "ingest")["status"]


async def test_what_only_the_twin_knows_behind_the_marker_keeps_a_channel_awake() -> None:
    plant = await two_channels()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    await plant.settle(4)
    assert entry(plant)["markerOffset"] == 10
    commit(plant, 14)
    await plant.settle(1)
    assert (entry(plant)["state"], entry(plant)["markerOffset"]) == ("Draining", 11)


@pytest.mark.parametrize("looks", [1, 3])
async def test_a_draining_channel_that_dies_waits_for_its_broker(looks: int) -> None:
    plant = await two_channels()
    plant.change("QueueChannel", "ingest", {"spec": {"pinned": 1}})
    await plant.settle(looks)
    plant.world.broker(CHANNEL).down = True
    commit(plant, 11)
    await plant.settle(3)
    assert entry(plant)["state"] == "Draining"
    assert entry(plant)["reason"] == "its broker does not answer"
    plant.world.broker(CHANNEL).down = False
    await plant.settle(6)
    commit(plant, entry(plant).get("markerOffset", 10) + 1)
    await plant.settle(1)
    assert entry(plant)["state"] == "Asleep"
