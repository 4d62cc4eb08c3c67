"""D-20: under the template "cnsa2" nothing is computed outside its set, with keys that were there before neither.

Everything is asked of one server before the template is in force, and again after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import pytest
from support import keys
from support import requests as ask
from support.databases import Databases
from support.defences import IV, VERSION, aes, key_pair, refused
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.server import RunningServer
from support.wire import Result, enumeration, integer, octets, structure

EVERYTHING: Final = 0x3BF
ECB, OFB, CMAC = 2, 5, 7
OAEP, PKCS1, PSS = 2, 8, 10
SHA_1, SHA_256, SHA_384 = 4, 6, 7
HMAC_SHA1, HMAC_SHA384 = 0x07, 0x0A
DATA: Final = octets(Tag.DATA, bytes(32))


class Keys(NamedTuple):
    """Keys of a client of the server, made before the template was in force."""

    aes: str
    private: str
    public: str


def with_key(operation: int, key: str, how: dict[str, int], *more: bytes) -> Request:
    """An operation on some data, with these Cryptographic Parameters."""
    named = [enumeration(Tag[name.upper()], value) for name, value in how.items()]
    parameters = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, *named)
    return Request(operation, ask.identifier(key) + parameters + DATA + b"".join(more))


def derived(key: str, hashing: int) -> Request:
    """Derive Key by PBKDF2."""
    how = keys.cryptographic_parameters(hashing=hashing), octets(Tag.SALT, bytes(16)), integer(Tag.ITERATION_COUNT, 1)
    return Request(
        Operation.DERIVE_KEY,
        enumeration(Tag.OBJECT_TYPE, ask.SECRET_DATA)
        + ask.identifier(key)
        + enumeration(Tag.DERIVATION_METHOD, 1)
        + structure(Tag.DERIVATION_PARAMETERS, *how)
        + ask.attributes(VERSION, ask.length(256)),
    )


def wrapped(key: str, by: str, how: bytes) -> Request:
    return keys.get_as(key, specification=keys.wrapping_specification(by, how))


def hashed(hashing: int) -> Request:
    return Request(Operation.HASH, keys.cryptographic_parameters(hashing=hashing) + DATA)


Asked = Callable[[Keys], Request]
OUTSIDE: Final[dict[str, Asked]] = {
    "ECB": lambda k: with_key(Operation.ENCRYPT, k.aes, {"block_cipher_mode": ECB}),
    "ECB, to decrypt": lambda k: with_key(Operation.DECRYPT, k.aes, {"block_cipher_mode": ECB}),
    "OFB": lambda k: with_key(Operation.ENCRYPT, k.aes, {"block_cipher_mode": OFB}, octets(Tag.IV_COUNTER_NONCE, IV)),
    "PKCS #1 v1.5": lambda k: with_key(Operation.ENCRYPT, k.public, {"padding_method": PKCS1}),
    "PKCS #1 v1.5, to decrypt": lambda k: Request(
        Operation.DECRYPT,
        ask.identifier(k.private) + keys.cryptographic_parameters(padding=PKCS1) + octets(Tag.DATA, bytes(255) + b"\1"),
    ),
    "OAEP with its SHA-1": lambda k: with_key(Operation.ENCRYPT, k.public, {"padding_method": OAEP}),
    "OAEP with SHA-1 for the mask": lambda k: with_key(
        Operation.ENCRYPT,
        k.public,
        {"padding_method": OAEP, "hashing_algorithm": SHA_384, "mask_generator_hashing_algorithm": SHA_1},
    ),
    "a signature with SHA-1": lambda k: with_key(
        Operation.SIGN, k.private, {"padding_method": PSS, "hashing_algorithm": SHA_1}
    ),
    "a signature with SHA-256, by its name": lambda k: with_key(
        Operation.SIGN, k.private, {"digital_signature_algorithm": 5}
    ),
    "a signature of PKCS #1 v1.5": lambda k: with_key(Operation.SIGN, k.private, {"hashing_algorithm": SHA_384}),
    "a signature with SHA-1, to verify": lambda k: with_key(
        Operation.SIGNATURE_VERIFY,
        k.public,
        {"padding_method": PSS, "hashing_algorithm": SHA_1},
        octets(Tag.SIGNATURE_DATA, bytes(256)),
    ),
    "HMAC-SHA-1": lambda k: with_key(Operation.MAC, k.aes, {"cryptographic_algorithm": HMAC_SHA1}),
    "HMAC-SHA-1, to verify": lambda k: with_key(
        Operation.MAC_VERIFY, k.aes, {"cryptographic_algorithm": HMAC_SHA1}, octets(Tag.MAC_DATA, bytes(20))
    ),
    "SHA-256": lambda _: hashed(SHA_256),
    "PBKDF2 with SHA-1": lambda k: derived(k.aes, SHA_1),
    "a key wrapped with the SHA-1 of OAEP": lambda k: wrapped(
        k.aes, k.public, keys.cryptographic_parameters(padding=OAEP)
    ),
    "AES-128": lambda _: ask.create_aes(VERSION, bits=128),
    "RSA": lambda _: ask.create_key_pair(VERSION, [ask.algorithm(ask.RSA), ask.length(2048)], 1, 2),
}
"""What the template denies, and the default policy allows."""

MADE: Final = frozenset({"AES-128", "RSA"})

INSIDE: Final[dict[str, Asked]] = {
    "GCM": lambda k: with_key(Operation.ENCRYPT, k.aes, {"block_cipher_mode": ask.GCM}),
    "OAEP with SHA-384": lambda k: with_key(
        Operation.ENCRYPT, k.public, {"padding_method": OAEP, "hashing_algorithm": SHA_384}
    ),
    "PSS with SHA-384": lambda k: with_key(
        Operation.SIGN, k.private, {"padding_method": PSS, "hashing_algorithm": SHA_384}
    ),
    "HMAC-SHA-384": lambda k: with_key(Operation.MAC, k.aes, {"cryptographic_algorithm": HMAC_SHA384}),
    "CMAC": lambda k: with_key(Operation.MAC, k.aes, {"block_cipher_mode": CMAC}),
    "SHA-384": lambda _: hashed(SHA_384),
    "PBKDF2 with SHA-384": lambda k: derived(k.aes, SHA_384),
    "a key": lambda k: ask.get(k.aes),
    "a wrapped key": lambda k: wrapped(k.private, k.aes, keys.NIST),
    "AES-256": lambda _: ask.create_aes(VERSION),
}
"""What the template leaves alone."""


class Before(NamedTuple):
    """A session with a server that has the template in force, and what it answered before it had."""

    session: Session
    keys: Keys
    answered: dict[str, Result]


@pytest.fixture(scope="module")
def before(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Before]:
    folder = tmp_path_factory.mktemp("cnsa2")
    running = RunningServer(databases, folder)
    running.start()
    with running.add_client("client").session(VERSION) as session:
        made = Keys(aes(session, mask=EVERYTHING), *key_pair(session, private=EVERYTHING, public=EVERYTHING))
        answered = {title: session.do(asked(made)) for title, asked in {**OUTSIDE, **INSIDE}.items()}
        (folder / "policy.toml").write_text('templates = ["cnsa2"]\n')
        running.command("policy", "import", str(running.data), str(folder / "policy.toml"))
        yield Before(session, made, answered)
    running.stop()


@pytest.mark.parametrize("title", OUTSIDE)
def test_d20_what_is_outside_the_set_is_denied_and_only_by_the_template(before: Before, title: str) -> None:
    before.answered[title].expect_success()
    reason = Reason.INVALID_ATTRIBUTE_VALUE if title in MADE else Reason.PERMISSION_DENIED
    answer = refused(before.session, OUTSIDE[title](before.keys), reason)
    if title not in MADE:
        assert "with these Cryptographic Parameters (42002B)" in answer.message


@pytest.mark.parametrize("title", INSIDE)
def test_d20_what_is_in_the_set_is_done_before_and_after(before: Before, title: str) -> None:
    before.answered[title].expect_success()
    before.session.do(INSIDE[title](before.keys)).expect_success()
