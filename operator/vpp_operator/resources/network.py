"""Who may reach a plant's pods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from vpp_contract.names import DRIVER_PORT, SIMULATOR_PORT, VPP_LABEL
from vpp_operator.api.queuechannel import QueueChannelSpec
from vpp_operator.api.shared import Exposure
from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.resources.channel import COMPONENT as CHANNEL
from vpp_operator.resources.control import COMPONENT as CONTROL
from vpp_operator.resources.influxdb import PORT as INFLUXDB_PORT
from vpp_operator.resources.metadata import Owner, metadata, selector_labels
from vpp_operator.resources.tls import METRICS_PORT, BrokerTls, broker_ports

_METRICS_PORTS: Final = (INFLUXDB_PORT, DRIVER_PORT, SIMULATOR_PORT, METRICS_PORT)


def network_policies(
    owner: Owner,
    spec: VPPClusterSpec,
    channels: Sequence[QueueChannelSpec],
    operator_namespace: str,
    tls: BrokerTls | None = None,
) -> list[dict[str, Any]]:
    """Return the policies: a plant's own pods and the operator reach everything, others little.

    Metrics are open. Client ports of the brokers are open to the namespace, where gateways may run, and to everyone
    once a Service exposes them outside the cluster.
    """
    plant = {"podSelector": {"matchLabels": {VPP_LABEL: owner.vpp}}}
    operator = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": operator_namespace}}}
    everything = _policy(
        owner, owner.vpp, {VPP_LABEL: owner.vpp}, [{"from": [plant, operator]}, {"ports": _ports(_METRICS_PORTS)}]
    )
    exposures = {CHANNEL: [channel.service for channel in channels]} if channels else {}
    if spec.broker.external is None:
        exposures[CONTROL] = [spec.broker.service]
    return [everything, *(_clients(owner, component, services, tls) for component, services in exposures.items())]


def _clients(owner: Owner, component: str, services: Sequence[Exposure], tls: BrokerTls | None) -> dict[str, Any]:
    numbers = broker_ports(tls, ("Amqp", "Mqtt")).values()
    rule: dict[str, Any] = {"ports": _ports(tuple(numbers))}
    if all(service.type == "ClusterIP" for service in services):
        rule["from"] = [{"podSelector": {}}]
    return _policy(owner, f"{owner.vpp}-{component}-clients", selector_labels(owner.vpp, component), [rule])


def _ports(numbers: Sequence[int]) -> list[dict[str, Any]]:
    return [{"port": number, "protocol": "TCP"} for number in numbers]


def _policy(owner: Owner, name: str, labels: dict[str, str], ingress: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(owner, name, "network"),
        "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress"], "ingress": ingress},
    }
