"""Known answers for every family of algorithms, computed at start: a server that computes wrongly does not serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kmip_server.cryptography import asymmetric, signing, symmetric, wrapping
from kmip_server.cryptography.derivation import DerivationParameters, derive, derive_shared
from kmip_server.cryptography.generation import random_bytes
from kmip_server.cryptography.key_formats import load_private_key, load_public_key
from kmip_server.cryptography.macs import digest, mac
from kmip_server.cryptography.parameters import NO_PARAMETERS, CryptographicParameters
from kmip_server.cryptography.rsa_numbers import private_key
from kmip_server.cryptography.transparent import TransparentEC, TransparentRSA
from kmip_server.ttlv.enumerations import (
    BlockCipherMode,
    CryptographicAlgorithm,
    DerivationMethod,
    HashingAlgorithm,
    KeyFormatType,
    PaddingMethod,
    RecommendedCurve,
)

_A, _M, _H, _D = CryptographicAlgorithm, BlockCipherMode, HashingAlgorithm, DerivationMethod
_SHA_256 = CryptographicParameters(hashing_algorithm=_H.SHA_256)
_COUNT = bytes(range(64))


class SelfTestError(Exception):
    """The cryptographic library does not compute what the standards say; the message names the algorithm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownAnswer:
    """One computation with an answer that everyone agrees on."""

    name: str
    compute: Callable[[], bytes]
    answer: str


def self_test(known_answers: tuple[KnownAnswer, ...] | None = None) -> None:
    """Compute every known answer, and draw random bytes twice. Raises SelfTestError."""
    for known in KNOWN_ANSWERS if known_answers is None else known_answers:
        try:
            computed = known.compute().hex()
        except Exception as error:
            raise SelfTestError(f"self test of {known.name} failed") from error
        if computed != known.answer:
            raise SelfTestError(f"self test of {known.name} gave a wrong answer")
    if random_bytes(32) == random_bytes(32):
        raise SelfTestError("the random generator repeats itself")


def _cipher(
    algorithm: CryptographicAlgorithm, mode: BlockCipherMode | None, key: bytes, data: bytes, iv: bytes | None = None
) -> Callable[[], bytes]:
    """Encrypt, decrypt again, and answer the ciphertext with its tag."""
    parameters = CryptographicParameters(block_cipher_mode=mode)

    def compute() -> bytes:
        sealed = symmetric.encrypt(algorithm, key, data, parameters, iv=iv)
        if symmetric.decrypt(algorithm, key, sealed.data, parameters, iv=iv, tag=sealed.tag) != data:
            raise ValueError("the decrypted data differs")
        return sealed.data + (sealed.tag or b"")

    return compute


def _key_wrap(mode: BlockCipherMode, kek: bytes, key: bytes) -> Callable[[], bytes]:
    parameters = CryptographicParameters(block_cipher_mode=mode)

    def compute() -> bytes:
        wrapped = wrapping.wrap(_A.AES, kek, key, parameters).data
        if wrapping.unwrap(_A.AES, kek, wrapped, parameters) != key:
            raise ValueError("the unwrapped key differs")
        return wrapped

    return compute


def _derivation(
    method: DerivationMethod, key: bytes, length: int, parameters: DerivationParameters
) -> Callable[[], bytes]:
    parameters = replace(parameters, cryptographic_parameters=_SHA_256)
    return lambda: derive(method, None, key, parameters, length)


def _rsa() -> bytes:
    """Sign (deterministic), verify, and encrypt and decrypt; answer the digest of the signature."""
    key = private_key(_RSA_KEY)
    signature = signing.sign(key, _SHA_256, data=_COUNT)
    oaep = CryptographicParameters(padding_method=PaddingMethod.OAEP, hashing_algorithm=_H.SHA_256)
    sealed = asymmetric.encrypt(key.public_key(), _COUNT, oaep)
    if not signing.verify(key.public_key(), signature, _SHA_256, data=_COUNT):
        raise ValueError("the signature does not verify")
    if asymmetric.decrypt(key, sealed, oaep) != _COUNT:
        raise ValueError("the decrypted data differs")
    return digest(_H.SHA_256, signature)


def _ecdsa() -> bytes:
    """Verify RFC 6979's signature and one made here; answer 01 for valid."""
    private = load_private_key(KeyFormatType.TRANSPARENT_EC_PRIVATE_KEY, _EC_KEY)
    public = load_public_key(KeyFormatType.TRANSPARENT_EC_PUBLIC_KEY, _EC_KEY)
    made = signing.sign(private, _SHA_256, data=b"sample")
    valid = all(signing.verify(public, signature, _SHA_256, data=b"sample") for signature in (_EC_SIGNATURE, made))
    return bytes([valid])


def _ecdh() -> bytes:
    private = load_private_key(KeyFormatType.TRANSPARENT_EC_PRIVATE_KEY, _EC_KEY)
    return derive_shared(private, load_public_key(KeyFormatType.TRANSPARENT_EC_PUBLIC_KEY, _EC_KEY), 256)


