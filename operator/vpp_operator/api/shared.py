"""What more than one kind has: references, modes, services, conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from vpp_operator.api.schema import DNS_SUBDOMAIN, SERVICE_NAME, Rule, described

MODES: Final = ("Observe", "Recommend", "Auto")
DELETION_POLICIES: Final = ("Retain", "Delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The name of another object in the same namespace."""

    name: str = described("Name of the object, in the same namespace.", pattern=DNS_SUBDOMAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class VppReference:
    """The VPPCluster a resource belongs to."""

    RULES: ClassVar = (
        Rule(
            name="vpp-ref-fixed",
            rule="self.name == oldSelf.name",
            message="vppRef.name cannot change; delete this resource and make it anew in the other VPPCluster",
        ),
    )

    name: str = described("Name of the VPPCluster, in the same namespace.", pattern=SERVICE_NAME, longest=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How a Service is reached."""

    type: str = described(
        "ClusterIP: from inside the cluster. NodePort or LoadBalancer: from outside, too.",
        default="ClusterIP",
        enum=("ClusterIP", "NodePort", "LoadBalancer"),
    )
    annotations: Mapping[str, str] | None = described(
        "Annotations of the Service, for example for a cloud's load balancer.", default=None
    )


def mode_field() -> str:
    """Return the field `mode`, the same for every kind that has it."""
    made: str = described(
        "Observe: measure and diagnose. Recommend: also decide, but only write status.lastDecision. Auto: act. "
        "Every mode keeps the minimum, or what `pinned` says, until there is scaling by load.",
        default="Auto",
        enum=MODES,
        pending=True,
    )
    return made
