"""The control broker: commands, acknowledgements and the topology. Readings never pass it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpp_contract.names import COMMANDS_EXCHANGE
from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.resources import names
from vpp_operator.resources.broker import BrokerShape, broker
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import Owner
from vpp_operator.resources.tls import AMQP_PORT, AMQP_TLS_PORT, BrokerTls

COMPONENT: Final = "control"


def control_broker(
    owner: Owner, spec: VPPClusterSpec, images: Images, admin: Mapping[str, str], tls: BrokerTls | None = None
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
        tls=tls,
    )
    return broker(owner, shape, images, admin)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAddress:
    """The control broker as clients in the cluster see it."""

    host: str
    amqp_port: int
    tls: bool = False


def control_address(owner: Owner, spec: VPPClusterSpec) -> ControlAddress:
    """Return where the control broker is."""
    external = spec.broker.external
    if external is not None:
        return ControlAddress(host=external.host, amqp_port=external.amqp_port)
    host = names.service_host(names.control(owner.vpp), owner.namespace)
    with_tls = spec.tls is not None
    return ControlAddress(host=host, amqp_port=AMQP_TLS_PORT if with_tls else AMQP_PORT, tls=with_tls)
