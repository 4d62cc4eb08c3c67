"""Key wrapping: RFC vectors, round trips, one failure, refusals."""

from __future__ import annotations

import os

import pytest

from kmip_server.cryptography.failures import DECRYPTION_FAILED
from kmip_server.cryptography.generation import generate_key_pair
from kmip_server.cryptography.key_formats import load_private_key, load_public_key
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.cryptography.wrapping import unwrap, unwrap_with_private_key, wrap, wrap_to_public_key
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import BlockCipherMode as Mode
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import HashingAlgorithm, KeyFormatType, PaddingMethod, ResultReason

BAD = ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS
UNSUPPORTED = ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS
NIST = CryptographicParameters(block_cipher_mode=Mode.NISTKEYWRAP)
PADDED = CryptographicParameters(block_cipher_mode=Mode.AESKEYWRAPPADDING)
KEK = bytes(range(32))


@pytest.mark.parametrize(
    ("kek_length", "key_length", "expected"),
    [
        (16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
        (24, 16, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"),
        (32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"),
        (24, 24, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"),
        (32, 24, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"),
        (32, 32, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"),
    ],
)
def test_nist_key_wrap_agrees_with_rfc_3394(kek_length: int, key_length: int, expected: str) -> None:
    kek = bytes(range(kek_length))
    key = (bytes.fromhex("00112233445566778899aabbccddeeff") + bytes(range(16)))[:key_length]
    wrapped = wrap(Algorithm.AES, kek, key, NIST)
    assert wrapped.data.hex() == expected
    assert wrapped.iv is None
    assert unwrap(Algorithm.AES, kek, wrapped.data, NIST) == key


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            "c37b7e6492584340bed12207808941155068f738",
            "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
        ),
        ("466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"),
    ],
)
def test_aes_key_wrap_with_padding_agrees_with_rfc_5649(key: str, expected: str) -> None:
    kek = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
    assert wrap(Algorithm.AES, kek, bytes.fromhex(key), PADDED).data.hex() == expected
    assert unwrap(Algorithm.AES, kek, bytes.fromhex(expected), PADDED).hex() == key


AUTHENTICATED = [
    (Algorithm.AES, Mode.GCM, None),
    (Algorithm.AES, Mode.GCM, 12),
    (Algorithm.AES, Mode.CCM, None),
    (Algorithm.CHACHA20POLY1305, None, None),
]


@pytest.mark.parametrize(("algorithm", "mode", "tag_length"), AUTHENTICATED)
def test_authenticated_modes_append_the_tag_and_make_an_iv(
    algorithm: Algorithm, mode: Mode | None, tag_length: int | None
) -> None:
    asked = CryptographicParameters(block_cipher_mode=mode, tag_length=tag_length)
    key = os.urandom(21)
    wrapped, again = wrap(algorithm, KEK, key, asked), wrap(algorithm, KEK, key, asked)
    assert wrapped.iv != again.iv
    assert len(wrapped.iv or b"") == 12
    assert len(wrapped.data) == len(key) + (tag_length or 16)
    assert unwrap(algorithm, KEK, wrapped.data, asked, iv=wrapped.iv) == key
    assert wrap(algorithm, KEK, key, asked, iv=wrapped.iv) == wrapped


def test_every_unwrapping_failure_is_one_and_the_same() -> None:
    answers = set()
    for mode in (Mode.NISTKEYWRAP, Mode.AESKEYWRAPPADDING, Mode.GCM):
        asked = CryptographicParameters(block_cipher_mode=mode)
        wrapped = wrap(Algorithm.AES, KEK, bytes(32), asked)
        tampered = [wrapped.data[:i] + bytes([wrapped.data[i] ^ 1]) + wrapped.data[i + 1 :] for i in (0, 20, -1 % 32)]
        for data in (b"", b"x", wrapped.data[:-1], wrapped.data[:-8], wrapped.data + b"x", bytes(40), *tampered):
            with pytest.raises(KmipError) as failed:
                unwrap(Algorithm.AES, KEK, data, asked, iv=wrapped.iv)
            answers.add((failed.value.reason, failed.value.message))
        with pytest.raises(KmipError) as failed:
            unwrap(Algorithm.AES, bytes(32), wrapped.data, asked, iv=wrapped.iv)
        answers.add((failed.value.reason, failed.value.message))
    assert answers == {(ResultReason.CRYPTOGRAPHIC_FAILURE, DECRYPTION_FAILED)}


@pytest.mark.parametrize("mode", [Mode.CBC, Mode.ECB, Mode.CTR, Mode.CFB, Mode.OFB, Mode.XTS, Mode.X9_102_AESKW])
def test_modes_that_do_not_authenticate_are_refused(mode: Mode) -> None:
    asked = CryptographicParameters(block_cipher_mode=mode)
    for call in (wrap, unwrap):
        with pytest.raises(KmipError) as refused:
            call(Algorithm.AES, KEK, bytes(32), asked, iv=bytes(16))
        assert refused.value.reason is UNSUPPORTED


def test_a_missing_mode_a_missing_iv_and_a_wrong_size_are_refused() -> None:
    gcm = CryptographicParameters(block_cipher_mode=Mode.GCM)
    for call, reason in (
        (lambda: wrap(Algorithm.AES, KEK, bytes(16), CryptographicParameters()), BAD),
        (lambda: wrap(Algorithm.AES, KEK, bytes(14), NIST), BAD),
        (lambda: wrap(Algorithm.AES, KEK, bytes(20), NIST), BAD),
        (lambda: wrap(Algorithm.AES, KEK[:10], bytes(16), NIST), BAD),
        (lambda: wrap(Algorithm.DES3, KEK[:24], bytes(16), NIST), UNSUPPORTED),
        (lambda: wrap(Algorithm.HMAC_SHA256, KEK, bytes(16), NIST), UNSUPPORTED),
        (lambda: unwrap(Algorithm.AES, KEK, bytes(40), gcm), ResultReason.MISSING_INITIALIZATION_VECTOR),
    ):
        with pytest.raises(KmipError) as refused:
            call()
        assert refused.value.reason is reason


def test_keys_are_wrapped_to_an_rsa_key_with_oaep_only() -> None:
    pair = generate_key_pair(Algorithm.RSA, 2048)
    public = load_public_key(KeyFormatType.X_509, pair.public)
    private = load_private_key(KeyFormatType.PKCS8, pair.private)
    oaep = CryptographicParameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=HashingAlgorithm.SHA_256)
    wrapped = wrap_to_public_key(public, bytes(32), oaep)
    assert unwrap_with_private_key(private, wrapped.data, oaep) == bytes(32)
    for method, reason in ((None, BAD), (PaddingMethod.PKCS1_V1_5, UNSUPPORTED)):
        with pytest.raises(KmipError) as refused:
            wrap_to_public_key(public, bytes(32), CryptographicParameters(padding_method=method))
        assert refused.value.reason is reason
    with pytest.raises(KmipError) as failed:
        unwrap_with_private_key(private, bytes(256), oaep)
    assert (failed.value.reason, failed.value.message) == (ResultReason.CRYPTOGRAPHIC_FAILURE, DECRYPTION_FAILED)
