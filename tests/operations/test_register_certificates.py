"""Register of certificates (KMIP 2.1 s6.1.43): their attributes are read off them."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from support import requests as ask
from support.engine import EngineHarness
from support.keys import attributes_of
from support.numbers import Reason, Tag
from support.requests import CERTIFICATE, Attribute, Request
from support.wire import Version, enumeration, octets, structure

ECDSA = 6
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def certificate() -> x509.Certificate:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "unit"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "one"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "two"),
        ]
    )
    now = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(EC_KEY.public_key())
        .serial_number(4711)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("unit.example")]), critical=False)
        .sign(EC_KEY, SHA256())
    )


def register_certificate(version: Version, encoded: bytes, *more: Attribute) -> Request:
    body = structure(Tag.CERTIFICATE, enumeration(Tag.CERTIFICATE_TYPE, 1), octets(Tag.CERTIFICATE_VALUE, encoded))
    return ask.register(version, CERTIFICATE, body, *more)


def test_a_certificate_sets_its_own_attributes(engine: EngineHarness) -> None:
    client, encoded = engine.client(), certificate().public_bytes(Encoding.DER)
    made = client.do(register_certificate((2, 1), encoded)).unique_identifier
    found = attributes_of(client, made)
    assert found[Tag.CERTIFICATE_LENGTH] == [len(encoded)]
    assert found[Tag.DIGITAL_SIGNATURE_ALGORITHM] == [0x0E]
    assert found[Tag.CRYPTOGRAPHIC_ALGORITHM] == [ECDSA]
    assert found[Tag.CERTIFICATE_SUBJECT_CN] == ["unit"]
    assert found[Tag.CERTIFICATE_SUBJECT_OU] == ["one", "two"]
    assert found[Tag.CERTIFICATE_ISSUER_CN] == ["authority"]
    [identifier] = found[Tag.X_509_CERTIFICATE_IDENTIFIER]
    assert identifier[1].value == (4711).to_bytes(2, "big")
    [subject] = found[Tag.X_509_CERTIFICATE_SUBJECT]
    assert subject[0].value == certificate().subject.public_bytes()
    assert b"unit.example" in subject[1].value
    assert client.do(ask.get(made)).get(Tag.CERTIFICATE, Tag.CERTIFICATE_VALUE) == encoded


def test_a_1_0_client_sees_the_certificate_attributes_of_1_0(engine: EngineHarness) -> None:
    client = engine.client((1, 0))
    made = client.do(register_certificate((1, 0), certificate().public_bytes(Encoding.DER), ask.usage_mask(2)))
    listed = client.do(ask.get_attributes((1, 0), made.unique_identifier)).payload
    assert listed is not None
    names = {node.get(Tag.ATTRIBUTE_NAME) for node in listed.all(Tag.ATTRIBUTE)}
    assert {"Certificate Type", "Certificate Identifier", "Certificate Subject", "Certificate Issuer"} <= names
    assert not {"X.509 Certificate Subject", "Certificate Length", "Digital Signature Algorithm"} & names


def test_a_certificate_that_is_none_or_another_than_stated_is_refused(engine: EngineHarness) -> None:
    client, encoded = engine.client(), certificate().public_bytes(Encoding.DER)
    assert client.do(register_certificate((2, 1), encoded[:-1])).reason == Reason.INVALID_FIELD
    wrong = Attribute("Certificate Length", ask.integer(Tag.CERTIFICATE_LENGTH, 1))
    assert client.do(register_certificate((2, 1), encoded, wrong)).reason == Reason.INVALID_ATTRIBUTE_VALUE
