"""Certificates of the plants' own authorities: elliptic curve P-256, with what strict verification asks for."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vpp_operator.errors import NotReady
from vpp_operator.ports import CertificateFacts, KeyPair

_CLOCK_SKEW: Final = timedelta(minutes=5)
_SIGN_ONLY: Final = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


class X509Certificates:
    """`vpp_operator.ports.Certificates` with the package cryptography."""

    def authority(self, name: str, *, now: float, days: int) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        usage = x509.KeyUsage(**(_SIGN_ONLY | {"key_cert_sign": True, "crl_sign": True}))
        builder = (
            _draft(subject, subject, key.public_key(), now, days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        return _pair(builder.sign(key, hashes.SHA256()), key)

    def server(self, authority: KeyPair, names: Sequence[str], *, now: float, days: int) -> KeyPair:
        issuer, issuer_key = _loaded(authority)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _draft(_name(names[0]), issuer.subject, key.public_key(), now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**(_SIGN_ONLY | {"digital_signature": True})), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_alternative(one) for one in names]), critical=False)
            .add_extension(_authority_identifier(issuer), critical=False)
        )
        return _pair(builder.sign(issuer_key, hashes.SHA256()), key)

    def facts(self, server: str, authority: str) -> CertificateFacts:
        try:
            certificate = x509.load_pem_x509_certificate(server.encode())
            issuer = x509.load_pem_x509_certificate(authority.encode())
            alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
            raise NotReady("CertificateUnusable", f"a certificate cannot be read: {error}") from None
        return CertificateFacts(
            names=tuple(str(one.value) for one in alternatives),
            not_after=certificate.not_valid_after_utc.timestamp(),
            is_of_authority=_is_issued_by(certificate, issuer),
        )


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: float, days: int
) -> x509.CertificateBuilder:
    begin = datetime.fromtimestamp(now, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - _CLOCK_SKEW)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    longest = 64  # of a common name; clients look at the alternative names alone
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:longest])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        known = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        raise NotReady("CertificateUnusable", "the authority has no subjectKeyIdentifier; give one that has") from None
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _loaded(authority: KeyPair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate.encode())
        key = serialization.load_pem_private_key(authority.key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NotReady("CertificateUnusable", f"the authority's certificate or key cannot be read: {error}") from None
    if certificate.public_key() != key.public_key():
        raise NotReady("CertificateUnusable", "the authority's certificate and key do not belong together")
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise NotReady("CertificateUnusable", "the authority's key is neither of an elliptic curve nor RSA; make one")
    return certificate, key


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(), key=text.decode())
