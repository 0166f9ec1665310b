"""Certificates as a strict client sees them, in a handshake through memory."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest

from vpp_contract.tls import client_context
from vpp_operator.adapters.certificates import X509Certificates
from vpp_operator.errors import NotReady
from vpp_operator.ports import KeyPair

MAKER = X509Certificates()
NOW = time.time()
DAY = 86_400.0
NAMES = ["ingest.plants.svc", "*.ingest-nodes.plants.svc", "10.1.2.3"]


def handshake(server: KeyPair, authority: str, host: str, folder: Path) -> None:
    """Let a client and a server talk until both are content, or one of them is not."""
    for name, text in (("crt", server.certificate), ("key", server.key)):
        (folder / name).write_text(text)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "crt", folder / "key")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client_context(authority).wrap_bio(back, there, server_hostname=host),
        context.wrap_bio(there, back, server_side=True),
    ]
    for _ in range(3):
        for side in list(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert not sides


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return MAKER.authority("plants/demo", now=NOW, days=3650)


@pytest.mark.parametrize("host", ["ingest.plants.svc", "ingest-17.ingest-nodes.plants.svc", "10.1.2.3"])
def test_a_strict_client_takes_every_name(authority: KeyPair, host: str, tmp_path: Path) -> None:
    server = MAKER.server(authority, NAMES, now=NOW, days=90)
    handshake(server, authority.certificate, host, tmp_path)


@pytest.mark.parametrize(
    ("title", "host", "made_days_ago", "says"),
    [
        ("a name it does not have", "ingest.other.svc", 0.0, "Hostname mismatch"),
        ("a pod of another set", "a.b.ingest-nodes.plants.svc", 0.0, "Hostname mismatch"),
        ("a certificate that has ended", "ingest.plants.svc", 91.0, "certificate has expired"),
    ],
)
def test_a_client_refuses(
    authority: KeyPair, title: str, host: str, made_days_ago: float, says: str, tmp_path: Path
) -> None:
    old = MAKER.server(authority, NAMES, now=NOW - made_days_ago * DAY, days=90)
    with pytest.raises(ssl.SSLCertVerificationError, match=says):
        handshake(old, authority.certificate, host, tmp_path)


def test_a_client_refuses_another_authority_of_the_same_name(authority: KeyPair, tmp_path: Path) -> None:
    other = MAKER.authority("plants/demo", now=NOW, days=3650)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(MAKER.server(other, NAMES, now=NOW, days=90), authority.certificate, NAMES[0], tmp_path)


def test_facts_say_names_end_and_authority(authority: KeyPair) -> None:
    server = MAKER.server(authority, NAMES, now=NOW, days=90)
    facts = MAKER.facts(server.certificate, authority.certificate)
    assert (facts.names, facts.is_of_authority) == (tuple(NAMES), True)
    assert facts.not_after == pytest.approx(NOW + 90 * DAY, abs=1)
    other = MAKER.authority("plants/demo", now=NOW, days=3650)
    assert not MAKER.facts(server.certificate, other.certificate).is_of_authority


@pytest.mark.parametrize("spoilt", ["certificate", "key", "pair"])
def test_what_cannot_be_used_is_told(authority: KeyPair, spoilt: str) -> None:
    other = MAKER.authority("other", now=NOW, days=1)
    given = {
        "certificate": KeyPair(certificate="none", key=authority.key),
        "key": KeyPair(certificate=authority.certificate, key="none"),
        "pair": KeyPair(certificate=authority.certificate, key=other.key),
    }[spoilt]
    with pytest.raises(NotReady) as caught:
        MAKER.server(given, NAMES, now=NOW, days=1)
    assert caught.value.reason == "CertificateUnusable"


@pytest.mark.parametrize("text", ["nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_an_authority_that_is_no_certificate_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="must be PEM text"):
        client_context(text)
