"""The gateway as a site's own program: lines on stdin, or HTTP."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.gateway.brokers import SITE, FakeBroker
from vpp_contract.commands import Command, command_key, encode_command
from vpp_workloads.gateway import publisher
from vpp_workloads.gateway.__main__ import take_lines
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.server import Server
from vpp_workloads.gateway.settings import Settings

PATIENCE_SECONDS = 5.0


def line(time_us: int, der: str = f"{SITE}/pv") -> str:
    return json.dumps(
        {"der": der, "kind": "pv", "event_time_us": time_us, "interval_seconds": 60, "power_kw": 1, "energy_kwh": 0.1}
    )


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    broker = FakeBroker()
    monkeypatch.setattr(publisher, "AmqpSession", broker.connect)
    return broker


@pytest.fixture
def gateway(broker: FakeBroker, tmp_path: Path) -> Iterator[Gateway]:
    settings = Settings(
        site=SITE, username="u", password="x", host="h", linger_seconds=0.01, spool_bytes=2000, accept_seconds=0.1
    )
    gateway = Gateway(settings, tmp_path / "spool.sqlite", lambda: 7_000_000)
    gateway.start()
    yield gateway
    gateway.close(0.0)


@pytest.fixture
def port(gateway: Gateway) -> Iterator[int]:
    server = Server(gateway, SITE, ("127.0.0.1", 0))
    yield server.port
    server.close()


def request(port: int, method: str, path: str, body: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_lines_are_taken_and_bad_ones_named(
    gateway: Gateway, broker: FakeBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line(1), "", "nonsense", line(2, "house-02/pv"), line(3)]
    assert take_lines(gateway, lines) == 2
    assert capsys.readouterr().err.splitlines() == [
        "gateway: line 3: no JSON: Expecting value: line 1 column 1 (char 0)",
        "gateway: line 4: der 'house-02/pv' does not belong to site house-01; name it house-01/<device>",
    ]
    assert gateway.flush(PATIENCE_SECONDS)
    assert [one.event_time_us for one in broker.received] == [1, 3]


def test_a_line_without_room_is_named(gateway: Gateway, broker: FakeBroker, capsys: pytest.CaptureFixture[str]) -> None:
    broker.confirms = False
    assert take_lines(gateway, [line(i) for i in range(1, 10)]) == 3
    assert "line 7 is not taken: " in capsys.readouterr().err


def test_posted_readings_are_on_disk_before_the_answer(gateway: Gateway, broker: FakeBroker, port: int) -> None:
    assert request(port, "POST", "/readings", f"{line(1)}\n{line(2)}\n") == (204, "")
    assert gateway.status().accepted == 2
    assert gateway.flush(PATIENCE_SECONDS)
    assert len(broker.received) == 2


def test_a_bad_request_takes_nothing(gateway: Gateway, port: int) -> None:
    assert request(port, "POST", "/readings", f"{line(1)}\nnonsense\n") == (
        400,
        "line 2: no JSON: Expecting value: line 1 column 1 (char 0)\n",
    )
    assert gateway.status().accepted == 0


def test_a_full_spool_asks_to_come_back_later(gateway: Gateway, broker: FakeBroker, port: int) -> None:
    broker.confirms = False
    status, text = request(port, "POST", "/readings", "\n".join(line(i) for i in range(1, 12)))
    assert status == 503
    assert "do not fit" in text
    assert gateway.status().refused == 11


def test_a_device_asks_for_its_set_point(gateway: Gateway, port: int) -> None:
    assert request(port, "GET", "/setpoints/battery") == (200, '{"setpoint_kw": null}')
    now_us = time.time_ns() // 1000
    told = Command(
        id="c", der="house-01/battery", setpoint_kw=-2.5, issued_us=now_us, valid_until_us=now_us + 60_000_000
    )
    assert len(list(gateway.commands.handle(command_key(told.der), encode_command(told)))) == 1
    status, text = request(port, "GET", "/setpoints/battery")
    assert (status, json.loads(text)) == (200, json.loads(encode_command(told)))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/other", 404), ("GET", "/healthz", 200), ("GET", "/status", 200)],
)
def test_other_paths(port: int, method: str, path: str, status: int) -> None:
    assert request(port, method, path)[0] == status


def test_metrics_count_readings(gateway: Gateway, port: int) -> None:
    take_lines(gateway, [line(1)])
    assert gateway.flush(PATIENCE_SECONDS)
    _, text = request(port, "GET", "/metrics")
    assert 'vpp_gateway_confirmed_readings_total{site="house-01"} 1\n' in text
    assert 'vpp_gateway_connected{site="house-01"} 1\n' in text
