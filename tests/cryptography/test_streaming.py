"""Operations in parts give what one part gives, release nothing early, and end for good."""

from __future__ import annotations

import os
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmip_server.cryptography import macs, signing, symmetric
from kmip_server.cryptography.algorithms import CIPHERS
from kmip_server.cryptography.failures import DECRYPTION_FAILED
from kmip_server.cryptography.generation import generate_key_pair
from kmip_server.cryptography.key_formats import PrivateKey, PublicKey, load_private_key, load_public_key
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.cryptography.streaming import (
    DecryptStream,
    EncryptStream,
    HashStream,
    MacStream,
    SignStream,
    VerifyStream,
)
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import BlockCipherMode as Mode
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import HashingAlgorithm, KeyFormatType, PaddingMethod, ResultReason

BAD = ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS
ENDED = ResultReason.INVALID_CORRELATION_VALUE
KEY, IV = bytes(range(32)), bytes(range(16))
GCM = CryptographicParameters(block_cipher_mode=Mode.GCM)
CBC = CryptographicParameters(block_cipher_mode=Mode.CBC, padding_method=PaddingMethod.PKCS5)
SHA_256 = CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_256)

ROWS = [(algorithm, mode) for algorithm, cipher in CIPHERS.items() for mode in cipher.modes]
PARTS = st.lists(st.binary(max_size=40), min_size=1, max_size=6)


@pytest.mark.parametrize(("algorithm", "mode"), ROWS)
@settings(max_examples=25)
@given(parts=PARTS)
def test_every_mode_in_parts_gives_what_it_gives_in_one(
    algorithm: Algorithm, mode: Mode | None, parts: list[bytes]
) -> None:
    row = CIPHERS[algorithm].modes[mode]
    key = (KEY + KEY[::-1])[: CIPHERS[algorithm].material_length((row.key_lengths or CIPHERS[algorithm].lengths)[0])]
    asked = CryptographicParameters(block_cipher_mode=mode, padding_method=PaddingMethod.PKCS5)
    parts = [*parts, bytes(-len(b"".join(parts)) % 8 + 16)]
    iv, aad = (IV[: row.random_iv] or None), (b"aad" if row.tags else b"")

    stream = EncryptStream(algorithm, key, asked, iv=iv, aad=aad)
    pieces = [stream.update(part) for part in parts[:-1]]
    last = stream.finish(parts[-1])
    expected = symmetric.encrypt(algorithm, key, b"".join(parts), asked, iv=iv, aad=aad)
    assert b"".join(pieces) + last.data == expected.data
    assert last.tag == expected.tag

    back = DecryptStream(algorithm, key, asked, iv=iv, aad=aad, tag=last.tag)
    sealed = expected.data
    opened = [back.update(sealed[:5]), back.update(sealed[5:]), back.finish()]
    assert b"".join(opened) == b"".join(parts)


def test_a_random_iv_is_told_when_the_stream_begins() -> None:
    asked = CryptographicParameters(block_cipher_mode=Mode.GCM, random_iv=True)
    stream = EncryptStream(Algorithm.AES, KEY, asked)
    assert len(stream.iv or b"") == 12
    sealed = stream.finish(b"data")
    assert sealed.iv == stream.iv
    opened = symmetric.decrypt(Algorithm.AES, KEY, sealed.data, GCM, iv=stream.iv, tag=sealed.tag)
    assert opened == b"data"


@pytest.mark.parametrize(
    ("algorithm", "mode"), [(Algorithm.AES, Mode.GCM), (Algorithm.AES, Mode.CCM), (Algorithm.CHACHA20POLY1305, None)]
)
def test_nothing_is_released_before_the_tag_is_verified(algorithm: Algorithm, mode: Mode | None) -> None:
    asked = CryptographicParameters(block_cipher_mode=mode)
    sealed = symmetric.encrypt(algorithm, KEY, os.urandom(1000), asked, iv=IV[:12])
    stream = DecryptStream(algorithm, KEY, asked, iv=IV[:12], tag=bytes(16))
    assert [stream.update(sealed.data[i : i + 100]) for i in range(0, 1000, 100)] == [b""] * 10
    with pytest.raises(KmipError) as failed:
        stream.finish()
    assert (failed.value.reason, failed.value.message) == (ResultReason.CRYPTOGRAPHIC_FAILURE, DECRYPTION_FAILED)


def test_the_tag_comes_with_the_first_part() -> None:
    with pytest.raises(KmipError) as refused:
        DecryptStream(Algorithm.AES, KEY, GCM, iv=IV)
    assert refused.value.reason is BAD


