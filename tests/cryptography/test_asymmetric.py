"""RSA encryption: OAEP in every combination of hashes, PKCS#1 v1.5 without an oracle, refusals and their reasons."""

from __future__ import annotations

from functools import cache

import pytest

from kmip_server.cryptography.asymmetric import decrypt, encrypt
from kmip_server.cryptography.failures import DECRYPTION_FAILED
from kmip_server.cryptography.generation import generate_key_pair
from kmip_server.cryptography.key_formats import PrivateKey, PublicKey, load_private_key, load_public_key
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import HashingAlgorithm as Hash
from kmip_server.ttlv.enumerations import KeyFormatType, PaddingMethod, ResultReason

BAD = ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS
UNSUPPORTED = ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS
OAEP = CryptographicParameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=Hash.SHA_256)
V1_5 = CryptographicParameters(padding_method=PaddingMethod.PKCS1_V1_5)


@cache
def keys(algorithm: Algorithm = Algorithm.RSA) -> tuple[PrivateKey, PublicKey]:
    pair = generate_key_pair(algorithm, 2048 if algorithm is Algorithm.RSA else None)
    return load_private_key(KeyFormatType.PKCS8, pair.private), load_public_key(KeyFormatType.X_509, pair.public)


@pytest.mark.parametrize("hashing", [None, Hash.SHA_1, Hash.SHA_256, Hash.SHA_384, Hash.SHA_512])
@pytest.mark.parametrize("mask", [None, Hash.SHA_1, Hash.SHA_256, Hash.SHA_512])
@pytest.mark.parametrize("label", [None, b"", b"label"])
def test_oaep_decrypts_what_it_encrypted(hashing: Hash | None, mask: Hash | None, label: bytes | None) -> None:
    asked = CryptographicParameters(
        padding_method=PaddingMethod.OAEP,
        hashing_algorithm=hashing,
        mask_generator_hashing_algorithm=mask,
        p_source=label,
    )
    private, public = keys()
    assert decrypt(private, encrypt(public, b"secret", asked), asked) == b"secret"


def test_pkcs1_v1_5_decrypts_what_it_encrypted() -> None:
    private, public = keys()
    assert decrypt(private, encrypt(public, b"secret", V1_5), V1_5) == b"secret"


def test_every_oaep_failure_is_one_and_the_same() -> None:
    private, public = keys()
    good = encrypt(public, b"secret", OAEP)
    labelled = CryptographicParameters(
        padding_method=PaddingMethod.OAEP, hashing_algorithm=Hash.SHA_256, p_source=b"label"
    )
    answers = set()
    for asked, data in (
        (OAEP, b""),
        (OAEP, good[:-1]),
        (OAEP, good + b"x"),
        (OAEP, bytes(256)),
        (OAEP, b"\xff" * 256),
        (OAEP, good[:-1] + bytes([good[-1] ^ 1])),
        (labelled, good),
        (V1_5, good[:-1]),
    ):
        with pytest.raises(KmipError) as failed:
            decrypt(private, data, asked)
        answers.add((failed.value.reason, failed.value.message))
    assert answers == {(ResultReason.CRYPTOGRAPHIC_FAILURE, DECRYPTION_FAILED)}


def test_wrong_pkcs1_v1_5_padding_decrypts_to_the_same_random_bytes_each_time() -> None:
    private, public = keys()
    sealed = encrypt(public, b"secret", OAEP)
    first = decrypt(private, sealed, V1_5)
    assert first == decrypt(private, sealed, V1_5)
    assert b"secret" not in first


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (CryptographicParameters(), BAD),
        (CryptographicParameters(padding_method=PaddingMethod.NONE), UNSUPPORTED),
        (CryptographicParameters(padding_method=PaddingMethod.PSS), UNSUPPORTED),
        (CryptographicParameters(padding_method=PaddingMethod.PKCS5), UNSUPPORTED),
        (CryptographicParameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=Hash.TIGER), UNSUPPORTED),
        (CryptographicParameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=Hash.SHA3_256), UNSUPPORTED),
        (
            CryptographicParameters(padding_method=PaddingMethod.OAEP, cryptographic_algorithm=Algorithm.ECDSA),
            BAD,
        ),
    ],
)
def test_other_paddings_are_refused(asked: CryptographicParameters, reason: ResultReason) -> None:
    private, public = keys()
    for call in (lambda: encrypt(public, b"x", asked), lambda: decrypt(private, bytes(256), asked)):
        with pytest.raises(KmipError) as refused:
            call()
        assert refused.value.reason is reason


def test_data_that_is_too_long_and_other_keys_are_refused() -> None:
    private, public = keys(Algorithm.EC)
    for call, reason in (
        (lambda: encrypt(keys()[1], bytes(191), OAEP), BAD),
        (lambda: encrypt(keys()[1], bytes(246), V1_5), BAD),
        (lambda: encrypt(public, b"x", OAEP), UNSUPPORTED),
        (lambda: decrypt(private, b"x", OAEP), UNSUPPORTED),
    ):
        with pytest.raises(KmipError) as refused:
            call()
        assert refused.value.reason is reason
