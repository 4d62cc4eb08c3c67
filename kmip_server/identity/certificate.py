"""From a client's certificate to the name of the caller.

TLS has already checked the chain, the validity and the possession of the key. What is left to decide here is whether
the certificate is meant for a client at all, and which single, unmistakable name it carries.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MAXIMUM_NAME_LENGTH: Final = 255
"""Characters in a caller's name."""

_CACHED_CERTIFICATES: Final = 4096


class IdentityError(Exception):
    """The certificate does not name a caller; the message says why."""


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """What a certificate says: the caller's name, SHA-256 fingerprint (lower-case hexadecimal) and end of validity."""

    name: str
    fingerprint: str
    not_after: datetime


def fingerprint_of(certificate_der: bytes) -> str:
    """The SHA-256 of a certificate, in lower-case hexadecimal."""
    return hashlib.sha256(certificate_der).hexdigest()


@lru_cache(maxsize=_CACHED_CERTIFICATES)
def caller_from(
    certificate_der: bytes, principal: str = "common_name", require_client_auth_usage: bool = True
) -> CertificateIdentity:
    """Read the caller's name from the field that `principal` (tls.principal in server.toml) says.

    Raises IdentityError.
    """
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        extensions = certificate.extensions
        names = _FIELDS[principal](certificate, extensions)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise IdentityError(f"the certificate cannot be read: {error}") from None
    if require_client_auth_usage and not _for_client_authentication(extensions):
        raise IdentityError("the certificate lacks the extended key usage clientAuth")
    if len(names) != 1:
        raise IdentityError(f"the certificate has {len(names) or 'no'} names in its {principal}; one is needed")
    return CertificateIdentity(checked_name(names[0]), fingerprint_of(certificate_der), certificate.not_valid_after_utc)


def checked_name(name: str) -> str:
    """The name itself, if nobody can mistake it for another. Raises IdentityError."""
    if not name or name != name.strip():
        raise IdentityError("the name is empty, or begins or ends with a space")
    if len(name) > MAXIMUM_NAME_LENGTH:
        raise IdentityError(f"the name is longer than {MAXIMUM_NAME_LENGTH} characters")
    if not name.isprintable():
        raise IdentityError("the name contains characters that do not print")
    if "*" in name:
        raise IdentityError("the name contains *")
    if unicodedata.normalize("NFKC", name) != name:
        raise IdentityError("the name contains characters that only look like others")
    return name


def _for_client_authentication(extensions: x509.Extensions) -> bool:
    try:
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def _common_names(certificate: x509.Certificate, _: x509.Extensions) -> list[str]:
    values = (attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    return [value if isinstance(value, str) else "" for value in values]


def _alternative_names(
    kind: type[x509.DNSName] | type[x509.RFC822Name] | type[x509.UniformResourceIdentifier],
) -> Callable[[x509.Certificate, x509.Extensions], list[str]]:
    def names(_: x509.Certificate, extensions: x509.Extensions) -> list[str]:
        try:
            extension = extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return []
        return [str(value) for value in extension.value.get_values_for_type(kind)]

    return names


_FIELDS: Final[Mapping[str, Callable[[x509.Certificate, x509.Extensions], list[str]]]] = {
    "common_name": _common_names,
    "dns": _alternative_names(x509.DNSName),
    "email": _alternative_names(x509.RFC822Name),
    "uri": _alternative_names(x509.UniformResourceIdentifier),
}
