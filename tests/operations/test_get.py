"""Get (KMIP 2.1 s6.1.19): the object in the format that is asked for, or the reason why not."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from support import keys
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.keys import attributes_of, block, block_of, get_as, key_bytes, material, wrapping_specification
from support.numbers import Reason, Tag
from support.requests import PRIVATE_KEY, PUBLIC_KEY, RSA, Attribute
from support.wire import Version, enumeration, octets, structure

VERSIONS: tuple[Version, ...] = ((1, 0), (1, 2), (1, 4), (2, 0), (2, 1))
KEY, KEK = bytes(range(32)), bytes(range(100, 132))
ECDSA = 6
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def key(client: EngineClient, *attributes: Attribute, content: bytes = KEY, mask: int = 12) -> str:
    return client.do(ask.register_key(client.version, content, *attributes, mask=mask)).unique_identifier


def wrapping_key(client: EngineClient, *attributes: Attribute, mask: int = keys.WRAP, active: bool = True) -> str:
    made = key(client, *attributes, content=KEK, mask=mask)
    if active:
        client.do(ask.activate(made)).expect_success()
    return made


# Plain. ---------------------------------------------------------------------------------------------------------------


def test_the_first_get_ends_freshness_and_the_second_changes_nothing(engine: EngineHarness) -> None:
    client = engine.client()
    made = key(client)
    assert attributes_of(client, made)[Tag.FRESH] == [True]
    client.do(ask.get(made)).expect_success()
    assert attributes_of(client, made)[Tag.FRESH] == [False]
    row = engine.row(made)
    client.do(ask.get(made)).expect_success()
    assert engine.row(made) == row


def test_a_get_that_fails_leaves_the_object_fresh(engine: EngineHarness) -> None:
    client = engine.client()
    made = key(client, keys.sensitive(True))
    assert client.do(ask.get(made)).reason == Reason.SENSITIVE
    assert attributes_of(client, made)[Tag.FRESH] == [True]


def test_every_get_is_on_record(engine: EngineHarness) -> None:
    client = engine.client()
    made = key(client)
    before = _audit_records(engine)
    client.do(ask.get(made)).expect_success()
    assert not client.do(ask.get("nothing")).ok
    assert _audit_records(engine) == before + 2


def _audit_records(engine: EngineHarness) -> int:
    with engine.store.database.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM audit").scalar_one())


def test_the_object_of_another_and_no_object_look_the_same(engine: EngineHarness) -> None:
    made = key(engine.client())
    for version, reason in (((2, 1), Reason.OBJECT_NOT_FOUND), ((1, 4), Reason.ITEM_NOT_FOUND)):
        stranger = engine.client(version, "mallory")
        answers = [stranger.do(ask.get(identifier)) for identifier in (made, "nothing")]
        assert [answer.reason for answer in answers] == [reason, reason]
        assert answers[0].message == answers[1].message


def test_a_key_that_is_not_active_yet_can_be_got(engine: EngineHarness) -> None:
    client = engine.client((1, 0))
    made = client.do(ask.create_aes((1, 0))).unique_identifier
    assert len(key_bytes(client.do(ask.get(made)))) == 32


# Sensitive, extractable. ----------------------------------------------------------------------------------------------


def test_a_sensitive_key_leaves_wrapped_and_not_in_the_clear(engine: EngineHarness) -> None:
    client = engine.client()
    made, by = key(client, keys.sensitive(True)), wrapping_key(client)
    assert client.do(ask.get(made)).reason == Reason.SENSITIVE
    assert client.do(get_as(made, keys.TRANSPARENT_SYMMETRIC)).reason == Reason.SENSITIVE
    client.do(get_as(made, specification=wrapping_specification(by))).expect_success()


def test_a_key_that_is_not_extractable_leaves_in_no_form(engine: EngineHarness) -> None:
    client = engine.client()
    made, by = key(client, keys.extractable(False)), wrapping_key(client)
    assert client.do(ask.get(made)).reason == Reason.NOT_EXTRACTABLE
    assert client.do(get_as(made, specification=wrapping_specification(by))).reason == Reason.NOT_EXTRACTABLE


def test_a_client_of_1_0_is_held_to_them_as_well(engine: EngineHarness) -> None:
    made = key(engine.client(), keys.sensitive(True))
    assert engine.client((1, 0)).do(ask.get(made)).reason == Reason.PERMISSION_DENIED


# Formats. -------------------------------------------------------------------------------------------------------------


def rsa_private(client: EngineClient) -> str:
    encoded = RSA_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    body = structure(
        Tag.PRIVATE_KEY, block(material(encoded), key_format=keys.PKCS_8, algorithm=RSA, bits=RSA_KEY.key_size)
    )
    return client.do(ask.register(client.version, PRIVATE_KEY, body, ask.usage_mask(1))).unique_identifier


def ec_public(client: EngineClient) -> str:
    encoded = EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    body = structure(Tag.PUBLIC_KEY, block(material(encoded), key_format=keys.X_509, algorithm=ECDSA, bits=256))
    return client.do(ask.register(client.version, PUBLIC_KEY, body, ask.usage_mask(2))).unique_identifier


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_key_is_given_in_the_format_that_is_asked_for(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = rsa_private(client)
    pkcs1 = key_bytes(client.do(get_as(made, keys.PKCS_1)))
    loaded = load_der_private_key(pkcs1, None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    assert loaded.private_numbers() == RSA_KEY.private_numbers()
    answer = block_of(client.do(get_as(made, 0x0A)))
    assert answer.get(Tag.KEY_FORMAT_TYPE) == 0x0A
    assert answer.get(Tag.KEY_VALUE, Tag.KEY_MATERIAL, Tag.MODULUS) == RSA_KEY.public_key().public_numbers().n
    symmetric = block_of(client.do(get_as(key(client), keys.TRANSPARENT_SYMMETRIC)))
    assert symmetric.get(Tag.KEY_VALUE, Tag.KEY_MATERIAL, Tag.KEY) == KEY


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_format_that_does_not_fit_the_key_is_refused(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    secret = client.do(ask.register_secret(version, b"x")).unique_identifier
    opaque = client.do(ask.register_opaque(version, b"x")).unique_identifier
    for made, wrong in ((key(client), keys.X_509), (rsa_private(client), keys.RAW), (secret, 4), (opaque, keys.RAW)):
        assert client.do(get_as(made, wrong)).reason == Reason.KEY_FORMAT_TYPE_NOT_SUPPORTED
    assert client.do(get_as(opaque, keys.OPAQUE)).get(Tag.OPAQUE_OBJECT, Tag.OPAQUE_DATA_VALUE) == b"x"


def test_bytes_are_opaque_to_who_wants_them_so(engine: EngineHarness) -> None:
    client = engine.client((1, 0))
    answer = client.do(get_as(key(client), keys.OPAQUE))
    assert block_of(answer).get(Tag.KEY_FORMAT_TYPE) == keys.OPAQUE
    assert key_bytes(answer) == KEY


def test_an_elliptic_curve_public_key_is_compressed_on_demand(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    made = ec_public(client)
    answer = block_of(client.do(get_as(made, keys.TRANSPARENT_EC_PUBLIC, compression=2)))
    wanted = EC_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    assert answer.get(Tag.KEY_VALUE, Tag.KEY_MATERIAL, Tag.Q_STRING) == wanted
    assert answer.get(Tag.KEY_COMPRESSION_TYPE) == 2
    assert client.do(get_as(rsa_private(client), compression=2)).reason == Reason.KEY_COMPRESSION_TYPE_NOT_SUPPORTED


def test_a_format_that_the_peers_version_does_not_know_is_replaced_by_one_that_it_does(engine: EngineHarness) -> None:
    old, new = engine.client((1, 2)), engine.client((2, 0))
    item = structure(
        Tag.KEY_MATERIAL,
        enumeration(Tag.RECOMMENDED_CURVE, 7),
        octets(Tag.Q_STRING, EC_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)),
    )
    body = structure(Tag.PUBLIC_KEY, block(item, key_format=0x0F, algorithm=ECDSA, bits=256))
    made = old.do(ask.register((1, 2), PUBLIC_KEY, body, ask.usage_mask(2))).unique_identifier
    assert block_of(old.do(ask.get(made))).get(Tag.KEY_FORMAT_TYPE) == 0x0F
    assert block_of(new.do(ask.get(made))).get(Tag.KEY_FORMAT_TYPE) == keys.TRANSPARENT_EC_PUBLIC


# Destroyed. -----------------------------------------------------------------------------------------------------------


def test_a_destroyed_key_is_not_given(engine: EngineHarness) -> None:
    for version, reason in (((2, 1), Reason.OBJECT_DESTROYED), ((1, 4), Reason.ILLEGAL_OPERATION)):
        client = engine.client(version)
        made = key(client)
        client.do(ask.destroy(made)).expect_success()
        assert client.do(ask.get(made)).reason == reason
