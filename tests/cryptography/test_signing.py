"""Signatures: every scheme verifies what it signed and nothing else; RFC vectors; refusals and their reasons."""

from __future__ import annotations

from functools import cache

import pytest

from kmip_server.cryptography.algorithms import HASHES
from kmip_server.cryptography.generation import generate_key_pair
from kmip_server.cryptography.key_formats import PrivateKey, PublicKey, load_private_key, load_public_key
from kmip_server.cryptography.macs import digest
from kmip_server.cryptography.parameters import NO_PARAMETERS, CryptographicParameters
from kmip_server.cryptography.signing import SIGNATURE_ALGORITHMS, sign, verify
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import DigitalSignatureAlgorithm as Signature
from kmip_server.ttlv.enumerations import HashingAlgorithm as Hash
from kmip_server.ttlv.enumerations import KeyFormatType, PaddingMethod, ResultReason
from kmip_server.ttlv.enumerations import RecommendedCurve as Curve

BAD = ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS
UNSUPPORTED = ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS
PSS = PaddingMethod.PSS
DATA = b"the message"


@cache
def keys(algorithm: Algorithm, curve: Curve | None = None) -> tuple[PrivateKey, PublicKey]:
    pair = generate_key_pair(algorithm, 2048 if algorithm is Algorithm.RSA else None, curve)
    return load_private_key(KeyFormatType.PKCS8, pair.private), load_public_key(KeyFormatType.X_509, pair.public)


def parameters(**fields: object) -> CryptographicParameters:
    return CryptographicParameters(**fields)  # type: ignore[arg-type]


def check(private: PrivateKey, public: PublicKey, asked: CryptographicParameters) -> bytes:
    """Sign, verify, and see that another message or a changed or cut signature is invalid."""
    signature = sign(private, asked, data=DATA)
    assert verify(public, signature, asked, data=DATA)
    assert not verify(public, signature, asked, data=DATA + b"!")
    assert not verify(public, signature[:-1] + bytes([signature[-1] ^ 1]), asked, data=DATA)
    assert not verify(public, signature[:-1], asked, data=DATA)
    assert not verify(public, b"", asked, data=DATA)
    return signature


@pytest.mark.parametrize("hashing", HASHES)
@pytest.mark.parametrize("padding", [None, PaddingMethod.PKCS1_V1_5, PSS])
def test_rsa_signs_with_every_hash_and_padding(hashing: Hash, padding: PaddingMethod | None) -> None:
    asked = parameters(hashing_algorithm=hashing, padding_method=padding)
    private, public = keys(Algorithm.RSA)
    signature = check(private, public, asked)
    assert verify(public, signature, asked, digested_data=digest(hashing, DATA))
    assert verify(public, sign(private, asked, digested_data=digest(hashing, DATA)), asked, data=DATA)


@pytest.mark.parametrize("hashing", HASHES)
@pytest.mark.parametrize("curve", [Curve.P_256, Curve.P_384, Curve.P_521])
def test_ecdsa_signs_with_every_hash(hashing: Hash, curve: Curve) -> None:
    private, public = keys(Algorithm.EC, curve)
    asked = parameters(hashing_algorithm=hashing, cryptographic_algorithm=Algorithm.ECDSA)
    signature = check(private, public, asked)
    assert verify(public, signature, asked, digested_data=digest(hashing, DATA))


@pytest.mark.parametrize("named", SIGNATURE_ALGORITHMS)
def test_every_digital_signature_algorithm_means_its_parts(named: Signature) -> None:
    row = SIGNATURE_ALGORITHMS[named]
    private, public = keys(Algorithm.RSA if row.algorithm is Algorithm.RSA else Algorithm.EC)
    hashing = row.hashing_algorithm or Hash.SHA_256
    asked = parameters(
        digital_signature_algorithm=named, hashing_algorithm=None if row.hashing_algorithm else Hash.SHA_256
    )
    signature = check(private, public, asked)
    parts = parameters(
        cryptographic_algorithm=row.algorithm, hashing_algorithm=hashing, padding_method=row.padding_method
    )
    assert verify(public, signature, parts, data=DATA)


@pytest.mark.parametrize("algorithm", [Algorithm.ED25519, Algorithm.ED448])
def test_edwards_keys_sign_without_parameters(algorithm: Algorithm) -> None:
    private, public = keys(algorithm)
    check(private, public, NO_PARAMETERS)
    check(private, public, parameters(cryptographic_algorithm=algorithm))


