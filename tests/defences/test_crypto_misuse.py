"""D-14 to D-23: keys and ciphers used so that they would give something away. D-24 is in test_lifecycle_misuse.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from support import keys
from support import requests as ask
from support.defences import (
    ABOUT_AN_OBJECT,
    HMAC,
    IN_CBC,
    IV,
    MAC_GENERATE,
    MAC_VERIFY,
    VERSION,
    aes,
    attribute,
    derived,
    key_pair,
    made,
    refused,
    set_attribute,
    with_data,
)
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.server import Client
from support.wire import Result, boolean, enumeration, octets, structure

GCM = ask.parameters(ask.GCM, tag_length=16)


def test_d14_a_usage_mask_stays_as_it_was_made(mine: Session) -> None:
    """Wrap Key with Decrypt is allowed: docs/decisions/cryptography.md, 6; the template "strict" forbids it."""
    key = aes(mine)
    wider = ask.usage_mask(ask.ENCRYPT | ask.DECRYPT | keys.WRAP)
    refused(mine, ask.modify_attribute(VERSION, key, wider), Reason.ATTRIBUTE_READ_ONLY)
    for asked in (set_attribute(key, wider), ask.add_attribute(VERSION, key, wider)):
        refused(mine, asked, Reason.READ_ONLY_ATTRIBUTE)
    assert attribute(mine, key, Tag.CRYPTOGRAPHIC_USAGE_MASK) == ask.ENCRYPT | ask.DECRYPT


@pytest.mark.parametrize(
    ("operation", "bit"),
    [
        (Operation.ENCRYPT, ask.ENCRYPT),
        (Operation.DECRYPT, ask.DECRYPT),
        (Operation.MAC, MAC_GENERATE),
        (Operation.MAC_VERIFY, MAC_VERIFY),
        (Operation.DERIVE_KEY, keys.DERIVE),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_d15_each_use_needs_its_bit(mine: Session, operation: Operation, bit: int) -> None:
    key = aes(mine, mask=0x3BF & ~bit)
    refused(mine, ABOUT_AN_OBJECT[operation](key), Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK)


def test_d16_every_wrong_padding_has_one_answer(mine: Session) -> None:
    key, told = aes(mine), set()
    good = mine.do(ask.encrypt(key, b"0123456789", IN_CBC, IV)).expect_success().get(Tag.DATA)
    for last in range(256):
        answer = mine.do(ask.decrypt(key, good, IN_CBC, IV[:-1] + bytes([IV[-1] ^ last])))
        if not answer.ok:
            told.add((answer.reason, answer.message))
    for data in (b"", good[:-1], good + b"\0"):
        answer = mine.do(ask.decrypt(key, data, IN_CBC, IV))
        told.add((answer.reason, answer.message))
    assert [reason for reason, _ in told] == [Reason.CRYPTOGRAPHIC_FAILURE]


def with_aad(asked: Request, aad: bytes) -> Request:
    """The same with Authenticated Encryption Additional Data, which comes before the tag (s6.1.11)."""
    before, tag, after = asked.payload.partition(Tag.AUTHENTICATED_ENCRYPTION_TAG.to_bytes(3, "big"))
    added = octets(Tag.AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA, aad)
    return Request(asked.operation, before + added + tag + after)


def test_d17_nothing_is_decrypted_without_its_whole_tag(mine: Session) -> None:
    key, aad = aes(mine), b"about it"
    encrypted = mine.do(with_aad(ask.encrypt(key, b"secret", GCM, IV[:12]), aad)).expect_success()
    data, tag = encrypted.get(Tag.DATA), encrypted.get(Tag.AUTHENTICATED_ENCRYPTION_TAG)

    def decryption(iv: bytes = IV[:12], aad: bytes = aad, tag: bytes | None = tag) -> Request:
        return with_aad(ask.decrypt(key, data, GCM, iv, tag), aad)

    for wrong in (
        decryption(tag=tag[:-1] + bytes([tag[-1] ^ 1])),
        decryption(aad=b"about It"),
        decryption(aad=b""),
        decryption(iv=bytes(12)),
    ):
        assert refused(mine, wrong, Reason.CRYPTOGRAPHIC_FAILURE).payload is None
    for size in (0, 1, 4, 8, 11):
        refused(mine, decryption(tag=tag[:size]), Reason.BAD_CRYPTOGRAPHIC_PARAMETERS)
    for other in (None, tag + b"\0"):
        refused(mine, decryption(tag=other), Reason.BAD_CRYPTOGRAPHIC_PARAMETERS)
    assert mine.do(decryption()).expect_success().get(Tag.DATA) == b"secret"


def test_d17_a_stream_gives_nothing_away_before_its_tag_is_verified(mine: Session) -> None:
    key, text = aes(mine), bytes(range(64))
    encrypted = mine.do(ask.encrypt(key, text, GCM, IV[:12])).expect_success()
    data, tag = encrypted.get(Tag.DATA), encrypted.get(Tag.AUTHENTICATED_ENCRYPTION_TAG)

    def parts(tag: bytes) -> Result:
        """The answer to the last of two parts. The first is answered without data."""
        begun = boolean(Tag.INIT_INDICATOR, True) + octets(Tag.AUTHENTICATED_ENCRYPTION_TAG, tag)
        asked = Request(Operation.DECRYPT, ask.decrypt(key, data[:48], GCM, IV[:12]).payload + begun)
        first = mine.do(asked).expect_success()
        assert first.get(Tag.DATA) in (None, b"")
        stream = octets(Tag.CORRELATION_VALUE, first.get(Tag.CORRELATION_VALUE))
        last = octets(Tag.DATA, data[48:]) + stream + boolean(Tag.FINAL_INDICATOR, True)
        return mine.do(Request(Operation.DECRYPT, ask.identifier(key) + last))

    wrong = parts(bytes(16))
    assert (wrong.reason, wrong.payload) == (Reason.CRYPTOGRAPHIC_FAILURE, None)
    assert parts(tag).expect_success().get(Tag.DATA) == text


def test_d18_a_key_takes_an_iv_once(mine: Session) -> None:
    """docs/decisions/cryptography.md, 2."""
    key = aes(mine)
    mine.do(ask.encrypt(key, b"one", GCM, IV[:12])).expect_success()
    refused(mine, ask.encrypt(key, b"two", GCM, IV[:12]), Reason.BAD_CRYPTOGRAPHIC_PARAMETERS)
    assert len(mine.do(ask.encrypt(key, b"three", GCM)).expect_success().get(Tag.IV_COUNTER_NONCE)) == 12


@pytest.mark.parametrize("how", ["wrong", "truncated", "empty", "longer"])
def test_d19_a_wrong_mac_is_never_valid(mine: Session, how: str) -> None:
    key = aes(mine, mask=MAC_GENERATE | MAC_VERIFY)
    good = mine.do(with_data(Operation.MAC, HMAC)(key)).expect_success().get(Tag.MAC_DATA)
    bad = {"wrong": bytes(32), "truncated": good[:4], "empty": b"", "longer": good + b"\0"}[how]
    answer = mine.do(with_data(Operation.MAC_VERIFY, HMAC, octets(Tag.MAC_DATA, bad))(key))
    assert not answer.ok or answer.get(Tag.VALIDITY_INDICATOR) == 2, answer


MD5, TRIPLE_DES, HMAC_MD5, MD5_WITH_RSA = 3, 2, 0x0C, 2
UNSUPPORTED = Reason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS
BY_MD5 = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.HASHING_ALGORITHM, MD5))
BY_HMAC_MD5 = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, HMAC_MD5))
BY_NAME = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.DIGITAL_SIGNATURE_ALGORITHM, MD5_WITH_RSA))
LEGACY: dict[str, tuple[Callable[[Kept], Request], Reason]] = {
    "3DES, to encrypt": (lambda k: ask.encrypt(k.triple_des, bytes(8), IN_CBC, IV[:8]), UNSUPPORTED),
    "3DES, to decrypt": (lambda k: ask.decrypt(k.triple_des, bytes(8), IN_CBC, IV[:8]), UNSUPPORTED),
    "MD5 to sign": (lambda k: with_data(Operation.SIGN, BY_MD5)(k.private), UNSUPPORTED),
    "MD5 to sign, by its name": (lambda k: with_data(Operation.SIGN, BY_NAME)(k.private), UNSUPPORTED),
    "MD5 to verify": (
        lambda k: with_data(Operation.SIGNATURE_VERIFY, BY_MD5, octets(Tag.SIGNATURE_DATA, bytes(256)))(k.public),
        UNSUPPORTED,
    ),
    "HMAC-MD5": (lambda k: with_data(Operation.MAC, BY_HMAC_MD5)(k.aes), Reason.BAD_CRYPTOGRAPHIC_PARAMETERS),
    "HMAC-MD5 to verify": (
        lambda k: with_data(Operation.MAC_VERIFY, BY_HMAC_MD5, octets(Tag.MAC_DATA, bytes(16)))(k.aes),
        Reason.BAD_CRYPTOGRAPHIC_PARAMETERS,
    ),
    "MD5 of data": (
        lambda _: Request(Operation.HASH, BY_MD5 + octets(Tag.DATA, b"data")),
        Reason.CRYPTOGRAPHIC_FAILURE,
    ),
    "a new 3DES key": (
        lambda _: ask.create(VERSION, ask.algorithm(TRIPLE_DES), ask.length(168), ask.usage_mask(12)),
        Reason.INVALID_ATTRIBUTE_VALUE,
    ),
}
"""Where an operation's table has no Unsupported Cryptographic Parameters, it has another word."""


