"""Certificates for tests of who is let in: good ones, and each kind of bad one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kmip_server.identity.pki import load_credentials

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)
PASSPHRASE = b"correct horse"


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and the PEM files it is in."""

    certificate: x509.Certificate
    key: Key
    cert_file: Path
    key_file: Path


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Slow to make, so one is enough for all."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


class Authority:
    """A certificate authority that writes what it issues to a folder."""

    def __init__(self, folder: Path, name: str = "authority", root: Issued | None = None) -> None:
        self.folder = folder
        self.root = root or self._issue(name, None, None)
        self.file = self.root.cert_file

    @classmethod
    def of_server(cls, data: Path, folder: Path) -> Self:
        """The authority that `init` made for a server with its data there."""
        files = data / "pki" / "ca-cert.pem", data / "pki" / "ca-key.pem"
        loaded = load_credentials(*files)
        return cls(folder, root=Issued(loaded.certificate, loaded.key, *files))

    def issue(
        self,
        name: str,
        *,
        usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CLIENT_AUTH,
        key: Key | None = None,
        begins: timedelta = -DAY,
        ends: timedelta = 30 * DAY,
        passphrase: bytes | None = None,
    ) -> Issued:
        return self._issue(name, self.root, usage, key, begins, ends, passphrase)

    def server(self, name: str = "server", key: Key | None = None, passphrase: bytes | None = None) -> Issued:
        return self.issue(name, usage=ExtendedKeyUsageOID.SERVER_AUTH, key=key, passphrase=passphrase)

    def revocation_list(self, *revoked: Issued) -> Path:
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.root.certificate.subject)
        builder = builder.last_update(now - DAY).next_update(now + DAY)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        file = self.folder / "revoked.pem"
        file.write_bytes(builder.sign(self.root.key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return file

    def _issue(
        self,
        name: str,
        issuer: Issued | None,
        usage: x509.ObjectIdentifier | None,
        key: Key | None = None,
        begins: timedelta = -DAY,
        ends: timedelta = 30 * DAY,
        passphrase: bytes | None = None,
    ) -> Issued:
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
        cert_file, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        protection: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
        return Issued(certificate, key, cert_file, key_file)
