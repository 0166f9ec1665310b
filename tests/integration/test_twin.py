"""A simulated house under a power target: its battery is told, says so, does it, and every kWh is accounted for."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.driver import Driver
from tests.integration.streams import Line, Streams, site_batches, wait_for
from tests.integration.test_seeded_bugs import call
from vpp_contract.names import ACKNOWLEDGEMENTS_QUEUE, commands_queue, site_username
from vpp_contract.plant import Plant, Rating, Target, encode_plant
from vpp_operator.ports import BrokerAddress
from vpp_operator.reconcile.definitions import Site, channel_definitions, control_definitions, missing
from vpp_workloads.simulator.config import parse_config
from vpp_workloads.simulator.simulation import Simulation, State
from vpp_workloads.streaming.audit.compare import compare_energies
from vpp_workloads.streaming.influx import Influx

pytestmark = pytest.mark.integration
SITE, ANOTHER, PASSWORD = "steered-01", "warm-01", "site-password"
BATTERY = f"{SITE}/battery"
RATINGS = (
    Rating(site=SITE, kind="pv", power_kw=6.0),
    Rating(site=SITE, kind="load"),
    Rating(site=SITE, kind="battery", power_kw=5.0, capacity_kwh=20.0, efficiency=0.9, depth_of_discharge=0.9),
)


def bring(at: BrokerAddress, definitions: dict[str, Any]) -> None:
    call(at, lambda adapter: adapter.import_definitions(at, definitions))


def remove(at: BrokerAddress, queue: str) -> None:
    call(at, lambda adapter: adapter.remove(at, ("queues", "/", queue)))


@pytest.fixture
def streams(rabbitmq: BrokerAddress) -> Iterator[Streams]:
    """One channel, and what the operator puts on it and on the control broker for a site."""
    made = Streams(rabbitmq)
    stream = made.add("q-0").stream
    made.announce()
    sites = [Site(name=SITE, password=PASSWORD)]
    channel = channel_definitions(
        exchange="topic", stream=stream, segment_bytes=1_000_000, reader=("reader", "x"), sites=sites
    )
    control = control_definitions(reader=("reader", "x"), sites=sites)
    queues = [queue for queue in control["queues"] if queue["name"] != "topology"]
    # The broker plays both parts, so the site's account needs the permissions of both.
    rights = {"user": site_username(SITE), "vhost": "/", "configure": "^$", "write": ".*", "read": ".*"}
    for part in (missing({}, {**channel, "queues": []}), missing({}, {**control, "queues": queues})):
        bring(rabbitmq, part)
    bring(rabbitmq, {"permissions": [rights]})
    yield made
    for queue in (commands_queue(SITE), ACKNOWLEDGEMENTS_QUEUE):
        remove(rabbitmq, queue)


@pytest.fixture
def simulation(rabbitmq: BrokerAddress, streams: Streams, tmp_path: Path) -> Iterator[Simulation]:
    """A house over a day that takes 72 s."""
    address = {"host": rabbitmq.host, "amqp_port": rabbitmq.amqp_port}
    gateway = {"site": SITE, "password": PASSWORD, "channels": address, "control": address, "linger_seconds": 0.02}
    (tmp_path / "gateway.json").write_text(json.dumps(gateway))
    ders = [
        {"name": "pv", "kind": "pv", "nominal_kw": 6},
        {"name": "load", "kind": "load", "annual_kwh": 6000},
        {"name": "battery", "kind": "battery", "capacity_kwh": 20, "max_power_kw": 5, "initial_soc": 0.6},
    ]
    site = {
        "site": SITE,
        "gateway_file": str(tmp_path / "gateway.json"),
        "location": {"latitude": 34.0, "longitude": -117.0},
        "ders": ders,
    }
    values = {
        "vpp": "it", "start": "2022-06-21T07:00:00Z", "acceleration": 1200, "reading_interval_seconds": 300,
        "sites": [site],
    }  # fmt: skip
    made = Simulation(parse_config(values, "test"), tmp_path / "simulator", threading.Event())
    yield made
    made.close()


def points(driver: Driver, measurement: str) -> list[dict[str, Any]]:
    """Return all points of this driver's plant, oldest first."""
    influx = Influx(driver.settings.influx)
    flux = f"""
        from(bucket: "vpp") |> range(start: 0)
          |> filter(fn: (r) => r._measurement == "{measurement}" and r.vpp == "{driver.settings.vpp}")
          |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
    """
    try:
        return sorted(influx.rows(flux), key=lambda row: row["_time"])
    finally:
        influx.close()


def energies(driver: Driver) -> dict[tuple[str, str], float]:
    return {
        (row["der"], row["_time"].strftime("%Y-%m-%dT%H:%M:%SZ")): row["energy_kwh"]
        for row in points(driver, "twin_energy")
        if row["site"] == SITE
    }


@pytest.mark.timeout(600)
def test_a_battery_follows_the_plants_target_and_every_kwh_is_accounted_for(
    driver: Driver, line: Line, streams: Streams, simulation: Simulation, tmp_path: Path
) -> None:
    file = tmp_path / "plant.json"
    file.write_text(encode_plant(Plant(ratings=RATINGS, target=Target(power_kw=1.0))))
    driver.settings = dataclasses.replace(driver.settings, plant_file=file)
    with driver.running():
        streams.publish("q-0", site_batches(ANOTHER, range(1)))  # the first batch takes long, and the day would be over
        driver.wait_for_readings(2)
        simulation.start()
        wait_for("an accepted command", lambda: driver.says("twin").get("commands") == {"accepted": 1}, 60)
        wait_for("the end of the day", lambda: simulation.progress()["state"] == State.FINISHED, 150)
        driver.wait_for_readings(2 + simulation.progress()["confirmed"])
        summary = driver.says("twin")
        source = {(der, hour): kwh for der, hours in simulation.source().items() for hour, kwh in hours.items()}
    assert summary["target_kw"] == pytest.approx(1.0)
    assert not {"out_of_range", "off_energy_balance", "off_setpoint"} & set(summary["unhealthy_by_reason"])
    compared = compare_energies(source, energies(driver))
    assert compared["energy_max_relative_error"] <= 1e-9
    assert (compared["hours_compared"], compared["missing_hours"], compared["extra_hours"]) == (72, 0, 0)
    told = [row for row in points(driver, "twin_setpoints") if row["der"] == BATTERY]
    assert {"accepted"} <= {row["status"] for row in told}
    followed = [row for row in told if row.get("reported_kw") is not None]
    assert any(row["reported_kw"] == row.get("desired_kw") for row in followed)
    powers = [row["power_kw"] for row in points(driver, "twin_state") if row.get("setpoint_kw") is not None]
    assert powers
    plant = points(driver, "twin_plant")
    assert {row.get("target_kw") for row in plant} - {None} == {1.0}
    # The other site gives as much as it takes. How far the battery is off depends on the moment of its command.
    assert min(abs(row["delivery_kw"] - 1.0) for row in plant if row["ders"] == 5) < 0.5
