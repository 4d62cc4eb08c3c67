"""Get with a Key Wrapping Specification, and of keys registered wrapped (KMIP 2.1 s6.1.19, s7.18)."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_unwrap_with_padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support import keys
from support import requests as ask
from support.engine import EngineClient, EngineHarness, ruling_of
from support.keys import block, block_of, get_as, key_bytes, material, wrapping_specification
from support.numbers import Reason, Tag
from support.requests import PUBLIC_KEY, RSA, Attribute
from support.wire import Version, parse, structure

from policy.operation_policies import parse_policies

VERSIONS: tuple[Version, ...] = ((1, 0), (1, 2), (1, 4), (2, 0), (2, 1))
NEW: tuple[Version, ...] = ((1, 4), (2, 1))
KEY, KEK = bytes(range(32)), bytes(range(100, 132))
RSA_KEY = rsa.generate_private_key(65537, 2048)


def key(client: EngineClient, *attributes: Attribute, content: bytes = KEY, mask: int = 12) -> str:
    return client.do(ask.register_key(client.version, content, *attributes, mask=mask)).unique_identifier


def wrapping_key(client: EngineClient, *attributes: Attribute, mask: int = keys.WRAP, active: bool = True) -> str:
    made = key(client, *attributes, content=KEK, mask=mask)
    if active:
        client.do(ask.activate(made)).expect_success()
    return made


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_without_an_encoding_option_the_whole_key_value_is_wrapped_in_ttlv(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    made, by = key(client), wrapping_key(client)
    answer = block_of(client.do(get_as(made, specification=wrapping_specification(by))))
    inside = parse(aes_key_unwrap(KEK, answer.get(Tag.KEY_VALUE)))
    assert inside.tag == Tag.KEY_VALUE
    assert [(node.tag, node.value) for node in inside.value] == [(Tag.KEY_MATERIAL, KEY)]
    data = answer.find(Tag.KEY_WRAPPING_DATA)
    assert data is not None
    assert data.get(Tag.WRAPPING_METHOD) == 1
    assert data.get(Tag.ENCRYPTION_KEY_INFORMATION, Tag.UNIQUE_IDENTIFIER) == by
    assert data.get(Tag.ENCODING_OPTION) is None
    assert answer.get(Tag.CRYPTOGRAPHIC_LENGTH) == 256


@pytest.mark.parametrize("version", NEW, ids=str)
def test_with_no_encoding_the_key_material_alone_is_wrapped(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made, by = key(client), wrapping_key(client)
    no_encoding = wrapping_specification(by, encoding=keys.NO_ENCODING)
    answer = block_of(client.do(get_as(made, specification=no_encoding)))
    assert aes_key_unwrap(KEK, answer.get(Tag.KEY_VALUE)) == KEY
    assert answer.get(Tag.KEY_WRAPPING_DATA, Tag.ENCODING_OPTION) == keys.NO_ENCODING


def test_a_secret_of_any_length_is_wrapped_with_padding(engine: EngineHarness) -> None:
    client = engine.client()
    secret = client.do(ask.register_secret((2, 1), b"of 13 bytes..")).unique_identifier
    how = keys.cryptographic_parameters(keys.AES_KEY_WRAP_PADDING)
    specification = wrapping_specification(wrapping_key(client), how, encoding=keys.NO_ENCODING)
    answer = block_of(client.do(get_as(secret, specification=specification)))
    assert aes_key_unwrap_with_padding(KEK, answer.get(Tag.KEY_VALUE)) == b"of 13 bytes.."


def test_gcm_puts_its_iv_into_the_wrapping_data_and_its_tag_behind_the_key(engine: EngineHarness) -> None:
    client = engine.client()
    how = keys.cryptographic_parameters(keys.GCM)
    specification = wrapping_specification(wrapping_key(client), how, encoding=keys.NO_ENCODING)
    made = key(client)
    answers = [block_of(client.do(get_as(made, specification=specification))) for _ in range(2)]
    ivs = [answer.get(Tag.KEY_WRAPPING_DATA, Tag.IV_COUNTER_NONCE) for answer in answers]
    assert ivs[0] != ivs[1]
    assert AESGCM(KEK).decrypt(ivs[0], answers[0].get(Tag.KEY_VALUE), None) == KEY


def test_an_rsa_public_key_wraps_with_oaep(engine: EngineHarness) -> None:
    client = engine.client()
    encoded = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    body = structure(Tag.PUBLIC_KEY, block(material(encoded), key_format=keys.PKCS_1, algorithm=RSA, bits=2048))
    by = client.do(ask.register((2, 1), PUBLIC_KEY, body, ask.usage_mask(keys.WRAP))).unique_identifier
    client.do(ask.activate(by)).expect_success()
    how = keys.cryptographic_parameters(padding=2, hashing=keys.SHA_256)
    specification = wrapping_specification(by, how, encoding=keys.NO_ENCODING)
    answer = block_of(client.do(get_as(key(client), specification=specification)))
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    assert RSA_KEY.decrypt(answer.get(Tag.KEY_VALUE), oaep) == KEY


@pytest.mark.parametrize("version", NEW, ids=str)
def test_attributes_are_wrapped_with_the_key_by_name(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made, by = key(client, ask.contact_information("someone")), wrapping_key(client)
    specification = wrapping_specification(by, names=("Contact Information", "Cryptographic Length"))
    answer = block_of(client.do(get_as(made, specification=specification)))
    inside = parse(aes_key_unwrap(KEK, answer.get(Tag.KEY_VALUE)))
    if version >= (2, 0):
        assert inside.get(Tag.ATTRIBUTES, Tag.CONTACT_INFORMATION) == "someone"
        assert inside.get(Tag.ATTRIBUTES, Tag.CRYPTOGRAPHIC_LENGTH) == 256
    else:
        found = {node.get(Tag.ATTRIBUTE_NAME): node.get(Tag.ATTRIBUTE_VALUE) for node in inside.all(Tag.ATTRIBUTE)}
        assert found == {"Contact Information": "someone", "Cryptographic Length": 256}


def test_no_encoding_and_what_has_to_be_encoded_do_not_go_together(engine: EngineHarness) -> None:
    client = engine.client()
    made, by = key(client), wrapping_key(client)
    named = wrapping_specification(by, encoding=keys.NO_ENCODING, names=("Name",))
    assert client.do(get_as(made, specification=named)).reason == Reason.ENCODING_OPTION_ERROR
    bare = wrapping_specification(by, encoding=keys.NO_ENCODING)
    transparent = get_as(made, keys.TRANSPARENT_SYMMETRIC, specification=bare)
    assert client.do(transparent).reason == Reason.ENCODING_OPTION_ERROR


def test_the_format_is_changed_before_the_key_is_wrapped(engine: EngineHarness) -> None:
    client = engine.client()
    specification = wrapping_specification(wrapping_key(client))
    answer = block_of(client.do(get_as(key(client), keys.TRANSPARENT_SYMMETRIC, specification=specification)))
    assert answer.get(Tag.KEY_FORMAT_TYPE) == keys.TRANSPARENT_SYMMETRIC
    assert parse(aes_key_unwrap(KEK, answer.get(Tag.KEY_VALUE))).get(Tag.KEY_MATERIAL, Tag.KEY) == KEY


def test_parameters_that_are_not_given_are_those_of_the_wrapping_key(engine: EngineHarness) -> None:
    client = engine.client()
    own = Attribute("Cryptographic Parameters", keys.NIST)
    by, bare = wrapping_key(client, own), wrapping_key(client)
    made = key(client)
    answer = block_of(client.do(get_as(made, specification=wrapping_specification(by, b""))))
    assert parse(aes_key_unwrap(KEK, answer.get(Tag.KEY_VALUE))).get(Tag.KEY_MATERIAL) == KEY
    refused = client.do(get_as(made, specification=wrapping_specification(bare, b"")))
    assert refused.reason == Reason.BAD_CRYPTOGRAPHIC_PARAMETERS


def test_parameters_that_contradict_those_of_the_wrapping_key_are_refused(engine: EngineHarness) -> None:
    own = Attribute("Cryptographic Parameters", keys.NIST)
    gcm = keys.cryptographic_parameters(keys.GCM)
    for version, reason in (((2, 1), Reason.BAD_CRYPTOGRAPHIC_PARAMETERS), ((1, 4), Reason.ITEM_NOT_FOUND)):
        client = engine.client(version)
        asked = get_as(key(client), specification=wrapping_specification(wrapping_key(client, own), gcm))
        assert client.do(asked).reason == reason


def test_a_mode_that_does_not_authenticate_wraps_nothing(engine: EngineHarness) -> None:
    client = engine.client()
    cbc = keys.cryptographic_parameters(keys.CBC)
    asked = get_as(key(client), specification=wrapping_specification(wrapping_key(client), cbc))
    assert client.do(asked).reason == Reason.BAD_CRYPTOGRAPHIC_PARAMETERS


def test_other_wrapping_methods_are_not_supported(engine: EngineHarness) -> None:
    client = engine.client()
    asked = get_as(key(client), specification=wrapping_specification(wrapping_key(client), method=5))
    assert client.do(asked).reason == Reason.FEATURE_NOT_SUPPORTED


# The wrapping key. ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", NEW, ids=str)
def test_a_wrapping_key_that_cannot_be_used_is_refused_for_its_reason(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = key(client)
    destroyed = wrapping_key(client, active=False)
    client.do(ask.destroy(destroyed)).expect_success()
    opaque = client.do(ask.register_opaque(version, b"x")).unique_identifier
    for by, reason, in_1x in (
        ("nothing", Reason.WRAPPING_OBJECT_NOT_FOUND, Reason.ITEM_NOT_FOUND),
        (made, Reason.WRAPPING_OBJECT_NOT_FOUND, Reason.ITEM_NOT_FOUND),
        (destroyed, Reason.WRAPPING_OBJECT_DESTROYED, Reason.PERMISSION_DENIED),
        (opaque, Reason.INVALID_OBJECT_TYPE, Reason.ILLEGAL_OPERATION),
        (
            wrapping_key(client, mask=keys.UNWRAP),
            Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
            Reason.PERMISSION_DENIED,
        ),
        (wrapping_key(client, active=False), Reason.PERMISSION_DENIED, Reason.PERMISSION_DENIED),
    ):
        result = client.do(get_as(made, specification=wrapping_specification(by)))
        assert result.reason == (reason if version >= (2, 0) else in_1x), result


def test_an_archived_wrapping_key_has_to_be_recovered_first(engine: EngineHarness) -> None:
    client = engine.client()
    by = wrapping_key(client)
    client.do(ask.Request(ask.Operation.ARCHIVE, ask.identifier(by))).expect_success()
    result = client.do(get_as(key(client), specification=wrapping_specification(by)))
    assert result.reason == Reason.WRAPPING_OBJECT_ARCHIVED


def test_the_wrapping_key_of_another_is_not_there(engine: EngineHarness) -> None:
    theirs = wrapping_key(engine.client())
    client = engine.client(name="bob")
    result = client.do(get_as(key(client), specification=wrapping_specification(theirs)))
    assert result.reason == Reason.WRAPPING_OBJECT_NOT_FOUND
    assert result.message == client.do(get_as(key(client), specification=wrapping_specification("nothing"))).message


def test_a_wrapping_key_that_may_be_seen_and_not_got_is_refused(engine: EngineHarness) -> None:
    rows = {"SYMMETRIC_KEY": {"ACTIVATE": "ALLOW_OWNER", "GET": "ALLOW_OWNER", "LOCATE": "ALLOW_ALL"}}
    engine.engine.services.ruling = ruling_of(parse_policies(json.dumps({"seen": {"preset": rows}}), "a test"))
    theirs = wrapping_key(engine.client((1, 4)), ask.operation_policy_name("seen"))
    client = engine.client(name="bob")
    result = client.do(get_as(key(client), specification=wrapping_specification(theirs)))
    assert result.reason == Reason.PERMISSION_DENIED


def test_objects_without_a_key_block_are_not_wrapped(engine: EngineHarness) -> None:
    client = engine.client()
    opaque = client.do(ask.register_opaque((2, 1), b"x")).unique_identifier
    result = client.do(get_as(opaque, specification=wrapping_specification(wrapping_key(client))))
    assert result.reason == Reason.INVALID_OBJECT_TYPE


# Registered wrapped. --------------------------------------------------------------------------------------------------


def registered_wrapped(client: EngineClient, by: str, *attributes: Attribute) -> str:
    inner = client.do(get_as(key(client), specification=wrapping_specification(by)))
    blob = block_of(inner).get(Tag.KEY_VALUE)
    body = structure(Tag.SYMMETRIC_KEY, keys.wrapped_block(blob, keys.wrapping_data(by)))
    asked = ask.register(client.version, ask.SYMMETRIC_KEY, body, ask.usage_mask(12), *attributes)
    return client.do(asked).unique_identifier


@pytest.mark.parametrize("version", NEW, ids=str)
def test_a_key_that_was_registered_wrapped_is_unwrapped_only_on_demand(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    by = wrapping_key(client, mask=keys.WRAP | keys.UNWRAP)
    made = registered_wrapped(client, by)
    for wrap_type in (None, keys.AS_REGISTERED):
        assert block_of(client.do(get_as(made, wrap_type=wrap_type))).find(Tag.KEY_WRAPPING_DATA) is not None
    assert key_bytes(client.do(get_as(made, wrap_type=keys.NOT_WRAPPED))) == KEY
    transparent = client.do(get_as(made, keys.TRANSPARENT_SYMMETRIC, wrap_type=keys.NOT_WRAPPED))
    assert block_of(transparent).get(Tag.KEY_VALUE, Tag.KEY_MATERIAL, Tag.KEY) == KEY
    other = client.do(get_as(made, keys.TRANSPARENT_SYMMETRIC))
    assert other.reason == Reason.KEY_FORMAT_TYPE_NOT_SUPPORTED


def test_unwrapping_needs_the_right_to_unwrap(engine: EngineHarness) -> None:
    client = engine.client()
    made = registered_wrapped(client, wrapping_key(client))
    result = client.do(get_as(made, wrap_type=keys.NOT_WRAPPED))
    assert result.reason == Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK


def test_a_sensitive_key_that_was_registered_wrapped_leaves_only_wrapped(engine: EngineHarness) -> None:
    client = engine.client()
    by = wrapping_key(client, mask=keys.WRAP | keys.UNWRAP)
    made = registered_wrapped(client, by, keys.sensitive(True))
    client.do(ask.get(made)).expect_success()
    assert client.do(get_as(made, wrap_type=keys.NOT_WRAPPED)).reason == Reason.SENSITIVE


def test_a_key_whose_bytes_look_like_wrapping_data_is_not_taken_for_wrapped(engine: EngineHarness) -> None:
    client = engine.client()
    content = bytes.fromhex("4200460100000000") * 4
    assert client.do(ask.get(key(client, keys.sensitive(True), content=content))).reason == Reason.SENSITIVE
    assert key_bytes(client.do(ask.get(key(client, content=content)))) == content


def test_a_wrapped_key_is_wrapped_anew_by_another_key(engine: EngineHarness) -> None:
    client = engine.client()
    by = wrapping_key(client, mask=keys.WRAP | keys.UNWRAP)
    made = registered_wrapped(client, by)
    other = client.do(ask.register_key((2, 1), KEY[::-1], mask=keys.WRAP)).unique_identifier
    client.do(ask.activate(other)).expect_success()
    specification = wrapping_specification(other, encoding=keys.NO_ENCODING)
    answer = block_of(client.do(get_as(made, specification=specification)))
    assert aes_key_unwrap(KEY[::-1], answer.get(Tag.KEY_VALUE)) == KEY


def test_a_key_in_the_clear_is_given_whichever_key_wrap_type_is_asked_for(engine: EngineHarness) -> None:
    client = engine.client()
    made = key(client)
    for wrap_type in (keys.AS_REGISTERED, keys.NOT_WRAPPED):
        assert key_bytes(client.do(get_as(made, wrap_type=wrap_type))) == KEY


def test_who_may_wrap_and_unwrap_a_sensitive_key_may_have_it_in_the_clear(engine: EngineHarness) -> None:
    """The standard allows it, and docs/security-model.md says so. Not extractable is what keeps a key in."""
    client = engine.client()
    made, by = key(client, keys.sensitive(True)), wrapping_key(client, mask=keys.WRAP | keys.UNWRAP | ask.DECRYPT)
    wrapped = block_of(client.do(get_as(made, specification=no_encoding(by)))).get(Tag.KEY_VALUE)
    taken_off = client.do(ask.decrypt(by, wrapped, keys.NIST)).expect_success()
    assert taken_off.get(Tag.DATA) == KEY
    body = structure(Tag.SYMMETRIC_KEY, keys.wrapped_block(wrapped, keys.wrapping_data(by, encoding=keys.NO_ENCODING)))
    again = client.do(ask.register((2, 1), ask.SYMMETRIC_KEY, body, ask.usage_mask(12))).unique_identifier
    assert key_bytes(client.do(get_as(again, wrap_type=keys.NOT_WRAPPED))) == KEY
    kept = key(client, keys.extractable(False))
    assert client.do(get_as(kept, specification=no_encoding(by))).reason == Reason.NOT_EXTRACTABLE


def no_encoding(by: str) -> bytes:
    return wrapping_specification(by, encoding=keys.NO_ENCODING)
