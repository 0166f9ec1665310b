"""Loads: when messages are due, and that their bodies are what a gateway or a device sends."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest

from tests.bench._workload import Fleet, Stream, identify
from vpp_contract.readings import decode_batch, decode_json


def test_a_stream_is_due_at_a_constant_rate_and_takes_turns() -> None:
    load = Stream(messages_per_second=4.0, senders=3)
    assert list(itertools.islice(load.due_seconds(), 5)) == [(0.0, 0), (0.25, 1), (0.5, 2), (0.75, 0), (1.0, 1)]
    assert not load.endless


def test_an_endless_stream_is_always_due() -> None:
    load = Stream(messages_per_second=math.inf, senders=2)
    assert load.endless
    assert {due for due, _ in itertools.islice(load.due_seconds(), 10)} == {0.0}


@pytest.mark.parametrize(("sensors", "readings", "senders"), [(50, 1, 50), (250, 100, 3)])
def test_every_sensor_sends_once_an_interval_in_order_of_time(sensors: int, readings: int, senders: int) -> None:
    fleet = Fleet(sensors=sensors, interval_seconds=60.0, readings=readings)
    first = list(itertools.islice(fleet.due_seconds(), senders))
    second = list(itertools.islice(fleet.due_seconds(), 2 * senders))[senders:]
    assert Counter(sender for _, sender in first) == Counter(range(senders))
    assert [due for due, _ in first] == sorted(due for due, _ in first)
    assert first[0][0] >= 0.0
    assert first[-1][0] < 60.0
    assert [sender for _, sender in second] == [sender for _, sender in first]
    assert [due for due, _ in second] == pytest.approx([due + 60.0 for due, _ in first])


def test_a_batch_is_what_the_contract_decodes() -> None:
    identity, body = Stream(messages_per_second=1.0, senders=1, readings=3).body("site-1", 0, 5, 77)
    readings = list(decode_batch(body))
    assert [one.identity for one in readings] == [("site-1/load-0", 1, seq) for seq in (15, 16, 17)]
    assert {(one.kind, one.created_us, one.voltage_v) for one in readings} == {("load", 77, None)}
    assert identity == ("site-1/load-0", 15)


def test_the_last_group_of_a_fleet_is_what_is_left() -> None:
    _, body = Fleet(sensors=250, interval_seconds=10.0, readings=100).body("s", 2, 1, 7)
    ders = [one.der for one in decode_batch(body)]
    assert (len(ders), ders[0], ders[-1]) == (50, "s/sensor-000200", "s/sensor-000249")


def test_a_single_sensor_sends_json() -> None:
    fleet = Fleet(sensors=2, interval_seconds=60.0)
    identity, body = fleet.body("s", 1, 4, 7)
    assert decode_json(body).identity == ("s/sensor-000001", 1, 4)
    assert identify(fleet.content_type, body) == (identity, 1, 7)


@pytest.mark.parametrize("readings", [1, 100])
def test_what_is_read_is_known_by_the_identity_it_was_sent_with(readings: int) -> None:
    fleet = Fleet(sensors=300, interval_seconds=10.0, readings=readings)
    identity, body = fleet.body("s", 2, 9, 1234)
    assert identify(fleet.content_type, body) == (identity, readings, 1234)
