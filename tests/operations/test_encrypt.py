"""Encrypt with an IV that the caller brings: once for a key, where a second use would give something away.

docs/decisions/cryptography.md.
"""

from __future__ import annotations

import pytest
from support import requests as ask
from support.engine import EngineClient, EngineHarness
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
    encrypt(client, key, iv[:-1] + b"\xff", **given).expect_success()
    encrypt(client, other, iv, **given).expect_success()


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