def _ed25519() -> bytes:
    return signing.sign(load_private_key(KeyFormatType.RAW, _ED25519_KEY, _A.ED25519), NO_PARAMETERS, data=b"")


# A key for this test alone; it protects nothing.
_P = int(
    (
        "cd01f664db23fe312a3c67c45b270445881ef528d5a56ba0bb1f66f50351ee332f8e29fea89a8af55155a04e83266e2e"
        "1af8dea054d84bf3ee1b80a191e8a1c551c305f9cf2536a1a5af60a1d51d0d3e8f5e48f8d1ea53364f113e71c1fb34db"
        "e86704d466191524ba2a7f05198152aa1f028351f9df858d2280971038c4c479"
    ),
    16,
)
_Q = int(
    (
        "c00ebb693d6789fa063971255266907b13f3d968f96d40a397e5a935cfb775d9e38b05ebe139434cb1981bb45992b07a"
        "20cc00ea8fb43aa92bedff5d46cac50753b31d41f600bcfebcb13835fb0c85c34547954bd6c6b1357b45075067d3cd1a"
        "a86d2fdf7cc4f647aff0215654804790c1aaa53266b6d2d8e044f5e77858dbaf"
    ),
    16,
)
_RSA_KEY = TransparentRSA(modulus=_P * _Q, p=_P, q=_Q, public_exponent=65537)
# RFC 6979 A.2.5, P-256 with SHA-256.
_EC_KEY = TransparentEC(
    recommended_curve=RecommendedCurve.P_256,
    d=0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721,
    q_string=bytes.fromhex(
        "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    ),
)
_EC_SIGNATURE = bytes.fromhex(
    "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
)
# RFC 8032 s7.1 test 1.
_ED25519_KEY = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")

KNOWN_ANSWERS: tuple[KnownAnswer, ...] = (
    KnownAnswer(
        name="AES in mode ECB (FIPS 197 C.1)",
        compute=_cipher(_A.AES, _M.ECB, _COUNT[:16], bytes.fromhex("00112233445566778899aabbccddeeff")),
        answer="69c4e0d86a7b0430d8cdb78070b4c55a",
    ),
    KnownAnswer(
        name="AES in mode CBC",
        compute=_cipher(_A.AES, _M.CBC, _COUNT[:32], _COUNT, _COUNT[:16]),
        answer=(
            "f29000b62a499fd0a9f39a6add2e77809543b86fc046fa883a9446b82e47d12da144fc255aad45bf681d3a3773a325c2"
            "93688f47dadbc9a6e1adcaae6a1e3bd7"
        ),
    ),
    KnownAnswer(
        name="AES in mode CTR",
        compute=_cipher(_A.AES, _M.CTR, _COUNT[:32], _COUNT, _COUNT[:16]),
        answer=(
            "5a6f06540cfe7791f8275f360ecea89d70e202c6d7904e4a4d0fe14a6ef83ed03c4455781ee0ea8393c8218ec93ce9bd"
            "a6fa35411ca591d85179672bc559d362"
        ),
    ),
    KnownAnswer(
        name="AES in mode CFB",
        compute=_cipher(_A.AES, _M.CFB, _COUNT[:32], _COUNT, _COUNT[:16]),
        answer=(
            "5a6f06540cfe7791f8275f360ecea89dd3d946a137b7cf26fba0e4008f820b2b6851101c7fbee5aecad40ecd2c4ebdd8"
            "849ee29ece2a8fffe7dc903c00035476"
        ),
    ),
    KnownAnswer(
        name="AES in mode OFB",
        compute=_cipher(_A.AES, _M.OFB, _COUNT[:32], _COUNT, _COUNT[:16]),
        answer=(
            "5a6f06540cfe7791f8275f360ecea89ddded3726251ee37c36ae90b946c0694e847f6b5ad010500604c852d94a6c5724"
            "05d2677e7b8ce52b9bd6b2365d9e9b49"
        ),
    ),
    KnownAnswer(
        name="AES in mode GCM (McGrew and Viega test case 14)",
        compute=_cipher(_A.AES, _M.GCM, bytes(32), bytes(16), bytes(12)),
        answer="cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
    ),
    KnownAnswer(
        name="AES in mode CCM",
        compute=_cipher(_A.AES, _M.CCM, _COUNT[:32], _COUNT, _COUNT[:13]),
        answer=(
            "1c06a96508ad7c8fc9d9dc3b16d71be7afee062a86f27ba4f663fa74bd01b74f4f9d4257c93092fc309cae8da5d5f873"
            "4f361ff27dd15d4174ea29f9c4419771065009bbdd6e5ee7857fc01b971a9e52"
        ),
    ),
    KnownAnswer(
        name="AES in mode XTS",
        compute=_cipher(_A.AES, _M.XTS, _COUNT[:64], _COUNT, bytes(16)),
        answer=(
            "dc8c665b97cbc0246d4f1639a9678a3e2a2dcf4a3fbf1342ebbb771234f1a1c3cb885182e54e277aa90875bfb779b27c"
            "28568d2731fd61d0b43248046597e326"
        ),
    ),
    KnownAnswer(
        name="AES key wrap (RFC 3394 s4.6)",
        compute=_key_wrap(_M.NISTKEYWRAP, _COUNT[:32], bytes.fromhex("00112233445566778899aabbccddeeff") + _COUNT[:16]),
        answer="28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
    ),
    KnownAnswer(
        name="AES key wrap with padding",
        compute=_key_wrap(_M.AESKEYWRAPPADDING, _COUNT[:32], _COUNT[:20]),
        answer="22d7fffc96b7adad9391ac9230d46b810e82e0f101f19e83e358f32ac9d407b6",
    ),
    KnownAnswer(
        name="ChaCha20 (RFC 8439 A.1 test vector 1)",
        compute=_cipher(_A.CHACHA20, None, bytes(32), bytes(64), bytes(12)),
        answer=(
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a37"
            "6a43b8f41518a11cc387b669b2ee6586"
        ),
    ),
    KnownAnswer(
        name="ChaCha20-Poly1305",
        compute=_cipher(_A.CHACHA20POLY1305, None, _COUNT[:32], _COUNT, _COUNT[:12]),
        answer=(
            "89fa0a032d12a347bf8a35f89410006cd961a0f44561bbaefe8e35de69ddb823cca10ed0c23b97bf1f1b5cf349b9a10c"
            "4eb59b47c91d8eac2a81e33cac72a0e912ccd3f87522adf137c06f3496d9562e"
        ),
    ),
    KnownAnswer(
        name="3DES in mode CBC",
        compute=_cipher(_A.DES3, _M.CBC, _COUNT[:24], _COUNT, _COUNT[:8]),
        answer=(
            "894bc3085426a441f27f73ae26abbf74bd8aed47a8d26334ef7fb5aa2551c31f37dec64adefe603801287ba0acf7a6c5"
            "cab5592e00d5c76464bad659cece0a5f"
        ),
    ),
    KnownAnswer(
        name="SHA-1",
        compute=lambda: digest(_H.SHA_1, b"abc"),
        answer="a9993e364706816aba3e25717850c26c9cd0d89d",
    ),
    KnownAnswer(
        name="SHA-256",
        compute=lambda: digest(_H.SHA_256, b"abc"),
        answer="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    KnownAnswer(
        name="SHA-512",
        compute=lambda: digest(_H.SHA_512, b"abc"),
        answer=(
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
            "454d4423643ce80e2a9ac94fa54ca49f"
        ),
    ),
    KnownAnswer(
        name="SHA3-256",
        compute=lambda: digest(_H.SHA3_256, b"abc"),
        answer="3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    ),
    KnownAnswer(
        name="HMAC-SHA256 (RFC 4231 test case 2)",
        compute=lambda: mac(_A.HMAC_SHA256, b"Jefe", b"what do ya want for nothing?"),
        answer="5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    KnownAnswer(
        name="AES-CMAC (RFC 4493 example 1)",
        compute=lambda: mac(_A.AES, bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), b""),
        answer="bb1d6929e95937287fa37d129b756746",
    ),
    KnownAnswer(
        name="PBKDF2",
        compute=_derivation(_D.PBKDF2, b"passwd", 512, DerivationParameters(salt=b"salt", iteration_count=1)),
        answer=(
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef31"
            "7c71b845b1e30bd509112041d3a19783"
        ),
    ),
    KnownAnswer(
        name="HKDF (RFC 5869 A.1)",
        compute=_derivation(
            _D.HKDF,
            b"\x0b" * 22,
            336,
            DerivationParameters(salt=_COUNT[:13], derivation_data=(bytes(range(0xF0, 0xFA)),)),
        ),
        answer="3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    KnownAnswer(
        name="SP 800-108 in counter mode",
        compute=_derivation(_D.NIST800_108_C, _COUNT[:32], 512, DerivationParameters(derivation_data=(_COUNT,))),
        answer=(
            "e5af73d6eec2d516ec9d232d5f8784169f6cfa8156e8c7a0c10d9dc06eca5974391fe232265253a427d0a5b5a4a2cfb9"
            "fa3b424020265e609584c2af64d5178d"
        ),
    ),
    KnownAnswer(
        name="RSA",
        compute=_rsa,
        answer="97e7c9835a586a146237cf3fd0dc6391ca62c699f1772c06943426d33761cc61",
    ),
    KnownAnswer(
        name="ECDSA (RFC 6979 A.2.5)",
        compute=_ecdsa,
        answer="01",
    ),
    KnownAnswer(
        name="ECDH",
        compute=_ecdh,
        answer="2388ee990c93c4bb757203225b7786d69950d2f0de43cdf23dc71f5efaa169c8",
    ),
    KnownAnswer(
        name="Ed25519 (RFC 8032 s7.1)",
        compute=_ed25519,
        answer=(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
)