def test_what_must_be_kept_has_a_cap() -> None:
    sealed = DecryptStream(Algorithm.AES, KEY, GCM, iv=IV, tag=bytes(16), maximum_kept=100)
    ccm = CryptographicParameters(block_cipher_mode=Mode.CCM)
    plain = EncryptStream(Algorithm.AES, KEY, ccm, iv=IV[:12], maximum_kept=100)
    edwards = SignStream(keys(Algorithm.ED25519)[0], maximum_kept=100)
    for stream in (sealed, plain, edwards):
        stream.update(bytes(100))
        with pytest.raises(KmipError) as refused:
            stream.update(b"x")
        assert refused.value.reason is ResultReason.FEATURE_NOT_SUPPORTED


def test_running_modes_keep_nothing() -> None:
    stream = EncryptStream(Algorithm.AES, KEY, GCM, iv=IV, maximum_kept=0)
    assert len(stream.update(bytes(1000))) == 1000


def test_a_stream_that_has_ended_or_failed_takes_no_more() -> None:
    ended = EncryptStream(Algorithm.AES, KEY, CBC, iv=IV)
    ended.finish(b"x")
    failed = DecryptStream(Algorithm.AES, KEY, CBC, iv=IV)
    with pytest.raises(KmipError):
        failed.finish(b"x")
    hashed = HashStream(HashingAlgorithm.SHA_256)
    hashed.finish()
    maced = MacStream(Algorithm.HMAC_SHA256, KEY)
    maced.finish()
    signed = SignStream(keys(Algorithm.RSA)[0], SHA_256)
    signed.finish()
    for stream in (ended, failed, hashed, maced, signed):
        for call in (stream.update, stream.finish):
            with pytest.raises(KmipError) as refused:
                call(b"x")
            assert refused.value.reason is ENDED


def test_failures_of_the_last_part_are_those_of_one_part() -> None:
    unpadded = CryptographicParameters(block_cipher_mode=Mode.CBC)
    encrypting = EncryptStream(Algorithm.AES, KEY, unpadded, iv=IV)
    encrypting.update(bytes(17))
    with pytest.raises(KmipError) as refused:
        encrypting.finish()
    assert refused.value.reason is BAD
    answers = set()
    for asked, data in ((CBC, b""), (CBC, bytes(16)), (CBC, bytes(17)), (unpadded, bytes(17))):
        stream = DecryptStream(Algorithm.AES, KEY, asked, iv=IV)
        stream.update(data)
        with pytest.raises(KmipError) as failed:
            stream.finish()
        answers.add((failed.value.reason, failed.value.message))
    assert answers == {(ResultReason.CRYPTOGRAPHIC_FAILURE, DECRYPTION_FAILED)}


def test_a_counter_does_not_wrap_between_parts() -> None:
    asked = CryptographicParameters(block_cipher_mode=Mode.CTR, initial_counter_value=2**32 - 2)
    stream = EncryptStream(Algorithm.AES, KEY, asked, iv=IV[:12])
    stream.update(bytes(32))
    with pytest.raises(KmipError) as refused:
        stream.update(b"x")
    assert refused.value.reason is BAD


@cache
def keys(algorithm: Algorithm) -> tuple[PrivateKey, PublicKey]:
    pair = generate_key_pair(algorithm, 2048 if algorithm is Algorithm.RSA else None)
    return load_private_key(KeyFormatType.PKCS8, pair.private), load_public_key(KeyFormatType.X_509, pair.public)


@pytest.mark.parametrize("algorithm", [Algorithm.RSA, Algorithm.EC, Algorithm.ED25519])
def test_signatures_in_parts_are_signatures_of_the_whole(algorithm: Algorithm) -> None:
    private, public = keys(algorithm)
    asked = CryptographicParameters() if algorithm is Algorithm.ED25519 else SHA_256
    signing_stream, verifying = SignStream(private, asked), VerifyStream(public, asked)
    signing_stream.update(b"the ")
    signature = signing_stream.finish(b"message")
    assert signing.verify(public, signature, asked, data=b"the message")
    verifying.update(b"the mess")
    assert verifying.finish(b"age", signature)
    assert not VerifyStream(public, asked).finish(b"another", signature)


def test_signing_in_parts_is_refused_as_in_one() -> None:
    with pytest.raises(KmipError) as refused:
        SignStream(keys(Algorithm.RSA)[0])
    assert refused.value.reason is BAD


@given(parts=PARTS)
def test_hashes_and_macs_in_parts_are_those_of_the_whole(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    hashed, maced = HashStream(HashingAlgorithm.SHA3_256), MacStream(Algorithm.HMAC_SHA256, KEY)
    checked, wrong = MacStream(Algorithm.AES, KEY), MacStream(Algorithm.AES, KEY)
    for part in parts:
        for stream in (hashed, maced, checked, wrong):
            stream.update(part)
    assert hashed.finish() == macs.digest(HashingAlgorithm.SHA3_256, whole)
    assert maced.finish() == macs.mac(Algorithm.HMAC_SHA256, KEY, whole)
    assert checked.verify(b"", macs.mac(Algorithm.AES, KEY, whole))
    assert not wrong.verify(b"more", macs.mac(Algorithm.AES, KEY, whole))
