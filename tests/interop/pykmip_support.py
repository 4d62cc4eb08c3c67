"""What tests with the real PyKMIP client share: the versions it speaks, and objects to register."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509 import CertificateBuilder, Name, NameAttribute, random_serial_number
from cryptography.x509.oid import NameOID
from kmip.core import enums
from kmip.pie import objects
from kmip.pie.client import ProxyKmipClient
from support.wire import Version

PYKMIP_VERSIONS: tuple[Version, ...] = ((1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (2, 0))
EVERY_VERSION = pytest.mark.parametrize("version", PYKMIP_VERSIONS, ids=lambda version: f"{version[0]}.{version[1]}")

OpenClient = Callable[[Version], ProxyKmipClient]
AES, RSA = enums.CryptographicAlgorithm.AES, enums.CryptographicAlgorithm.RSA
Mask = enums.CryptographicUsageMask


def since(first: Version) -> pytest.MarkDecorator:
    """The versions of PyKMIP that have an operation."""
    versions = [version for version in PYKMIP_VERSIONS if version >= first]
    return pytest.mark.parametrize("version", versions, ids=lambda version: f"{version[0]}.{version[1]}")


_RSA = rsa.generate_private_key(65537, 2048)
_PUBLIC = _RSA.public_key()


def registered_objects(name: str) -> Iterator[objects.ManagedObject]:
    """One object of each type and format that PyKMIP can register, with names of their own."""
    pkcs_1, pkcs_8 = (
        _RSA.private_bytes(Encoding.DER, form, NoEncryption())
        for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8)
    )
    public_pkcs_1, x_509 = (
        _PUBLIC.public_bytes(Encoding.DER, form) for form in (PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo)
    )
    subject = Name([NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        CertificateBuilder(subject, subject, _PUBLIC, random_serial_number(), start, start + timedelta(days=3650))
        .sign(_RSA, SHA256())
        .public_bytes(Encoding.DER)
    )
    formats = enums.KeyFormatType
    yield objects.SymmetricKey(AES, 256, bytes(range(32)), masks=[Mask.ENCRYPT, Mask.DECRYPT], name=f"{name}-1")
    yield objects.PrivateKey(RSA, 2048, pkcs_1, formats.PKCS_1, masks=[Mask.SIGN], name=f"{name}-2")
    yield objects.PrivateKey(RSA, 2048, pkcs_8, formats.PKCS_8, masks=[Mask.SIGN], name=f"{name}-3")
    yield objects.PublicKey(RSA, 2048, public_pkcs_1, formats.PKCS_1, masks=[Mask.VERIFY], name=f"{name}-4")
    yield objects.PublicKey(RSA, 2048, x_509, formats.X_509, masks=[Mask.VERIFY], name=f"{name}-5")
    yield objects.X509Certificate(certificate, masks=[Mask.VERIFY], name=f"{name}-6")
    yield objects.SecretData(b"a password", enums.SecretDataType.PASSWORD, masks=[Mask.VERIFY], name=f"{name}-7")
    yield objects.SecretData(b"a seed", enums.SecretDataType.SEED, masks=[Mask.DERIVE_KEY], name=f"{name}-8")
    yield objects.OpaqueObject(b"any bytes", enums.OpaqueDataType.NONE, name=f"{name}-9")
