"""The data source's options: what is missing or wrong is said in words."""

from __future__ import annotations

import pytest

from vpp_contract.topology import Channel, ChannelState, Topology, encode_topology
from vpp_workloads.streaming.options import parse_options

CONTROL = {"controlHost": "control", "controlUsername": "reader", "controlPassword": "secret"}
GOOD = {**CONTROL, "username": "reader", "password": "secret"}
TOPOLOGY = Topology(
    generation=3,
    channels=(
        Channel(
            name="q-0", queue_channel="q", host="h", amqp_port=5672, stream="readings-1", state=ChannelState.ACTIVE
        ),
    ),
)


def test_defaults() -> None:
    options = parse_options(GOOD)
    assert options.control is not None
    assert (options.control.host, options.control.port, options.topology) == ("control", 5672, None)
    assert (options.max_offsets_per_trigger, options.max_offsets_per_partition, options.fail_on_data_loss) == (
        5000,
        1000,
        False,
    )


@pytest.mark.parametrize(
    ("said", "control", "channel"),
    [({}, None, ""), ({"controlTls": "true"}, "", ""), ({"controlTls": "false"}, None, "")],
)
def test_tls_is_said_of_the_control_broker_here_and_of_channels_by_the_topology(
    said: dict[str, str], control: str | None, channel: str
) -> None:
    options = parse_options({**GOOD, **said})
    assert options.control is not None
    assert options.control.authority == control
    assert options.channel("h", 5551, tls=True).authority == channel
    assert options.channel("h", 5552, tls=False).authority is None


def test_a_fixed_topology_needs_no_control_broker() -> None:
    options = parse_options({"username": "a", "password": "b", "topology": encode_topology(TOPOLOGY).decode()})
    assert (options.topology, options.control) == (TOPOLOGY, None)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "rabbitmq-streams needs the option controlHost, or give a fixed topology in the option topology"),
        ({"controlHost": "h"}, "rabbitmq-streams needs the option controlUsername"),
        (CONTROL, "rabbitmq-streams needs the option username"),
        ({**GOOD, "controlPort": "amqp"}, "the option controlPort of rabbitmq-streams is 'amqp'; give a whole number"),
        ({**GOOD, "maxOffsetsPerTrigger": "0"}, "the option maxOffsetsPerTrigger of rabbitmq-streams is '0'; give a"),
        ({**GOOD, "failOnDataLoss": "maybe"}, "the option failOnDataLoss of rabbitmq-streams is 'maybe'; give true or"),
        (
            {**GOOD, "authority": "x"},
            "the option authority of rabbitmq-streams: the authority's certificate must",
        ),
        ({"topology": "{}"}, "the option topology of rabbitmq-streams is not a topology message"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_options_are_refused_in_words(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence.replace("(", r"\(")):
        parse_options(given)


def test_passwords_are_not_shown() -> None:
    assert "secret" not in repr(parse_options(GOOD))
