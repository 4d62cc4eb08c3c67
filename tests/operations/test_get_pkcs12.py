"""Get of a private key as PKCS#12 (KMIP 2.1 s6.1.19): its password and its certificates are found by links."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from cryptography.x509.oid import NameOID
from support import keys
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.keys import block, block_of, get_as, key_bytes, material
from support.numbers import Operation, Reason, Tag
from support.requests import CERTIFICATE, PRIVATE_KEY, PUBLIC_KEY, Attribute, Request
from support.wire import Version, enumeration, octets, structure, text

PKCS12, ECDSA = 0x16, 6
CERTIFICATE_LINK, PUBLIC_KEY_LINK, PKCS12_CERTIFICATE, PKCS12_PASSWORD = 0x101, 0x102, 0x10C, 0x10D
KEY, AUTHORITY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def certificate(subject: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    now = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named("authority"))
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return builder.sign(AUTHORITY, SHA256()).public_bytes(Encoding.DER)


FRIENDLY = Attribute("PKCS#12 Friendly Name", text(Tag.PKCS_12_FRIENDLY_NAME, "web server"))
LEAF, ISSUER = certificate("leaf", KEY), certificate("authority", AUTHORITY)


def registered(client: EngineClient, kind: int, body: bytes, *attributes: Attribute) -> str:
    return client.do(ask.register(client.version, kind, body, ask.usage_mask(1), *attributes)).unique_identifier


def certified(client: EngineClient, encoded: bytes, *links: Attribute) -> str:
    body = structure(Tag.CERTIFICATE, enumeration(Tag.CERTIFICATE_TYPE, 1), octets(Tag.CERTIFICATE_VALUE, encoded))
    return registered(client, CERTIFICATE, body, *links)


def private(client: EngineClient, *links: Attribute) -> str:
    encoded = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    body = structure(Tag.PRIVATE_KEY, block(material(encoded), key_format=keys.PKCS_8, algorithm=ECDSA, bits=256))
    return registered(client, PRIVATE_KEY, body, *links)


def public(client: EngineClient, *links: Attribute) -> str:
    encoded = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    body = structure(Tag.PUBLIC_KEY, block(material(encoded), key_format=keys.X_509, algorithm=ECDSA, bits=256))
    return registered(client, PUBLIC_KEY, body, *links)


def password(client: EngineClient, content: bytes = b"a password", kind: int = 1) -> Attribute:
    made = client.do(ask.register_secret(client.version, content, kind=kind)).unique_identifier
    return ask.link(made, PKCS12_PASSWORD)


@pytest.mark.parametrize("version", [(1, 4), (2, 1)], ids=str)
def test_the_container_holds_the_key_and_its_certificate_chain(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    issuer = certified(client, ISSUER)
    leaf = certified(client, LEAF, ask.link(issuer, CERTIFICATE_LINK))
    half = public(client, ask.link(leaf, PKCS12_CERTIFICATE))
    made = private(client, password(client), ask.link(half, PUBLIC_KEY_LINK))
    answer = client.do(get_as(made, PKCS12))
    assert block_of(answer).get(Tag.KEY_FORMAT_TYPE) == PKCS12
    opened = load_pkcs12(key_bytes(answer), b"a password")
    assert isinstance(opened.key, ec.EllipticCurvePrivateKey)
    assert opened.key.private_numbers() == KEY.private_numbers()
    assert opened.cert is not None
    assert opened.cert.certificate.public_bytes(Encoding.DER) == LEAF
    assert [one.certificate.public_bytes(Encoding.DER) for one in opened.additional_certs] == [ISSUER]


@pytest.mark.parametrize(("given", "alias"), [((), b"alias"), ((FRIENDLY,), b"web server")])
def test_the_container_has_the_friendly_name_of_the_key(
    engine: EngineHarness, given: tuple[Attribute, ...], alias: bytes
) -> None:
    client = engine.client()
    half = public(client, ask.link(certified(client, LEAF), PKCS12_CERTIFICATE))
    made = private(client, password(client), ask.link(half, PUBLIC_KEY_LINK), *given)
    opened = load_pkcs12(key_bytes(client.do(get_as(made, PKCS12))), b"a password")
    assert opened.cert is not None
    assert opened.cert.friendly_name == alias


def test_a_key_without_a_certificate_leaves_alone(engine: EngineHarness) -> None:
    client = engine.client()
    opened = load_pkcs12(key_bytes(client.do(get_as(private(client, password(client)), PKCS12))), b"a password")
    assert opened.key is not None
    assert opened.cert is None


def test_there_is_one_password_and_it_is_one(engine: EngineHarness) -> None:
    client = engine.client()
    for links in (
        (),
        (password(client), password(client)),
        (password(client, kind=2),),
        (ask.link(public(client), PKCS12_PASSWORD),),
        (password(client, b""),),
    ):
        assert client.do(get_as(private(client, *links), PKCS12)).reason == Reason.INVALID_FIELD


def test_a_chain_that_is_circular_is_refused(engine: EngineHarness) -> None:
    client = engine.client()
    leaf = certified(client, LEAF)
    issuer = certified(client, ISSUER, ask.link(leaf, CERTIFICATE_LINK))
    client.do(ask.add_attribute((2, 1), leaf, ask.link(issuer, CERTIFICATE_LINK))).expect_success()
    half = public(client, ask.link(leaf, CERTIFICATE_LINK))
    made = private(client, password(client), ask.link(half, PUBLIC_KEY_LINK))
    assert client.do(get_as(made, PKCS12)).reason == Reason.INVALID_FIELD


@pytest.mark.parametrize("gone", ["password", "certificate"])
def test_a_container_is_not_made_of_what_is_destroyed(engine: EngineHarness, gone: str) -> None:
    client = engine.client()
    secret = client.do(ask.register_secret(client.version, b"a password")).unique_identifier
    leaf = certified(client, LEAF)
    half = public(client, ask.link(leaf, PKCS12_CERTIFICATE))
    made = private(client, ask.link(secret, PKCS12_PASSWORD), ask.link(half, PUBLIC_KEY_LINK))
    client.do(get_as(made, PKCS12)).expect_success()
    client.do(ask.destroy(secret if gone == "password" else leaf)).expect_success()
    assert client.do(get_as(made, PKCS12)).reason == Reason.OBJECT_DESTROYED


def test_a_sensitive_key_leaves_in_no_container(engine: EngineHarness) -> None:
    client = engine.client()
    made = private(client, password(client), keys.sensitive(True))
    assert client.do(get_as(made, PKCS12)).reason == Reason.SENSITIVE


def test_the_password_of_another_is_not_there(engine: EngineHarness) -> None:
    theirs, client = password(engine.client()), engine.client(name="mallory")
    encoded = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    imported = Request(
        Operation.IMPORT,
        ask.identifier("mine")
        + structure(Tag.ATTRIBUTES, ask.usage_mask(1).item, theirs.item)
        + structure(Tag.PRIVATE_KEY, block(material(encoded), key_format=keys.PKCS_8, algorithm=ECDSA, bits=256)),
    )
    client.do(imported).expect_success()
    assert client.do(get_as("mine", PKCS12)).reason == Reason.OBJECT_NOT_FOUND


def test_other_objects_have_no_such_format(engine: EngineHarness) -> None:
    client = engine.client()
    made = client.do(ask.register_key((2, 1), bytes(32))).unique_identifier
    assert client.do(get_as(made, PKCS12)).reason == Reason.KEY_FORMAT_TYPE_NOT_SUPPORTED
