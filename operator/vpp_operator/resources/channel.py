"""The channels of a QueueChannel: single-node brokers behind one Service that holds the active ones only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpp_contract.names import TRAFFIC_LABEL
from vpp_operator.api.queuechannel import QueueChannelSpec
from vpp_operator.resources import names
from vpp_operator.resources.broker import BrokerShape, broker
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import CHANNELS_LABEL, Owner

COMPONENT: Final = "channel"
ACTIVE: Final = "active"


def channels(
    owner: Owner, spec: QueueChannelSpec, images: Images, admin: Mapping[str, str], count: int
) -> list[dict[str, Any]]:
    """Return the objects of `count` channels."""
    name = owner.name
    shape = BrokerShape(
        name=name,
        component=COMPONENT,
        admin_secret=names.admin_secret(name),
        nodes=count,
        clustered=False,
        cpu=spec.channel.cpu,
        memory=spec.channel.memory,
        storage=spec.channel.storage,
        storage_class=spec.channel.storage_class_name,
        service_type=spec.service.type,
        service_annotations=spec.service.annotations,
        service_selector={CHANNELS_LABEL: name, TRAFFIC_LABEL: ACTIVE},
        mqtt=spec.mqtt.enabled,
        labels={CHANNELS_LABEL: name},
    )
    return broker(owner, shape, images, admin)


def channel_count(spec: QueueChannelSpec) -> int:
    """Return how many channels are up: the pinned number, else the minimum; within min and max in any case."""
    wanted = spec.min if spec.pinned is None else spec.pinned
    return max(spec.min, min(spec.max, wanted))


def channel_host(name: str, ordinal: int, namespace: str) -> str:
    """Return the stable name of one channel."""
    return names.pod_host(f"{name}-{ordinal}", f"{name}-nodes", namespace)
