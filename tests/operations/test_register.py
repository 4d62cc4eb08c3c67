"""Register (KMIP 2.1 s6.1.43): what an object is, is found out from its value; what is stated must agree with it."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from support import keys
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.keys import attributes_of, block, block_of, get_as, key_bytes, links_of, material
from support.numbers import Operation, Reason, Tag
from support.requests import PRIVATE_KEY, PUBLIC_KEY, RSA, SECRET_DATA, SYMMETRIC_KEY, Attribute, Request
from support.wire import Version, big_integer, boolean, enumeration, octets, parse, structure, text

VERSIONS: tuple[Version, ...] = ((1, 0), (1, 2), (1, 4), (2, 0), (2, 1))
NEW: tuple[Version, ...] = ((1, 4), (2, 1))
KEY = bytes(range(32))
ECDSA, DES3 = 6, 2
P_256 = 7
MASK = ask.usage_mask(12)
RSA_KEY = rsa.generate_private_key(65537, 1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def symmetric(version: Version, key_block: bytes, *more: Attribute) -> Request:
    return ask.register(version, SYMMETRIC_KEY, structure(Tag.SYMMETRIC_KEY, key_block), *(more or (MASK,)))


def private(version: Version, key_block: bytes, *more: Attribute) -> Request:
    return ask.register(version, PRIVATE_KEY, structure(Tag.PRIVATE_KEY, key_block), ask.usage_mask(1), *more)


def public(version: Version, key_block: bytes, *more: Attribute) -> Request:
    return ask.register(version, PUBLIC_KEY, structure(Tag.PUBLIC_KEY, key_block), ask.usage_mask(2), *more)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_key_is_returned_as_it_was_registered_in_every_version(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    for asked, content in (
        (symmetric(version, block(material(KEY), bits=256)), KEY),
        (ask.register_secret(version, b"a password"), b"a password"),
        (private(version, block(material(pkcs8()), key_format=keys.PKCS_8, algorithm=RSA, bits=1024)), pkcs8()),
    ):
        made = client.do(asked).unique_identifier
        assert key_bytes(client.do(ask.get(made))) == content


def pkcs8() -> bytes:
    return RSA_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("version", NEW, ids=str)
def test_the_algorithm_and_the_length_come_from_the_key_block(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = client.do(symmetric(version, block(material(KEY), bits=256))).unique_identifier
    found = attributes_of(client, made)
    assert found[Tag.CRYPTOGRAPHIC_ALGORITHM] == [ask.AES]
    assert found[Tag.CRYPTOGRAPHIC_LENGTH] == [256]


def test_the_algorithm_and_the_length_may_come_from_the_attributes_instead(engine: EngineHarness) -> None:
    client = engine.client()
    stated = (ask.algorithm(ask.AES), ask.length(256), MASK)
    made = client.do(symmetric((2, 1), block(material(KEY), algorithm=None), *stated)).unique_identifier
    assert attributes_of(client, made)[Tag.CRYPTOGRAPHIC_LENGTH] == [256]


@pytest.mark.parametrize("version", NEW, ids=str)
@pytest.mark.parametrize(
    ("key_block", "more"),
    [
        (block(material(KEY), bits=128), ()),
        (block(material(KEY[:15]), bits=120), ()),
        (block(material(b""), bits=256), ()),
        (block(material(KEY), bits=-1), ()),
        (block(material(KEY), bits=256), (ask.length(128),)),
        (block(material(KEY), bits=256), (ask.algorithm(DES3),)),
        (block(material(KEY), algorithm=RSA, bits=256), ()),
        (block(material(KEY), algorithm=None), ()),
        (block(material(KEY), key_format=keys.X_509, bits=256), ()),
        (block(material(KEY), key_format=keys.TRANSPARENT_SYMMETRIC, bits=256), ()),
    ],
    ids=[
        "longer than its length",
        "no length of AES",
        "empty",
        "negative length",
        "another length in the attributes",
        "another algorithm in the attributes",
        "an algorithm of key pairs",
        "no algorithm",
        "a format of public keys",
        "a structure that is none",
    ],
)
def test_a_key_that_is_not_what_is_stated_is_refused(
    engine: EngineHarness, version: Version, key_block: bytes, more: tuple[Attribute, ...]
) -> None:
    result = engine.client(version).do(symmetric(version, key_block, MASK, *more))
    allowed = {Reason.INVALID_FIELD, Reason.INVALID_ATTRIBUTE_VALUE}
    if key_block == block(material(KEY), key_format=keys.TRANSPARENT_SYMMETRIC, bits=256):
        allowed = {Reason.INVALID_MESSAGE}
    assert result.reason in allowed, result


def test_an_object_is_of_the_type_that_the_request_names(engine: EngineHarness) -> None:
    body = structure(Tag.SYMMETRIC_KEY, block(material(KEY), bits=256))
    for version, reason in (((2, 1), Reason.INVALID_OBJECT_TYPE), ((1, 4), Reason.INVALID_FIELD)):
        result = engine.client(version).do(ask.register(version, SECRET_DATA, body, MASK))
        assert result.reason == reason


def test_a_register_without_an_object_is_refused(engine: EngineHarness) -> None:
    assert engine.client().do(ask.register((2, 1), SYMMETRIC_KEY, b"", MASK)).reason == Reason.INVALID_MESSAGE


def test_a_3des_key_has_168_bits_or_192_with_its_parity(engine: EngineHarness) -> None:
    client = engine.client()
    for bits in (168, 192):
        made = client.do(symmetric((2, 1), block(material(KEY[:24]), algorithm=DES3, bits=bits))).unique_identifier
        assert block_of(client.do(ask.get(made))).get(Tag.CRYPTOGRAPHIC_LENGTH) == bits


# Formats. -------------------------------------------------------------------------------------------------------------


def rsa_numbers() -> bytes:
    numbers = RSA_KEY.private_numbers()
    return structure(
        Tag.KEY_MATERIAL,
        big_integer(Tag.MODULUS, numbers.public_numbers.n),
        big_integer(Tag.PRIVATE_EXPONENT, numbers.d),
        big_integer(Tag.PUBLIC_EXPONENT, numbers.public_numbers.e),
        big_integer(Tag.P, numbers.p),
        big_integer(Tag.Q, numbers.q),
    )


def ec_d() -> bytes:
    return structure(
        Tag.KEY_MATERIAL,
        enumeration(Tag.RECOMMENDED_CURVE, P_256),
        big_integer(Tag.D, EC_KEY.private_numbers().private_value),
    )


def dsa_numbers() -> bytes:
    numbers = dsa.generate_private_key(1024).private_numbers()
    parameters = numbers.public_numbers.parameter_numbers
    return structure(
        Tag.KEY_MATERIAL,
        big_integer(Tag.P, parameters.p),
        big_integer(Tag.Q, parameters.q),
        big_integer(Tag.G, parameters.g),
        big_integer(Tag.X, numbers.x),
    )


def traditional(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def spki(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


FORMATS = {
    "PKCS#1": (private, material(traditional(RSA_KEY)), 3, RSA, 1024),
    "PKCS#8": (private, material(pkcs8()), 4, RSA, 1024),
    "X.509": (public, material(spki(RSA_KEY)), 5, RSA, 1024),
    "ECPrivateKey": (private, material(traditional(EC_KEY)), 6, ECDSA, 256),
    "Transparent DSA Private Key": (private, dsa_numbers(), 8, 5, 1024),
    "Transparent RSA Private Key": (private, rsa_numbers(), 0x0A, RSA, 1024),
    "Transparent ECDSA Private Key": (private, ec_d(), 0x0E, ECDSA, 256),
    "Transparent EC Private Key": (private, ec_d(), 0x14, ECDSA, 256),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_key_of_every_format_is_described_and_returned_in_its_format(engine: EngineHarness, name: str) -> None:
    register, item, key_format, algorithm, bits = FORMATS[name]
    version: Version = (1, 2) if name == "Transparent ECDSA Private Key" else (1, 4)
    client = engine.client(version)
    made = client.do(register(version, block(item, key_format=key_format, algorithm=algorithm, bits=bits)))
    found = attributes_of(client, made.unique_identifier)
    assert (found[Tag.CRYPTOGRAPHIC_ALGORITHM], found[Tag.CRYPTOGRAPHIC_LENGTH]) == ([algorithm], [bits])
    returned = block_of(client.do(ask.get(made.unique_identifier)))
    assert returned.get(Tag.KEY_FORMAT_TYPE) == key_format
    value = returned.find(Tag.KEY_VALUE, Tag.KEY_MATERIAL)
    assert value is not None
    assert _plain(value.value) == _plain(_parsed(item))


def _parsed(item: bytes) -> object:
    return parse(item).value


def _plain(value: object) -> object:
    return [node.value for node in value] if isinstance(value, tuple) else value


def test_a_private_key_whose_numbers_do_not_belong_together_is_refused(engine: EngineHarness) -> None:
    numbers = RSA_KEY.private_numbers()
    item = structure(
        Tag.KEY_MATERIAL,
        big_integer(Tag.MODULUS, numbers.public_numbers.n),
        big_integer(Tag.PRIVATE_EXPONENT, numbers.d + 2),
        big_integer(Tag.PUBLIC_EXPONENT, numbers.public_numbers.e),
        big_integer(Tag.P, numbers.p),
        big_integer(Tag.Q, numbers.q),
    )
    result = engine.client().do(private((2, 1), block(item, key_format=0x0A, algorithm=RSA, bits=1024)))
    assert result.reason == Reason.INVALID_FIELD


def test_an_elliptic_curve_key_has_its_curve_as_domain_parameters(engine: EngineHarness) -> None:
    client = engine.client()
    made = client.do(private((2, 1), block(ec_d(), key_format=0x14, algorithm=ECDSA, bits=256))).unique_identifier
    [domain] = attributes_of(client, made)[Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS]
    assert [(node.tag, node.value) for node in domain] == [(Tag.RECOMMENDED_CURVE, P_256)]


def test_an_opaque_key_is_what_the_client_says_it_is(engine: EngineHarness) -> None:
    client = engine.client((1, 0))
    asked = private((1, 0), block(material(b"who knows"), key_format=keys.OPAQUE, algorithm=RSA, bits=2048))
    made = client.do(asked).unique_identifier
    assert key_bytes(client.do(ask.get(made))) == b"who knows"
    for bits in (0, -1):
        wrong = private((1, 0), block(material(b"who knows"), key_format=keys.OPAQUE, algorithm=RSA, bits=bits))
        assert client.do(wrong).reason == Reason.INVALID_FIELD


# Digest. --------------------------------------------------------------------------------------------------------------


def digest_of(client: EngineClient, made: str) -> tuple[bytes, int]:
    [parts] = attributes_of(client, made)[Tag.DIGEST]
    assert parts[0].value == keys.SHA_256
    return parts[1].value, parts[2].value


def test_the_digest_is_over_the_default_format_whatever_the_format_registered(engine: EngineHarness) -> None:
    client = engine.client()
    raw = client.do(symmetric((2, 1), block(material(KEY), bits=256))).unique_identifier
    item = structure(Tag.KEY_MATERIAL, octets(Tag.KEY, KEY))
    transparent = client.do(symmetric((2, 1), block(item, key_format=7, bits=256))).unique_identifier
    wanted = (hashlib.sha256(KEY).digest(), ask.RAW)
    assert digest_of(client, raw) == digest_of(client, transparent) == wanted
    in_pkcs8 = client.do(private((2, 1), block(material(pkcs8()), key_format=4, algorithm=RSA, bits=1024)))
    expected = hashlib.sha256(traditional(RSA_KEY)).digest()
    assert digest_of(client, in_pkcs8.unique_identifier) == (expected, keys.PKCS_1)


# The Key Value: attributes in it, none at all, wrapped. ---------------------------------------------------------------


def test_attributes_in_the_key_value_become_the_objects(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    inside = ask.in_1x(ask.contact_information("someone"))
    key_block = block(material(KEY) + inside, bits=256)
    made = client.do(symmetric((1, 4), key_block)).unique_identifier
    assert attributes_of(client, made)[Tag.CONTACT_INFORMATION] == ["someone"]
    assert block_of(client.do(ask.get(made))).find(Tag.KEY_VALUE, Tag.ATTRIBUTE) is None


def test_attributes_in_the_key_value_yield_to_those_of_the_request(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key_block = block(material(KEY) + ask.in_1x(ask.contact_information("inside")), bits=256)
    made = client.do(symmetric((1, 4), key_block, MASK, ask.contact_information("outside"))).unique_identifier
    assert attributes_of(client, made)[Tag.CONTACT_INFORMATION] == ["outside"]


def test_a_key_whose_value_is_elsewhere_is_registered_without_it(engine: EngineHarness) -> None:
    client = engine.client()
    where = structure(
        Tag.KEY_VALUE_LOCATION,
        text(Tag.KEY_VALUE_LOCATION_VALUE, "the safe"),
        enumeration(Tag.KEY_VALUE_LOCATION_TYPE, 1),
    )
    made = client.do(
        symmetric((2, 1), block(None, bits=256), MASK, Attribute("Key Value Location", where))
    ).unique_identifier
    found = attributes_of(client, made)
    assert found[Tag.KEY_VALUE_PRESENT] == [False]
    assert Tag.DIGEST not in found
    assert engine.material(made) is None
    assert client.do(ask.get(made)).reason == Reason.KEY_VALUE_NOT_PRESENT


def test_before_1_2_a_key_has_a_value(engine: EngineHarness) -> None:
    assert engine.client((1, 1)).do(symmetric((1, 1), block(None, bits=256))).reason == Reason.INVALID_MESSAGE


def test_a_client_does_not_say_that_the_key_value_is_present(engine: EngineHarness) -> None:
    stated = Attribute("Key Value Present", boolean(Tag.KEY_VALUE_PRESENT, True))
    result = engine.client().do(symmetric((2, 1), block(material(KEY), bits=256), MASK, stated))
    assert result.reason == Reason.ATTRIBUTE_READ_ONLY


def wrapping_key(engine: EngineHarness, mask: int = keys.WRAP | keys.UNWRAP) -> str:
    client = engine.client()
    key = client.do(ask.register_key((2, 1), KEY, mask=mask)).unique_identifier
    client.do(ask.activate(key)).expect_success()
    return key


def wrapped(key: bytes) -> bytes:
    return aes_key_wrap(KEY, key)


def test_a_wrapped_key_stays_wrapped_and_is_linked_to_its_wrapping_key(engine: EngineHarness) -> None:
    client, by = engine.client(), wrapping_key(engine)
    data = keys.wrapping_data(by, encoding=keys.NO_ENCODING)
    blob = wrapped(KEY[::-1])
    made = client.do(symmetric((2, 1), keys.wrapped_block(blob, data))).unique_identifier
    assert links_of(client, made) == [(0x10E, by)]
    returned = block_of(client.do(ask.get(made)))
    assert returned.get(Tag.KEY_VALUE) == blob
    assert returned.get(Tag.KEY_WRAPPING_DATA, Tag.ENCRYPTION_KEY_INFORMATION, Tag.UNIQUE_IDENTIFIER) == by
    assert digest_of(client, made)[0] == hashlib.sha256(KEY[::-1]).digest()
    clear = client.do(get_as(made, wrap_type=keys.NOT_WRAPPED))
    assert key_bytes(clear) == KEY[::-1]


def test_a_wrapped_key_that_was_tampered_with_is_not_stored(engine: EngineHarness) -> None:
    client, by = engine.client(), wrapping_key(engine)
    blob = bytearray(wrapped(KEY[::-1]))
    blob[7] ^= 1
    data = keys.wrapping_data(by, encoding=keys.NO_ENCODING)
    result = client.do(symmetric((2, 1), keys.wrapped_block(bytes(blob), data), MASK, ask.name("tampered")))
    assert result.reason == Reason.INVALID_FIELD
    found = client.do(ask.locate((2, 1), ask.name("tampered"))).expect_success().payload
    assert found is None or not found.all(Tag.UNIQUE_IDENTIFIER)


def test_a_wrapped_key_of_another_length_than_stated_is_refused(engine: EngineHarness) -> None:
    client, by = engine.client(), wrapping_key(engine)
    data = keys.wrapping_data(by, encoding=keys.NO_ENCODING)
    result = client.do(symmetric((2, 1), keys.wrapped_block(wrapped(KEY[:16]), data)))
    assert result.reason == Reason.INVALID_FIELD


@pytest.mark.parametrize("whose", ["nobody's", "another owner's"])
def test_a_key_wrapped_by_a_key_that_is_not_there_for_the_caller_is_kept_unseen(
    engine: EngineHarness, whose: str
) -> None:
    by = wrapping_key(engine) if whose == "another owner's" else "not-here"
    client = engine.client(name="bob")
    made = client.do(symmetric((2, 1), keys.wrapped_block(b"x" * 40, keys.wrapping_data(by)))).unique_identifier
    assert links_of(client, made) == []
    assert block_of(client.do(ask.get(made))).get(Tag.KEY_VALUE) == b"x" * 40


def test_a_wrapped_key_comes_with_its_wrapping_data_and_a_clear_one_without(engine: EngineHarness) -> None:
    client, by = engine.client(), wrapping_key(engine)
    assert client.do(symmetric((2, 1), keys.wrapped_block(b"x" * 40, b""))).reason == Reason.INVALID_FIELD
    both = block(material(KEY), bits=256, after=keys.wrapping_data(by))
    assert client.do(symmetric((2, 1), both)).reason == Reason.INVALID_FIELD


# The object among others. ---------------------------------------------------------------------------------------------


def test_register_makes_its_object_the_id_placeholder(engine: EngineHarness) -> None:
    client = engine.client((1, 0))
    response = client.batch(ask.register_key((1, 0), KEY), ask.get())
    assert key_bytes(response.results[1]) == KEY


def test_a_name_is_taken_once(engine: EngineHarness) -> None:
    client = engine.client()
    client.do(ask.register_key((2, 1), KEY, ask.name("taken"))).expect_success()
    again = client.do(ask.register_key((2, 1), KEY, ask.name("taken")))
    assert again.reason == Reason.NON_UNIQUE_NAME_ATTRIBUTE
    engine.client(name="bob").do(ask.register_key((2, 1), KEY, ask.name("taken"))).expect_success()


def test_a_secret_is_nowhere_in_the_audit_log_or_in_a_message(engine: EngineHarness) -> None:
    secret = b"\xc0\xff\xee" * 11
    result = engine.client().do(symmetric((2, 1), block(material(secret), bits=128)))
    assert result.reason == Reason.INVALID_FIELD
    assert secret.hex() not in str(result) and repr(secret) not in str(result)


def test_an_unsupported_protection_is_refused(engine: EngineHarness) -> None:
    masks = structure(Tag.PROTECTION_STORAGE_MASKS, ask.integer(Tag.PROTECTION_STORAGE_MASK, 0x02))
    asked = ask.register_key((2, 1), KEY)
    result = engine.client().do(Request(Operation.REGISTER, asked.payload + masks))
    assert result.reason == Reason.PROTECTION_STORAGE_UNAVAILABLE