class Kept(NamedTuple):
    """Keys to be used."""

    aes: str
    triple_des: str
    private: str
    public: str


@pytest.fixture(scope="module")
def kept(client: Client) -> Kept:
    """What was registered long ago stays, and can be fetched."""
    with client.session(VERSION) as session:
        body = structure(Tag.SYMMETRIC_KEY, ask.key_block(bytes(range(24)), TRIPLE_DES, 168))
        old = made(session, ask.register(VERSION, ask.SYMMETRIC_KEY, body, ask.usage_mask(ask.ENCRYPT | ask.DECRYPT)))
        return Kept(aes(session, mask=0x3BF), old, *key_pair(session, private=0x3BF, public=0x3BF))


@pytest.mark.parametrize("title", LEGACY)
def test_d20_a_legacy_algorithm_is_neither_made_nor_used(mine: Session, kept: Kept, title: str) -> None:
    """docs/decisions/cryptography.md, 10. What a stricter policy denies is in test_algorithm_policy.py."""
    asked, reason = LEGACY[title]
    refused(mine, asked(kept), reason)


def test_d21_what_rsa_cannot_decrypt_tells_nothing(mine: Session) -> None:
    """Wrong OAEP has one answer; wrong PKCS #1 v1.5 decrypts to bytes that nobody encrypted."""
    private, public = key_pair(mine, private=ask.DECRYPT, public=ask.ENCRYPT)
    oaep, v1_5 = (keys.cryptographic_parameters(hashing=keys.SHA_256, padding=padding) for padding in (2, 8))
    good = mine.do(ask.encrypt(public, b"secret", oaep)).expect_success().get(Tag.DATA)
    wrong = [good[:-1] + bytes([good[-1] ^ 1]), bytes(256), bytes(255) + b"\1", good[:-1], b""]
    told = {(answer.reason, answer.message) for answer in (mine.do(ask.decrypt(private, data, oaep)) for data in wrong)}
    assert [reason for reason, _ in told] == [Reason.CRYPTOGRAPHIC_FAILURE]
    for data in wrong[:3]:
        assert mine.do(ask.decrypt(private, data, v1_5)).expect_success().get(Tag.DATA) != b"secret"
    assert mine.do(ask.decrypt(private, good, oaep)).expect_success().get(Tag.DATA) == b"secret"


