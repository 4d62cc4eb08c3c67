"""Create (KMIP 2.1 s6.1.8): a symmetric key, and since 2.0 Secret Data. In 1.x a symmetric key only (KMIP 1.4 s4.1)."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.keys import DERIVE, SHA_256, attributes_of, block_of, cryptographic_parameters, key_bytes
from support.numbers import Operation, Reason, Tag
from support.requests import SECRET_DATA, Attribute, Request
from support.wire import Result, Version, enumeration, octets, structure

SINCE_2: tuple[Version, ...] = ((2, 0), (2, 1))
HMAC, SEED = 3, 2


def create_secret(client: EngineClient, *given: Attribute) -> Result:
    return client.do(ask.create(client.version, *given, kind=SECRET_DATA))


@pytest.mark.parametrize("version", SINCE_2, ids=str)
def test_secret_data_is_made_and_is_random(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = [create_secret(client, ask.length(128), ask.name(name)).expect_success() for name in ("one", "two")]
    assert [result.get(Tag.OBJECT_TYPE) for result in made] == [SECRET_DATA, SECRET_DATA]
    got = [client.do(ask.get(result.unique_identifier)).expect_success() for result in made]
    assert got[0].get(Tag.SECRET_DATA, Tag.SECRET_DATA_TYPE) == SEED
    assert [len(key_bytes(result)) for result in got] == [16, 16]
    assert key_bytes(got[0]) != key_bytes(got[1])
    assert block_of(got[0]).get(Tag.KEY_FORMAT_TYPE) == ask.RAW


def test_it_has_what_the_server_sets_for_what_it_makes(engine: EngineHarness) -> None:
    client = engine.client()
    found = attributes_of(client, create_secret(client, ask.usage_mask(DERIVE)).unique_identifier)
    assert found[Tag.CRYPTOGRAPHIC_LENGTH] == [256]
    assert found[Tag.CRYPTOGRAPHIC_USAGE_MASK] == [DERIVE]
    assert found[Tag.ORIGINAL_CREATION_DATE] == found[Tag.INITIAL_DATE] == [engine.now]
    assert found[Tag.STATE] == [ask.PRE_ACTIVE]
    assert len(found[Tag.DIGEST]) == 1


def test_its_identifier_is_the_placeholder(engine: EngineHarness) -> None:
    client = engine.client()
    response = client.batch(ask.create((2, 1), kind=SECRET_DATA), ask.get())
    assert response.results[1].unique_identifier == response.results[0].unique_identifier


def test_keys_are_derived_from_it(engine: EngineHarness) -> None:
    client = engine.client()
    base = create_secret(client, ask.usage_mask(DERIVE), ask.activation_date(1)).unique_identifier
    how = cryptographic_parameters(hashing=SHA_256), octets(Tag.DERIVATION_DATA, b"label")
    asked = Request(
        Operation.DERIVE_KEY,
        enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
        + ask.identifier(base)
        + enumeration(Tag.DERIVATION_METHOD, HMAC)
        + structure(Tag.DERIVATION_PARAMETERS, *how)
        + ask.attributes((2, 1), ask.algorithm(ask.AES), ask.length(256), ask.usage_mask(12)),
    )
    client.do(asked).expect_success()


@pytest.mark.parametrize("bits", [8, 56, 65, 65_544, 2**31 - 8])
def test_a_length_that_can_be_guessed_or_is_no_number_of_bytes_is_refused(engine: EngineHarness, bits: int) -> None:
    assert create_secret(engine.client(), ask.length(bits)).reason == Reason.INVALID_ATTRIBUTE_VALUE


@pytest.mark.parametrize("version", [(1, 0), (1, 4)], ids=str)
def test_before_2_0_it_makes_symmetric_keys_only(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    assert create_secret(client).reason == Reason.INVALID_FIELD
    client.do(ask.create_aes(version)).expect_success()


@pytest.mark.parametrize("kind", [ask.PUBLIC_KEY, ask.PRIVATE_KEY, ask.OPAQUE_OBJECT])
def test_it_makes_nothing_else(engine: EngineHarness, kind: int) -> None:
    assert engine.client().do(ask.create((2, 1), kind=kind)).reason == Reason.INVALID_OBJECT_TYPE
