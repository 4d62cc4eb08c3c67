"""Authenticated encryption before KMIP 1.4, whose messages have no Authenticated Encryption Tag: it ends the data."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.wire import Result, Version, boolean, octets

OLD: tuple[Version, ...] = ((1, 2), (1, 3))
PLAINTEXT, IV = b"a plaintext of 25 bytes..", bytes(range(12))


def active_key(client: EngineClient) -> str:
    key = client.do(ask.create_aes(client.version)).unique_identifier
    client.do(ask.activate(key)).expect_success()
    return key


def encrypt(client: EngineClient, key: str, tag_length: int | None = None) -> Result:
    how = ask.parameters(ask.GCM, tag_length=tag_length)
    return client.do(ask.encrypt(key, PLAINTEXT, how, IV)).expect_success()


def decrypt(client: EngineClient, key: str, data: bytes, tag_length: int | None = None) -> Result:
    return client.do(ask.decrypt(key, data, ask.parameters(ask.GCM, tag_length=tag_length), IV))


@pytest.mark.parametrize("tag_length", [None, 12, 16])
@pytest.mark.parametrize("version", OLD, ids=str)
def test_the_tag_is_the_end_of_the_ciphertext(engine: EngineHarness, version: Version, tag_length: int | None) -> None:
    client = engine.client(version)
    key = active_key(client)
    made = encrypt(client, key, tag_length)
    assert made.get(Tag.AUTHENTICATED_ENCRYPTION_TAG) is None
    sealed, size = made.get(Tag.DATA), tag_length or 16
    assert len(sealed) == len(PLAINTEXT) + size
    assert decrypt(client, key, sealed, tag_length).get(Tag.DATA) == PLAINTEXT
    newer = engine.client((1, 4))
    opened = newer.do(ask.decrypt(key, sealed[:-size], ask.parameters(ask.GCM), IV, sealed[-size:]))
    assert opened.get(Tag.DATA) == PLAINTEXT


@pytest.mark.parametrize("version", OLD, ids=str)
def test_data_that_was_changed_or_cut_is_not_decrypted(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = active_key(client)
    sealed = encrypt(client, key).get(Tag.DATA)
    for damaged in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:15], b"", bytes(16)):
        assert decrypt(client, key, damaged).reason == Reason.CRYPTOGRAPHIC_FAILURE


def test_the_tag_has_a_field_of_its_own_since_1_4(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    made = encrypt(client, active_key(client))
    assert (len(made.get(Tag.DATA)), len(made.get(Tag.AUTHENTICATED_ENCRYPTION_TAG))) == (len(PLAINTEXT), 16)


def part(
    operation: Operation, key: str, data: bytes, stream: bytes | None, *, first: bool = False, last: bool = False
) -> Request:
    return Request(
        operation,
        ask.identifier(key)
        + (ask.parameters(ask.GCM) if first else b"")
        + octets(Tag.DATA, data)
        + (octets(Tag.IV_COUNTER_NONCE, IV) if first else b"")
        + (b"" if stream is None else octets(Tag.CORRELATION_VALUE, stream))
        + (boolean(Tag.INIT_INDICATOR, True) if first else b"")
        + (boolean(Tag.FINAL_INDICATOR, True) if last else b""),
    )


def in_two_parts(
    client: EngineClient, operation: Operation, key: str, data: bytes, cut: int
) -> tuple[bytes, int | None]:
    """The operation on data in two parts: the data of both answers, and why the last one failed."""
    first = client.do(part(operation, key, data[:cut], None, first=True)).expect_success()
    early = first.get(Tag.DATA) or b""
    assert not early or operation is Operation.ENCRYPT
    last = client.do(part(operation, key, data[cut:], first.get(Tag.CORRELATION_VALUE), last=True))
    return early + (last.get(Tag.DATA) or b""), last.reason


@pytest.mark.parametrize("cut", [1, 20, 30])
def test_the_tag_is_the_end_of_the_last_part(engine: EngineHarness, cut: int) -> None:
    client = engine.client((1, 3))
    key = active_key(client)
    sealed, _ = in_two_parts(client, Operation.ENCRYPT, key, PLAINTEXT, 10)
    assert len(sealed) == len(PLAINTEXT) + 16
    assert in_two_parts(client, Operation.DECRYPT, key, sealed, cut) == (PLAINTEXT, None)
    for damaged in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:-1], sealed[:12]):
        refused = in_two_parts(client, Operation.DECRYPT, key, damaged, min(cut, 11))
        assert refused == (b"", Reason.CRYPTOGRAPHIC_FAILURE)
