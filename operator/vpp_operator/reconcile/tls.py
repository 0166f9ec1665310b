"""Certificates of a plant's brokers: the user's, or the operator's own, renewed before they end.

All of them are in Secrets; what is missing there comes from the operator's memory or is made anew. Brokers read their
certificate from a mounted Secret and notice a new one by themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from vpp_contract.tls import client_context
from vpp_operator.api.tls import Tls
from vpp_operator.errors import NotReady
from vpp_operator.ports import SECRET, KeyPair, Ports
from vpp_operator.reconcile.desired import Member
from vpp_operator.reconcile.gather import Picture
from vpp_operator.reconcile.memory import PlantMemory
from vpp_operator.resources import names
from vpp_operator.resources.secret_values import secret_texts
from vpp_operator.resources.tls import BrokerTls

_LOG = logging.getLogger(__name__)
AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 90
RENEW_DAYS: Final = 30
_DAY_SECONDS: Final = 86_400
_FILES: Final = ("tls.crt", "tls.key")


async def broker_tls(
    ports: Ports, picture: Picture, memory: PlantMemory, tls: Tls | None, channels: Sequence[Member]
) -> BrokerTls | None:
    """Return what the brokers of a plant need for TLS, None where they are plain.

    Raises:
        NotReady: the user's Secret is not there, or certificates in a Secret cannot be used.
        Unavailable: the API server does not answer.
    """
    if tls is None:
        return None
    kept = names.broker_authority_secret(picture.name)
    if tls.secret_ref is not None:
        authority = await _authority_of_user(ports, picture, tls.secret_ref.name, kept)
        made: dict[str, Mapping[str, str]] = {}
        name = tls.secret_ref.name
    else:
        name = names.broker_certificate_secret(picture.name)
        made = _own(ports, picture, memory, broker_names(picture, channels, tls.names))
        authority = made[name]["ca.crt"]
    try:
        client_context(authority)
    except ValueError as error:
        raise NotReady("CertificateUnusable", f"{error}; correct ca.crt") from None
    return BrokerTls(
        secret=name, authority=authority, plain_ports=tls.plain_ports, made={**made, kept: {"ca.crt": authority}}
    )


def broker_names(picture: Picture, channels: Sequence[Member], more: Sequence[str]) -> list[str]:
    """Return the names of all brokers of a plant: Services, and pods by their stable names."""
    services = [names.control(picture.name), *(member.owner.name for member in channels)]
    found = []
    for service in services:
        host, pods = (names.service_host(one, picture.namespace) for one in (service, f"{service}-nodes"))
        found += [host, f"{host}.cluster.local", f"*.{pods}", f"*.{pods}.cluster.local"]
    return [*found, "localhost", *more]


async def _authority_of_user(ports: Ports, picture: Picture, secret: str, kept: str) -> str:
    """Return the authority in the user's Secret; while that is missing, the one that was there."""
    texts = secret_texts(await ports.kubernetes.get(SECRET, picture.namespace, secret))
    if all(texts.get(name) for name in _FILES):
        return texts.get("ca.crt", "")
    before = secret_texts(picture.owned.get(("Secret", kept)))
    if "ca.crt" in before:
        _LOG.warning("%s/%s: the Secret %s lacks tls.crt or tls.key", picture.namespace, picture.name, secret)
        return before["ca.crt"]
    raise NotReady(
        "SecretMissing", f"The Secret {secret} with tls.crt, tls.key and ca.crt of the brokers is missing; make it."
    )


def _own(ports: Ports, picture: Picture, memory: PlantMemory, wanted: Sequence[str]) -> dict[str, Mapping[str, str]]:
    authority_name, server_name = (
        names.authority_secret(picture.name),
        names.broker_certificate_secret(picture.name),
    )
    now = ports.clock.time()
    authority = _pair(picture, memory, authority_name)
    if authority is None:
        authority = ports.certificates.authority(f"{picture.namespace}/{picture.name}", now=now, days=AUTHORITY_DAYS)
        _LOG.info("%s/%s: made an authority for TLS", picture.namespace, picture.name)
    server = _pair(picture, memory, server_name)
    if server is None or not _is_good(ports, server, authority, wanted, now):
        server = ports.certificates.server(authority, wanted, now=now, days=SERVER_DAYS)
        _LOG.info("%s/%s: made a certificate for the brokers", picture.namespace, picture.name)
    made: dict[str, Mapping[str, str]] = {
        authority_name: _texts(authority),
        server_name: {**_texts(server), "ca.crt": authority.certificate},
    }
    memory.secrets |= {name: dict(texts) for name, texts in made.items()}
    return made


def _is_good(ports: Ports, server: KeyPair, authority: KeyPair, wanted: Sequence[str], now: float) -> bool:
    """Tell whether a certificate says what it should, for long enough."""
    try:
        facts = ports.certificates.facts(server.certificate, authority.certificate)
    except NotReady as error:
        _LOG.warning("%s; making another", error)
        return False
    lasts = facts.not_after - now > RENEW_DAYS * _DAY_SECONDS
    return lasts and facts.is_of_authority and set(facts.names) == set(wanted)


def _pair(picture: Picture, memory: PlantMemory, name: str) -> KeyPair | None:
    there = secret_texts(picture.owned.get(("Secret", name)))
    if not all(there.get(file) for file in _FILES):
        there = memory.secrets.get(name, {})
    if not all(there.get(file) for file in _FILES):
        return None
    return KeyPair(certificate=there["tls.crt"], key=there["tls.key"])


def _texts(pair: KeyPair) -> dict[str, str]:
    return {"tls.crt": pair.certificate, "tls.key": pair.key}
