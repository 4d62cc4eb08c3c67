"""A key is what its bytes say, and what the peer says about it must agree."""

from __future__ import annotations

from functools import cache

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from kmip_server.cryptography.generation import KeyPair, generate_key_pair
from kmip_server.cryptography.key_descriptions import KeyDescription, describe
from kmip_server.cryptography.key_formats import convert, load_private_key
from kmip_server.cryptography.transparent import (
    KeyMaterial,
    TransparentDH,
    TransparentDSA,
    TransparentRSA,
    TransparentSymmetricKey,
)
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import KeyFormatType as Format
from kmip_server.ttlv.enumerations import ObjectType, ResultReason
from kmip_server.ttlv.enumerations import RecommendedCurve as Curve

PRIVATE, PUBLIC, SYMMETRIC = ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY, ObjectType.SYMMETRIC_KEY
SECRET = ObjectType.SECRET_DATA


@cache
def pair(algorithm: Algorithm, curve: Curve | None = None) -> KeyPair:
    return generate_key_pair(algorithm, 2048 if algorithm is Algorithm.RSA else None, curve)


def encrypted_pkcs8() -> bytes:
    key = load_private_key(Format.PKCS8, pair(Algorithm.RSA).private)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))


def dsa(p: int) -> TransparentDSA:
    return TransparentDSA(p=p, q=3, g=2, y=1)


