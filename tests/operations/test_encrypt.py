"""Encrypt with an IV: once for a key, whoever made it, where a second use would give something away.

docs/decisions/cryptography.md.
"""

from __future__ import annotations

import pytest
from support import keys
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.keys import block_of, get_as, wrapping_specification
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.wire import Result, boolean, enumeration, integer, structure

CHACHA20, CHACHA20_POLY1305 = 0x1C, 0x1E
CFB, OFB, CTR, CCM, AEAD = 4, 5, 6, 8, 18
NONCE = bytes(range(1, 13))


def active_key(client: EngineClient, algorithm: int) -> str:
    how = ask.algorithm(algorithm), ask.length(256), ask.usage_mask(ask.ENCRYPT | ask.DECRYPT)
    key = client.do(ask.create(client.version, *how)).unique_identifier
    client.do(ask.activate(key)).expect_success()
    return key


def how(*, mode: int | None = None, start: int | None = None) -> bytes:
    return structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        b"" if mode is None else enumeration(Tag.BLOCK_CIPHER_MODE, mode),
        b"" if start is None else integer(Tag.INITIAL_COUNTER_VALUE, start),
    )


def encrypt(client: EngineClient, key: str, iv: bytes, **given: int) -> Result:
    return client.do(ask.encrypt(key, b"sixteen bytes...", how(**given), iv))


def first_part(client: EngineClient, key: str, iv: bytes) -> Result:
    asked = ask.encrypt(key, b"part", how(), iv)
    return client.do(Request(Operation.ENCRYPT, asked.payload + boolean(Tag.INIT_INDICATOR, True)))


def is_refused(answer: Result) -> bool:
    return bool(answer.reason == Reason.BAD_CRYPTOGRAPHIC_PARAMETERS and "before" in answer.message)


@pytest.mark.parametrize(
    ("algorithm", "mode", "iv"),
    [
        (ask.AES, CTR, bytes(16)),
        (ask.AES, CCM, NONCE),
        (ask.AES, ask.GCM, NONCE),
        (CHACHA20, None, bytes(8)),
        (CHACHA20, None, NONCE),
        (CHACHA20, None, bytes(16)),
        (CHACHA20_POLY1305, None, NONCE),
        (CHACHA20_POLY1305, AEAD, NONCE),
    ],
)
def test_a_key_encrypts_once_with_an_iv(engine: EngineHarness, algorithm: int, mode: int | None, iv: bytes) -> None:
    client = engine.client()
    key, other = active_key(client, algorithm), active_key(client, algorithm)
    given = {} if mode is None else {"mode": mode}
    encrypt(client, key, iv, **given).expect_success()
    assert is_refused(encrypt(client, key, iv, **given))
    encrypt(client, key, iv[:5] + b"\xff" + iv[6:], **given).expect_success()
    encrypt(client, other, iv, **given).expect_success()


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (bytes(16), bytes(15) + b"\x01"),
        (bytes(12) + b"\0\0\0\xff", bytes(16)),
        (NONCE + bytes(4), NONCE + b"\x7f\xff\xff\xff"),
        (NONCE + b"\xff\xff\xff\xff", NONCE[:-1] + b"\x0d" + bytes(4)),
        (NONCE[:-1] + b"\x0d" + bytes(4), NONCE + b"\x80\0\0\x01"),
        (b"\xff" * 16, bytes(16)),
    ],
)
def test_counters_that_may_meet_are_the_same_iv(engine: EngineHarness, first: bytes, again: bytes) -> None:
    """In CTR it is the counter that must not come again, and it counts on from the IV (SP 800-38A, appendix B)."""
    client = engine.client()
    key = active_key(client, ask.AES)
    encrypt(client, key, first, mode=CTR).expect_success()
    assert is_refused(encrypt(client, key, again, mode=CTR))


def test_counters_that_cannot_meet_are_different_ivs(engine: EngineHarness) -> None:
    client = engine.client()
    key = active_key(client, ask.AES)
    for nonce in (bytes(12), bytes(11) + b"\x01", bytes(11) + b"\x02", b"\x01" + bytes(11)):
        encrypt(client, key, nonce + bytes(4), mode=CTR).expect_success()


def test_a_shorter_iv_for_ctr_meets_the_counters_of_a_whole_one(engine: EngineHarness) -> None:
    client = engine.client()
    key = active_key(client, ask.AES)
    encrypt(client, key, bytes(8), mode=CTR, start=1).expect_success()
    assert is_refused(encrypt(client, key, bytes(16), mode=CTR))
    assert is_refused(encrypt(client, key, bytes(12), mode=CTR, start=7))


def test_the_blocks_of_gcm_are_not_had_from_ctr(engine: EngineHarness) -> None:
    """GCM is CTR from the nonce and the counter 2 on (SP 800-38D s7.1)."""
    client = engine.client()
    key = active_key(client, ask.AES)
    encrypt(client, key, NONCE, mode=ask.GCM).expect_success()
    assert is_refused(encrypt(client, key, NONCE + b"\0\0\0\x02", mode=CTR))


def test_a_chacha20_counter_that_passes_32_bits_meets_the_next_nonce(engine: EngineHarness) -> None:
    client = engine.client()
    key = active_key(client, CHACHA20)
    encrypt(client, key, b"\xff\xff\xff\xff" + NONCE).expect_success()
    assert is_refused(encrypt(client, key, bytes(4) + b"\x02" + NONCE[1:]))


