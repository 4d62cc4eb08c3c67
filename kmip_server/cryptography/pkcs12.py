"""Private keys with their certificates in PKCS#12 (KMIP 2.1 s6.1.19, Key Format Type PKCS#12)."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import x448, x25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from kmip_server.cryptography.failures import invalid_key
from kmip_server.cryptography.key_formats import PrivateKey
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import ResultReason


def to_pkcs12(
    key: PrivateKey,
    password: bytes,
    *,
    friendly_name: str,
    certificate: bytes | None = None,
    chain: Sequence[bytes] = (),
) -> bytes:
    """Return the key, its certificate and that certificate's issuers, sealed with a password of at least one byte.

    `friendly_name` is under which key and certificate are found (s4.39).
    Certificates are DER. Raises Bad Password for an empty password, Invalid Field for certificates that are malformed
    or not of this key.
    """
    if not password:
        raise KmipError(
            ResultReason.BAD_PASSWORD, "the password of the PKCS#12 Password Link (42004A) is empty (KMIP 2.1 s4.31)"
        )
    if isinstance(key, x25519.X25519PrivateKey | x448.X448PrivateKey):
        raise KmipError(
            ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED,
            "the Key Format Type (420042) PKCS#12 here holds keys that can sign",
        )
    try:
        return serialize_key_and_certificates(
            friendly_name.encode(),
            key,
            None if certificate is None else x509.load_der_x509_certificate(certificate),
            [x509.load_der_x509_certificate(issuer) for issuer in chain] or None,
            BestAvailableEncryption(password),
        )
    except (ValueError, TypeError):
        raise invalid_key(
            "the certificates are malformed, or the key does not go into the Key Format Type (420042) PKCS#12"
        ) from None
