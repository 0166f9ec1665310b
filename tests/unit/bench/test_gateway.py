"""The gateway is held against the faster of the bare ways, in the same turn."""

from __future__ import annotations

from tests.bench._gateway import GATEWAY, GATEWAY_MANY, encoded, measurements, rows
from vpp_contract.readings import decode_batch


def test_the_share_is_of_the_faster_bare_way() -> None:
    found = {
        GATEWAY: [60.0, 70.0, 50.0],
        GATEWAY_MANY: [10.0, 10.0, 10.0],
        "bare pika, one": [90.0, 80.0, 85.0],
        "bare pika, two": [100.0, 100.0, 100.0],
    }
    few, many = rows(found)[-2:]
    assert few["metric"] == "(e) gateway with its spool beside bare pika, two"
    assert (few["samples"], few["median"], few["baseline"], few["met"]) == ([0.6, 0.7, 0.5], 0.6, 100.0, True)
    assert (many["samples"], many["target"], many["met"]) == ([0.1, 0.1, 0.1], few["target"], False)


def test_bare_pika_sends_what_the_gateway_would() -> None:
    batch = measurements("house", ders=4)[3]
    readings = list(decode_batch(encoded(batch, 7)))
    assert len(readings) == 100
    assert {one.der for one in readings} == {f"house/der-{number}" for number in range(4)}
    assert [one.event_time_us for one in readings] == sorted(one.event_time_us for one in readings)
