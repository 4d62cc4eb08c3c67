"""A certificate authority for the servers that do not bring their own: P-256, valid for the benchmark only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)


def write_certificates(folder: Path) -> None:
    """Write ca.pem, server.pem, server.key, and client/{cert,key,ca}.pem with the common name `bench`."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("bench authority", authority_key, None, authority_key, None)
    (folder / "ca.pem").write_bytes(_pem(authority))
    client = folder / "client"
    client.mkdir()
    (client / "ca.pem").write_bytes(_pem(authority))
    for name, certificate, key in (
        ("127.0.0.1", folder / "server.pem", folder / "server.key"),
        ("bench", client / "cert.pem", client / "key.pem"),
    ):
        private = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if name == "bench" else ExtendedKeyUsageOID.SERVER_AUTH
        certificate.write_bytes(_pem(_certificate(name, private, authority, authority_key, usage)))
        key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key.chmod(0o600)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
    usage: x509.ObjectIdentifier | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if usage == ExtendedKeyUsageOID.SERVER_AUTH:
        names = [x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
