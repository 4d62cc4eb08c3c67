"""MACs and hashes against published vectors and the standard library, and their failures."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmip_server.cryptography.algorithms import HASHES, HMACS
from kmip_server.cryptography.macs import digest, mac, verify_mac
from kmip_server.cryptography.parameters import NO_PARAMETERS, CryptographicParameters
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import BlockCipherMode, HashingAlgorithm, ResultReason
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm

BAD = ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS
UNSUPPORTED = ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS
CMAC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
IN_HASHLIB = {
    HashingAlgorithm.SHA_512_224: "sha512_224",
    HashingAlgorithm.SHA_512_256: "sha512_256",
}


def library_name(algorithm: HashingAlgorithm) -> str:
    """The name of the hash in the standard library."""
    title = algorithm.title.lower()
    return IN_HASHLIB.get(algorithm) or (
        title.replace("-", "_") if title.startswith("sha3") else title.replace("-", "")
    )


@pytest.mark.parametrize("algorithm", HASHES)
@given(data=st.binary(max_size=300))
def test_hashes_agree_with_the_standard_library(algorithm: HashingAlgorithm, data: bytes) -> None:
    assert digest(algorithm, data) == hashlib.new(library_name(algorithm), data).digest()


@pytest.mark.parametrize("algorithm", HMACS)
@given(key=st.binary(min_size=1, max_size=200), data=st.binary(max_size=300))
def test_hmacs_agree_with_the_standard_library(algorithm: Algorithm, key: bytes, data: bytes) -> None:
    expected = hmac.digest(key, data, library_name(HMACS[algorithm]))
    assert mac(algorithm, key, data) == expected
    assert verify_mac(algorithm, key, data, expected)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_aes_cmac_agrees_with_rfc_4493(length: int, expected: str) -> None:
    message = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    for mode in (None, BlockCipherMode.CMAC):
        asked = CryptographicParameters(block_cipher_mode=mode)
        assert mac(Algorithm.AES, CMAC_KEY, message[:length], asked).hex() == expected


def test_the_parameters_algorithm_goes_before_the_keys() -> None:
    asked = CryptographicParameters(cryptographic_algorithm=Algorithm.HMAC_SHA256)
    expected = hmac.digest(CMAC_KEY, b"data", "sha256")
    assert mac(Algorithm.AES, CMAC_KEY, b"data", asked) == mac(None, CMAC_KEY, b"data", asked) == expected


def test_a_mac_of_any_other_length_or_value_is_invalid() -> None:
    good = mac(Algorithm.HMAC_SHA256, b"key", b"data")
    wrong = bytes([good[0] ^ 1]) + good[1:]
    assert verify_mac(Algorithm.HMAC_SHA256, b"key", b"data", good)
    for other in (b"", good[:16], good[:-1], good + b"\0", wrong):
        assert not verify_mac(Algorithm.HMAC_SHA256, b"key", b"data", other)


@pytest.mark.parametrize(
    ("algorithm", "key", "asked", "reason"),
    [
        (None, b"key", NO_PARAMETERS, BAD),
        (Algorithm.HMAC_SHA256, b"", NO_PARAMETERS, BAD),
        (Algorithm.AES, b"short", NO_PARAMETERS, BAD),
        (Algorithm.AES, bytes(64), NO_PARAMETERS, BAD),
        (Algorithm.DES3, bytes(8), NO_PARAMETERS, BAD),
        (Algorithm.DES3, bytes(16), CryptographicParameters(cryptographic_algorithm=Algorithm.AES), BAD),
        (Algorithm.AES, CMAC_KEY, CryptographicParameters(block_cipher_mode=BlockCipherMode.GCM), UNSUPPORTED),
        (Algorithm.CHACHA20, bytes(32), NO_PARAMETERS, UNSUPPORTED),
        (Algorithm.RSA, b"key", NO_PARAMETERS, UNSUPPORTED),
    ],
)
def test_other_macs_are_refused(
    algorithm: Algorithm | None, key: bytes, asked: CryptographicParameters, reason: ResultReason
) -> None:
    with pytest.raises(KmipError) as refused:
        mac(algorithm, key, b"data", asked)
    assert refused.value.reason is reason


def test_other_hashes_are_refused() -> None:
    for algorithm, reason in ((None, BAD), (HashingAlgorithm.MD4, UNSUPPORTED), (HashingAlgorithm.TIGER, UNSUPPORTED)):
        with pytest.raises(KmipError) as refused:
            digest(algorithm, b"data")
        assert refused.value.reason is reason
