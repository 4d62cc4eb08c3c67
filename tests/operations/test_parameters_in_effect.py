"""The policy decides on the Cryptographic Parameters with which a request really computes, defaults included.

Each case is asked twice: it is refused by a rule that denies what is in effect, and carried out under one that denies
every other value of that parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import pytest
import tomli_w
from support import keys
from support import requests as ask
from support.databases import Databases
from support.engine import EngineClient, EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.wire import boolean, enumeration, integer, octets, structure

from kmip_server.ttlv import enumerations
from policy.compiling import Ruling
from policy.documents import read_document
from policy.parameters import BLOCK_MODES, FIELDS, HASHES, NONE, PADDINGS, SIGNATURES

VERSION = (2, 1)
EVERYTHING: Final = 0x3BF
DATA: Final = octets(Tag.DATA, bytes(32))
IV: Final = octets(Tag.IV_COUNTER_NONCE, bytes(range(16)))
ECDSA, ED25519, CHACHA20_POLY1305, P_256 = 0x06, 0x37, 0x1E, 6
ECB, CMAC, PKCS5, OAEP, PKCS1, PSS = 2, 7, 3, 2, 8, 10
SHA_1, SHA_256, SHA_384 = 4, 6, 7
PBKDF2, HASH, HMAC, ENCRYPT, COUNTER_MODE, AWS, HKDF = 1, 2, 3, 4, 5, 9, 10


class World(NamedTuple):
    """An engine with a key of each kind, which may be used for everything."""

    engine: EngineHarness
    client: EngineClient
    aes: str
    gcm: str
    chacha: str
    private: str
    public: str
    elliptic: str
    edwards: str

    def deny(self, operation: int, **resource: list[str]) -> None:
        """Put in force a policy with a rule that denies an operation with such parameters."""
        action = Operation(operation).name
        rule = {"name": "r", "effect": "deny", "subjects": ["anyone"], "actions": [action], "resource": resource}
        rules = [rule] if resource else []
        self.engine.engine.services.ruling = Ruling(read_document(tomli_w.dumps({"rules": rules}), "here"))


def how(**given: int) -> bytes:
    """Cryptographic Parameters, each by the name of its tag."""
    return structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS, *[enumeration(Tag[name.upper()], value) for name, value in given.items()]
    )


def _key(client: EngineClient, algorithm: int, *given: ask.Attribute) -> str:
    asked = ask.create(
        VERSION,
        ask.algorithm(algorithm),
        ask.length(256),
        ask.usage_mask(EVERYTHING),
        ask.activation_date(1),
        *given,
    )
    return client.do(asked).unique_identifier


def _pair(client: EngineClient, algorithm: int, bits: int) -> tuple[str, str]:
    common = [ask.algorithm(algorithm), ask.length(bits), ask.activation_date(1)]
    made = client.do(ask.create_key_pair(VERSION, common, EVERYTHING, EVERYTHING)).expect_success()
    return made.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), made.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engine = EngineHarness(databases.store(tmp_path_factory.mktemp("in-effect")))
    client = engine.client(VERSION)
    own = ask.Attribute("Cryptographic Parameters", ask.parameters(ask.GCM, tag_length=16))
    yield World(
        engine,
        client,
        _key(client, ask.AES),
        _key(client, ask.AES, own),
        _key(client, CHACHA20_POLY1305),
        *_pair(client, ask.RSA, 2048),
        _pair(client, ECDSA, 256)[0],
        _pair(client, ED25519, 256)[0],
    )
    engine.store.close()


def _use(operation: int, key: str, *fields: bytes) -> Request:
    return Request(operation, ask.identifier(key) + b"".join(fields))


def encrypted(key: str, parameters: bytes = b"", *more: bytes) -> Request:
    return _use(Operation.ENCRYPT, key, parameters, DATA, *more)


def signed(key: str, parameters: bytes = b"") -> Request:
    return _use(Operation.SIGN, key, parameters, DATA)


def derived(key: str, method: int, *parameters: bytes) -> Request:
    return Request(
        Operation.DERIVE_KEY,
        enumeration(Tag.OBJECT_TYPE, ask.SECRET_DATA)
        + ask.identifier(key)
        + enumeration(Tag.DERIVATION_METHOD, method)
        + structure(Tag.DERIVATION_PARAMETERS, *parameters)
        + ask.attributes(VERSION, ask.length(128)),
    )


LABEL: Final = octets(Tag.DERIVATION_DATA, bytes(16))
ROUNDS: Final = octets(Tag.SALT, bytes(16)) + integer(Tag.ITERATION_COUNT, 1)
Case = tuple[str, Callable[[World], Request], dict[str, str]]

CASES: Final[tuple[Case, ...]] = (
    (
        "a cipher",
        lambda w: encrypted(w.aes, how(block_cipher_mode=ask.CBC, padding_method=PKCS5), IV),
        {"block_modes": "CBC", "paddings": "PKCS5", "hashes": NONE, "mask_hashes": NONE, "signatures": NONE},
    ),
    ("ECB", lambda w: encrypted(w.aes, how(block_cipher_mode=ECB)), {"block_modes": "ECB", "paddings": NONE}),
    (
        "ECB, to decrypt",
        lambda w: _use(Operation.DECRYPT, w.aes, how(block_cipher_mode=ECB), DATA),
        {"block_modes": "ECB"},
    ),
    ("the key's own", lambda w: encrypted(w.gcm), {"block_modes": "GCM"}),
    ("empty ones: the key's own", lambda w: encrypted(w.gcm, how()), {"block_modes": "GCM"}),
    ("those of the request first", lambda w: encrypted(w.gcm, how(block_cipher_mode=ECB)), {"block_modes": "ECB"}),
    ("the cipher's only mode", lambda w: encrypted(w.chacha), {"block_modes": "AEAD"}),
    (
        "a padding without effect",
        lambda w: encrypted(w.aes, how(block_cipher_mode=ask.GCM, padding_method=PKCS5)),
        {"block_modes": "GCM", "paddings": NONE},
    ),
    (
        "OAEP by default",
        lambda w: encrypted(w.public, how(padding_method=OAEP)),
        {"paddings": "OAEP", "hashes": "SHA_1", "mask_hashes": "SHA_1", "block_modes": NONE, "signatures": NONE},
    ),
    (
        "OAEP with one hash for both",
        lambda w: encrypted(w.public, how(padding_method=OAEP, hashing_algorithm=SHA_384)),
        {"hashes": "SHA_384", "mask_hashes": "SHA_384"},
    ),
    (
        "OAEP with two hashes",
        lambda w: encrypted(
            w.public, how(padding_method=OAEP, hashing_algorithm=SHA_384, mask_generator_hashing_algorithm=SHA_1)
        ),
        {"hashes": "SHA_384", "mask_hashes": "SHA_1"},
    ),
    (
        "PKCS #1 v1.5, to encrypt",
        lambda w: encrypted(w.public, how(padding_method=PKCS1, hashing_algorithm=SHA_256)),
        {"paddings": "PKCS1_V1_5", "hashes": NONE},
    ),
    (
        "PKCS #1 v1.5, to decrypt",
        lambda w: _use(Operation.DECRYPT, w.private, how(padding_method=PKCS1), octets(Tag.DATA, bytes(255) + b"\1")),
        {"paddings": "PKCS1_V1_5"},
    ),
    (
        "a signature by RSA without a padding",
        lambda w: signed(w.private, how(hashing_algorithm=SHA_1)),
        {"paddings": "PKCS1_V1_5", "hashes": "SHA_1", "mask_hashes": NONE, "signatures": "SHA_1_WITH_RSA_ENCRYPTION"},
    ),
    (
        "a signature by name",
        lambda w: signed(w.private, how(digital_signature_algorithm=5)),
        {"paddings": "PKCS1_V1_5", "hashes": "SHA_256", "signatures": "SHA_256_WITH_RSA_ENCRYPTION"},
    ),
    (
        "PSS",
        lambda w: signed(w.private, how(padding_method=PSS, hashing_algorithm=SHA_384)),
        {"paddings": "PSS", "hashes": "SHA_384", "mask_hashes": "SHA_384", "signatures": "RSASSA_PSS"},
    ),
    (
        "PSS by name, with another hash for the mask",
        lambda w: signed(
            w.private,
            how(hashing_algorithm=SHA_384, digital_signature_algorithm=8, mask_generator_hashing_algorithm=SHA_256),
        ),
        {"paddings": "PSS", "hashes": "SHA_384", "mask_hashes": "SHA_256", "signatures": "RSASSA_PSS"},
    ),
    (
        "a signature to verify",
        lambda w: _use(
            Operation.SIGNATURE_VERIFY,
            w.public,
            how(padding_method=PKCS1, hashing_algorithm=SHA_1),
            DATA,
            octets(Tag.SIGNATURE_DATA, bytes(256)),
        ),
        {"hashes": "SHA_1", "paddings": "PKCS1_V1_5", "signatures": "SHA_1_WITH_RSA_ENCRYPTION"},
    ),
    (
        "an elliptic curve",
        lambda w: signed(w.elliptic, how(hashing_algorithm=SHA_384)),
        {"paddings": NONE, "hashes": "SHA_384", "signatures": "ECDSA_WITH_SHA384"},
    ),
    (
        "an Edwards curve, whatever hash is named",
        lambda w: signed(w.edwards, how(hashing_algorithm=SHA_1)),
        {"paddings": NONE, "hashes": NONE, "signatures": NONE},
    ),
    (
        "HMAC with any key",
        lambda w: _use(Operation.MAC, w.aes, how(cryptographic_algorithm=ask.HMAC_SHA256), DATA),
        {"hashes": "SHA_256", "block_modes": NONE},
    ),
    ("CMAC", lambda w: _use(Operation.MAC, w.aes, DATA), {"block_modes": "CMAC", "hashes": NONE}),
    (
        "a MAC to verify",
        lambda w: _use(
            Operation.MAC_VERIFY,
            w.aes,
            how(cryptographic_algorithm=ask.HMAC_SHA256),
            DATA,
            octets(Tag.MAC_DATA, bytes(32)),
        ),
        {"hashes": "SHA_256"},
    ),
    (
        "Hash",
        lambda _: Request(Operation.HASH, how(hashing_algorithm=SHA_1) + DATA),
        {"hashes": "SHA_1", "block_modes": NONE, "paddings": NONE, "mask_hashes": NONE, "signatures": NONE},
    ),
    ("PBKDF2 by default", lambda w: derived(w.aes, PBKDF2, ROUNDS), {"hashes": "SHA_1"}),
    ("PBKDF2", lambda w: derived(w.aes, PBKDF2, how(hashing_algorithm=SHA_384), ROUNDS), {"hashes": "SHA_384"}),
    ("derived by a hash", lambda w: derived(w.aes, HASH, how(hashing_algorithm=SHA_256)), {"hashes": "SHA_256"}),
    (
        "derived by HMAC",
        lambda w: derived(w.aes, HMAC, how(hashing_algorithm=SHA_1, cryptographic_algorithm=ask.HMAC_SHA256), LABEL),
        {"hashes": "SHA_256"},
    ),
    (
        "derived by encryption",
        lambda w: derived(w.aes, ENCRYPT, how(block_cipher_mode=ECB), LABEL),
        {"block_modes": "ECB", "hashes": NONE},
    ),
    (
        "derived by SP 800-108 with a hash",
        lambda w: derived(w.aes, COUNTER_MODE, how(hashing_algorithm=SHA_384), LABEL),
        {"hashes": "SHA_384", "block_modes": NONE},
    ),
    (
        "derived by SP 800-108 with AES",
        lambda w: derived(w.aes, COUNTER_MODE, LABEL),
        {"hashes": NONE, "block_modes": "CMAC"},
    ),
    ("derived by HKDF", lambda w: derived(w.aes, HKDF), {"hashes": "SHA_256"}),
    ("derived for AWS", lambda w: derived(w.aes, AWS, LABEL, LABEL, LABEL), {"hashes": "SHA_256"}),
    (
        "wrapped by a key",
        lambda w: keys.get_as(w.gcm, specification=keys.wrapping_specification(w.aes)),
        {"block_modes": "NISTKEYWRAP"},
    ),
    (
        "wrapped by the key's own",
        lambda w: keys.get_as(w.aes, specification=keys.wrapping_specification(w.gcm, b"")),
        {"block_modes": "GCM"},
    ),
    (
        "wrapped to a public key",
        lambda w: keys.get_as(w.gcm, specification=keys.wrapping_specification(w.public, how(padding_method=OAEP))),
        {"paddings": "OAEP", "hashes": "SHA_1", "mask_hashes": "SHA_1"},
    ),
)


@pytest.mark.parametrize(
    ("asked", "field", "name"),
    [
        pytest.param(asked, field, name, id=f"{title}: {field}")
        for title, asked, in_effect in CASES
        for field, name in in_effect.items()
    ],
)
def test_what_is_in_effect_is_what_is_decided_on(
    world: World, asked: Callable[[World], Request], field: str, name: str
) -> None:
    request = asked(world)
    # Wrapping is decided on the wrapping key; the key that is wrapped is read with no parameters.
    spared = {name, NONE} if request.operation == Operation.GET else {name}
    world.deny(request.operation, **{field: [each for each in FIELDS[field][1] if each not in spared]})
    world.client.do(request).expect_success()
    world.deny(request.operation, **{field: [name]})
    refused = world.client.do(request)
    assert refused.reason == Reason.PERMISSION_DENIED, refused
    assert "with these Cryptographic Parameters (42002B)" in refused.message
    assert "rule 'r' denies it" in world.engine.audit()[-1].detail


def test_what_was_wrapped_is_unwrapped_by_the_same_decision(world: World) -> None:
    world.deny(Operation.GET)
    specification = keys.wrapping_specification(world.aes, encoding=keys.NO_ENCODING)
    got = world.client.do(keys.get_as(world.gcm, specification=specification)).expect_success()
    wrapped = keys.block_of(got).get(Tag.KEY_VALUE)
    body = structure(
        Tag.SYMMETRIC_KEY, keys.wrapped_block(wrapped, keys.wrapping_data(world.aes, encoding=keys.NO_ENCODING))
    )
    stored = world.client.do(ask.register(VERSION, ask.SYMMETRIC_KEY, body, ask.usage_mask(12))).unique_identifier
    clear = keys.get_as(stored, wrap_type=keys.NOT_WRAPPED)
    world.client.do(clear).expect_success()
    world.deny(Operation.GET, block_modes=["NISTKEYWRAP"])
    assert world.client.do(clear).reason == Reason.PERMISSION_DENIED


def test_parts_are_decided_by_the_parameters_of_the_first(world: World) -> None:
    world.deny(Operation.ENCRYPT)
    first = encrypted(world.aes, how(block_cipher_mode=ask.CBC, padding_method=PKCS5), IV)
    first = Request(first.operation, first.payload + boolean(Tag.INIT_INDICATOR, True))
    begun = world.client.do(first).expect_success().get(Tag.CORRELATION_VALUE)
    next_part = encrypted(world.aes, b"", octets(Tag.CORRELATION_VALUE, begun))
    world.deny(Operation.ENCRYPT, block_modes=[each for each in BLOCK_MODES if each != "CBC"])
    world.client.do(next_part).expect_success()
    world.deny(Operation.ENCRYPT, block_modes=["CBC"])
    assert world.client.do(next_part).reason == Reason.PERMISSION_DENIED


def test_a_rule_may_allow_some_parameters_and_no_others(world: World) -> None:
    rule = {
        "name": "ben encrypts in GCM",
        "effect": "allow",
        "subjects": ["client:ben"],
        "actions": ["ENCRYPT"],
        "resource": {"owners": ["alice"], "block_modes": ["GCM"]},
    }
    seen = {"name": "ben sees", "effect": "allow", "subjects": ["client:ben"], "actions": ["GET_ATTRIBUTES"]}
    document = tomli_w.dumps({"rules": [rule, seen]})
    world.engine.engine.services.ruling = Ruling(read_document(document, "here"))
    ben = world.engine.client(VERSION, "ben")
    ben.do(encrypted(world.gcm)).expect_success()
    assert ben.do(encrypted(world.gcm, how(block_cipher_mode=ECB))).reason == Reason.PERMISSION_DENIED
    assert ben.do(ask.get(world.gcm)).reason == Reason.PERMISSION_DENIED


def test_a_request_that_contradicts_itself_is_decided_and_then_refused(world: World) -> None:
    wrong = signed(world.private, how(hashing_algorithm=SHA_1, digital_signature_algorithm=5))
    world.deny(Operation.SIGN, hashes=["SHA_384"])
    assert world.client.do(wrong).reason == Reason.BAD_CRYPTOGRAPHIC_PARAMETERS
    world.deny(Operation.SIGN, hashes=["SHA_1"])
    assert world.client.do(wrong).reason == Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("names", "enumeration_of"),
    [
        (BLOCK_MODES, enumerations.BlockCipherMode),
        (PADDINGS, enumerations.PaddingMethod),
        (HASHES, enumerations.HashingAlgorithm),
        (SIGNATURES, enumerations.DigitalSignatureAlgorithm),
    ],
    ids=["block modes", "paddings", "hashes", "signatures"],
)
def test_the_names_are_the_standards(names: tuple[str, ...], enumeration_of: type[enumerations.PaddingMethod]) -> None:
    assert set(names) == {NONE, *[each.name for each in enumeration_of]}
