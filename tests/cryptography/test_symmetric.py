"""Symmetric encryption against published vectors, its failures and their Result Reasons."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmip_server.cryptography.algorithms import CIPHERS
from kmip_server.cryptography.failures import DECRYPTION_FAILED
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.cryptography.symmetric import decrypt, encrypt
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import BlockCipherMode as Mode
from kmip_server.ttlv.enumerations import CryptographicAlgorithm as Algorithm
from kmip_server.ttlv.enumerations import PaddingMethod, ResultReason

BAD = ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS
UNSUPPORTED = ResultReason.UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS
MISSING_IV = ResultReason.MISSING_INITIALIZATION_VECTOR
FAILURE = ResultReason.CRYPTOGRAPHIC_FAILURE

KEY, IV = bytes(range(32)), bytes(range(16))
# SP 800-38A F.1 to F.5: one key, four blocks.
NIST_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
NIST_PLAIN = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
NIST_COUNTER = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")


def parameters(mode: Mode | None = None, **fields: object) -> CryptographicParameters:
    return CryptographicParameters(block_cipher_mode=mode, **fields)  # type: ignore[arg-type]


PKCS5 = parameters(Mode.CBC, padding_method=PaddingMethod.PKCS5)
GCM = parameters(Mode.GCM)
RFC_3686 = parameters(Mode.CTR, initial_counter_value=1, counter_length=32)


@pytest.mark.parametrize(
    ("mode", "iv", "expected"),
    [
        (Mode.ECB, None, "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"),
        (Mode.CBC, IV, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"),
        (Mode.CFB, IV, "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"),
        (Mode.OFB, IV, "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"),
        (Mode.CTR, NIST_COUNTER, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"),
    ],
)
def test_aes_modes_agree_with_sp_800_38a(mode: Mode, iv: bytes | None, expected: str) -> None:
    sealed = encrypt(Algorithm.AES, NIST_KEY, NIST_PLAIN, parameters(mode), iv=iv)
    assert sealed.data.hex() == expected
    assert (sealed.iv, sealed.tag) == (None, None)
    assert decrypt(Algorithm.AES, NIST_KEY, sealed.data, parameters(mode), iv=iv) == NIST_PLAIN


@pytest.mark.parametrize(
    ("key", "tweak", "plain", "expected"),
    [
        (
            b"\x11" * 16 + b"\x22" * 16,
            b"\x33" * 5 + bytes(11),
            b"\x44" * 32,
            "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
        ),
        (
            bytes.fromhex(
                "2718281828459045235360287471352662497757247093699959574966967627"
                "3141592653589793238462643383279502884197169399375105820974944592"
            ),
            b"\xff" + bytes(15),
            bytes(range(256)) * 2,
            "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b",
        ),
    ],
)
def test_xts_agrees_with_ieee_1619_vectors_2_and_10(key: bytes, tweak: bytes, plain: bytes, expected: str) -> None:
    sealed = encrypt(Algorithm.AES, key, plain, parameters(Mode.XTS), iv=tweak)
    assert sealed.data[:32].hex() == expected


def test_ccm_agrees_with_sp_800_38c_example_4() -> None:
    key, nonce = bytes(range(0x40, 0x50)), bytes(range(0x10, 0x1D))
    aad, plain = bytes(range(256)) * 256, bytes(range(0x20, 0x40))
    asked = parameters(Mode.CCM, tag_length=14)
    sealed = encrypt(Algorithm.AES, key, plain, asked, iv=nonce, aad=aad)
    assert sealed.data.hex() == "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72"
    assert sealed.tag == bytes.fromhex("b4ac6bec93e8598e7f0dadbcea5b")
    assert decrypt(Algorithm.AES, key, sealed.data, asked, iv=nonce, aad=aad, tag=sealed.tag) == plain


def test_ctr_with_a_counter_agrees_with_rfc_3686_vector_1() -> None:
    key, nonce = bytes.fromhex("ae6852f8121067cc4bf7a5765577f39e"), bytes.fromhex("00000030") + bytes(8)
    asked = parameters(Mode.CTR, initial_counter_value=1, counter_length=32)
    sealed = encrypt(Algorithm.AES, key, b"Single block msg", asked, iv=nonce)
    assert sealed.data.hex() == "e4095d4fb7a7b3792d6175a3261311b8"


def test_chacha20_agrees_with_rfc_8439_s2_4_2() -> None:
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
        b"sunscreen would be it."
    )
    asked = parameters(initial_counter_value=1)
    sealed = encrypt(Algorithm.CHACHA20, KEY, plain, asked, iv=bytes.fromhex("000000000000004a00000000"))
    assert sealed.data[:32].hex() == "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b"


def test_the_three_nonces_of_chacha20_mean_the_same_cipher() -> None:
    nonce = os.urandom(8)
    by_eight = encrypt(Algorithm.CHACHA20, KEY, bytes(200), iv=nonce)
    by_twelve = encrypt(Algorithm.CHACHA20, KEY, bytes(200), iv=bytes(4) + nonce)
    by_sixteen = encrypt(Algorithm.CHACHA20, KEY, bytes(200), iv=bytes(8) + nonce)
    assert by_eight == by_twelve == by_sixteen


def test_two_key_3des_uses_its_first_key_as_the_third() -> None:
    two = os.urandom(16)
    three = two + two[:8]
    assert encrypt(Algorithm.DES3, two, bytes(8), parameters(Mode.ECB)) == encrypt(
        Algorithm.DES3, three, bytes(8), parameters(Mode.ECB)
    )


ROWS = [
    (algorithm, mode, bits)
    for algorithm, cipher in CIPHERS.items()
    for mode, row in cipher.modes.items()
    for bits in row.key_lengths or cipher.lengths
]


@pytest.mark.parametrize(("algorithm", "mode", "bits"), ROWS)
def test_every_row_of_the_table_decrypts_what_it_encrypted(algorithm: Algorithm, mode: Mode | None, bits: int) -> None:
    key = os.urandom(CIPHERS[algorithm].material_length(bits))
    row = CIPHERS[algorithm].modes[mode]
    asked = parameters(mode, random_iv=True, padding_method=PaddingMethod.PKCS5)
    aad = b"additional" if row.tags else b""
    for data in (b"0123456789abcdef", os.urandom(4096)):
        sealed = encrypt(algorithm, key, data, asked, aad=aad)
        assert (sealed.iv is not None) == bool(row.ivs)
        assert (sealed.tag is not None) == bool(row.tags)
        assert data not in sealed.data
        assert decrypt(algorithm, key, sealed.data, asked, iv=sealed.iv, aad=aad, tag=sealed.tag) == data


@given(data=st.binary(max_size=100), method=st.sampled_from([PaddingMethod.PKCS5, PaddingMethod.ANSI_X9_23]))
def test_padding_comes_off_as_it_went_on(data: bytes, method: PaddingMethod) -> None:
    asked = parameters(Mode.CBC, padding_method=method)
    sealed = encrypt(Algorithm.AES, KEY, data, asked, iv=IV)
    assert len(sealed.data) == (len(data) // 16 + 1) * 16
    assert decrypt(Algorithm.AES, KEY, sealed.data, asked, iv=IV) == data


@given(data=st.binary(max_size=200), nonce=st.binary(min_size=8, max_size=128), aad=st.binary(max_size=50))
def test_gcm_round_trip_with_any_nonce_and_tag_length(data: bytes, nonce: bytes, aad: bytes) -> None:
    for length in (12, 13, 14, 15, 16):
        asked = parameters(Mode.GCM, tag_length=length)
        sealed = encrypt(Algorithm.AES, KEY, data, asked, iv=nonce, aad=aad)
        assert sealed.tag is not None
        assert len(sealed.tag) == length
        assert decrypt(Algorithm.AES, KEY, sealed.data, asked, iv=nonce, aad=aad, tag=sealed.tag) == data


def test_random_iv_is_fresh_each_time() -> None:
    asked = parameters(Mode.GCM, random_iv=True)
    ivs = {encrypt(Algorithm.AES, KEY, b"", asked).iv for _ in range(100)}
    assert len(ivs) == 100
    assert {len(iv or b"") for iv in ivs} == {12}


def test_a_given_iv_goes_before_random_iv() -> None:
    sealed = encrypt(Algorithm.AES, KEY, b"x", parameters(Mode.GCM, random_iv=True), iv=IV)
    assert sealed.iv is None
    assert replace(sealed, iv=None) == encrypt(Algorithm.AES, KEY, b"x", GCM, iv=IV)


def test_random_iv_leaves_room_for_the_counter_that_is_asked_for() -> None:
    asked = parameters(Mode.CTR, random_iv=True, initial_counter_value=1, counter_length=32)
    assert len(encrypt(Algorithm.AES, KEY, b"x", asked).iv or b"") == 12


REFUSED = [
    ("no mode", Algorithm.AES, KEY, parameters(), IV, BAD),
    ("mode not done", Algorithm.AES, KEY, parameters(Mode.PCBC), IV, UNSUPPORTED),
    ("mode of another cipher", Algorithm.DES3, KEY[:24], GCM, IV, UNSUPPORTED),
    ("chacha has no CBC", Algorithm.CHACHA20, KEY, parameters(Mode.CBC), IV, UNSUPPORTED),
    ("cipher not done", Algorithm.BLOWFISH, KEY, parameters(Mode.CBC), IV, UNSUPPORTED),
    ("not a cipher", Algorithm.RSA, KEY, parameters(Mode.CBC), IV, UNSUPPORTED),
    ("parameters for 3DES", Algorithm.AES, KEY, replace(GCM, cryptographic_algorithm=Algorithm.DES3), IV, BAD),
    ("key too short", Algorithm.AES, KEY[:15], GCM, IV, BAD),
    ("single DES in 3DES", Algorithm.DES3, KEY[:8], parameters(Mode.ECB), None, BAD),
    ("XTS pair in CBC", Algorithm.AES, KEY * 2, parameters(Mode.CBC), IV, BAD),
    ("XTS halves alike", Algorithm.AES, bytes(32), parameters(Mode.XTS), IV, BAD),
    ("no IV", Algorithm.AES, KEY, PKCS5, None, MISSING_IV),
    ("empty IV", Algorithm.AES, KEY, PKCS5, b"", MISSING_IV),
    ("no nonce", Algorithm.AES, KEY, GCM, None, MISSING_IV),
    ("no chacha nonce", Algorithm.CHACHA20, KEY, parameters(), None, MISSING_IV),
    ("short IV", Algorithm.AES, KEY, PKCS5, IV[:8], BAD),
    ("long IV", Algorithm.AES, KEY, PKCS5, IV * 2, BAD),
    ("IV where none is", Algorithm.AES, KEY, parameters(Mode.AESKEYWRAPPADDING), IV, BAD),
    ("GCM nonce too short", Algorithm.AES, KEY, GCM, IV[:7], BAD),
    ("GCM nonce too long", Algorithm.AES, KEY, GCM, bytes(129), BAD),
    ("IV Length contradicts", Algorithm.AES, KEY, replace(GCM, iv_length=96), IV, BAD),
    ("Random IV too short", Algorithm.AES, KEY, replace(GCM, iv_length=64, random_iv=True), None, BAD),
    ("Random IV negative", Algorithm.AES, KEY, replace(GCM, iv_length=-8, random_iv=True), None, BAD),
    ("Random IV huge", Algorithm.AES, KEY, replace(GCM, iv_length=2**31 - 8, random_iv=True), None, BAD),
    ("Random IV broken", Algorithm.AES, KEY, replace(GCM, iv_length=97, random_iv=True), None, BAD),
    ("Random IV in fields", Algorithm.AES, KEY, replace(GCM, fixed_field_length=32, random_iv=True), None, UNSUPPORTED),
    ("tag too short", Algorithm.AES, KEY, replace(GCM, tag_length=11), IV, BAD),
    ("tag too long", Algorithm.AES, KEY, replace(GCM, tag_length=17), IV, BAD),
    ("odd CCM tag", Algorithm.AES, KEY, parameters(Mode.CCM, tag_length=13), IV[:12], BAD),
    ("padding not done", Algorithm.AES, KEY, parameters(Mode.CBC, padding_method=PaddingMethod.ZEROS), IV, UNSUPPORTED),
    ("padding for RSA", Algorithm.AES, KEY, parameters(Mode.CBC, padding_method=PaddingMethod.OAEP), IV, BAD),
    ("not full blocks", Algorithm.AES, KEY, parameters(Mode.CBC), IV, BAD),
    ("key wrap of odd size", Algorithm.AES, KEY, parameters(Mode.NISTKEYWRAP), None, BAD),
    ("CTR without a start", Algorithm.AES, KEY, parameters(Mode.CTR), IV[:12], BAD),
    ("CTR with two starts", Algorithm.AES, KEY, parameters(Mode.CTR, initial_counter_value=1), IV, BAD),
    ("CTR start too large", Algorithm.AES, KEY, parameters(Mode.CTR, initial_counter_value=2**32), IV[:12], BAD),
    ("CTR start negative", Algorithm.AES, KEY, parameters(Mode.CTR, initial_counter_value=-1), IV[:12], BAD),
    ("CTR start wraps", Algorithm.AES, KEY, parameters(Mode.CTR, initial_counter_value=2**32 - 1), IV[:12], BAD),
    ("CTR field wraps", Algorithm.AES, KEY, parameters(Mode.CTR, counter_length=32), b"\xff" * 16, BAD),
    ("CTR field too long", Algorithm.AES, KEY, parameters(Mode.CTR, counter_length=129), IV, BAD),
    ("CTR lengths contradict", Algorithm.AES, KEY, replace(RFC_3686, counter_length=64), IV[:12], BAD),
    ("chacha with two starts", Algorithm.CHACHA20, KEY, parameters(initial_counter_value=1), IV, BAD),
    ("chacha start too large", Algorithm.CHACHA20, KEY, parameters(initial_counter_value=2**32), IV[:12], BAD),
]  # fmt: skip


@pytest.mark.parametrize(
    ("algorithm", "key", "asked", "iv", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_encryption_is_refused_with_its_reason(
    algorithm: Algorithm, key: bytes, asked: CryptographicParameters, iv: bytes | None, reason: ResultReason
) -> None:
    with pytest.raises(KmipError) as refused:
        encrypt(algorithm, key, bytes(33), asked, iv=iv)
    assert refused.value.reason is reason


def test_additional_data_without_a_tag_to_authenticate_it_is_refused() -> None:
    with pytest.raises(KmipError) as refused:
        encrypt(Algorithm.AES, KEY, b"x", PKCS5, iv=IV, aad=b"aad")
    assert refused.value.reason is BAD


def test_messages_too_short_for_the_mode_are_refused() -> None:
    for mode, iv in ((Mode.XTS, IV), (Mode.NISTKEYWRAP, None), (Mode.AESKEYWRAPPADDING, None)):
        with pytest.raises(KmipError) as refused:
            encrypt(Algorithm.AES, KEY, b"", parameters(mode), iv=iv)
        assert refused.value.reason is BAD


def test_a_ccm_message_too_long_for_its_nonce_is_refused() -> None:
    with pytest.raises(KmipError) as refused:
        encrypt(Algorithm.AES, KEY, bytes(65536), parameters(Mode.CCM), iv=bytes(13))
    assert refused.value.reason is BAD
    with pytest.raises(KmipError) as refused:
        decrypt(Algorithm.AES, KEY, bytes(65536), parameters(Mode.CCM), iv=bytes(13), tag=bytes(16))
    assert refused.value.reason is FAILURE


def failing(
    algorithm: Algorithm, data: bytes, asked: CryptographicParameters, **how: bytes
) -> tuple[ResultReason, str]:
    with pytest.raises(KmipError) as failed:
        decrypt(algorithm, KEY[:24] if algorithm is Algorithm.DES3 else KEY, data, asked, **how)
    assert failed.value.__context__ is None or failed.value.__suppress_context__
    return failed.value.reason, failed.value.message


def test_every_cbc_failure_is_one_and_the_same() -> None:
    good = encrypt(Algorithm.AES, KEY, bytes(20), PKCS5, iv=IV).data
    previous = good[-32:-16]
    answers = set()
    for last in range(256):
        changed = bytes([*previous[:15], previous[15] ^ last])
        try:
            decrypt(Algorithm.AES, KEY, good[:-32] + changed + good[-16:], PKCS5, iv=IV)
        except KmipError as error:
            answers.add((error.reason, error.message))
    for broken in (b"", b"x", good[:-1], good + b"x", os.urandom(16)):
        answers.add(failing(Algorithm.AES, broken, PKCS5, iv=IV))
    answers.add(failing(Algorithm.AES, good[:-1], parameters(Mode.CBC), iv=IV))
    assert answers == {(FAILURE, DECRYPTION_FAILED)}


@pytest.mark.parametrize(
    ("algorithm", "mode"), [(Algorithm.AES, Mode.GCM), (Algorithm.AES, Mode.CCM), (Algorithm.CHACHA20POLY1305, None)]
)
def test_every_tag_failure_is_one_and_the_same(algorithm: Algorithm, mode: Mode | None) -> None:
    asked, nonce = parameters(mode), IV[:12]
    sealed = encrypt(algorithm, KEY, b"attack at dawn", asked, iv=nonce, aad=b"aad")
    assert sealed.tag is not None
    tampered = bytes([sealed.data[0] ^ 1]) + sealed.data[1:]
    answers = {
        failing(algorithm, sealed.data, asked, iv=nonce, aad=b"aad", tag=bytes(16)),
        failing(algorithm, sealed.data, asked, iv=nonce, aad=b"aad", tag=bytes(12)),
        failing(algorithm, sealed.data, asked, iv=nonce, aad=b"other", tag=sealed.tag),
        failing(algorithm, sealed.data, asked, iv=IV[1:13], aad=b"aad", tag=sealed.tag),
        failing(algorithm, tampered, asked, iv=nonce, aad=b"aad", tag=sealed.tag),
        failing(algorithm, b"", asked, iv=nonce, aad=b"aad", tag=sealed.tag),
    }
    assert answers == {(FAILURE, DECRYPTION_FAILED)}


@pytest.mark.parametrize("mode", [Mode.NISTKEYWRAP, Mode.AESKEYWRAPPADDING, Mode.XTS])
def test_damaged_wraps_and_short_units_fail_alike(mode: Mode) -> None:
    how = {"iv": IV} if mode is Mode.XTS else {}
    broken = [b"", b"x", bytes(15)] if mode is Mode.XTS else [b"", b"x", bytes(8), bytes(16), bytes(23), bytes(24)]
    answers = {failing(Algorithm.AES, data, parameters(mode), **how) for data in broken}
    assert answers == {(FAILURE, DECRYPTION_FAILED)}


@pytest.mark.parametrize("length", [0, 1, 4, 8, 11, 17])
def test_a_tag_of_a_length_below_or_above_the_policy_is_refused(length: int) -> None:
    with pytest.raises(KmipError) as refused:
        decrypt(Algorithm.AES, KEY, b"x", GCM, iv=IV, tag=bytes(length))
    assert refused.value.reason is BAD


def test_a_missing_tag_a_tag_shorter_than_tag_length_and_a_tag_without_a_mode_for_it_are_refused() -> None:
    for asked, tag in ((GCM, None), (replace(GCM, tag_length=16), bytes(12)), (PKCS5, bytes(16))):
        with pytest.raises(KmipError) as refused:
            decrypt(Algorithm.AES, KEY, bytes(16), asked, iv=IV, tag=tag)
        assert refused.value.reason is BAD


def test_decryption_never_makes_an_iv() -> None:
    with pytest.raises(KmipError) as refused:
        decrypt(Algorithm.AES, KEY, bytes(16), replace(PKCS5, random_iv=True))
    assert refused.value.reason is MISSING_IV


def test_a_truncated_tag_of_chacha20_poly1305_is_verified_over_its_length() -> None:
    sealed = encrypt(Algorithm.CHACHA20POLY1305, KEY, b"data", parameters(Mode.AEAD, tag_length=12), iv=IV[:12])
    assert sealed.tag is not None
    assert len(sealed.tag) == 12
    opened = decrypt(Algorithm.CHACHA20POLY1305, KEY, sealed.data, parameters(), iv=IV[:12], tag=sealed.tag)
    assert opened == b"data"
    wrong = sealed.tag[:-1] + bytes([sealed.tag[-1] ^ 1])
    assert failing(Algorithm.CHACHA20POLY1305, sealed.data, parameters(), iv=IV[:12], tag=wrong)[0] is FAILURE
