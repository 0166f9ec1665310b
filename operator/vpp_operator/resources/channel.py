"""The channels of a QueueChannel: single-node brokers behind one Service that holds the active ones only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vpp_contract.names import TRAFFIC_LABEL
from vpp_operator.api.queuechannel import QueueChannelSpec
from vpp_operator.decide.channels import State
from vpp_operator.resources import names
from vpp_operator.resources.broker import BrokerShape, broker
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import CHANNELS_LABEL, Owner
from vpp_operator.resources.tls import BrokerTls

COMPONENT: Final = "channel"
ACTIVE: Final = "active"
"""The value of the traffic label that the Service selects; the others tell people why a channel is not in it."""
HELD: Final = "held"
STANDBY: Final = "standby"
DRAINING: Final = "draining"


def channels(
    owner: Owner,
    spec: QueueChannelSpec,
    images: Images,
    admin: Mapping[str, str],
    count: int,
    tls: BrokerTls | None = None,
) -> list[dict[str, Any]]:
    """Return the objects of `count` channels."""
    name = owner.name
    shape = BrokerShape(
        name=name,
        component=COMPONENT,
        admin_secret=names.admin_secret(name),
        nodes=count,
        cpu=spec.channel.cpu,
        memory=spec.channel.memory,
        storage=spec.channel.storage,
        storage_class=spec.channel.storage_class_name,
        service_type=spec.service.type,
        service_annotations=spec.service.annotations,
        service_selector={CHANNELS_LABEL: name, TRAFFIC_LABEL: ACTIVE},
        mqtt=spec.mqtt.enabled,
        labels={CHANNELS_LABEL: name},
        tls=tls,
    )
    return broker(owner, shape, images, admin)


def channel_count(spec: QueueChannelSpec) -> int:
    """Return how many channels take readings: the pinned number, else the minimum; within min and max in any case."""
    wanted = spec.min if spec.pinned is None else spec.pinned
    return max(spec.min, min(spec.max, wanted))


def standby_count(spec: QueueChannelSpec) -> int:
    """Return how many channels beyond those that take readings are up, as far as `max` lets them."""
    return min(spec.standby, spec.max - channel_count(spec))


def channel_pods(spec: QueueChannelSpec, entries: Sequence[Mapping[str, Any]]) -> int:
    """Return how many pods there are: those wanted, and those that `status.channels` says are not asleep yet."""
    awake = (ordinal_of(entry["name"]) + 1 for entry in entries if entry.get("state") != State.ASLEEP)
    return max(channel_count(spec) + standby_count(spec), *awake, 0)


def ordinal_of(channel: str) -> int:
    """Return the number at the end of a channel's name."""
    return int(channel.rpartition("-")[2])


def channel_host(name: str, ordinal: int, namespace: str) -> str:
    """Return the stable name of one channel."""
    return names.pod_host(f"{name}-{ordinal}", f"{name}-nodes", namespace)
