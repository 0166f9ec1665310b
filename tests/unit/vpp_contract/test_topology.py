"""The topology message survives its encoding, and what is none is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_contract.topology import Channel, ChannelState, Topology, decode_topology, encode_topology

channels = st.builds(
    Channel,
    name=st.text(min_size=1),
    queue_channel=st.text(min_size=1),
    host=st.text(min_size=1),
    amqp_port=st.integers(1, 65535),
    stream=st.text(min_size=1),
    state=st.sampled_from(ChannelState),
)


@given(st.builds(Topology, generation=st.integers(0), channels=st.lists(channels, max_size=3).map(tuple)))
def test_a_topology_gives_back_what_went_in(topology: Topology) -> None:
    assert decode_topology(encode_topology(topology)) == topology


def test_offsets_are_kept_by_channel_and_stream() -> None:
    channel = Channel(
        name="q-0", queue_channel="q", host="h", amqp_port=1, stream="readings-ab", state=ChannelState.ACTIVE
    )
    assert channel.key == "q-0/readings-ab"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps({"generation": 1, "channels": [{"name": "q-0"}]}).encode(),
        json.dumps({"generation": 1, "channels": [{"name": "q-0", "state": "Sleepy"}]}).encode(),
        json.dumps({"generation": "x", "channels": []}).encode(),
    ],
)
def test_what_is_no_topology_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a topology message: "):
        decode_topology(message)
