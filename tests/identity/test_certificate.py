from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kmip_server.identity.certificate import IdentityError, caller_from, checked_name

pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length must be:UserWarning")

KEY = ec.generate_private_key(ec.SECP256R1())
NOT_AFTER = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)
CLIENT_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def certificate(*common_names: str, extensions: tuple[x509.ExtensionType, ...] = (CLIENT_AUTH,)) -> bytes:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False) for name in common_names]
        or [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "nobody")]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOT_AFTER - timedelta(days=9000))
        .not_valid_after(NOT_AFTER)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def alternative(*names: x509.GeneralName) -> bytes:
    return certificate("someone", extensions=(CLIENT_AUTH, x509.SubjectAlternativeName(names)))


def test_the_common_name_is_the_caller_and_the_sha_256_of_the_certificate_its_fingerprint() -> None:
    der = certificate("alice")
    identity = caller_from(der)
    assert (identity.name, identity.not_after) == ("alice", NOT_AFTER)
    assert identity.fingerprint == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize(
    ("principal", "name", "expected"),
    [
        ("dns", x509.DNSName("array7.example"), "array7.example"),
        ("email", x509.RFC822Name("alice@example.org"), "alice@example.org"),
        ("uri", x509.UniformResourceIdentifier("spiffe://house/alice"), "spiffe://house/alice"),
    ],
)
def test_a_configured_field_names_the_caller_instead(principal: str, name: x509.GeneralName, expected: str) -> None:
    assert caller_from(alternative(name), principal).name == expected
    with pytest.raises(IdentityError, match=f"no names in its {principal}"):
        caller_from(certificate("alice"), principal)


def test_other_kinds_of_alternative_names_do_not_count() -> None:
    der = alternative(x509.DNSName("array7.example"), x509.RFC822Name("alice@example.org"))
    assert caller_from(der, "email").name == "alice@example.org"


@pytest.mark.parametrize(
    "usage", [(), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),), (x509.BasicConstraints(True, None),)]
)
def test_a_certificate_not_meant_for_client_authentication_is_refused(usage: tuple[x509.ExtensionType, ...]) -> None:
    der = certificate("alice", extensions=usage)
    with pytest.raises(IdentityError, match="clientAuth"):
        caller_from(der)
    assert caller_from(der, require_client_auth_usage=False).name == "alice"


def test_clientauth_among_other_usages_is_enough() -> None:
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    assert caller_from(certificate("alice", extensions=(both,))).name == "alice"


@pytest.mark.parametrize("names", [(), ("alice", "bob"), ("alice", "alice")])
def test_a_certificate_without_exactly_one_common_name_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(IdentityError, match="names in its common_name"):
        caller_from(certificate(*names))


def test_several_alternative_names_of_the_configured_kind_are_refused() -> None:
    with pytest.raises(IdentityError, match="2 names in its dns"):
        caller_from(alternative(x509.DNSName("a.example"), x509.DNSName("b.example")), "dns")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " alice",
        "alice ",
        "*",
        "*.example",
        "alice\x00",
        "alice\x00.example",
        "al\nice",
        "al\x1b[31mice",
        "alice\u202e",
        "al\u200bice",
        "ａlice",
        "e\u0301ric",
        "x" * 256,
    ],
)
def test_a_name_that_can_be_mistaken_for_another_is_refused(name: str) -> None:
    with pytest.raises(IdentityError):
        caller_from(certificate(name))
    with pytest.raises(IdentityError):
        checked_name(name)


@pytest.mark.parametrize("name", ["alice", "Éric", "storage array 7", "x" * 255, "alice@example.org", "鍵"])
def test_other_names_are_taken_as_they_are(name: str) -> None:
    assert caller_from(certificate(name)).name == name


@pytest.mark.parametrize("garbage", [b"", b"\x30\x00", b"certificate", certificate("alice")[:-1]])
def test_what_is_no_certificate_is_refused(garbage: bytes) -> None:
    with pytest.raises(IdentityError, match="cannot be read"):
        caller_from(garbage)


def test_parsed_certificates_are_kept_within_a_bound() -> None:
    assert caller_from.cache_info().maxsize == 4096
    der = certificate("alice")
    assert caller_from(der) is caller_from(der)
