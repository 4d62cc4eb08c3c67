"""Legacy algorithms need the policy's consent, wherever a request names them (s4.16)."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.engine import EngineClient, EngineHarness, MakeEngine
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.wire import enumeration, octets, structure

MD5, SHA_256 = 3, 6
MD5_WITH_RSA, SHA_256_WITH_RSA = 2, 5
PSS, OAEP, MGF1 = 10, 2, 1
SIGN_AND_DECRYPT, VERIFY_AND_ENCRYPT = 0x09, 0x06

SIGNING = {
    "as its Hashing Algorithm": enumeration(Tag.PADDING_METHOD, 8) + enumeration(Tag.HASHING_ALGORITHM, MD5),
    "in its Digital Signature Algorithm": enumeration(Tag.DIGITAL_SIGNATURE_ALGORITHM, MD5_WITH_RSA),
    "in its mask": enumeration(Tag.PADDING_METHOD, PSS)
    + enumeration(Tag.HASHING_ALGORITHM, SHA_256)
    + enumeration(Tag.MASK_GENERATOR, MGF1)
    + enumeration(Tag.MASK_GENERATOR_HASHING_ALGORITHM, MD5),
}
ENCRYPTING = (
    enumeration(Tag.PADDING_METHOD, OAEP)
    + enumeration(Tag.HASHING_ALGORITHM, SHA_256)
    + enumeration(Tag.MASK_GENERATOR, MGF1)
    + enumeration(Tag.MASK_GENERATOR_HASHING_ALGORITHM, MD5)
)


@pytest.fixture
def strict(make_engine: MakeEngine) -> EngineHarness:
    """An engine whose policy does not allow legacy algorithms."""
    return make_engine()


def pair(client: EngineClient) -> tuple[str, str]:
    asked = ask.create_key_pair(
        client.version, [ask.algorithm(ask.RSA), ask.length(2048)], SIGN_AND_DECRYPT, VERIFY_AND_ENCRYPT
    )
    made = client.do(asked).expect_success()
    identifiers = (made.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), made.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER))
    for identifier in identifiers:
        client.do(ask.activate(identifier)).expect_success()
    return identifiers


def process(operation: Operation, key: str, how: bytes) -> Request:
    parameters = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, how)
    return Request(operation, ask.identifier(key) + parameters + octets(Tag.DATA, b"data"))


@pytest.mark.parametrize("how", SIGNING.values(), ids=SIGNING.keys())
def test_signing_with_a_legacy_hash_needs_the_consent_of_the_policy(
    strict: EngineHarness, engine: EngineHarness, how: bytes
) -> None:
    refusing, allowing = strict.client(), engine.client()
    refused = refusing.do(process(Operation.SIGN, pair(refusing)[0], how))
    assert refused.reason == Reason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS, refused
    allowing.do(process(Operation.SIGN, pair(allowing)[0], how)).expect_success()


def test_encrypting_with_a_legacy_hash_in_its_mask_needs_the_consent_of_the_policy(
    strict: EngineHarness,
) -> None:
    client = strict.client()
    refused = client.do(process(Operation.ENCRYPT, pair(client)[1], ENCRYPTING))
    assert refused.reason == Reason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS, refused


def test_a_digital_signature_algorithm_that_is_not_legacy_is_allowed(strict: EngineHarness) -> None:
    client = strict.client()
    how = enumeration(Tag.DIGITAL_SIGNATURE_ALGORITHM, SHA_256_WITH_RSA)
    client.do(process(Operation.SIGN, pair(client)[0], how)).expect_success()
