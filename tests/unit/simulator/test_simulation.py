"""The whole simulator against a broker in memory, and what it tells over HTTP."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.gateway.brokers import FakeBroker
from vpp_workloads.gateway import publisher
from vpp_workloads.gateway.errors import NotConnectedError, SettingsError
from vpp_workloads.simulator import __main__ as program
from vpp_workloads.simulator.config import parse_config
from vpp_workloads.simulator.errors import SimulatorError
from vpp_workloads.simulator.server import Server
from vpp_workloads.simulator.simulation import Simulation

PATIENCE_SECONDS = 10.0
LOAD = {"name": "load", "kind": "load", "annual_kwh": 4000}
EV = {"name": "ev", "kind": "ev", "capacity_kwh": 60}


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    broker = FakeBroker()
    monkeypatch.setattr(publisher, "AmqpSession", broker.connect)
    return broker


def site(folder: Path, name: str, *ders: dict[str, Any]) -> dict[str, Any]:
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"site": name, "password": "x", "channels": {"host": "broker"}, "linger_seconds": 0.01}))
    return {"site": name, "gateway_file": str(file), "ders": list(ders or (LOAD, EV))}


def settings(*sites: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "vpp": "demo", "start": "2022-06-21T00:00:00Z", "acceleration": 86_400, "reading_interval_seconds": 900,
        "sites": list(sites), **changes,
    }  # fmt: skip


Run = Callable[..., Simulation]


@pytest.fixture
def run(broker: FakeBroker, tmp_path: Path) -> Iterator[Run]:
    """Starts simulations on one state folder and closes them in the end."""
    running: list[Simulation] = []

    def run(values: dict[str, Any]) -> Simulation:
        for before in running:
            before.close()
        simulation = Simulation(parse_config(values, "simulator.json"), tmp_path / "state", threading.Event())
        running.append(simulation)
        simulation.start()
        return simulation

    yield run
    for simulation in running:
        simulation.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def finished(simulation: Simulation) -> bool:
    return bool(simulation.progress()["state"] == "Finished")


def received_kwh(broker: FakeBroker, der: str) -> float:
    return sum({one.identity: one.energy_kwh for one in broker.received if one.der == der}.values())


def test_a_day_is_sent_and_confirmed_and_matches_its_source(run: Run, broker: FakeBroker, tmp_path: Path) -> None:
    simulation = run(settings(site(tmp_path, "a"), site(tmp_path, "b")))
    wait_for(lambda: finished(simulation))
    progress = simulation.progress()
    assert (progress["created"], progress["confirmed"], progress["spooled"], progress["refused"]) == (384, 384, 0, 0)
    assert progress["day_seconds_done"] == 86_400
    ledger = [(one.der, one.boot, seq) for one in simulation.ledger() for seq in range(one.first_seq, one.last_seq + 1)]
    assert sorted(ledger) == sorted(broker.identities())
    for der, hours in simulation.source().items():
        assert received_kwh(broker, der) == pytest.approx(sum(hours.values()), abs=1e-9)
        assert len(hours) == 24


def test_a_restart_completes_the_day_exactly_once(run: Run, broker: FakeBroker, tmp_path: Path) -> None:
    values = settings(site(tmp_path, "a"), acceleration=20_000)
    simulation = run(values)
    wait_for(lambda: simulation.progress()["day_seconds_done"] > 10_000)
    again = run({**values, "acceleration": 86_400})
    wait_for(lambda: finished(again))
    for der, hours in again.source().items():
        assert received_kwh(broker, der) == pytest.approx(sum(hours.values()), abs=1e-9)
        times = [one.event_time_us for one in broker.received if one.der == der]
        assert sorted(set(times)) == sorted(times)
        assert len(times) == 96
    assert len({one.boot for one in broker.received}) == 2


def test_a_new_site_joins_a_simulation_and_catches_up(run: Run, broker: FakeBroker, tmp_path: Path) -> None:
    first = run(settings(site(tmp_path, "a")))
    wait_for(lambda: finished(first))
    both = run(settings(site(tmp_path, "a"), site(tmp_path, "b")))
    wait_for(lambda: finished(both))
    assert both.progress()["confirmed"] == 384


def test_the_ledger_keeps_sites_that_are_gone(run: Run, tmp_path: Path) -> None:
    first = run(settings(site(tmp_path, "a"), site(tmp_path, "b")))
    wait_for(lambda: finished(first))
    rest = run(settings(site(tmp_path, "a")))
    wait_for(lambda: finished(rest))
    assert {one.der for one in rest.ledger()} == {"a/load", "a/ev", "b/load", "b/ev"}
    assert set(rest.source()) == {"a/load", "a/ev"}


def test_the_clock_waits_until_all_sites_connect(broker: FakeBroker, tmp_path: Path) -> None:
    broker.refuses = "the broker is not up yet"
    config = parse_config(settings(site(tmp_path, "a")), "simulator.json")
    simulation = Simulation(config, tmp_path / "state", threading.Event())
    starter = threading.Thread(target=simulation.start)
    starter.start()
    wait_for(lambda: "the broker is not up yet" in simulation.progress()["reason"])
    assert simulation.progress()["state"] == "Waiting"
    assert simulation.progress()["simulated_us"] == config.horizon.start_us
    broker.refuses = None
    starter.join(PATIENCE_SECONDS)
    wait_for(lambda: finished(simulation))
    simulation.close()


def test_a_site_that_cannot_connect_is_named_with_its_reason(run: Run, broker: FakeBroker, tmp_path: Path) -> None:
    broker.refuses = "broker refused the login"
    with pytest.raises(NotConnectedError, match=r"^site a cannot connect: broker refused the login$"):
        run(settings(site(tmp_path, "a"), connect_deadline_seconds=0.3))


def test_a_restarted_simulator_does_not_wait_for_a_broker_that_is_away(
    run: Run, broker: FakeBroker, tmp_path: Path
) -> None:
    values = settings(site(tmp_path, "a"))
    wait_for(lambda: finished(run(values)))
    broker.refuses = "the broker is away"
    again = run({**values, "days": 2})
    wait_for(lambda: again.progress()["day_seconds_done"] == 2 * 86_400)
    assert again.progress()["spooled"] == 192
    assert again.progress()["state"] == "Running"
    broker.refuses = None
    wait_for(lambda: finished(again))


def test_without_sites_it_waits(run: Run) -> None:
    progress = run(settings()).progress()
    assert (progress["state"], progress["reason"]) == ("Waiting", "no site is configured yet")


def test_settings_of_another_site_are_refused(run: Run, tmp_path: Path) -> None:
    wrong = {**site(tmp_path, "a"), "gateway_file": site(tmp_path, "b")["gateway_file"]}
    with pytest.raises(SimulatorError, match=r"b\.json: is for site b, not a; give its own$"):
        run(settings(wrong))


def test_missing_gateway_settings_are_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.json: cannot be read"):
        run(settings({**site(tmp_path, "a"), "gateway_file": str(tmp_path / "nowhere.json")}))


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_http_tells_progress_ledger_source_health_and_metrics(run: Run, broker: FakeBroker, tmp_path: Path) -> None:
    simulation = run(settings(site(tmp_path, "a")))
    wait_for(lambda: finished(simulation))
    server = Server(simulation, ("127.0.0.1", 0))
    server.start()
    try:
        assert json.loads(get(server.port, "/progress")[1])["state"] == "Finished"
        _, ledger = get(server.port, "/ledger")
        assert ledger.splitlines() == [",".join(map(str, one)) for one in sorted(broker.identities())]
        assert set(json.loads(get(server.port, "/source")[1])) == {"a/load", "a/ev"}
        assert get(server.port, "/healthz") == (200, "ok\n")
        assert 'vpp_simulator_confirmed_readings_total{site="a"} 192.0' in get(server.port, "/metrics")[1]
        assert get(server.port, "/")[0] == 404
    finally:
        server.close()


def test_the_program_runs_until_it_is_stopped(broker: FakeBroker, tmp_path: Path) -> None:
    config = parse_config(settings(site(tmp_path, "a")), "simulator.json")
    stopped = threading.Event()
    result: list[int] = []
    thread = threading.Thread(
        target=lambda: result.append(program.run(config, tmp_path / "state", ("127.0.0.1", 0), stopped))
    )
    thread.start()
    wait_for(lambda: len(broker.received) == 192)
    stopped.set()
    thread.join(PATIENCE_SECONDS)
    assert result == [0]
