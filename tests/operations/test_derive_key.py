"""Derive Key (KMIP 2.1 s6.1.14, s7.12): what comes out, from which objects, and within which bounds."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from support import keys
from support import requests as ask
from support.attributes import deactivation, protect_stop
from support.engine import EngineClient, EngineHarness
from support.keys import DERIVE, SHA_256, attributes_of, block_of, cryptographic_parameters, get_as, key_bytes, links_of
from support.numbers import Operation, Reason, Tag
from support.requests import SECRET_DATA, SYMMETRIC_KEY, Attribute, Request, algorithm, length
from support.wire import Version, enumeration, integer, long_integer, octets, structure

from kmip_server.operations.services import OperationLimits

VERSIONS: tuple[Version, ...] = ((1, 0), (1, 4), (2, 1))
PBKDF2, HASH, HMAC, ENCRYPT, COUNTER_MODE, ASYMMETRIC, HKDF_ = 1, 2, 3, 4, 5, 8, 10
BASE_LINK, DERIVED_LINK = 0x104, 0x105
KEY, SALT = bytes(range(32)), b"salt of 16 bytes"
MD5 = 3
AES_256 = (algorithm(ask.AES), length(256), ask.usage_mask(12))
SHA = cryptographic_parameters(hashing=SHA_256)


def key(client: EngineClient, *attributes: Attribute, content: bytes = KEY, mask: int = DERIVE) -> str:
    asked = ask.register_key(client.version, content, ask.activation_date(1), *attributes, mask=mask)
    return client.do(asked).unique_identifier


def secret(client: EngineClient, content: bytes, *attributes: Attribute) -> str:
    asked = ask.register_secret(client.version, content, ask.activation_date(1), *attributes, mask=DERIVE)
    return client.do(asked).unique_identifier


def derive(
    client: EngineClient,
    bases: tuple[str, ...],
    method: int,
    *parameters: bytes,
    kind: int = SYMMETRIC_KEY,
    wanted: tuple[Attribute, ...] = AES_256,
) -> Request:
    return Request(
        Operation.DERIVE_KEY,
        enumeration(Tag.OBJECT_TYPE, kind)
        + b"".join(ask.identifier(base) for base in bases)
        + enumeration(Tag.DERIVATION_METHOD, method)
        + structure(Tag.DERIVATION_PARAMETERS, *parameters)
        + ask.attributes(client.version, *wanted),
    )


def data(content: bytes) -> bytes:
    return octets(Tag.DERIVATION_DATA, content)


def pbkdf2(iterations: int) -> tuple[bytes, ...]:
    return SHA, octets(Tag.SALT, SALT), integer(Tag.ITERATION_COUNT, iterations)


def derived_bytes(client: EngineClient, asked: Request) -> bytes:
    return key_bytes(client.do(ask.get(client.do(asked).unique_identifier)))


# Methods. -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_key_is_derived_from_a_password(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    asked = derive(client, (secret(client, b"a password"),), PBKDF2, *pbkdf2(1000))
    assert derived_bytes(client, asked) == hashlib.pbkdf2_hmac("sha256", b"a password", SALT, 1000, 32)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_key_is_derived_by_hash_hmac_and_encryption(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    base = key(client)
    assert derived_bytes(client, derive(client, (base,), HASH, SHA)) == hashlib.sha256(KEY).digest()
    assert derived_bytes(client, derive(client, (base,), HMAC, SHA, data(b"label"))) == hmac.digest(
        KEY, b"label", "sha256"
    )
    ecb = Cipher(algorithms.AES(KEY), modes.ECB()).encryptor()
    asked = derive(client, (base,), ENCRYPT, cryptographic_parameters(2), data(bytes(32)))
    assert derived_bytes(client, asked) == ecb.update(bytes(32))


def test_a_key_is_derived_by_hkdf(engine: EngineHarness) -> None:
    client = engine.client()
    asked = derive(client, (key(client),), HKDF_, data(b"info"), octets(Tag.SALT, SALT))
    assert derived_bytes(client, asked) == HKDF(SHA256(), 32, SALT, b"info").derive(KEY)


def test_a_key_is_agreed_on_by_a_private_and_a_public_key_in_either_order(engine: EngineHarness) -> None:
    client = engine.client()
    pairs = []
    for _ in range(2):
        asked = ask.create_key_pair((2, 1), [algorithm(6), length(256), ask.activation_date(1)], DERIVE, DERIVE)
        made = client.do(asked).expect_success()
        pairs.append((made.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), made.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)))
    (my_private, my_public), (your_private, your_public) = pairs
    one = derived_bytes(client, derive(client, (my_private, your_public), ASYMMETRIC))
    other = derived_bytes(client, derive(client, (my_public, your_private), ASYMMETRIC))
    assert one == other


def test_derivation_data_may_be_a_secret_named_before_or_after_the_key(engine: EngineHarness) -> None:
    client = engine.client()
    base, holder = key(client), secret(client, b"label")
    for bases in ((base, holder), (holder, base)):
        assert derived_bytes(client, derive(client, bases, HMAC, SHA)) == hmac.digest(KEY, b"label", "sha256")


def test_of_two_secrets_the_first_is_the_key(engine: EngineHarness) -> None:
    client = engine.client()
    bases = secret(client, b"first"), secret(client, b"second")
    assert derived_bytes(client, derive(client, bases, HMAC, SHA)) == hmac.digest(b"first", b"second", "sha256")


def test_parameters_that_are_not_given_are_those_of_the_key(engine: EngineHarness) -> None:
    client = engine.client()
    base = key(client, Attribute("Cryptographic Parameters", SHA))
    assert derived_bytes(client, derive(client, (base,), HASH)) == hashlib.sha256(KEY).digest()


# What is made. --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_secret_of_the_wanted_length_is_derived(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    asked = derive(client, (key(client),), HASH, SHA, kind=SECRET_DATA, wanted=(length(128),))
    made = client.do(asked).unique_identifier
    answer = client.do(ask.get(made))
    assert key_bytes(answer) == hashlib.sha256(KEY).digest()[:16]
    assert block_of(answer).get(Tag.CRYPTOGRAPHIC_ALGORITHM) is None
    assert attributes_of(client, made)[Tag.OBJECT_TYPE] == [SECRET_DATA]


def test_the_derived_object_and_its_bases_are_linked_both_ways(engine: EngineHarness) -> None:
    client = engine.client()
    base, holder = key(client), secret(client, b"label")
    made = client.do(derive(client, (base, holder), HMAC, SHA)).unique_identifier
    assert links_of(client, made) == [(BASE_LINK, base), (BASE_LINK, holder)]
    assert links_of(client, base) == links_of(client, holder) == [(DERIVED_LINK, made)]
    again = client.do(derive(client, (base,), HASH, SHA)).unique_identifier
    assert links_of(client, base) == [(DERIVED_LINK, made), (DERIVED_LINK, again)]


def test_a_base_with_as_many_links_as_there_may_be_forgets_its_oldest(engine: EngineHarness) -> None:
    engine.engine.services.limits = OperationLimits(attribute_instances=2)
    client = engine.client()
    base = key(client)
    made = [client.do(derive(client, (base,), HASH, SHA)).unique_identifier for _ in range(3)]
    assert links_of(client, base) == [(DERIVED_LINK, made[1]), (DERIVED_LINK, made[2])]


def test_the_derived_key_has_its_digest_and_its_original_creation_date(engine: EngineHarness) -> None:
    client = engine.client()
    made = client.do(derive(client, (key(client),), HASH, SHA)).unique_identifier
    found = attributes_of(client, made)
    assert found[Tag.DIGEST][0][1].value == hashlib.sha256(hashlib.sha256(KEY).digest()).digest()
    assert found[Tag.ORIGINAL_CREATION_DATE] == found[Tag.INITIAL_DATE]


def test_each_derivation_spends_the_usage_limits_of_its_base(engine: EngineHarness) -> None:
    client = engine.client()
    limits = structure(Tag.USAGE_LIMITS, long_integer(Tag.USAGE_LIMITS_TOTAL, 1), enumeration(Tag.USAGE_LIMITS_UNIT, 2))
    base = key(client, Attribute("Usage Limits", limits))
    client.do(derive(client, (base,), HASH, SHA)).expect_success()
    assert client.do(derive(client, (base,), HASH, SHA)).reason == Reason.PERMISSION_DENIED


def test_what_is_derived_is_no_less_protected_than_its_base(engine: EngineHarness) -> None:
    client = engine.client()
    base = key(client, keys.sensitive(True), keys.extractable(False))
    wanted = (*AES_256, keys.sensitive(False), keys.extractable(True))
    made = client.do(derive(client, (base,), HASH, SHA, wanted=wanted)).unique_identifier
    found = attributes_of(client, made)
    assert (found[Tag.SENSITIVE], found[Tag.EXTRACTABLE]) == ([True], [False])


def test_derive_key_makes_its_object_the_id_placeholder(engine: EngineHarness) -> None:
    client = engine.client((1, 0))
    response = client.batch(derive(client, (key(client),), HASH, SHA), ask.get())
    assert key_bytes(response.results[1]) == hashlib.sha256(KEY).digest()


# Bounds. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        (algorithm(ask.AES),),
        (length(256),),
        (algorithm(ask.AES), length(8)),
        (algorithm(ask.AES), length(56)),
        (algorithm(ask.AES), length(129)),
        (algorithm(ask.AES), length(160)),
        (algorithm(ask.AES), length(-128)),
        (algorithm(ask.AES), length(2**31 - 1)),
        (algorithm(ask.AES), length(512)),
    ],
    ids=["no length", "no algorithm", "8", "56", "129", "no AES key", "negative", "huge", "longer than the hash"],
)
def test_a_key_that_cannot_be_derived_is_refused(engine: EngineHarness, wanted: tuple[Attribute, ...]) -> None:
    client = engine.client()
    result = client.do(derive(client, (key(client),), HASH, SHA, wanted=wanted))
    assert result.reason in (Reason.INVALID_FIELD, Reason.BAD_CRYPTOGRAPHIC_PARAMETERS), result


def test_a_short_secret_that_could_be_found_by_trying_is_refused(engine: EngineHarness) -> None:
    client = engine.client()
    result = client.do(derive(client, (key(client),), HASH, SHA, kind=SECRET_DATA, wanted=(length(8),)))
    assert result.reason == Reason.INVALID_FIELD


@pytest.mark.parametrize("iterations", [0, -1, 1001, 2**31 - 1])
def test_iterations_are_looked_at_before_the_base(engine: EngineHarness, iterations: int) -> None:
    engine.engine.services.limits = OperationLimits(pbkdf2_iterations=1000)
    client = engine.client()
    for base in (secret(client, b"x"), "nothing"):
        result = client.do(derive(client, (base,), PBKDF2, *pbkdf2(iterations)))
        assert result.reason == Reason.INVALID_FIELD


def test_the_items_of_a_message_have_their_iterations_together(engine: EngineHarness) -> None:
    """Others wait while they are computed. What fails afterwards has been computed, too."""
    engine.engine.services.limits = OperationLimits(pbkdf2_iterations=1000)
    client = engine.client()
    base = secret(client, b"a password")
    asked = derive(client, (base,), PBKDF2, *pbkdf2(400))
    wrong = derive(client, (base,), PBKDF2, *pbkdf2(800), wanted=(*AES_256, protect_stop(2), deactivation(1)))
    for _ in range(2):
        response = client.batch(asked, asked, asked)
        assert [result.reason for result in response.results] == [None, None, Reason.INVALID_FIELD]
    response = client.batch(wrong, asked, fields=(enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 1),))
    assert [result.reason for result in response.results] == [Reason.INVALID_FIELD] * 2
    assert ["iterations" in str(result.message) for result in response.results] == [False, True]


def test_each_block_of_output_takes_its_iterations(engine: EngineHarness) -> None:
    engine.engine.services.limits = OperationLimits(pbkdf2_iterations=1000)
    client = engine.client()
    base, wanted = secret(client, b"a password"), (length(512),)
    for iterations, reason in ((500, None), (501, Reason.INVALID_FIELD)):
        asked = derive(client, (base,), PBKDF2, *pbkdf2(iterations), kind=SECRET_DATA, wanted=wanted)
        assert client.do(asked).reason == reason


def test_a_legacy_hash_is_the_policys_affair(engine: EngineHarness) -> None:
    client = engine.client()
    asked = derive(
        client, (key(client),), HASH, cryptographic_parameters(hashing=MD5), kind=SECRET_DATA, wanted=(length(128),)
    )
    client.do(asked).expect_success()
    engine.engine.services.legacy_algorithms = False
    assert client.do(asked).reason == Reason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS


# Bases. ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_base_may_derive_only_with_its_mask_and_while_active(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    without = key(client, mask=12)
    early = client.do(ask.register_key(version, KEY, mask=DERIVE)).unique_identifier
    late = key(client)
    client.do(ask.revoke(late)).expect_success()
    for base, reason in (
        (without, Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK),
        (early, Reason.WRONG_KEY_LIFECYCLE_STATE),
        (late, Reason.WRONG_KEY_LIFECYCLE_STATE),
    ):
        result = client.do(derive(client, (base,), HASH, SHA))
        assert result.reason == (reason if version >= (2, 0) else Reason.INVALID_FIELD)
        assert links_of(client, base) == []


def test_the_secret_with_the_data_needs_the_right_to_derive_as_well(engine: EngineHarness) -> None:
    client = engine.client()
    holder = client.do(ask.register_secret((2, 1), b"label", ask.activation_date(1), mask=0)).unique_identifier
    result = client.do(derive(client, (key(client), holder), HMAC, SHA))
    assert result.reason == Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK


@pytest.mark.parametrize("place", [0, 1])
def test_a_base_of_another_is_not_there_in_either_place(engine: EngineHarness, place: int) -> None:
    theirs, client = secret(engine.client(), b"theirs"), engine.client(name="bob")
    bases = [key(client)]
    bases.insert(place, theirs)
    result = client.do(derive(client, tuple(bases), HMAC, SHA))
    assert result.reason == Reason.OBJECT_NOT_FOUND
    assert links_of(engine.client(), theirs) == []


def test_derivation_data_comes_from_one_place(engine: EngineHarness) -> None:
    client = engine.client()
    bases = key(client), secret(client, b"label")
    assert client.do(derive(client, bases, HMAC, SHA, data(b"label"))).reason == Reason.INVALID_FIELD
    assert client.do(derive(client, bases, PBKDF2, *pbkdf2(10))).reason == Reason.INVALID_FIELD


def test_two_keys_one_object_twice_and_three_objects_are_refused(engine: EngineHarness) -> None:
    client = engine.client()
    one, two = key(client), key(client)
    assert client.do(derive(client, (one, two), HMAC, SHA)).reason == Reason.INVALID_OBJECT_TYPE
    assert client.do(derive(client, (one, one), HMAC, SHA)).reason == Reason.INVALID_FIELD
    assert client.do(derive(client, (one, two, secret(client, b"x")), HMAC, SHA)).reason == Reason.INVALID_FIELD
    assert client.do(derive(client, (one, two), ASYMMETRIC)).reason == Reason.INVALID_OBJECT_TYPE


def test_nothing_is_derived_from_an_opaque_object(engine: EngineHarness) -> None:
    client = engine.client()
    opaque = client.do(ask.register_opaque((2, 1), b"x")).unique_identifier
    assert client.do(derive(client, (opaque,), HASH, SHA)).reason == Reason.INVALID_OBJECT_TYPE


def test_the_id_placeholder_is_no_base(engine: EngineHarness) -> None:
    client = engine.client()
    named = Request(
        Operation.DERIVE_KEY,
        enumeration(Tag.OBJECT_TYPE, SYMMETRIC_KEY)
        + enumeration(Tag.UNIQUE_IDENTIFIER, 1)
        + enumeration(Tag.DERIVATION_METHOD, HASH)
        + structure(Tag.DERIVATION_PARAMETERS, SHA)
        + ask.attributes((2, 1), *AES_256),
    )
    create = ask.create_aes((2, 1), ask.activation_date(1), mask=DERIVE)
    assert client.batch(create, named).results[1].reason == Reason.INVALID_FIELD


def test_a_base_that_was_registered_wrapped_is_unwrapped_for_it(engine: EngineHarness) -> None:
    client = engine.client()
    by = key(client, content=KEY[::-1], mask=keys.WRAP | keys.UNWRAP)
    wrapped = block_of(client.do(get_as(key(client), specification=keys.wrapping_specification(by))))
    body = structure(Tag.SYMMETRIC_KEY, keys.wrapped_block(wrapped.get(Tag.KEY_VALUE), keys.wrapping_data(by)))
    asked = ask.register((2, 1), SYMMETRIC_KEY, body, ask.usage_mask(DERIVE), ask.activation_date(1))
    base = client.do(asked).unique_identifier
    assert derived_bytes(client, derive(client, (base,), HASH, SHA)) == hashlib.sha256(KEY).digest()


def test_only_keys_and_secrets_are_derived(engine: EngineHarness) -> None:
    client = engine.client()
    result = client.do(derive(client, (key(client),), HASH, SHA, kind=ask.OPAQUE_OBJECT))
    assert result.reason == Reason.INVALID_OBJECT_TYPE
