"""The topology message: which channels there are, and in what state; last value wins."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Final

STREAM_PORT: Final = 5552


class ChannelState(StrEnum):
    """What a channel is doing. Only Active ones get traffic; Draining and Standby ones may hold unread data."""

    ACTIVE = "Active"
    STANDBY = "Standby"
    DRAINING = "Draining"
    ASLEEP = "Asleep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One ingest channel: a single-node broker and the stream to read on it."""

    name: str
    queue_channel: str
    host: str
    amqp_port: int
    stream: str
    state: ChannelState
    stream_port: int = STREAM_PORT
    """Where the broker speaks the stream protocol."""
    tls: bool = False
    """Whether both ports speak TLS."""

    @property
    def key(self) -> str:
        """The name offsets are kept under: `<channel>/<stream>`."""
        return f"{self.name}/{self.stream}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All channels of one virtual power plant. `generation` grows with every change."""

    generation: int
    channels: tuple[Channel, ...]


def encode_topology(topology: Topology) -> bytes:
    """Encode for the control broker."""
    return json.dumps(asdict(topology), sort_keys=True).encode()


def decode_topology(message: bytes) -> Topology:
    """Decode a message of the topology stream.

    Raises:
        ValueError: not a topology message.
    """
    try:
        values = json.loads(message)
        known = {field.name for field in fields(Channel)}  # a newer operator may say more
        channels = tuple(
            Channel(
                **{name: value for name, value in channel.items() if name in known}
                | {"state": ChannelState(channel["state"])}
            )
            for channel in values["channels"]
        )
        return Topology(generation=int(values["generation"]), channels=channels)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"not a topology message: {error!r}") from None