RSA, EC = pair(Algorithm.RSA), pair(Algorithm.EC, Curve.P_384)
X25519 = pair(Algorithm.ECDH, Curve.CURVE25519)
DH = TransparentDH(p=1 << 1023, g=2, y=1)
FOUND: list[tuple[ObjectType, Format, KeyMaterial, KeyDescription]] = [
    (PRIVATE, Format.PKCS8, RSA.private, KeyDescription(algorithm=Algorithm.RSA, length=2048)),
    (PUBLIC, Format.X_509, RSA.public, KeyDescription(algorithm=Algorithm.RSA, length=2048)),
    (PRIVATE, Format.PKCS8, EC.private, KeyDescription(algorithm=Algorithm.ECDSA, length=384, curve=Curve.P_384)),
    (PUBLIC, Format.X_509, EC.public, KeyDescription(algorithm=Algorithm.ECDSA, length=384, curve=Curve.P_384)),
    (PUBLIC, Format.X_509, X25519.public, KeyDescription(algorithm=Algorithm.ECDH, length=256, curve=Curve.CURVE25519)),
    (SYMMETRIC, Format.RAW, bytes(16), KeyDescription(length=128)),
    (SYMMETRIC, Format.TRANSPARENT_SYMMETRIC_KEY, TransparentSymmetricKey(key=bytes(32)), KeyDescription(length=256)),
    (SECRET, Format.RAW, b"password", KeyDescription(length=64)),
    (PRIVATE, Format.TRANSPARENT_DSA_PRIVATE_KEY, dsa(1 << 511), KeyDescription(algorithm=Algorithm.DSA, length=512)),
    (PUBLIC, Format.TRANSPARENT_DH_PUBLIC_KEY, DH, KeyDescription(algorithm=Algorithm.DH, length=1024)),
    (SYMMETRIC, Format.OPAQUE, b"opaque", KeyDescription()),
    (PRIVATE, Format.PKCS12, b"pkcs12", KeyDescription()),
    (PRIVATE, Format.RAW, b"whatever", KeyDescription()),
    (PRIVATE, Format.PKCS8, encrypted_pkcs8(), KeyDescription()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("object_type", "key_format", "material", "expected"), FOUND, ids=[str(index) for index in range(len(FOUND))]
)
def test_a_key_is_described_by_its_bytes(
    object_type: ObjectType, key_format: Format, material: KeyMaterial, expected: KeyDescription
) -> None:
    assert describe(object_type, key_format, material) == expected


def test_names_and_lengths_that_are_right_for_the_bytes_are_kept() -> None:
    for algorithm in (Algorithm.EC, Algorithm.ECDSA, Algorithm.ECDH, Algorithm.ECMQV):
        described = describe(PRIVATE, Format.PKCS8, EC.private, algorithm=algorithm, length=384)
        assert described == KeyDescription(algorithm=algorithm, length=384, curve=Curve.P_384)
    for bits, size in ((112, 16), (128, 16), (168, 24), (192, 24)):
        described = describe(SYMMETRIC, Format.RAW, bytes(size), algorithm=Algorithm.DES3, length=bits)
        assert described == KeyDescription(algorithm=Algorithm.DES3, length=bits)
    assert describe(SYMMETRIC, Format.RAW, bytes(24), algorithm=Algorithm.DES3).length == 168
    assert describe(SYMMETRIC, Format.RAW, bytes(8), algorithm=Algorithm.DES, length=56).length == 56
    camellia = describe(SYMMETRIC, Format.RAW, bytes(16), algorithm=Algorithm.CAMELLIA, length=128)
    assert camellia == KeyDescription(algorithm=Algorithm.CAMELLIA, length=128)


def test_what_is_opaque_here_is_what_the_peer_says() -> None:
    for key_format, material in ((Format.OPAQUE, b"x"), (Format.PKCS8, encrypted_pkcs8()), (Format.RAW, b"x")):
        described = describe(PRIVATE, key_format, material, algorithm=Algorithm.RSA, length=2048)
        assert described == KeyDescription(algorithm=Algorithm.RSA, length=2048)


def damaged(material: bytes) -> bytes:
    """Change one bit in the middle of an RSA private key, in its numbers."""
    middle = len(material) // 2
    return material[:middle] + bytes([material[middle] ^ 1]) + material[middle + 1 :]


DISAGREE: list[tuple[str, ObjectType, Format, KeyMaterial, Algorithm | None, int | None]] = [
    ("RSA said to be EC", PRIVATE, Format.PKCS8, RSA.private, Algorithm.EC, 2048),
    ("EC said to be RSA", PUBLIC, Format.X_509, EC.public, Algorithm.RSA, 384),
    ("Ed25519 said to be EC", PUBLIC, Format.X_509, pair(Algorithm.ED25519).public, Algorithm.EC, 256),
    ("RSA of another length", PRIVATE, Format.PKCS8, RSA.private, Algorithm.RSA, 4096),
    ("EC of another length", PRIVATE, Format.PKCS8, EC.private, Algorithm.EC, 256),
    ("AES of another length", SYMMETRIC, Format.RAW, bytes(16), Algorithm.AES, 256),
    ("AES of no length", SYMMETRIC, Format.RAW, bytes(15), Algorithm.AES, 120),
    ("AES of 168 bits", SYMMETRIC, Format.RAW, bytes(24), Algorithm.AES, 168),
    ("single DES said to be 3DES", SYMMETRIC, Format.RAW, bytes(8), Algorithm.DES3, 64),
    ("ChaCha20 of 128 bits", SYMMETRIC, Format.RAW, bytes(16), Algorithm.CHACHA20, 128),
    ("empty", SYMMETRIC, Format.RAW, b"", Algorithm.HMAC_SHA256, 0),
    ("empty transparent", SYMMETRIC, Format.TRANSPARENT_SYMMETRIC_KEY, TransparentSymmetricKey(key=b""), None, None),
    ("empty private", PRIVATE, Format.RAW, b"", Algorithm.RSA, 2048),
    ("PKCS#8 for a symmetric key", SYMMETRIC, Format.PKCS8, b"x", Algorithm.AES, 8),
    ("a structure for Raw", SYMMETRIC, Format.RAW, TransparentSymmetricKey(key=b"k"), None, None),
    ("public said to be private", PRIVATE, Format.PKCS8, RSA.public, Algorithm.RSA, 2048),
    ("damaged RSA", PRIVATE, Format.PKCS8, damaged(RSA.private), Algorithm.RSA, 2048),
    ("DSA of another length", PUBLIC, Format.TRANSPARENT_DSA_PUBLIC_KEY, dsa(7), Algorithm.DSA, 512),
    ("DSA negative", PUBLIC, Format.TRANSPARENT_DSA_PUBLIC_KEY, dsa(-7), None, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("object_type", "key_format", "material", "algorithm", "length"),
    [row[1:] for row in DISAGREE],
    ids=[row[0] for row in DISAGREE],
)
def test_a_key_that_is_not_what_the_peer_says_is_refused(
    object_type: ObjectType, key_format: Format, material: KeyMaterial, algorithm: Algorithm | None, length: int | None
) -> None:
    with pytest.raises(KmipError) as refused:
        describe(object_type, key_format, material, algorithm=algorithm, length=length)
    assert refused.value.reason is ResultReason.INVALID_FIELD


def test_every_damage_to_a_private_exponent_or_prime_is_found() -> None:
    material = convert(PRIVATE, RSA.private, Format.PKCS8, Format.PKCS1)
    assert isinstance(material, bytes)
    for position in range(280, len(material), 37):
        broken = material[:position] + bytes([material[position] ^ 4]) + material[position + 1 :]
        with pytest.raises(KmipError) as refused:
            describe(PRIVATE, Format.PKCS1, broken)
        assert refused.value.reason is ResultReason.INVALID_FIELD


def test_rsa_of_8192_bits_is_the_longest_accepted() -> None:
    accepted = TransparentRSA(modulus=(1 << 8191) + 1, public_exponent=65537)
    described = describe(PUBLIC, Format.TRANSPARENT_RSA_PUBLIC_KEY, accepted)
    assert described == KeyDescription(algorithm=Algorithm.RSA, length=8192)
    with pytest.raises(KmipError):
        describe(
            PUBLIC,
            Format.TRANSPARENT_RSA_PUBLIC_KEY,
            TransparentRSA(modulus=(1 << 8192) + 1, public_exponent=65537),
        )
