"""The control broker: commands, acknowledgements and the topology. Readings never pass it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpp_contract.names import COMMANDS_EXCHANGE
from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.resources import names
from vpp_operator.resources.broker import AMQP_PORT, BrokerShape, broker
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import Owner

COMPONENT: Final = "control"


def control_broker(
    owner: Owner, spec: VPPClusterSpec, images: Images, admin: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the managed control broker's objects; none where it is external."""
    settings = spec.broker
    if settings.external is not None:
        return []
    shape = BrokerShape(
        name=names.control(owner.vpp),
        component=COMPONENT,
        admin_secret=names.admin_secret(names.control(owner.vpp)),
        nodes=1,
        cpu=settings.cpu,
        memory=settings.memory,
        storage=settings.storage,
        storage_class=settings.storage_class_name,
        service_type=settings.service.type,
        service_annotations=settings.service.annotations,
        mqtt_exchange=COMMANDS_EXCHANGE,
    )
    return broker(owner, shape, images, admin)


def control_address(owner: Owner, spec: VPPClusterSpec) -> tuple[str, int]:
    """Return host and AMQP port of the control broker as clients in the cluster see it."""
    external = spec.broker.external
    if external is not None:
        return external.host, external.amqp_port
    return names.service_host(names.control(owner.vpp), owner.namespace), AMQP_PORT
