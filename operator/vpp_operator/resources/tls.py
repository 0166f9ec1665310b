"""Which ports the brokers of a plant have, with TLS and without, and where their certificate comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpp_contract.topology import STREAM_PORT
from vpp_operator.resources.metadata import Owner
from vpp_operator.resources.secret_values import secret
from vpp_operator.resources.workload import secret_volume

AMQP_PORT: Final = 5672
MQTT_PORT: Final = 1883
MANAGEMENT_PORT: Final = 15672
METRICS_PORT: Final = 15692
AMQP_TLS_PORT: Final = 5671
MQTT_TLS_PORT: Final = 8883
STREAM_TLS_PORT: Final = 5551
MANAGEMENT_TLS_PORT: Final = 15671
TLS_ANNOTATION: Final = "vpp.energy/tls"
"""On pods of brokers that speak TLS: while they are renewed one by one, some do and some do not."""
FOLDER: Final = "/etc/rabbitmq-tls"
COMPONENT: Final = "tls"
_PLAIN: Final = {"Amqp": AMQP_PORT, "Mqtt": MQTT_PORT, "Stream": STREAM_PORT, "Management": MANAGEMENT_PORT}
_WITH_TLS: Final = {
    "Amqp": AMQP_TLS_PORT,
    "Mqtt": MQTT_TLS_PORT,
    "Stream": STREAM_TLS_PORT,
    "Management": MANAGEMENT_TLS_PORT,
}
_NAMES: Final = {"Amqp": "amqp", "Mqtt": "mqtt", "Stream": "stream", "Management": "management"}
_TLS_NAMES: Final = {"Amqp": "amqps", "Mqtt": "mqtts", "Stream": "streams", "Management": "management-tls"}
# The key is read anew for each connection; a renewed file is noticed after so long at most.
ERLANG_ARGUMENTS: Final = "-ssl ssl_pem_cache_clean 30000"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTls:
    """TLS of a plant's brokers."""

    secret: str
    """The Secret with `tls.crt` and `tls.key` of the brokers."""
    authority: str
    """The certificate, PEM text, that clients check them against; empty: the machine's own authorities."""
    plain_ports: tuple[str, ...] = ()
    """Kinds of port that stay open without TLS, too."""
    made: Mapping[str, Mapping[str, str]] | None = None
    """Texts of the Secrets that the operator keeps, by name."""


def broker_ports(tls: BrokerTls | None, kinds: Iterable[str]) -> dict[str, int]:
    """Return name and number of each port that brokers have, of these kinds."""
    ports: dict[str, int] = {}
    for kind in kinds:
        if tls is None or kind in tls.plain_ports:
            ports[_NAMES[kind]] = _PLAIN[kind]
        if tls is not None:
            ports[_TLS_NAMES[kind]] = _WITH_TLS[kind]
    return ports


def port_for_clients(tls: BrokerTls | None, kind: str) -> int:
    """Return the port that a plant's own clients use."""
    return _PLAIN[kind] if tls is None else _WITH_TLS[kind]


def listeners(tls: BrokerTls | None, *, mqtt: bool) -> list[str]:
    """Return the lines of `rabbitmq.conf` that open the ports."""
    settings = {"Amqp": "listeners", "Stream": "stream.listeners", **({"Mqtt": "mqtt.listeners"} if mqtt else {})}
    lines: list[str] = []
    for kind, setting in settings.items():
        is_plain = tls is None or kind in tls.plain_ports
        lines.append(f"{setting}.tcp.default = {_PLAIN[kind]}" if is_plain else f"{setting}.tcp = none")
        if tls is not None:
            lines.append(f"{setting}.ssl.default = {_WITH_TLS[kind]}")
    if tls is None or "Management" in tls.plain_ports:
        lines.append(f"management.tcp.port = {MANAGEMENT_PORT}")
    if tls is None:
        return lines
    files = {"certfile": "tls.crt", "keyfile": "tls.key"}
    lines.append(f"management.ssl.port = {MANAGEMENT_TLS_PORT}")
    for setting in ("ssl_options", "management.ssl"):
        lines += [f"{setting}.{name} = {FOLDER}/{file}" for name, file in files.items()]
        lines += [f"{setting}.versions.1 = tlsv1.3", f"{setting}.versions.2 = tlsv1.2"]
    # Clients prove who they are by their password.
    return [*lines, "ssl_options.verify = verify_none", "ssl_options.fail_if_no_peer_cert = false"]


def tls_volume(tls: BrokerTls) -> dict[str, Any]:
    """Return the volume with the brokers' certificate; a renewed Secret arrives there by itself."""
    items = [{"key": name, "path": name} for name in ("tls.crt", "tls.key")]
    volume = secret_volume("tls", tls.secret)
    return {**volume, "secret": {**volume["secret"], "items": items}}


def tls_secrets(owner: Owner, tls: BrokerTls) -> list[dict[str, Any]]:
    """Return the Secrets that the operator keeps for TLS."""
    return [secret(owner, name, COMPONENT, texts) for name, texts in sorted((tls.made or {}).items())]
