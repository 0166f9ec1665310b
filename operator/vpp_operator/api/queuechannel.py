"""QueueChannel: the queuing cluster of one VPPCluster, a pool of ingest channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vpp_operator.api.schema import BYTES, CPU, Rule, described, parse
from vpp_operator.api.shared import DELETION_POLICIES, Exposure, VppReference, mode_field


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Resources of each channel, a RabbitMQ broker of its own."""

    RULES: ClassVar = (
        Rule(
            name="channel-memory",
            rule="quantity(self.memory).compareTo(quantity('256Mi')) >= 0",
            message="channel.memory must be at least 256Mi; a broker with its streams does not run in less",
        ),
        Rule(
            name="channel-storage",
            rule="quantity(self.storage).compareTo(quantity('128Mi')) >= 0",
            message="channel.storage must be at least 128Mi; with less than 50Mi free a broker takes no readings",
        ),
        Rule(
            name="channel-volumes-fixed",
            rule="self.storage == oldSelf.storage && self.storageClassName == oldSelf.storageClassName",
            message="channel.storage and storageClassName cannot change, volumes have them; make a new QueueChannel",
        ),
    )

    cpu: str = described("CPU limit of a channel.", default="1", pattern=CPU, longest=20)
    memory: str = described("Memory limit of a channel.", default="512Mi", pattern=BYTES, longest=20)
    storage: str = described(
        "Size of a channel's volume. A full one blocks publishers; gateways then keep readings in their spools.",
        default="2Gi",
        pattern=BYTES,
        longest=20,
    )
    storage_class_name: str = described("Storage class; empty: the cluster's default.", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How readings leave a channel's disk once the twin has them."""

    RULES: ClassVar = (
        Rule(
            name="retention-segments-fixed",
            rule="self.segmentBytes == oldSelf.segmentBytes",
            message="retention.segmentBytes cannot change, streams are made with it; make a new QueueChannel",
        ),
    )

    segment_bytes: int = described(
        "Bytes of one segment of a stream; disk is freed a segment at a time.",
        default=1_000_000,
        minimum=100_000,
        maximum=500_000_000,
    )
    margin_seconds: int = described(
        "Seconds a reading stays after the twin has committed it.", default=300, minimum=10, maximum=31_536_000
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mqtt:
    """MQTT 3.1.1 and 5 devices."""

    enabled: bool = described("Whether channels accept MQTT, on port 1883, with TLS on 8883.", default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChannelSpec:
    """A pool of ingest channels."""

    RULES: ClassVar = (
        Rule(
            name="channel-min-max",
            rule="self.min <= self.max",
            message="min must not be above max; lower min or raise max",
        ),
        Rule(
            name="channel-standby",
            rule="self.min > self.max || self.standby <= self.max - self.min",
            message="standby must fit between min and max; lower standby or raise max",
        ),
        Rule(
            name="channel-pinned",
            rule="!has(self.pinned) || (self.pinned >= self.min && self.pinned <= self.max)",
            message="pinned must lie between min and max; change pinned or the bounds",
        ),
        Rule(
            name="channel-headers-mqtt",
            rule="self.exchange != 'headers' || !self.mqtt.enabled",
            message="exchange headers cannot route MQTT 3.1.1, which has no headers; set mqtt.enabled to false",
        ),
        Rule(
            name="channel-exchange-fixed",
            rule="self.exchange == oldSelf.exchange",
            message="exchange cannot change on existing channels; make a new QueueChannel",
        ),
    )

    vpp_ref: VppReference = described(
        "The VPPCluster whose readings these channels take. "
        "Of several QueueChannels of one VPPCluster, sites are told the first by name."
    )
    mode: str = mode_field()
    pinned: int | None = described(
        "Active channels, whatever the load. It wins over the autoscaler until it is removed; `kubectl scale` sets it.",
        default=None,
        minimum=0,
    )
    min: int = described("Channels that are always active.", default=1, minimum=1, maximum=100)
    max: int = described("Channels that may be active at most.", default=1, minimum=1, maximum=100)
    standby: int = described(
        "Channels beyond the active ones that are up and warm without traffic, so that they wake in a moment.",
        default=0,
        minimum=0,
        maximum=100,
    )
    channel: Channel = described("Resources of each channel.", default=Channel())
    exchange: str = described(
        "Type of the exchange that feeds a channel's stream.",
        default="topic",
        enum=("topic", "direct", "fanout", "headers", "consistent-hash"),
    )
    durability: str = described(
        "Broker: nothing is lost when processes or pods die. EndToEnd: gateways also keep readings in their spools "
        "until the twin has committed them, so that a lost volume loses nothing of theirs; devices without a gateway "
        "keep the promise of Broker. A change restarts the driver.",
        default="Broker",
        enum=("Broker", "EndToEnd"),
    )
    service: Exposure = described("How gateways reach the channels.", default=Exposure())
    retention: Retention = described("How readings leave a channel's disk.", default=Retention())
    rebalance_share: float = described(
        "Share of all connections that moves to a channel when it wakes; 0: a fair share.",
        default=0.0,
        minimum=0,
        maximum=1,
    )
    drain_deadline_seconds: int = described(
        "Seconds after which a drain is given up and the channel stays: unread data never sleeps.",
        default=300,
        minimum=10,
        maximum=86400,
    )
    mqtt: Mqtt = described("MQTT devices.", default=Mqtt())
    deletion_policy: str = described(
        "What happens to volumes when this resource is deleted. Retain: they stay. Delete: they go, with unread data.",
        default="Retain",
        enum=DELETION_POLICIES,
    )


def parse_queuechannel_spec(values: Mapping[str, Any]) -> QueueChannelSpec:
    """Return a QueueChannel's spec.

    Raises:
        InvalidSpec: see `vpp_operator.api.schema.parse`.
    """
    return parse(QueueChannelSpec, values)
