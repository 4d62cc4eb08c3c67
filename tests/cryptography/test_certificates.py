"""Certificates made here and read back: every attribute is what was put in."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509.oid import NameOID

from kmip_server.cryptography.certificates import certificate_public_key, describe_certificate
from kmip_server.cryptography.key_descriptions import KeyDescription
from kmip_server.cryptography.pkcs12 import to_pkcs12
from kmip_server.cryptography.signing import sign, verify
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import DigitalSignatureAlgorithm as Signature
from kmip_server.ttlv.enumerations import RecommendedCurve, ResultReason

SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
        x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Holland"),
        x509.NameAttribute(NameOID.LOCALITY_NAME, "Leiden"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "One"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Two"),
        x509.NameAttribute(NameOID.COMMON_NAME, "client"),
        x509.NameAttribute(NameOID.EMAIL_ADDRESS, "client@example.org"),
        x509.NameAttribute(NameOID.USER_ID, "u1"),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, "42"),
        x509.NameAttribute(NameOID.TITLE, "Dr"),
        x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example"),
        x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "org"),
        x509.NameAttribute(NameOID.DN_QUALIFIER, "q"),
    ]
)
ISSUER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The Authority")])
NAMES = [
    x509.DNSName("host.example.org"),
    x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
    x509.RFC822Name("a@example.org"),
    x509.UniformResourceIdentifier("https://example.org/"),
    x509.DirectoryName(ISSUER),
    x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
    x509.OtherName(x509.ObjectIdentifier("1.2.3.5"), b"\x0c\x01a"),
]
TEXTS = [
    "host.example.org",
    "192.0.2.1",
    "a@example.org",
    "https://example.org/",
    "CN=The Authority",
    "1.2.3.4",
    "1.2.3.5",
]
SERIAL = 0xE31CB99F91CB07ED
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey


def certificate(
    key: Key = EC_KEY,
    hashing: hashes.HashAlgorithm | None = hashes.SHA256(),  # noqa: B008 (an immutable value)
    *,
    subject: x509.Name = SUBJECT,
    alternative: bool = True,
    rsa_padding: padding.PSS | None = None,
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ISSUER)
        .public_key(key.public_key())
        .serial_number(SERIAL)
        .not_valid_before(BEGIN)
        .not_valid_after(END)
    )
    if alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName(NAMES), critical=False)
        builder = builder.add_extension(x509.IssuerAlternativeName(NAMES[:1]), critical=False)
    return builder.sign(key, hashing, rsa_padding=rsa_padding).public_bytes(Encoding.DER)


def test_the_parts_of_the_subject_are_certificate_attributes() -> None:
    subject = describe_certificate(certificate()).subject
    assert subject.common_name == ("client",)
    assert subject.organization == ("Example",)
    assert subject.organizational_unit == ("One", "Two")
    assert subject.email == ("client@example.org",)
    assert subject.country == ("NL",)
    assert subject.state == ("Holland",)
    assert subject.locality == ("Leiden",)
    assert subject.user_id == ("u1",)
    assert subject.serial_number == ("42",)
    assert subject.title == ("Dr",)
    assert subject.domain_component == ("example", "org")
    assert subject.dn_qualifier == ("q",)
    assert "emailAddress=client@example.org,CN=client,OU=Two,OU=One,O=Example" in subject.text


def test_names_and_serial_number_are_the_certificates_own_bytes() -> None:
    encoded = certificate()
    described = describe_certificate(encoded)
    assert described.length == len(encoded)
    assert described.subject.encoded == SUBJECT.public_bytes()
    assert described.issuer.encoded == ISSUER.public_bytes()
    assert described.issuer.text == "CN=The Authority"
    assert described.serial_number == b"\0" + SERIAL.to_bytes(8, "big")
    assert described.serial_number_text == "E31CB99F91CB07ED"
    assert b"\x02\x09" + described.serial_number + b"\x30" in encoded


def test_alternative_names_come_as_der_and_text() -> None:
    encoded = certificate()
    described = describe_certificate(encoded)
    assert [name.text for name in described.subject_alternative_names] == TEXTS
    assert described.subject_alternative_names[0].encoded == b"\x82\x10host.example.org"
    assert all(name.encoded in encoded for name in described.subject_alternative_names)
    assert [name.text for name in described.issuer_alternative_names] == TEXTS[:1]
    assert describe_certificate(certificate(alternative=False)).subject_alternative_names == ()


def test_a_subject_may_be_empty() -> None:
    described = describe_certificate(certificate(subject=x509.Name([])))
    assert (described.subject.encoded, described.subject.text) == (b"\x30\x00", "")


def test_the_validity_is_in_posix_seconds() -> None:
    described = describe_certificate(certificate())
    assert (described.not_before, described.not_after) == (int(BEGIN.timestamp()), int(END.timestamp()))


@pytest.mark.parametrize(
    ("make", "signature", "public_key"),
    [
        (lambda: certificate(RSA_KEY), Signature.SHA_256_WITH_RSA_ENCRYPTION, (Algorithm.RSA, 2048, None)),
        (
            lambda: certificate(RSA_KEY, hashes.SHA512()),
            Signature.SHA_512_WITH_RSA_ENCRYPTION,
            (Algorithm.RSA, 2048, None),
        ),
        (
            lambda: certificate(RSA_KEY, rsa_padding=padding.PSS(padding.MGF1(hashes.SHA256()), 32)),
            Signature.RSASSA_PSS,
            (Algorithm.RSA, 2048, None),
        ),
        (
            lambda: certificate(hashing=hashes.SHA384()),
            Signature.ECDSA_WITH_SHA384,
            (Algorithm.ECDSA, 256, RecommendedCurve.P_256),
        ),
        (
            lambda: certificate(ed25519.Ed25519PrivateKey.generate(), None),
            None,
            (Algorithm.ED25519, 256, RecommendedCurve.CURVE25519),
        ),
        (lambda: certificate(dsa.generate_private_key(1024)), Signature.DSA_WITH_SHA256, (Algorithm.DSA, 1024, None)),
    ],
)
def test_the_signature_algorithm_and_the_public_key_are_named(
    make: Callable[[], bytes],
    signature: Signature | None,
    public_key: tuple[Algorithm, int, RecommendedCurve | None],
) -> None:
    described = describe_certificate(make())
    algorithm, length, curve = public_key
    assert described.digital_signature_algorithm is signature
    assert described.public_key == KeyDescription(algorithm=algorithm, length=length, curve=curve)


def test_a_damaged_certificate_is_refused_or_read_but_never_breaks_the_reader() -> None:
    encoded = certificate()
    for position in range(len(encoded)):
        damaged = encoded[:position] + bytes([encoded[position] ^ 0xFF]) + encoded[position + 1 :]
        try:
            describe_certificate(damaged)
        except KmipError as error:
            assert error.reason is ResultReason.INVALID_FIELD


@pytest.mark.parametrize(
    "encoded",
    [b"", b"\x30", b"-----BEGIN CERTIFICATE-----", certificate()[:-1]],
    ids=["empty", "one byte", "PEM", "cut"],
)
def test_what_is_no_certificate_is_refused(encoded: bytes) -> None:
    for read in (describe_certificate, certificate_public_key):
        with pytest.raises(KmipError) as refused:
            read(encoded)
        assert refused.value.reason is ResultReason.INVALID_FIELD


def test_a_certificate_that_is_too_large_is_not_read() -> None:
    with pytest.raises(KmipError, match="more than 65536 bytes") as refused:
        describe_certificate(bytes(65537))
    assert refused.value.reason is ResultReason.INVALID_FIELD


def test_the_public_key_of_a_certificate_verifies() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    public = certificate_public_key(certificate(key, None))
    assert verify(public, sign(key, data=b"data"), data=b"data")
    with pytest.raises(KmipError):
        certificate_public_key(certificate(dsa.generate_private_key(1024)))


def test_pkcs12_holds_the_key_its_certificate_and_the_chain() -> None:
    own, other = certificate(), certificate(RSA_KEY)
    sealed = to_pkcs12(EC_KEY, b"password", friendly_name="alias", certificate=own, chain=[other])
    key, leaf, chain = pkcs12.load_key_and_certificates(sealed, b"password")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.private_numbers() == EC_KEY.private_numbers()
    assert leaf is not None
    assert leaf.public_bytes(Encoding.DER) == own
    assert [issuer.public_bytes(Encoding.DER) for issuer in chain] == [other]
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_key_and_certificates(sealed, b"wrong")


def test_pkcs12_holds_no_key_agreement_keys() -> None:
    with pytest.raises(KmipError) as refused:
        to_pkcs12(x25519.X25519PrivateKey.generate(), b"password", friendly_name="alias")
    assert refused.value.reason is ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED


def test_pkcs12_without_a_password_or_with_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(KmipError) as refused:
        to_pkcs12(EC_KEY, b"", friendly_name="alias", certificate=certificate())
    assert refused.value.reason is ResultReason.BAD_PASSWORD
    with pytest.raises(KmipError) as refused:
        to_pkcs12(EC_KEY, b"password", friendly_name="alias", certificate=b"x")
    assert refused.value.reason is ResultReason.INVALID_FIELD
    with pytest.raises(KmipError) as refused:
        to_pkcs12(RSA_KEY, b"password", friendly_name="alias", certificate=certificate())
    assert refused.value.reason is ResultReason.INVALID_FIELD
