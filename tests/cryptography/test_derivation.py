"""Key derivation: published vectors for each method, lengths, limits and refusals."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from kmip_server.cryptography.derivation import DerivationParameters, derive, derive_shared
from kmip_server.cryptography.generation import generate_key_pair
from kmip_server.cryptography.key_formats import PrivateKey, PublicKey, load_private_key, load_public_key
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.cryptography.transparent import TransparentEC
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import BlockCipherMode, KeyFormatType, PaddingMethod, ResultReason
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import DerivationMethod as Method
from kmip_server.ttlv.enumerations import HashingAlgorithm as Hash
from kmip_server.ttlv.enumerations import RecommendedCurve as Curve

BAD = ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS
FIELD = ResultReason.INVALID_FIELD
UNSUPPORTED = ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS
KEY = bytes(range(32))
DATA = b"label\0context"


def hashed(algorithm: Hash | None = None, **fields: object) -> DerivationParameters:
    named = CryptographicParameters(hashing_algorithm=algorithm)
    return DerivationParameters(cryptographic_parameters=named, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("iterations", "length", "expected"),
    [
        (1, 160, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
        (2, 160, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
        (4096, 160, "4b007901b765489abead49d926f721d065a429c1"),
    ],
)
def test_pbkdf2_agrees_with_rfc_6070(iterations: int, length: int, expected: str) -> None:
    asked = hashed(salt=b"salt", iteration_count=iterations)
    derived = derive(Method.PBKDF2, None, b"password", asked, length)
    assert derived.hex() == expected
    assert derived == hashlib.pbkdf2_hmac("sha1", b"password", b"salt", iterations, length // 8)


def test_hkdf_agrees_with_rfc_5869() -> None:
    ikm, salt, info = b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA))
    first = derive(Method.HKDF, None, ikm, hashed(salt=salt, derivation_data=(info,)), 336)
    assert first.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    third = derive(Method.HKDF, None, ikm, hashed(), 336)
    assert third.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"


def test_aws_signature_version_4_agrees_with_the_published_example() -> None:
    secret = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    asked = hashed(derivation_data=(b"20150830", b"us-east-1", b"iam"))
    derived = derive(Method.AWS_SIGNATURE_VERSION_4, None, secret, asked, 256)
    assert derived.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


def test_hash_is_the_hash_of_the_key() -> None:
    derived = derive(Method.HASH, Algorithm.AES, KEY, hashed(Hash.SHA_512), 256)
    assert derived == hashlib.sha512(KEY).digest()[:32]


def test_hmac_takes_its_hash_from_the_key_and_only_else_from_the_parameters() -> None:
    asked = hashed(Hash.SHA_512, derivation_data=(DATA,))
    by_key = derive(Method.HMAC, Algorithm.HMAC_SHA256, KEY, asked, 256)
    by_parameters = derive(Method.HMAC, Algorithm.AES, KEY, asked, 512)
    named = CryptographicParameters(cryptographic_algorithm=Algorithm.HMAC_SHA384)
    by_name = DerivationParameters(cryptographic_parameters=named, derivation_data=(DATA,))
    assert by_key == hmac.digest(KEY, DATA, "sha256")
    assert by_parameters == hmac.digest(KEY, DATA, "sha512")
    assert derive(Method.HMAC, None, KEY, by_name, 384) == hmac.digest(KEY, DATA, "sha384")


def test_encrypt_is_the_first_bytes_of_the_encrypted_data() -> None:
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    plain = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    named = CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC, padding_method=PaddingMethod.PKCS5)
    asked = DerivationParameters(
        cryptographic_parameters=named, initialization_vector=bytes(range(16)), derivation_data=(plain,)
    )
    assert derive(Method.ENCRYPT, Algorithm.AES, key, asked, 128).hex() == "7649abac8119b246cee98e9b12e9197d"
    assert len(derive(Method.ENCRYPT, Algorithm.AES, key, asked, 256)) == 32


def blocks(count: int, length: int) -> list[bytes]:
    """The three constructions of SP 800-108 s4, written out with the standard library's HMAC, for comparison."""

    def prf(data: bytes) -> bytes:
        return hmac.digest(KEY, data, "sha256")

    counters = [number.to_bytes(4, "big") for number in range(1, count + 1)]
    counter = b"".join(prf(number + DATA) for number in counters)
    feedback, previous = b"", b"the initial value"
    pipeline, state = b"", DATA
    for number in counters:
        previous = prf(previous + number + DATA)
        feedback += previous
        state = prf(state)
        pipeline += prf(state + number + DATA)
    return [counter[:length], feedback[:length], pipeline[:length]]