def test_ed25519_agrees_with_rfc_8032_test_2() -> None:
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    private = load_private_key(KeyFormatType.RAW, seed, Algorithm.ED25519)
    assert sign(private, data=b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_a_salt_length_is_exact_when_given_and_free_when_not() -> None:
    private, public = keys(Algorithm.RSA)
    salted = parameters(padding_method=PSS, hashing_algorithm=Hash.SHA_256, salt_length=222)
    free = parameters(padding_method=PSS, hashing_algorithm=Hash.SHA_256)
    signature = sign(private, salted, data=DATA)
    assert verify(public, signature, salted, data=DATA)
    assert verify(public, signature, free, data=DATA)
    assert not verify(public, sign(private, free, data=DATA), salted, data=DATA)


def test_the_hash_of_the_mask_is_that_of_the_signature_unless_named() -> None:
    private, public = keys(Algorithm.RSA)
    same = parameters(padding_method=PSS, hashing_algorithm=Hash.SHA_256, mask_generator_hashing_algorithm=Hash.SHA_256)
    other = parameters(padding_method=PSS, hashing_algorithm=Hash.SHA_256, mask_generator_hashing_algorithm=Hash.SHA_1)
    signature = sign(private, parameters(padding_method=PSS, hashing_algorithm=Hash.SHA_256), data=DATA)
    assert verify(public, signature, same, data=DATA)
    assert not verify(public, signature, other, data=DATA)


def test_a_signature_under_another_hash_is_invalid() -> None:
    private, public = keys(Algorithm.RSA)
    signature = sign(private, parameters(padding_method=PSS, hashing_algorithm=Hash.SHA_256), data=DATA)
    assert not verify(public, signature, parameters(padding_method=PSS, hashing_algorithm=Hash.SHA_1), data=DATA)


_S256 = {"hashing_algorithm": Hash.SHA_256}
_NAME_S256 = {"digital_signature_algorithm": Signature.SHA_256_WITH_RSA_ENCRYPTION}
_NAME_PSS = {"digital_signature_algorithm": Signature.RSASSA_PSS}
_NAME_MD2 = {"digital_signature_algorithm": Signature.MD2_WITH_RSA_ENCRYPTION}
REFUSED = [
    ("RSA without a hash", Algorithm.RSA, None, {}, BAD),
    ("EC without a hash", Algorithm.EC, None, {}, BAD),
    ("PSS without a hash", Algorithm.RSA, None, _NAME_PSS, BAD),
    ("hash not done", Algorithm.RSA, None, {"hashing_algorithm": Hash.WHIRLPOOL}, UNSUPPORTED),
    ("RSA key, EC parameters", Algorithm.RSA, None, _S256 | {"cryptographic_algorithm": Algorithm.ECDSA}, BAD),
    ("EC key, RSA name", Algorithm.EC, None, _NAME_S256, BAD),
    ("Ed25519 key, RSA name", Algorithm.ED25519, None, _NAME_PSS, BAD),
    ("two hashes", Algorithm.RSA, None, _NAME_S256 | {"hashing_algorithm": Hash.SHA_1}, BAD),
    ("two paddings", Algorithm.RSA, None, _S256 | _NAME_PSS | {"padding_method": PaddingMethod.PKCS1_V1_5}, BAD),
    ("two algorithms", Algorithm.RSA, None, _NAME_S256 | {"cryptographic_algorithm": Algorithm.EC}, BAD),
    ("name not done", Algorithm.RSA, None, _NAME_MD2, UNSUPPORTED),
    ("DSA", Algorithm.RSA, None, {"digital_signature_algorithm": Signature.DSA_WITH_SHA256}, UNSUPPORTED),
    ("padding not done", Algorithm.RSA, None, _S256 | {"padding_method": PaddingMethod.X9_31}, UNSUPPORTED),
    ("EC with padding", Algorithm.EC, None, _S256 | {"padding_method": PSS}, BAD),
    ("salt negative", Algorithm.RSA, None, _S256 | {"padding_method": PSS, "salt_length": -1}, BAD),
    ("salt too long", Algorithm.RSA, None, _S256 | {"padding_method": PSS, "salt_length": 223}, BAD),
    ("trailer", Algorithm.RSA, None, _S256 | {"padding_method": PSS, "trailer_field": 2}, UNSUPPORTED),
    ("key agreement key", Algorithm.ECDH, Curve.CURVE25519, _S256, UNSUPPORTED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("algorithm", "curve", "fields", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_signing_is_refused_with_its_reason(
    algorithm: Algorithm, curve: Curve | None, fields: dict[str, object], reason: ResultReason
) -> None:
    private, public = keys(algorithm, curve)
    with pytest.raises(KmipError) as refused:
        sign(private, parameters(**fields), data=DATA)
    assert refused.value.reason is reason
    if "salt_length" not in fields:
        with pytest.raises(KmipError) as refused:
            verify(public, b"signature", parameters(**fields), data=DATA)
        assert refused.value.reason is reason


def test_data_and_its_digest_exclude_each_other_and_one_is_needed() -> None:
    private, public = keys(Algorithm.RSA)
    asked = parameters(hashing_algorithm=Hash.SHA_256)
    for inputs in ({}, {"data": DATA, "digested_data": bytes(32)}, {"digested_data": bytes(31)}):
        with pytest.raises(KmipError) as refused:
            sign(private, asked, **inputs)
        assert refused.value.reason is BAD
        with pytest.raises(KmipError) as refused:
            verify(public, b"", asked, **inputs)
        assert refused.value.reason is BAD
    with pytest.raises(KmipError) as refused:
        sign(keys(Algorithm.ED25519)[0], digested_data=bytes(64))
    assert refused.value.reason is BAD
