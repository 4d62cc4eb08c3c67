"""Create Key Pair (KMIP 2.1 s6.1.9): two keys that belong together, or none at all."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from support import keys
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.keys import SIGN, VERIFY, attributes_of, block_of, get_as, key_bytes, links_of
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request, algorithm, in_1x, length
from support.wire import Result, Version, enumeration, integer, structure

VERSIONS: tuple[Version, ...] = ((1, 0), (1, 2), (1, 4), (2, 0), (2, 1))
RSA, ECDSA, EC, ED25519 = 4, 6, 0x1A, 0x37
P_256, P_384 = 7, 10
PUBLIC_KEY_LINK, PRIVATE_KEY_LINK = 0x102, 0x103
RSA_2048 = (algorithm(RSA), length(2048))


def asked(
    version: Version, common: tuple[Attribute, ...], private: tuple[Attribute, ...], public: tuple[Attribute, ...]
) -> Request:
    if version < (2, 0):
        forms = (Tag.COMMON_TEMPLATE_ATTRIBUTE, Tag.PRIVATE_KEY_TEMPLATE_ATTRIBUTE, Tag.PUBLIC_KEY_TEMPLATE_ATTRIBUTE)
    else:
        forms = (Tag.COMMON_ATTRIBUTES, Tag.PRIVATE_KEY_ATTRIBUTES, Tag.PUBLIC_KEY_ATTRIBUTES)
    return Request(
        Operation.CREATE_KEY_PAIR,
        b"".join(
            structure(form, *[in_1x(one) if version < (2, 0) else one.item for one in part])
            for form, part in zip(forms, (common, private, public), strict=True)
            if part
        ),
    )


def curve(number: int) -> Attribute:
    return Attribute(
        "Cryptographic Domain Parameters",
        structure(Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS, enumeration(Tag.RECOMMENDED_CURVE, number)),
    )


def pair_of(result: Result) -> tuple[str, str]:
    result.expect_success()
    return result.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), result.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)


def made(client: EngineClient, *common: Attribute) -> tuple[str, str]:
    masks = ((ask.usage_mask(SIGN),), (ask.usage_mask(VERIFY),))
    return pair_of(client.do(asked(client.version, common, *masks)))


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_the_two_keys_belong_together_and_are_linked_both_ways(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    private, public = made(client, *RSA_2048)
    assert links_of(client, private) == [(PUBLIC_KEY_LINK, public)]
    assert links_of(client, public) == [(PRIVATE_KEY_LINK, private)]
    secret = load_der_private_key(key_bytes(client.do(get_as(private, keys.PKCS_8))), None)
    assert isinstance(secret, rsa.RSAPrivateKey)
    assert secret.public_key() == load_der_public_key(key_bytes(client.do(get_as(public, keys.X_509))))


@pytest.mark.parametrize(
    ("common", "kind", "bits"),
    [
        ((algorithm(RSA), length(3072)), rsa.RSAPrivateKey, 3072),
        ((algorithm(ECDSA), length(256)), ec.EllipticCurvePrivateKey, 256),
        ((algorithm(EC), curve(P_384)), ec.EllipticCurvePrivateKey, 384),
        ((algorithm(ECDSA), length(521)), ec.EllipticCurvePrivateKey, 521),
        ((algorithm(ED25519),), ed25519.Ed25519PrivateKey, 256),
    ],
    ids=["RSA 3072", "P-256", "P-384", "P-521", "Ed25519"],
)
def test_every_kind_of_pair_that_is_offered_is_made(
    engine: EngineHarness, common: tuple[Attribute, ...], kind: type, bits: int
) -> None:
    client = engine.client()
    private, public = made(client, *common)
    assert isinstance(load_der_private_key(key_bytes(client.do(get_as(private, keys.PKCS_8))), None), kind)
    for half in (private, public):
        assert attributes_of(client, half)[Tag.CRYPTOGRAPHIC_LENGTH] == [bits]


@pytest.mark.parametrize("version", [(1, 2), (2, 1)], ids=str)
@pytest.mark.parametrize(
    "common",
    [
        (algorithm(RSA), length(1024)),
        (algorithm(RSA), length(4104)),
        (algorithm(RSA), length(2**31 - 1)),
        (algorithm(RSA), length(2049)),
        (algorithm(ECDSA), length(255)),
        (algorithm(ECDSA), length(384), curve(P_256)),
        (algorithm(ask.AES), length(256)),
        (algorithm(5), length(2048)),
    ],
    ids=["RSA 1024", "RSA 4104", "RSA huge", "RSA 2049", "EC 255", "curve and length differ", "AES", "DSA"],
)
def test_a_pair_that_is_not_offered_is_refused_before_it_is_generated(
    engine: EngineHarness, version: Version, common: tuple[Attribute, ...]
) -> None:
    result = engine.client(version).do(asked(version, common, (), ()))
    assert result.reason in (Reason.INVALID_ATTRIBUTE_VALUE, Reason.INVALID_FIELD)


@pytest.mark.parametrize("version", [(1, 4), (2, 1)], ids=str)
def test_each_key_has_its_own_attributes_before_the_common_ones(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    common = (*RSA_2048, ask.contact_information("both"), ask.object_group("common"), ask.activation_date(1))
    private = (ask.contact_information("private"), ask.object_group("own"), ask.name("the private one"))
    one, other = pair_of(client.do(asked(version, common, private, (ask.usage_mask(VERIFY),))))
    found = attributes_of(client, one), attributes_of(client, other)
    assert [each[Tag.CONTACT_INFORMATION] for each in found] == [["private"], ["both"]]
    assert [set(each[Tag.OBJECT_GROUP]) for each in found] == [{"common", "own"}, {"common"}]
    assert [Tag.NAME in each for each in found] == [True, False]
    assert [each[Tag.STATE] for each in found] == [[ask.ACTIVE], [ask.ACTIVE]]


def test_keys_without_a_usage_mask_sign_and_verify(engine: EngineHarness) -> None:
    client = engine.client()
    private, public = pair_of(client.do(asked((2, 1), RSA_2048, (), ())))
    assert attributes_of(client, private)[Tag.CRYPTOGRAPHIC_USAGE_MASK] == [SIGN]
    assert attributes_of(client, public)[Tag.CRYPTOGRAPHIC_USAGE_MASK] == [VERIFY]


def test_a_common_name_is_the_name_of_the_pair(engine: EngineHarness) -> None:
    client = engine.client()
    pair = pair_of(client.do(asked((2, 1), (*RSA_2048, ask.name("the pair")), (), ())))
    found = client.do(ask.locate((2, 1), ask.name("the pair"))).expect_success().payload
    assert found is not None
    assert {node.value for node in found.all(Tag.UNIQUE_IDENTIFIER)} == set(pair)
    again = client.do(asked((2, 1), (*RSA_2048, ask.name("the pair")), (), ()))
    assert again.reason == Reason.NON_UNIQUE_NAME_ATTRIBUTE


def test_one_algorithm_and_one_length_for_both(engine: EngineHarness) -> None:
    result = engine.client().do(asked((2, 1), (algorithm(RSA),), (length(2048),), (length(3072),)))
    assert result.reason == Reason.INVALID_ATTRIBUTE_VALUE
    assert result.message is not None
    assert "the same for both keys" in result.message


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_the_keys_are_in_their_default_format_where_the_version_knows_it(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    for common, wanted in (
        (RSA_2048, (keys.PKCS_1, keys.PKCS_1)),
        (
            (algorithm(ECDSA), length(256)),
            (keys.TRANSPARENT_EC_PRIVATE, keys.TRANSPARENT_EC_PUBLIC)
            if version >= (1, 4)
            else (keys.EC_PRIVATE_KEY, keys.X_509),
        ),
    ):
        pair = made(client, *common)
        formats = tuple(block_of(client.do(ask.get(half))).get(Tag.KEY_FORMAT_TYPE) for half in pair)
        assert formats == wanted


def test_each_key_has_the_digest_of_its_default_format(engine: EngineHarness) -> None:
    client = engine.client()
    for half in made(client, *RSA_2048):
        [digest] = attributes_of(client, half)[Tag.DIGEST]
        assert digest[1].value == hashlib.sha256(key_bytes(client.do(ask.get(half)))).digest()
        assert digest[2].value == keys.PKCS_1


def test_an_elliptic_curve_pair_names_its_curve(engine: EngineHarness) -> None:
    client = engine.client()
    for half in made(client, algorithm(ECDSA), length(256)):
        [domain] = attributes_of(client, half)[Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS]
        assert domain[0].value == P_256


def test_a_pair_of_which_one_half_fails_leaves_nothing(engine: EngineHarness) -> None:
    client = engine.client()
    client.do(ask.create_aes((2, 1), ask.name("taken"))).expect_success()
    result = client.do(asked((2, 1), RSA_2048, (ask.name("free"),), (ask.name("taken"),)))
    assert result.reason == Reason.NON_UNIQUE_NAME_ATTRIBUTE
    found = client.do(ask.locate((2, 1), ask.name("free"))).expect_success().payload
    assert found is None or not found.all(Tag.UNIQUE_IDENTIFIER)


@pytest.mark.parametrize("version", [(1, 0), (2, 1)], ids=str)
def test_the_id_placeholder_is_the_private_key(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    response = client.batch(asked(version, RSA_2048, (), ()), ask.get())
    private, _ = pair_of(response.results[0])
    assert response.results[1].unique_identifier == private


def test_a_later_item_names_either_half_in_2_1(engine: EngineHarness) -> None:
    references = [Request(Operation.GET, enumeration(Tag.UNIQUE_IDENTIFIER, number)) for number in (5, 6)]
    response = engine.client().batch(asked((2, 1), RSA_2048, (), ()), *references)
    assert tuple(result.unique_identifier for result in response.results[1:]) == pair_of(response.results[0])


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        (Tag.COMMON_PROTECTION_STORAGE_MASKS, Reason.PRIVATE_PROTECTION_STORAGE_UNAVAILABLE),
        (Tag.PRIVATE_PROTECTION_STORAGE_MASKS, Reason.PRIVATE_PROTECTION_STORAGE_UNAVAILABLE),
        (Tag.PUBLIC_PROTECTION_STORAGE_MASKS, Reason.PUBLIC_PROTECTION_STORAGE_UNAVAILABLE),
    ],
)
def test_a_protection_that_is_not_there_is_refused(engine: EngineHarness, tag: Tag, reason: Reason) -> None:
    masks = structure(tag, integer(Tag.PROTECTION_STORAGE_MASK, 0x02))
    payload = asked((2, 1), RSA_2048, (), ()).payload + masks
    assert engine.client().do(Request(Operation.CREATE_KEY_PAIR, payload)).reason == reason
