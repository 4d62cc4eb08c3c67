"""New keys have the length, the curve and the form that were asked for."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from kmip_server.cryptography.algorithms import is_legacy
from kmip_server.cryptography.generation import (
    KeyPair,
    generate_key_pair,
    generate_symmetric_key,
    random_bytes,
    symmetric_key_length,
)
from kmip_server.cryptography.key_descriptions import describe
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import HashingAlgorithm, KeyFormatType, ObjectType, ResultReason
from kmip_server.ttlv.enumerations import RecommendedCurve as Curve

BAD = ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS
UNSUPPORTED = ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS


@pytest.mark.parametrize(
    ("algorithm", "bits", "size"),
    [
        (Algorithm.AES, 128, 16),
        (Algorithm.AES, 192, 24),
        (Algorithm.AES, 256, 32),
        (Algorithm.AES, 512, 64),
        (Algorithm.AES, None, 32),
        (Algorithm.DES3, 112, 16),
        (Algorithm.DES3, 128, 16),
        (Algorithm.DES3, 168, 24),
        (Algorithm.DES3, 192, 24),
        (Algorithm.CHACHA20, 256, 32),
        (Algorithm.CHACHA20POLY1305, None, 32),
        (Algorithm.HMAC_SHA1, None, 20),
        (Algorithm.HMAC_SHA256, None, 32),
        (Algorithm.HMAC_SHA512, 1024, 128),
        (Algorithm.HMAC_SHA3_384, None, 48),
    ],
)
def test_a_symmetric_key_has_the_size_of_its_length(algorithm: Algorithm, bits: int | None, size: int) -> None:
    key = generate_symmetric_key(algorithm, bits)
    assert len(key) == size
    assert key != generate_symmetric_key(algorithm, bits)
    described = describe(
        ObjectType.SYMMETRIC_KEY,
        KeyFormatType.RAW,
        key,
        algorithm=algorithm,
        length=symmetric_key_length(algorithm, bits),
    )
    assert described.algorithm is algorithm


def test_3des_keys_have_odd_parity() -> None:
    assert all(byte.bit_count() % 2 for byte in generate_symmetric_key(Algorithm.DES3, 168))


@pytest.mark.parametrize(
    ("algorithm", "bits", "reason"),
    [
        (Algorithm.AES, 0, BAD),
        (Algorithm.AES, -128, BAD),
        (Algorithm.AES, 129, BAD),
        (Algorithm.AES, 2**31 - 8, BAD),
        (Algorithm.DES3, 56, BAD),
        (Algorithm.DES3, 64, BAD),
        (Algorithm.CHACHA20, 128, BAD),
        (Algorithm.HMAC_SHA256, 104, BAD),
        (Algorithm.HMAC_SHA256, 257, BAD),
        (Algorithm.HMAC_SHA256, 4104, BAD),
        (Algorithm.DES, 64, UNSUPPORTED),
        (Algorithm.RC4, 128, UNSUPPORTED),
        (Algorithm.RSA, 2048, UNSUPPORTED),
    ],
)
def test_other_symmetric_keys_are_refused(algorithm: Algorithm, bits: int, reason: ResultReason) -> None:
    with pytest.raises(KmipError) as refused:
        generate_symmetric_key(algorithm, bits)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("algorithm", "bits", "curve", "expected"),
    [
        (Algorithm.RSA, 2048, None, (2048, None)),
        (Algorithm.EC, None, None, (256, Curve.P_256)),
        (Algorithm.EC, 384, None, (384, Curve.P_384)),
        (Algorithm.ECDSA, None, Curve.P_521, (521, Curve.P_521)),
        (Algorithm.ECDH, 256, Curve.P_256, (256, Curve.P_256)),
        (Algorithm.ED25519, None, None, (256, Curve.CURVE25519)),
        (Algorithm.ED25519, 256, Curve.CURVE25519, (256, Curve.CURVE25519)),
        (Algorithm.ED448, None, None, (456, Curve.CURVE448)),
        (Algorithm.ECDH, None, Curve.CURVE25519, (256, Curve.CURVE25519)),
        (Algorithm.ECDH, None, Curve.CURVE448, (448, Curve.CURVE448)),
    ],
)
def test_a_key_pair_is_pkcs8_and_subject_public_key_info_of_one_key(
    algorithm: Algorithm, bits: int | None, curve: Curve | None, expected: tuple[int, Curve | None]
) -> None:
    pair = generate_key_pair(algorithm, bits, curve)
    assert (pair.length, pair.curve) == expected
    private, public = load_der_private_key(pair.private, None), load_der_public_key(pair.public)
    assert private.public_key() == public
    for object_type, key_format, material in (
        (ObjectType.PRIVATE_KEY, KeyFormatType.PKCS8, pair.private),
        (ObjectType.PUBLIC_KEY, KeyFormatType.X_509, pair.public),
    ):
        described = describe(object_type, key_format, material, algorithm=algorithm, length=bits)
        assert (described.algorithm, described.length, described.curve) == (algorithm, *expected)


@pytest.mark.parametrize(
    ("algorithm", "bits", "curve", "reason"),
    [
        (Algorithm.RSA, 1024, None, BAD),
        (Algorithm.RSA, 2049, None, BAD),
        (Algorithm.RSA, 8192, None, BAD),
        (Algorithm.RSA, 2048, Curve.P_256, BAD),
        (Algorithm.EC, 255, None, BAD),
        (Algorithm.EC, 384, Curve.P_256, BAD),
        (Algorithm.EC, None, Curve.P_192, UNSUPPORTED),
        (Algorithm.EC, None, Curve.K_163, UNSUPPORTED),
        (Algorithm.ECMQV, 256, None, UNSUPPORTED),
        (Algorithm.ED25519, 128, None, BAD),
        (Algorithm.ED25519, None, Curve.P_256, UNSUPPORTED),
        (Algorithm.DSA, 2048, None, UNSUPPORTED),
        (Algorithm.AES, 256, None, UNSUPPORTED),
    ],
)
def test_other_key_pairs_are_refused(
    algorithm: Algorithm, bits: int | None, curve: Curve | None, reason: ResultReason
) -> None:
    with pytest.raises(KmipError) as refused:
        generate_key_pair(algorithm, bits, curve)
    assert refused.value.reason is reason


def test_a_key_pair_does_not_show_its_private_key() -> None:
    pair = KeyPair(private=b"the private key", public=b"", length=1)
    assert "private key" not in repr(pair)


def test_random_bytes_come_in_the_length_asked_for_up_to_a_limit() -> None:
    assert [len(random_bytes(length)) for length in (0, 1, 1 << 20)] == [0, 1, 1 << 20]
    for length in (-1, (1 << 20) + 1):
        with pytest.raises(KmipError) as refused:
            random_bytes(length)
        assert refused.value.reason is BAD


def test_legacy_algorithms_are_marked() -> None:
    legacy = {algorithm for algorithm in (*Algorithm, *HashingAlgorithm, None) if is_legacy(algorithm)}
    assert legacy == {Algorithm.DES3, Algorithm.HMAC_MD5, HashingAlgorithm.MD5}