def test_d22_nothing_short_is_derived_and_data_comes_from_one_place(mine: Session) -> None:
    """docs/decisions/cryptography.md, 8."""
    key, other = aes(mine, mask=keys.DERIVE), aes(mine, mask=keys.DERIVE)
    refused(mine, derived(key, bits=8, kind=ask.SECRET_DATA), Reason.INVALID_FIELD)
    secret = mine.do(ask.register_secret(VERSION, b"label", ask.activation_date(1), mask=keys.DERIVE)).unique_identifier
    refused(mine, derived(other, secret), Reason.INVALID_FIELD)


def test_d23_a_wrapped_key_that_was_changed_is_not_taken(mine: Session) -> None:
    kek, own = aes(mine, mask=keys.WRAP | keys.UNWRAP), aes(mine)
    specification = keys.wrapping_specification(kek, encoding=keys.NO_ENCODING)
    wrapped = keys.block_of(mine.do(keys.get_as(own, specification=specification))).get(Tag.KEY_VALUE)
    changed = bytes([wrapped[0] ^ 1]) + wrapped[1:]
    body = structure(Tag.SYMMETRIC_KEY, keys.wrapped_block(changed, keys.wrapping_data(kek, encoding=keys.NO_ENCODING)))
    count = len(mine.located())
    refused(mine, ask.register(VERSION, ask.SYMMETRIC_KEY, body, ask.usage_mask(12)), Reason.INVALID_FIELD)
    assert len(mine.located()) == count