def test_the_sp_800_108_methods_are_those_of_the_standard() -> None:
    asked = hashed(derivation_data=(DATA,), initialization_vector=b"the initial value")
    derived = [
        derive(method, Algorithm.HMAC_SHA256, KEY, asked, 800)
        for method in (Method.NIST800_108_C, Method.NIST800_108_F, Method.NIST800_108_DPI)
    ]
    assert derived == blocks(4, 100)


def test_the_pseudorandom_function_is_that_of_the_key_or_of_the_parameters() -> None:
    named, unnamed = hashed(Hash.SHA_256, derivation_data=(DATA,)), hashed(derivation_data=(DATA,))
    by_hash = derive(Method.NIST800_108_C, Algorithm.AES, KEY, named, 256)
    assert by_hash == derive(Method.NIST800_108_C, Algorithm.HMAC_SHA256, KEY, unnamed, 256)
    assert by_hash != derive(Method.NIST800_108_C, Algorithm.AES, KEY, unnamed, 256)


def test_counter_mode_agrees_with_cavp_for_hmac_sha256_with_a_32_bit_counter() -> None:
    key = bytes.fromhex("dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0")
    fixed = bytes.fromhex(
        "01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b8"
        "64a145fab25e517b08f8683d0315bb2911d80a0e8aba17f3b413faac"
    )
    derived = derive(Method.NIST800_108_C, Algorithm.HMAC_SHA256, key, hashed(derivation_data=(fixed,)), 128)
    assert derived.hex() == "10621342bfb0fd40046c0e29f2cfdbf0"


def load(algorithm: Algorithm, curve: Curve | None = None) -> tuple[PrivateKey, PublicKey]:
    pair = generate_key_pair(algorithm, None, curve)
    return load_private_key(KeyFormatType.PKCS8, pair.private), load_public_key(KeyFormatType.X_509, pair.public)


@pytest.mark.parametrize(
    ("algorithm", "curve", "length"),
    [
        (Algorithm.EC, Curve.P_256, 256),
        (Algorithm.ECDH, Curve.P_384, 384),
        (Algorithm.ECDH, Curve.P_521, 528),
        (Algorithm.ECDH, Curve.CURVE25519, 256),
        (Algorithm.ECDH, Curve.CURVE448, 448),
    ],
)
def test_two_key_pairs_agree_on_a_secret(algorithm: Algorithm, curve: Curve, length: int) -> None:
    (private, public), (other_private, other_public) = load(algorithm, curve), load(algorithm, curve)
    shared = derive_shared(private, other_public, length)
    assert shared == derive_shared(other_private, public, length)
    assert derive_shared(private, other_public, 128) == shared[:16]
    with pytest.raises(KmipError) as refused:
        derive_shared(private, other_public, length + 8)
    assert refused.value.reason is BAD


def test_ecdh_agrees_with_the_cavp_vector_for_p_256() -> None:
    ours = TransparentEC(
        recommended_curve=Curve.P_256, d=0x7D7DC5F71EB29DDAF80D6214632EEAE03D9058AF1FB6D22ED80BADB62BC1A534
    )
    theirs = TransparentEC(
        recommended_curve=Curve.P_256,
        q_string=bytes.fromhex(
            "04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"
            "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac"
        ),
    )
    private = load_private_key(KeyFormatType.TRANSPARENT_EC_PRIVATE_KEY, ours)
    public = load_public_key(KeyFormatType.TRANSPARENT_EC_PUBLIC_KEY, theirs)
    shared = derive_shared(private, public, 256)
    assert shared.hex() == "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b"


@pytest.mark.parametrize("length", [0, -8, 127])
def test_a_shared_secret_has_whole_bytes(length: int) -> None:
    private, public = load(Algorithm.EC)
    with pytest.raises(KmipError) as refused:
        derive_shared(private, public, length)
    assert refused.value.reason is BAD


def test_keys_that_cannot_agree_are_refused() -> None:
    private, public = load(Algorithm.EC)
    x25519_private, x25519_public = load(Algorithm.ECDH, Curve.CURVE25519)
    low_order = load_public_key(KeyFormatType.X_509, bytes.fromhex("302a300506032b656e032100") + bytes(32))
    for first, second, reason in (
        (private, load(Algorithm.EC, Curve.P_384)[1], BAD),
        (private, x25519_public, UNSUPPORTED),
        (x25519_private, public, UNSUPPORTED),
        (load(Algorithm.ED25519)[0], load(Algorithm.ED25519)[1], UNSUPPORTED),
        (x25519_private, low_order, ResultReason.CRYPTOGRAPHIC_FAILURE),
    ):
        with pytest.raises(KmipError) as refused:
            derive_shared(first, second, 128)
        assert refused.value.reason is reason