def encrypt_here(client: EngineClient, key: str, how: bytes) -> bytes:
    """Encrypt with an IV that is made here; answer it."""
    iv: bytes = client.do(ask.encrypt(key, b"sixteen bytes...", how)).expect_success().get(Tag.IV_COUNTER_NONCE)
    return iv


@pytest.mark.parametrize(
    ("algorithm", "mode"),
    [(ask.AES, CTR), (ask.AES, CCM), (ask.AES, ask.GCM), (CHACHA20, None), (CHACHA20_POLY1305, None)],
)
def test_after_an_iv_that_was_made_here_a_key_takes_none_from_callers(
    engine: EngineHarness, algorithm: int, mode: int | None
) -> None:
    client = engine.client()
    key = active_key(client, algorithm)
    given = {} if mode is None else {"mode": mode}
    encrypt(client, key, bytes(12 if mode != CTR else 16), **given).expect_success()
    iv = encrypt_here(client, key, how(**given))
    for other in (iv, bytes([iv[0] ^ 1]) + iv[1:]):
        refused = encrypt(client, key, other, **given)
        assert refused.reason == Reason.BAD_CRYPTOGRAPHIC_PARAMETERS
        assert refused.message and "made here" in refused.message
    assert encrypt_here(client, key, how(**given)) != iv


def test_an_iv_that_was_made_here_for_parts_is_one_that_was_made_here(engine: EngineHarness) -> None:
    client = engine.client()
    key = active_key(client, ask.AES)
    asked = ask.encrypt(key, b"part", how(mode=ask.GCM))
    begun = client.do(Request(Operation.ENCRYPT, asked.payload + boolean(Tag.INIT_INDICATOR, True))).expect_success()
    assert not encrypt(client, key, begun.get(Tag.IV_COUNTER_NONCE), mode=ask.GCM).ok


def test_an_iv_with_which_a_key_was_wrapped_does_not_encrypt(engine: EngineHarness) -> None:
    """It would give the key stream that hides the wrapped key."""
    client = engine.client()
    wrapping = client.do(ask.create_aes((2, 1), mask=ask.ENCRYPT | keys.WRAP)).unique_identifier
    client.do(ask.activate(wrapping)).expect_success()
    specification = wrapping_specification(wrapping, how(mode=ask.GCM))
    wrapped = block_of(client.do(get_as(active_key(client, ask.AES), specification=specification)))
    iv = wrapped.get(Tag.KEY_WRAPPING_DATA, Tag.IV_COUNTER_NONCE)
    assert not encrypt(client, wrapping, iv, mode=ask.GCM).ok
    assert not encrypt(client, wrapping, iv + b"\0\0\0\x02", mode=CTR).ok


def test_modes_that_bear_a_repeated_iv_leave_callers_theirs(engine: EngineHarness) -> None:
    client = engine.client()
    key = active_key(client, ask.AES)
    padded = ask.parameters(ask.CBC, padding=3)
    iv = encrypt_here(client, key, padded)
    client.do(ask.encrypt(key, b"again", padded, iv)).expect_success()
    encrypt(client, key, NONCE, mode=ask.GCM).expect_success()


@pytest.mark.parametrize("mode", [ask.CBC, CFB, OFB])
def test_modes_in_which_old_clients_repeat_an_iv_take_it_again(engine: EngineHarness, mode: int) -> None:
    client = engine.client()
    key = active_key(client, ask.AES)
    for _ in range(2):
        encrypt(client, key, bytes(16), mode=mode).expect_success()


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (bytes(4) + NONCE[:8], NONCE[:8]),
        (NONCE[:8], bytes(8) + NONCE[:8]),
        (NONCE, b"\x07\0\0\0" + NONCE),
    ],
)
def test_a_chacha20_nonce_is_the_same_in_each_of_its_lengths(engine: EngineHarness, first: bytes, again: bytes) -> None:
    client = engine.client()
    key = active_key(client, CHACHA20)
    encrypt(client, key, first).expect_success()
    assert is_refused(encrypt(client, key, again))


def test_another_initial_counter_value_makes_no_other_nonce(engine: EngineHarness) -> None:
    client = engine.client()
    key = active_key(client, CHACHA20)
    encrypt(client, key, NONCE, start=5).expect_success()
    assert is_refused(encrypt(client, key, NONCE, start=6))


def test_a_message_in_parts_takes_its_iv_like_a_whole_one(engine: EngineHarness) -> None:
    client = engine.client()
    key = active_key(client, CHACHA20)
    first_part(client, key, NONCE).expect_success()
    assert is_refused(encrypt(client, key, NONCE))
    assert is_refused(first_part(client, key, NONCE))


def test_an_encryption_that_fails_takes_no_iv(engine: EngineHarness) -> None:
    client = engine.client()
    key = active_key(client, CHACHA20)
    assert client.do(ask.encrypt(key, b"x", how(mode=CTR), NONCE)).reason is not None
    encrypt(client, key, NONCE).expect_success()


def test_decryption_takes_the_same_iv_as_often_as_it_is_asked_to(engine: EngineHarness) -> None:
    client = engine.client()
    key = active_key(client, CHACHA20)
    sealed = encrypt(client, key, NONCE).get(Tag.DATA)
    for _ in range(2):
        assert client.do(ask.decrypt(key, sealed, how(), NONCE)).get(Tag.DATA) == b"sixteen bytes..."
