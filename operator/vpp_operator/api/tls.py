"""TLS on the ports of a plant's brokers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from vpp_operator.api.schema import Rule, described
from vpp_operator.api.shared import Reference

PLAIN_PORTS: Final = ("Amqp", "Mqtt", "Stream", "Management")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Channels and control broker speak TLS 1.2 and 1.3, and nothing else unless it is asked for."""

    RULES: ClassVar = (
        Rule(
            name="tls-names-own-authority",
            rule="!has(self.secretRef) || !has(self.names) || size(self.names) == 0",
            message="tls.names are for certificates of the operator's authority; put them into yours, or remove them",
        ),
    )

    secret_ref: Reference | None = described(
        "Your Secret with `tls.crt` and `tls.key` of a certificate for all hosts of the brokers, and `ca.crt`, the "
        "authority that clients check it against. Without it the operator keeps an authority in the Secret <name>-ca "
        "and renews what it has signed.",
        default=None,
    )
    names: tuple[str, ...] = described(
        "Host names and addresses under which gateways outside the cluster reach the brokers.", default=()
    )
    plain_ports: tuple[str, ...] = described(
        "Ports without TLS that stay open beside those with it.", default=(), enum=PLAIN_PORTS, longest=4
    )