CBC = CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC)
WITHOUT_IV = DerivationParameters(cryptographic_parameters=CBC, derivation_data=(bytes(16),))
REFUSED = [
    ("PBKDF2 without salt", Method.PBKDF2, None, hashed(iteration_count=1), 128, BAD),
    ("PBKDF2 without iterations", Method.PBKDF2, None, hashed(salt=b"salt"), 128, BAD),
    ("PBKDF2 with none", Method.PBKDF2, None, hashed(salt=b"salt", iteration_count=0), 128, BAD),
    ("PBKDF2 too slow", Method.PBKDF2, None, hashed(salt=b"salt", iteration_count=1_000_001), 128, FIELD),
    ("PBKDF2 too slow by blocks", Method.PBKDF2, None, hashed(salt=b"salt", iteration_count=500_001), 168, FIELD),
    ("HASH with data too", Method.HASH, None, hashed(Hash.SHA_256, derivation_data=(DATA,)), 128, BAD),
    ("HASH without a hash", Method.HASH, None, hashed(), 128, BAD),
    ("HASH not done", Method.HASH, None, hashed(Hash.TIGER), 128, UNSUPPORTED),
    ("HASH too short", Method.HASH, None, hashed(Hash.SHA_256), 264, BAD),
    ("HMAC without data", Method.HMAC, Algorithm.HMAC_SHA256, hashed(), 128, BAD),
    ("HMAC without a hash", Method.HMAC, Algorithm.AES, hashed(derivation_data=(DATA,)), 128, BAD),
    ("HMAC too short", Method.HMAC, Algorithm.HMAC_SHA256, hashed(derivation_data=(DATA,)), 264, BAD),
    ("ENCRYPT without a cipher", Method.ENCRYPT, None, hashed(derivation_data=(DATA,)), 128, BAD),
    ("ENCRYPT without a mode", Method.ENCRYPT, Algorithm.AES, hashed(derivation_data=(DATA,)), 128, BAD),
    ("ENCRYPT without IV", Method.ENCRYPT, Algorithm.AES, WITHOUT_IV, 128, BAD),
    ("two data", Method.NIST800_108_C, Algorithm.HMAC_SHA256, hashed(derivation_data=(DATA, DATA)), 128, BAD),
    ("no PRF", Method.NIST800_108_C, None, hashed(derivation_data=(DATA,)), 128, BAD),
    ("HKDF too long", Method.HKDF, None, hashed(), 255 * 256 + 8, BAD),
    ("AWS with one data", Method.AWS_SIGNATURE_VERSION_4, None, hashed(derivation_data=(DATA,)), 128, BAD),
    ("no length", Method.HKDF, None, hashed(), 0, BAD),
    ("negative length", Method.HKDF, None, hashed(), -8, BAD),
    ("broken length", Method.HKDF, None, hashed(), 127, BAD),
    ("huge length", Method.HKDF, None, hashed(), 2**31 - 8, BAD),
    ("two keys needed", Method.ASYMMETRIC_KEY, None, hashed(), 128, UNSUPPORTED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "algorithm", "asked", "length", "reason"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_derivation_is_refused_with_its_reason(
    method: Method, algorithm: Algorithm | None, asked: DerivationParameters, length: int, reason: ResultReason
) -> None:
    with pytest.raises(KmipError) as refused:
        derive(method, algorithm, KEY, asked, length)
    assert refused.value.reason is reason


def test_a_derived_key_has_at_most_65536_bits() -> None:
    asked = hashed(derivation_data=(DATA,))
    assert len(derive(Method.NIST800_108_C, Algorithm.HMAC_SHA256, KEY, asked, 65536)) == 8192
    with pytest.raises(KmipError) as refused:
        derive(Method.NIST800_108_C, Algorithm.HMAC_SHA256, KEY, asked, 65544)
    assert refused.value.reason is BAD


def test_a_random_iv_and_an_empty_key_are_refused() -> None:
    random = CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC, random_iv=True)
    asked = DerivationParameters(cryptographic_parameters=random, derivation_data=(bytes(16),))
    for key in (KEY, b""):
        with pytest.raises(KmipError) as refused:
            derive(Method.ENCRYPT, Algorithm.AES, key, asked, 128)
        assert refused.value.reason is BAD
