"""A site's credentials rotate: both accounts are valid until the new one is used, wherever the operator dies."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable

import pytest

from tests.plants import Plant

SITE = "house-01"
OLD, NEW = "site-house-01", "site-house-01.g2"
BROKERS = ("ingest-0", "demo-control-0")


def ask(plant: Plant, generation: int = 2, **limits: int) -> None:
    credentials = {"generation": generation, "graceSeconds": 10, "silenceSeconds": 60, **limits}
    plant.change("NanoGrid", SITE, {"spec": {"source": {"credentials": credentials}}})


async def settled() -> Plant:
    plant = Plant()
    await plant.settle()
    return plant


def secret(plant: Plant) -> dict[str, str]:
    data = plant.world.kubernetes.there("Secret", f"{SITE}-gateway")["data"]
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def accounts(plant: Plant, pod: str) -> list[str]:
    return [name for name in plant.world.broker(pod).names("users") if SITE in name]


def connect(plant: Plant, username: str, pod: str = "ingest-0") -> None:
    plant.world.broker(pod).connections = {"site": username}


async def looks(plant: Plant, count: int) -> None:
    for _ in range(count):
        await plant.look()
        plant.world.run_stateful_sets()
        plant.world.clock.now += 5


async def test_the_new_account_is_in_the_secret_and_both_are_on_every_broker() -> None:
    plant = await settled()
    before = secret(plant)
    connect(plant, OLD)
    ask(plant)
    await looks(plant, 1)
    after = secret(plant)
    assert (after["username"], after["generation"]) == (NEW, "2")
    assert after["password"] != before["password"]
    settings = json.loads(after["gateway.json"])
    assert (settings["username"], settings["password"]) == (NEW, after["password"])
    assert json.loads(after["previous.json"]) == {"generation": 1, "username": OLD, "password": before["password"]}
    for pod in BROKERS:
        assert accounts(plant, pod) == [OLD, NEW]
    definitions = plant.world.broker("ingest-0").definitions
    rights = {
        item["user"]: (item["exchange"], item["write"])
        for item in definitions["topic_permissions"]
        if item["user"] in (OLD, NEW)
    }
    assert rights[OLD] == rights[NEW] == ("ingress", r"^readings\.house\-01(\..*)?$")


async def test_the_old_account_goes_once_the_new_one_is_used_and_not_before() -> None:
    plant = await settled()
    connect(plant, OLD)
    ask(plant)
    await looks(plant, 10)
    assert accounts(plant, "ingest-0") == [OLD, NEW]
    said = plant.condition("NanoGrid", SITE)
    assert (said["status"], OLD in said["message"]) == ("True", True)
    assert "1 of its connections use the old account" in said["message"]
    connect(plant, NEW)
    await looks(plant, 5)
    for pod in BROKERS:
        assert accounts(plant, pod) == [NEW]
    assert "previous.json" not in secret(plant)
    assert plant.world.kubernetes.there("NanoGrid", SITE)["status"]["credentials"] == {"generation": 2}


async def test_a_device_on_the_control_broker_keeps_the_old_account_too() -> None:
    plant = await settled()
    ask(plant)
    connect(plant, NEW)
    connect(plant, OLD, "demo-control-0")
    await looks(plant, 10)
    assert accounts(plant, "ingest-0") == [OLD, NEW]


async def test_a_site_that_is_silent_loses_the_old_account_after_the_time_it_was_given() -> None:
    plant = await settled()
    ask(plant)
    await looks(plant, 11)
    assert accounts(plant, "ingest-0") == [OLD, NEW]
    assert "silentSince" in plant.world.kubernetes.there("NanoGrid", SITE)["status"]["credentials"]
    await looks(plant, 5)
    assert accounts(plant, "ingest-0") == [NEW]


async def test_a_broker_that_does_not_answer_may_have_clients_so_nothing_ends() -> None:
    plant = await settled()
    ask(plant)
    await looks(plant, 1)
    connect(plant, NEW)
    plant.world.brokers.at(plant.world.host("demo-control-0")).down = True
    await looks(plant, 10)
    assert accounts(plant, "ingest-0") == [OLD, NEW]
    plant.world.brokers.at(plant.world.host("demo-control-0")).down = False
    await looks(plant, 5)
    assert accounts(plant, "ingest-0") == accounts(plant, "demo-control-0") == [NEW]


async def test_a_second_rotation_begins_when_the_first_is_over() -> None:
    plant = await settled()
    connect(plant, OLD)
    ask(plant)
    await looks(plant, 1)
    ask(plant, 5)
    await looks(plant, 3)
    assert accounts(plant, "ingest-0") == [OLD, NEW], "two at a time at most"
    connect(plant, NEW)
    await looks(plant, 5)
    assert accounts(plant, "ingest-0") == [NEW, "site-house-01.g5"]


async def test_people_end_a_rotation_at_once_by_taking_the_old_account_out_of_the_secret() -> None:
    plant = await settled()
    connect(plant, OLD)
    ask(plant)
    await looks(plant, 1)
    plant.change("Secret", f"{SITE}-gateway", {"data": {"previous.json": None}})
    await looks(plant, 1)
    for pod in BROKERS:
        assert accounts(plant, pod) == [NEW]


@pytest.mark.parametrize("rotating", [True, False])
async def test_a_waking_channel_has_the_accounts_before_it_has_endpoints(rotating: bool) -> None:
    plant = await settled()
    connect(plant, OLD)
    ask(plant)
    await looks(plant, 1)
    if not rotating:
        connect(plant, NEW)
        await looks(plant, 5)
    plant.change("QueueChannel", "ingest", {"spec": {"min": 2}})
    for _ in range(6):
        await looks(plant, 1)
        pod = plant.world.kubernetes.objects.get(("Pod", "plants", "ingest-1"))
        if pod is not None and "vpp.energy/traffic" in pod["metadata"]["labels"]:
            break
    assert accounts(plant, "ingest-1") == ([OLD, NEW] if rotating else [NEW])


async def test_a_site_that_goes_amid_a_rotation_loses_both_accounts() -> None:
    plant = await settled()
    connect(plant, OLD)
    ask(plant)
    await looks(plant, 1)
    plant.world.kubernetes.remove("NanoGrid", SITE)
    await looks(plant, 1)
    for pod in BROKERS:
        assert accounts(plant, pod) == []


STEPS: dict[str, Callable[[Plant], None]] = {
    "operator dies": Plant.restart_operator,
    "site moves to the new account": lambda plant: connect(plant, NEW),
    "site leaves": lambda plant: setattr(plant.world.broker("ingest-0"), "connections", {}),
    "control broker fails": lambda plant: setattr(
        plant.world.brokers.at(plant.world.host("demo-control-0")), "down", True
    ),
}


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)), ids=" > ".join)
async def test_in_every_order_of_events_the_account_in_use_is_valid_and_the_rotation_ends(order: list[str]) -> None:
    plant = await settled()
    connect(plant, OLD)
    ask(plant)
    for step in order:
        STEPS[step](plant)
        plant.restart_operator()
        await looks(plant, 2)
        used = plant.world.broker("ingest-0").connections.values()
        assert set(used) <= set(accounts(plant, "ingest-0"))
        assert secret(plant)["username"] in accounts(plant, "ingest-0")
    plant.world.brokers.at(plant.world.host("demo-control-0")).down = False
    connect(plant, secret(plant)["username"])
    for _ in range(6):
        plant.restart_operator()
        await looks(plant, 2)
    for pod in BROKERS:
        assert accounts(plant, pod) == [NEW]
