"""Encrypt, Decrypt, Sign, Signature Verify, MAC, MAC Verify, Hash, RNG Retrieve, RNG Seed (KMIP 2.1 s6.1, 1.4 s11)."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from own_requests import (
    ABSENT,
    MAC_GENERATE,
    MAC_VERIFY,
    SHA_256,
    Refusal,
    data,
    key_pair,
    mac,
    mac_verify,
    opaque,
    refused,
    registered,
    sign,
    signature_verify,
    with_parameters,
)
from support.numbers import Operation, Reason, Tag
from support.requests import CBC, DECRYPT, ENCRYPT, GCM, Request, Session, decrypt, encrypt, parameters
from support.wire import integer, octets

MISSING = (Reason.OBJECT_NOT_FOUND, Reason.ITEM_NOT_FOUND)
MASK = (Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK, Reason.PERMISSION_DENIED)
STATE = (Reason.WRONG_KEY_LIFECYCLE_STATE, Reason.PERMISSION_DENIED)
TYPE = (Reason.INVALID_OBJECT_TYPE, Reason.PERMISSION_DENIED)
KEY, IV, TEXT = bytes(range(32)), bytes(16), b"sixteen bytes..."
PKCS5 = 3
CBC_PADDED = parameters(CBC, padding=PKCS5)


REFUSED = {
    "Encrypt: no such object": Refusal(lambda s: encrypt(ABSENT, TEXT, CBC_PADDED, IV), *MISSING),
    "Encrypt: a key that may only decrypt": Refusal(
        lambda s: encrypt(registered(s, KEY, mask=DECRYPT), TEXT, CBC_PADDED, IV), *MASK
    ),
    "Encrypt: a Pre-Active key": Refusal(lambda s: encrypt(s.create_aes(), TEXT, CBC_PADDED, IV), *STATE),
    "Encrypt: an Opaque Object": Refusal(lambda s: encrypt(opaque(s), TEXT, CBC_PADDED, IV), *TYPE),
    "Decrypt: no such object": Refusal(lambda s: decrypt(ABSENT, TEXT, CBC_PADDED, IV), *MISSING),
    "Decrypt: a key that may only encrypt": Refusal(
        lambda s: decrypt(registered(s, KEY, mask=ENCRYPT), TEXT, CBC_PADDED, IV), *MASK
    ),
    "Decrypt: a Pre-Active key": Refusal(lambda s: decrypt(s.create_aes(), TEXT, CBC_PADDED, IV), *STATE),
    "Decrypt: data that is not padded": Refusal(
        lambda s: decrypt(registered(s, KEY, mask=DECRYPT), TEXT, CBC_PADDED, IV), Reason.CRYPTOGRAPHIC_FAILURE
    ),
    "Sign: no such object": Refusal(lambda s: sign(ABSENT, TEXT), *MISSING),
    "Sign: a key that may not sign": Refusal(lambda s: sign(key_pair(s)[1], TEXT), *MASK),
    "Sign: a Pre-Active key": Refusal(lambda s: sign(key_pair(s, active=False)[0], TEXT), *STATE),
    "Signature Verify: no such object": Refusal(lambda s: signature_verify(ABSENT, TEXT, TEXT), *MISSING),
    "Signature Verify: a key that may not verify": Refusal(
        lambda s: signature_verify(key_pair(s)[0], TEXT, TEXT), *MASK
    ),
    "MAC: no such object": Refusal(lambda s: mac(ABSENT, TEXT), *MISSING),
    "MAC: a key that may only verify": Refusal(lambda s: mac(registered(s, KEY, mask=MAC_VERIFY), TEXT), *MASK),
    "MAC: a Pre-Active key": Refusal(lambda s: mac(registered(s, KEY, mask=MAC_GENERATE, active=False), TEXT), *STATE),
    "MAC Verify: no such object": Refusal(lambda s: mac_verify(ABSENT, TEXT, TEXT), *MISSING),
    "MAC Verify: a key that may only make": Refusal(
        lambda s: mac_verify(registered(s, KEY, mask=MAC_GENERATE), TEXT, TEXT), *MASK
    ),
    "Encrypt: a stream that was never begun": Refusal(
        lambda s: Request(
            Operation.ENCRYPT,
            encrypt(s.create_aes(active=True), TEXT, parameters(GCM, tag_length=16)).payload
            + octets(Tag.CORRELATION_VALUE, b"none"),
        ),
        Reason.INVALID_CORRELATION_VALUE,
        Reason.ITEM_NOT_FOUND,
    ),
}


@pytest.mark.parametrize("refusal", REFUSED.values(), ids=REFUSED.keys())
def test_a_key_is_used_for_what_it_is_and_no_more(both: Session, refusal: Refusal) -> None:
    refused(both, refusal)


def test_what_is_encrypted_is_decrypted(both: Session) -> None:
    key = both.create_aes(active=True)
    for how, iv in ((CBC_PADDED, IV), (parameters(GCM, tag_length=16), bytes(12))):
        made = both.do(encrypt(key, TEXT, how, iv)).expect_success()
        tag = made.get(Tag.AUTHENTICATED_ENCRYPTION_TAG)
        assert both.do(decrypt(key, made.get(Tag.DATA), how, iv, tag)).expect_success().get(Tag.DATA) == TEXT


def test_a_random_iv_is_made_by_the_server_and_answered(both: Session) -> None:
    key = both.create_aes(active=True)
    how = parameters(GCM, tag_length=16, random_iv=True)
    made = [both.do(encrypt(key, TEXT, how)).expect_success() for _ in range(2)]
    ivs = [result.get(Tag.IV_COUNTER_NONCE) for result in made]
    assert len(set(ivs)) == 2
    assert all(len(iv) == 12 for iv in ivs)


def test_a_signature_is_valid_for_its_data_only(both: Session) -> None:
    private, public = key_pair(both)
    signature = both.do(sign(private, TEXT)).expect_success().get(Tag.SIGNATURE_DATA)
    assert both.do(signature_verify(public, TEXT, signature)).expect_success().get(Tag.VALIDITY_INDICATOR) == 1
    assert both.do(signature_verify(public, b"other", signature)).expect_success().get(Tag.VALIDITY_INDICATOR) == 2


def test_a_mac_is_the_hmac_and_is_verified(both: Session) -> None:
    key = registered(both, KEY, mask=MAC_GENERATE | MAC_VERIFY)
    made = both.do(mac(key, TEXT)).expect_success().get(Tag.MAC_DATA)
    assert made == hmac.digest(KEY, TEXT, "sha256")
    assert both.do(mac_verify(key, TEXT, made)).expect_success().get(Tag.VALIDITY_INDICATOR) == 1
    assert both.do(mac_verify(key, b"other", made)).expect_success().get(Tag.VALIDITY_INDICATOR) == 2


def test_a_hash_needs_no_key(both: Session) -> None:
    asked = with_parameters(Operation.HASH, None, {Tag.HASHING_ALGORITHM: SHA_256}, data(TEXT))
    result = both.do(asked).expect_success()
    assert result.get(Tag.DATA) == hashlib.sha256(TEXT).digest()


def test_random_bytes_are_as_many_as_asked_and_never_the_same(both: Session) -> None:
    asked = Request(Operation.RNG_RETRIEVE, integer(Tag.DATA_LENGTH, 32))
    made = {both.do(asked).expect_success().get(Tag.DATA) for _ in range(3)}
    assert len(made) == 3
    assert all(len(value) == 32 for value in made)


def test_a_seed_is_taken_or_refused_in_the_standards_way(both: Session) -> None:
    result = both.do(Request(Operation.RNG_SEED, octets(Tag.DATA, bytes(32))))
    if result.ok:
        assert 0 <= result.get(Tag.DATA_LENGTH) <= 32
    else:
        assert result.reason == Reason.PERMISSION_DENIED
