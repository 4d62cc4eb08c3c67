"""The server's own certificate authority: makes the authority, the server's certificate and clients' certificates."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 825
CLIENT_DAYS: Final = 825
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")

_RSA_BITS: Final = 3072
_CLOCK_SKEW: Final = timedelta(minutes=10)
_ORGANIZATION: Final = "kmip-server"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class PkiError(Exception):
    """A certificate or key cannot be made or read; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate and its private key. The key stays out of repr."""

    certificate: x509.Certificate
    key: PrivateKey

    def __repr__(self) -> str:
        return f"Credentials({self.certificate.subject.rfc4514_string()})"

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def certificate_der(self) -> bytes:
        """The certificate as DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        """The private key as unencrypted PKCS#8 PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_authority(days: int = AUTHORITY_DAYS) -> Credentials:
    """A new self-signed authority (EC P-256) that issues end-entity certificates only."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    subject = _subject(f"kmip-server CA {serial & 0xFFFFFFFF:08x}")
    builder = (
        _builder(subject, subject, key, days, serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(sign_certificates=True), critical=True)
    )
    return Credentials(builder.sign(key, hashes.SHA256()), key)


def issue_server(
    authority: Credentials,
    hosts: Iterable[str] = (),
    days: int = SERVER_DAYS,
    *,
    crl_url: str | None = None,
    ocsp_url: str | None = None,
) -> Credentials:
    """A server certificate for this machine's loopback names and `hosts` (names or addresses). Raises PkiError.

    The URLs say where clients may ask whether the certificate is revoked.
    """
    names = list(dict.fromkeys([*hosts, *LOCAL_HOSTS]))
    extensions: list[x509.ExtensionType] = [x509.SubjectAlternativeName([_general_name(name) for name in names])]
    if crl_url is not None:
        extensions.append(x509.CRLDistributionPoints([x509.DistributionPoint([_url(crl_url)], None, None, None)]))
    if ocsp_url is not None:
        answers = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, _url(ocsp_url))
        extensions.append(x509.AuthorityInformationAccess([answers]))
    key = ec.generate_private_key(ec.SECP256R1())
    return _issue(authority, key, _ORGANIZATION, days, ExtendedKeyUsageOID.SERVER_AUTH, extensions)


def issue_client(
    authority: Credentials, name: str, days: int = CLIENT_DAYS, *, use_rsa: bool = False, principal: str = "common_name"
) -> Credentials:
    """A client certificate whose common name, and the field that `principal` says, is `name`. Raises PkiError."""
    key: PrivateKey = rsa.generate_private_key(65537, _RSA_BITS) if use_rsa else ec.generate_private_key(ec.SECP256R1())
    try:
        kind = _ALTERNATIVES.get(principal)
        alternatives = [x509.SubjectAlternativeName([kind(name)])] if kind else []
        return _issue(authority, key, name, days, ExtendedKeyUsageOID.CLIENT_AUTH, alternatives)
    except ValueError as error:
        raise PkiError(f"{name!r} cannot be the {principal} of a certificate: {error}") from None


def pkcs12_bundle(client: Credentials, authority: x509.Certificate, name: str, password: bytes) -> bytes:
    """Certificate, key and authority in one encrypted PKCS#12 file, as appliances import it."""
    return pkcs12.serialize_key_and_certificates(
        name.encode(), client.key, client.certificate, [authority], BestAvailableEncryption(password)
    )


def load_credentials(certificate: Path, key: Path) -> Credentials:
    """Read a PEM certificate and its unencrypted key. Raises PkiError."""
    loaded = load_certificates(certificate)[0]
    try:
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise PkiError(f"{key}: the private key cannot be read: {_words(error)}") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise PkiError(f"{key}: is neither an EC nor an RSA key")
    if private.public_key() != loaded.public_key():
        raise PkiError(f"{key}: does not belong to the certificate {certificate}")
    return Credentials(loaded, private)


def load_certificates(path: Path) -> list[x509.Certificate]:
    """Read the certificates of a PEM file, the leaf first. Raises PkiError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PkiError(f"{path}: no certificate can be read: {_words(error)}") from None


def write_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Create a file with its final mode from the start, and see it on disk. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _issue(
    authority: Credentials,
    key: PrivateKey,
    common_name: str,
    days: int,
    usage: x509.ObjectIdentifier,
    extensions: Iterable[x509.ExtensionType],
) -> Credentials:
    issuer = authority.certificate
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_subject(common_name), issuer.subject, key, days, x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(encipher_keys=isinstance(key, rsa.RSAPrivateKey)), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return Credentials(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(subject: x509.Name, issuer: x509.Name, key: PrivateKey, days: int, serial: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, sign_certificates: bool = False, encipher_keys: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=encipher_keys,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        if host:
            return x509.DNSName(host)
    except ValueError:
        pass
    raise PkiError(f"{host!r} is neither an address nor a DNS name in ASCII")


def _url(given: str) -> x509.UniformResourceIdentifier:
    try:
        parts = urlsplit(given)
        if parts.scheme in ("http", "https", "ldap") and parts.hostname:
            return x509.UniformResourceIdentifier(given)
    except ValueError:
        pass
    raise PkiError(f"{given!r} is no URL in ASCII that begins with http://, https:// or ldap://")


def _words(error: Exception) -> str:
    """What went wrong, in words that never quote the file."""
    return (error.strerror or "it cannot be opened") if isinstance(error, OSError) else "it is not valid PEM"


_ALTERNATIVES: Final[
    Mapping[str, type[x509.DNSName] | type[x509.RFC822Name] | type[x509.UniformResourceIdentifier]]
] = {"dns": x509.DNSName, "email": x509.RFC822Name, "uri": x509.UniformResourceIdentifier}
