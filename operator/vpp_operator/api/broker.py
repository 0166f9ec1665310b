"""The control broker of a plant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vpp_operator.api.schema import BYTES, CPU, Rule, described
from vpp_operator.api.shared import Exposure, Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalBroker:
    """A control broker that you run."""

    host: str = described("Host name of the RabbitMQ server.", longest=253, pattern=r"^[A-Za-z0-9][-A-Za-z0-9.]*$")
    amqp_port: int = described("AMQP 0.9.1 port.", default=5672, minimum=1, maximum=65535)
    management_url: str = described("Address of the management HTTP API.", pattern=r"^https?://.+", longest=1024)
    secret_ref: Reference = described("Secret with `username` and `password` of an administrator.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """The control broker: commands, acknowledgements, topology. Readings go over QueueChannels."""

    replicas: int = described(
        "Nodes of the control broker: 1 or 3. One is made, also where this says 3.",
        default=1,
        minimum=1,
        maximum=3,
        pending=True,
    )
    cpu: str = described("CPU limit of a node.", default="1", pattern=CPU, longest=20)
    memory: str = described("Memory limit of a node.", default="512Mi", pattern=BYTES, longest=20)
    storage: str = described("Size of a node's volume.", default="1Gi", pattern=BYTES, longest=20)
    storage_class_name: str = described("Storage class; empty: the cluster's default.", default="")
    service: Exposure = described("How the control broker is reached.", default=Exposure())
    external: ExternalBroker | None = described("Use a broker that you run instead.", default=None)

    RULES: ClassVar = (
        Rule(
            name="broker-odd",
            rule="self.replicas != 2",
            message="broker.replicas must be 1 or 3; two nodes cannot outvote a split",
        ),
        Rule(
            name="broker-external-alone",
            rule="!has(self.external) || (self.replicas == 1 && self.service.type == 'ClusterIP')",
            message="broker.replicas and service are for a broker that the operator runs; remove them or external",
        ),
        Rule(
            name="broker-memory",
            rule="quantity(self.memory).compareTo(quantity('256Mi')) >= 0",
            message="broker.memory must be at least 256Mi; a broker with its streams does not run in less",
        ),
        Rule(
            name="broker-storage",
            rule="quantity(self.storage).compareTo(quantity('128Mi')) >= 0",
            message="broker.storage must be at least 128Mi; with less than 50Mi free a broker takes no messages",
        ),
        Rule(
            name="broker-volumes-fixed",
            rule="self.storage == oldSelf.storage && self.storageClassName == oldSelf.storageClassName",
            message="broker.storage and storageClassName cannot change, volumes have them; make a new VPPCluster",
        ),
    )
