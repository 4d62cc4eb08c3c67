"""Keys keep their identity through every format; what is not of its format is refused."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kmip_server.cryptography.generation import KeyPair, generate_key_pair
from kmip_server.cryptography.key_formats import (
    convert,
    default_key_formats,
    load_private_key,
    load_public_key,
)
from kmip_server.cryptography.transparent import (
    EC_PRIVATE_FORMATS,
    EC_PUBLIC_FORMATS,
    KeyMaterial,
    TransparentDSA,
    TransparentEC,
    TransparentRSA,
    TransparentSymmetricKey,
)
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import KeyCompressionType as Compression
from kmip_server.ttlv.enumerations import KeyFormatType as Format
from kmip_server.ttlv.enumerations import ObjectType, ResultReason
from kmip_server.ttlv.enumerations import RecommendedCurve as Curve

PRIVATE, PUBLIC, SYMMETRIC = ObjectType.PRIVATE_KEY, ObjectType.PUBLIC_KEY, ObjectType.SYMMETRIC_KEY
FORMAT_NOT_SUPPORTED = ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED
COMPRESSION_NOT_SUPPORTED = ResultReason.KEY_COMPRESSION_TYPE_NOT_SUPPORTED


RSA_PUBLIC = Format.TRANSPARENT_RSA_PUBLIC_KEY
EC_PRIVATE, EC_PUBLIC = Format.TRANSPARENT_EC_PRIVATE_KEY, Format.TRANSPARENT_EC_PUBLIC_KEY
P_256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def p_256(d: int | None = None, q_string: bytes | None = None) -> TransparentEC:
    return TransparentEC(recommended_curve=Curve.P_256, d=d, q_string=q_string)


@cache
def pair(algorithm: Algorithm, curve: Curve | None = None) -> KeyPair:
    return generate_key_pair(algorithm, 2048 if algorithm is Algorithm.RSA else None, curve)


PRIVATE_FORMATS = [
    (Algorithm.RSA, None, Format.PKCS1),
    (Algorithm.RSA, None, Format.TRANSPARENT_RSA_PRIVATE_KEY),
    *((Algorithm.EC, curve, f) for curve in (Curve.P_256, Curve.P_521) for f in EC_PRIVATE_FORMATS),
    (Algorithm.EC, Curve.P_384, Format.ECPRIVATEKEY),
    (Algorithm.ED25519, None, Format.RAW),
    (Algorithm.ED448, None, Format.RAW),
]  # fmt: skip
PUBLIC_FORMATS = [
    (Algorithm.RSA, None, Format.PKCS1),
    (Algorithm.RSA, None, Format.TRANSPARENT_RSA_PUBLIC_KEY),
    *((Algorithm.EC, curve, key_format) for curve in (Curve.P_256, Curve.P_521) for key_format in EC_PUBLIC_FORMATS),
    (Algorithm.ED25519, None, Format.RAW),
    (Algorithm.ED448, None, Format.RAW),
]


@pytest.mark.parametrize(("algorithm", "curve", "key_format"), PRIVATE_FORMATS)
def test_a_private_key_survives_every_format(algorithm: Algorithm, curve: Curve | None, key_format: Format) -> None:
    original = pair(algorithm, curve).private
    there = convert(PRIVATE, original, Format.PKCS8, key_format)
    assert there != original
    assert convert(PRIVATE, there, key_format, Format.PKCS8, algorithm=algorithm) == original


@pytest.mark.parametrize(("algorithm", "curve", "key_format"), PUBLIC_FORMATS)
def test_a_public_key_survives_every_format(algorithm: Algorithm, curve: Curve | None, key_format: Format) -> None:
    original = pair(algorithm, curve).public
    there = convert(PUBLIC, original, Format.X_509, key_format)
    assert there != original
    assert convert(PUBLIC, there, key_format, Format.X_509, algorithm=algorithm) == original


def test_a_symmetric_key_is_raw_or_transparent() -> None:
    key = os.urandom(32)
    there = convert(SYMMETRIC, key, Format.RAW, Format.TRANSPARENT_SYMMETRIC_KEY)
    assert there == TransparentSymmetricKey(key=key)
    assert convert(SYMMETRIC, there, Format.TRANSPARENT_SYMMETRIC_KEY, Format.RAW) == key


def test_the_same_format_gives_the_same_bytes_back_unread() -> None:
    assert convert(PRIVATE, b"whatever", Format.PKCS1, Format.PKCS1) == b"whatever"


def test_the_default_formats_are_those_of_table_81_and_older_ones_behind_them() -> None:
    assert default_key_formats(PRIVATE, Algorithm.RSA) == (Format.PKCS1,)
    assert default_key_formats(PUBLIC, Algorithm.RSA) == (Format.PKCS1,)
    assert default_key_formats(PRIVATE, Algorithm.ECDSA) == (Format.TRANSPARENT_EC_PRIVATE_KEY, Format.ECPRIVATEKEY)
    assert default_key_formats(PUBLIC, Algorithm.EC) == (Format.TRANSPARENT_EC_PUBLIC_KEY, Format.X_509)
    assert default_key_formats(PRIVATE, Algorithm.ED25519) == (Format.PKCS8,)
    assert default_key_formats(SYMMETRIC, Algorithm.AES) == (Format.RAW,)
    assert default_key_formats(ObjectType.CERTIFICATE, None) == (Format.X_509,)
    assert default_key_formats(PRIVATE, Algorithm.DSA) == (Format.TRANSPARENT_DSA_PRIVATE_KEY,)


def transparent_rsa() -> TransparentRSA:
    material = convert(PRIVATE, pair(Algorithm.RSA).private, Format.PKCS8, Format.TRANSPARENT_RSA_PRIVATE_KEY)
    assert isinstance(material, TransparentRSA)
    return material


OPTIONAL = (
    "private_exponent",
    "public_exponent",
    "p",
    "q",
    "prime_exponent_p",
    "prime_exponent_q",
    "crt_coefficient",
)


def only(*kept: str) -> TransparentRSA:
    return replace(transparent_rsa(), **{name: None for name in OPTIONAL if name not in kept})


@pytest.mark.parametrize(
    "kept",
    [
        ("private_exponent", "public_exponent"),
        ("p", "q", "public_exponent"),
        ("p", "q", "private_exponent"),
        ("p", "q", "prime_exponent_p", "prime_exponent_q"),
    ],
)
def test_an_rsa_private_key_is_completed_from_the_numbers_that_are_there(kept: tuple[str, ...]) -> None:
    material = only(*kept)
    completed = convert(PRIVATE, material, Format.TRANSPARENT_RSA_PRIVATE_KEY, Format.PKCS8)
    assert completed == pair(Algorithm.RSA).private


@pytest.mark.parametrize(
    "material",
    [
        only(),
        only("private_exponent"),
        only("public_exponent"),
        only("p", "q"),
        only("p", "public_exponent"),
        replace(transparent_rsa(), p=5, q=7),
        replace(transparent_rsa(), p=0),
        replace(transparent_rsa(), p=1, q=transparent_rsa().modulus),
        replace(transparent_rsa(), modulus=-7),
        replace(transparent_rsa(), modulus=0),
        replace(transparent_rsa(), public_exponent=-3),
        replace(transparent_rsa(), public_exponent=2),
        replace(transparent_rsa(), private_exponent=transparent_rsa().modulus * 2),
        replace(transparent_rsa(), prime_exponent_p=3),
        replace(transparent_rsa(), prime_exponent_q=3),
        replace(transparent_rsa(), crt_coefficient=1),
        replace(transparent_rsa(), modulus=transparent_rsa().modulus + 2),
        replace(only("private_exponent", "public_exponent"), modulus=transparent_rsa().modulus + 2),
        replace(only("private_exponent", "public_exponent"), public_exponent=3),
        replace(only("private_exponent", "public_exponent"), public_exponent=4),
        # A prime power has exponents that work and no two primes to find.
        TransparentRSA(modulus=1009**2, public_exponent=5, private_exponent=pow(5, -1, 1009 * 1008)),
        TransparentRSA(modulus=1 << 100_000, private_exponent=3, public_exponent=3),
        TransparentRSA(modulus=(1 << 5000) + 1, private_exponent=3, public_exponent=3),
    ],
)
def test_rsa_numbers_that_do_not_belong_together_are_refused(material: TransparentRSA) -> None:
    with pytest.raises(KmipError) as refused:
        load_private_key(Format.TRANSPARENT_RSA_PRIVATE_KEY, material)
    assert refused.value.reason is ResultReason.INVALID_FIELD


def test_an_rsa_key_with_a_false_prime_does_not_pass_for_one() -> None:
    p, q, e = 3 * (2**1023 - 361), transparent_rsa().q or 0, 65537
    material = TransparentRSA(modulus=p * q, p=p, q=q, public_exponent=e)
    with pytest.raises(KmipError) as refused:
        load_private_key(Format.TRANSPARENT_RSA_PRIVATE_KEY, material)
    assert refused.value.reason is ResultReason.INVALID_FIELD


def test_an_rsa_key_whose_primes_are_of_another_modulus_is_refused() -> None:
    # 3 and 5 pass every relation but the product: the exponents are inverse modulo 4 too.
    numbers = transparent_rsa()
    assert numbers.p is not None
    assert numbers.q is not None
    d = pow(65537, -1, math.lcm(numbers.p - 1, numbers.q - 1, 4))
    material = TransparentRSA(modulus=numbers.modulus, private_exponent=d, public_exponent=65537, p=3, q=5)
    with pytest.raises(KmipError) as refused:
        load_private_key(Format.TRANSPARENT_RSA_PRIVATE_KEY, material)
    assert refused.value.reason is ResultReason.INVALID_FIELD


def test_the_primes_of_a_very_long_key_are_not_searched_for() -> None:
    p, q = 2**2203 - 1, 2**2281 - 1
    d = pow(65537, -1, math.lcm(p - 1, q - 1))
    complete = TransparentRSA(modulus=p * q, p=p, q=q, private_exponent=d, public_exponent=65537)
    assert load_private_key(Format.TRANSPARENT_RSA_PRIVATE_KEY, complete)
    with pytest.raises(KmipError, match=r"needs its P .* and Q"):
        load_private_key(Format.TRANSPARENT_RSA_PRIVATE_KEY, replace(complete, p=None, q=None))


def test_an_encoded_key_that_is_too_large_is_not_read() -> None:
    for load, key_format in ((load_private_key, Format.PKCS8), (load_public_key, Format.X_509)):
        with pytest.raises(KmipError, match="more than 16384 bytes") as refused:
            load(key_format, bytes(16385))
        assert refused.value.reason is ResultReason.INVALID_FIELD


def point(compression: Compression | None, curve: Curve = Curve.P_256) -> bytes:
    material = convert(
        PUBLIC,
        pair(Algorithm.EC, curve).public,
        Format.X_509,
        Format.TRANSPARENT_EC_PUBLIC_KEY,
        compression=compression,
    )
    assert isinstance(material, TransparentEC)
    return material.q_string or b""


def test_the_point_of_a_public_key_comes_in_the_compression_asked_for_and_back() -> None:
    plain = point(Compression.EC_PUBLIC_KEY_TYPE_UNCOMPRESSED)
    compressed = point(Compression.EC_PUBLIC_KEY_TYPE_X9_62_COMPRESSED_PRIME)
    hybrid = point(Compression.EC_PUBLIC_KEY_TYPE_X9_62_HYBRID)
    assert plain == point(None)
    assert (len(plain), plain[0]) == (65, 4)
    assert compressed == bytes([2 + plain[-1] % 2]) + plain[1:33]
    assert hybrid == bytes([6 + plain[-1] % 2]) + plain[1:]
    for q_string in (plain, compressed, hybrid):
        material = p_256(q_string=q_string)
        back = convert(PUBLIC, material, Format.TRANSPARENT_EC_PUBLIC_KEY, Format.X_509)
        assert back == pair(Algorithm.EC, Curve.P_256).public


def test_compressions_that_do_not_fit_are_refused() -> None:
    public = pair(Algorithm.EC, Curve.P_256).public
    compressed = Compression.EC_PUBLIC_KEY_TYPE_X9_62_COMPRESSED_PRIME
    with pytest.raises(KmipError) as refused:
        convert(PUBLIC, public, Format.X_509, Format.X_509, compression=compressed)
    assert refused.value.reason is COMPRESSION_NOT_SUPPORTED
    with pytest.raises(KmipError) as refused:
        point(Compression.EC_PUBLIC_KEY_TYPE_X9_62_COMPRESSED_CHAR2)
    assert refused.value.reason is COMPRESSION_NOT_SUPPORTED
    uncompressed = Compression.EC_PUBLIC_KEY_TYPE_UNCOMPRESSED
    assert convert(PUBLIC, public, Format.X_509, Format.X_509, compression=uncompressed) == public


@pytest.mark.parametrize(
    ("object_type", "algorithm", "source", "target"),
    [
        (PRIVATE, Algorithm.RSA, Format.PKCS8, Format.ECPRIVATEKEY),
        (PRIVATE, Algorithm.RSA, Format.PKCS8, Format.TRANSPARENT_EC_PRIVATE_KEY),
        (PRIVATE, Algorithm.RSA, Format.PKCS8, Format.RAW),
        (PRIVATE, Algorithm.RSA, Format.PKCS8, Format.X_509),
        (PRIVATE, Algorithm.EC, Format.PKCS8, Format.PKCS1),
        (PRIVATE, Algorithm.EC, Format.PKCS8, Format.TRANSPARENT_RSA_PRIVATE_KEY),
        (PRIVATE, Algorithm.ED25519, Format.PKCS8, Format.PKCS1),
        (PUBLIC, Algorithm.RSA, Format.X_509, Format.PKCS8),
        (PUBLIC, Algorithm.RSA, Format.X_509, Format.TRANSPARENT_EC_PUBLIC_KEY),
        (PUBLIC, Algorithm.EC, Format.X_509, Format.PKCS1),
        (PUBLIC, Algorithm.ED25519, Format.X_509, Format.TRANSPARENT_EC_PUBLIC_KEY),
    ],
)
def test_formats_that_do_not_fit_the_key_are_refused(
    object_type: ObjectType, algorithm: Algorithm, source: Format, target: Format
) -> None:
    keys = pair(algorithm)
    with pytest.raises(KmipError) as refused:
        convert(object_type, keys.private if object_type is PRIVATE else keys.public, source, target)
    assert refused.value.reason is FORMAT_NOT_SUPPORTED


def test_formats_that_do_not_fit_the_object_are_refused() -> None:
    for object_type, material, source, target in (
        (SYMMETRIC, b"key", Format.RAW, Format.PKCS8),
        (ObjectType.SECRET_DATA, b"secret", Format.RAW, Format.PKCS8),
        (ObjectType.OPAQUE_OBJECT, b"data", Format.OPAQUE, Format.RAW),
        (PRIVATE, TransparentDSA(p=7, q=3, g=2, x=1), Format.TRANSPARENT_DSA_PRIVATE_KEY, Format.PKCS8),
        (PRIVATE, b"", Format.PKCS12, Format.PKCS8),
    ):
        with pytest.raises(KmipError) as refused:
            convert(object_type, material, source, target)
        assert refused.value.reason is FORMAT_NOT_SUPPORTED


def encrypted_pkcs8() -> bytes:
    key = load_private_key(Format.PKCS8, pair(Algorithm.RSA).private)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))


RSA_PKCS1 = convert(PRIVATE, pair(Algorithm.RSA).private, Format.PKCS8, Format.PKCS1)
MALFORMED_PRIVATE: list[tuple[str, Format, KeyMaterial]] = [
    ("empty", Format.PKCS8, b""),
    ("one byte", Format.PKCS8, b"\x30"),
    ("random", Format.PKCS1, bytes(range(200))),
    ("PKCS#1 as PKCS#8", Format.PKCS8, RSA_PKCS1),
    ("PKCS#8 as PKCS#1", Format.PKCS1, pair(Algorithm.RSA).private),
    ("PKCS#8 as ECPrivateKey", Format.ECPRIVATEKEY, pair(Algorithm.EC).private),
    ("cut", Format.PKCS8, pair(Algorithm.RSA).private[:-1]),
    ("with a tail", Format.PKCS8, pair(Algorithm.RSA).private + b"\0"),
    ("encrypted", Format.PKCS8, encrypted_pkcs8()),
    ("PEM", Format.PKCS8, b"-----BEGIN PRIVATE KEY-----"),
    ("a structure", Format.PKCS8, TransparentSymmetricKey(key=b"k")),
    ("no D", EC_PRIVATE, p_256()),
    ("D of 0", EC_PRIVATE, p_256(d=0)),
    ("D negative", EC_PRIVATE, p_256(d=-5)),
    ("D of the order", EC_PRIVATE, p_256(d=P_256_ORDER)),
    ("D huge", EC_PRIVATE, p_256(d=1 << 4000)),
    ("unknown curve", Format.TRANSPARENT_EC_PRIVATE_KEY, TransparentEC(recommended_curve=Curve.K_163, d=5)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("key_format", "material"), [row[1:] for row in MALFORMED_PRIVATE], ids=[row[0] for row in MALFORMED_PRIVATE]
)
def test_malformed_private_keys_are_refused(key_format: Format, material: KeyMaterial) -> None:
    with pytest.raises(KmipError) as refused:
        load_private_key(key_format, material)
    assert refused.value.reason is ResultReason.INVALID_FIELD


WRONG_HALF = bytes([7 - point(None)[-1] % 2]) + point(None)[1:]
MODULUS = transparent_rsa().modulus
MALFORMED_PUBLIC: list[tuple[str, Format, KeyMaterial]] = [
    ("empty", Format.X_509, b""),
    ("random", Format.X_509, bytes(range(200))),
    ("SubjectPublicKeyInfo as PKCS#1", Format.PKCS1, pair(Algorithm.RSA).public),
    ("EC as PKCS#1", Format.PKCS1, pair(Algorithm.EC).public),
    ("cut", Format.X_509, pair(Algorithm.EC).public[:-1]),
    ("private", Format.X_509, pair(Algorithm.EC).private),
    ("no exponent", RSA_PUBLIC, TransparentRSA(modulus=MODULUS)),
    ("even exponent", RSA_PUBLIC, TransparentRSA(modulus=MODULUS, public_exponent=2)),
    ("huge modulus", RSA_PUBLIC, TransparentRSA(modulus=1 << 20000, public_exponent=3)),
    ("no point", EC_PUBLIC, p_256()),
    ("point elsewhere", EC_PUBLIC, p_256(q_string=b"\4" + bytes(64))),
    ("infinity", EC_PUBLIC, p_256(q_string=b"\0")),
    ("hybrid of the wrong half", EC_PUBLIC, p_256(q_string=WRONG_HALF)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("key_format", "material"), [row[1:] for row in MALFORMED_PUBLIC], ids=[row[0] for row in MALFORMED_PUBLIC]
)
def test_malformed_public_keys_are_refused(key_format: Format, material: KeyMaterial) -> None:
    with pytest.raises(KmipError) as refused:
        load_public_key(key_format, material)
    assert refused.value.reason is ResultReason.INVALID_FIELD


def test_keys_of_other_algorithms_and_curves_are_refused() -> None:
    other = dsa.generate_private_key(1024)
    elsewhere = bytes.fromhex("302e020100301006072a8648ce3d020106052b81040010041730150201010410") + bytes(15) + b"\5"
    spki = other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for load, key_format, material in (
        (load_private_key, Format.PKCS8, other.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
        (load_private_key, Format.PKCS8, elsewhere),
        (load_public_key, Format.X_509, spki),
        (load_public_key, Format.PKCS8, spki),
    ):
        with pytest.raises(KmipError) as refused:
            load(key_format, material)
        assert refused.value.reason in (ResultReason.INVALID_FIELD, FORMAT_NOT_SUPPORTED)


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519, Algorithm.ED448])
def test_raw_keys_of_a_wrong_size_are_refused(algorithm: Algorithm) -> None:
    for load in (load_private_key, load_public_key):
        with pytest.raises(KmipError) as refused:
            load(Format.RAW, bytes(31), algorithm)
        assert refused.value.reason is ResultReason.INVALID_FIELD


def test_raw_keys_of_other_algorithms_are_read_as_der() -> None:
    assert isinstance(load_private_key(Format.RAW, RSA_PKCS1, Algorithm.RSA), rsa.RSAPrivateKey)
    assert isinstance(load_public_key(Format.RAW, pair(Algorithm.RSA).public, Algorithm.RSA), rsa.RSAPublicKey)


def test_key_material_does_not_show_itself() -> None:
    for material in (
        transparent_rsa(),
        TransparentSymmetricKey(key=b"secret"),
        p_256(d=12345678),
        TransparentDSA(p=7, q=3, g=2, x=12345678),
    ):
        assert "secret" not in repr(material)
        assert "12345678" not in repr(material)
        assert str(transparent_rsa().p) not in repr(material)
