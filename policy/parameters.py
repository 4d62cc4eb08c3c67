"""Cryptographic Parameters as rules see them: with what a request will really compute (KMIP 2.1 s4.16).

The names are the constants of the standard's enumerations. NONE stands for a parameter that a request has none of.
"""

from __future__ import annotations

from typing import Final, NamedTuple

NONE: Final = "NONE"

BLOCK_MODES: Final = (
    NONE, "CBC", "ECB", "PCBC", "CFB", "OFB", "CTR", "CMAC", "CCM", "GCM", "CBC_MAC", "XTS", "AESKEYWRAPPADDING",
    "NISTKEYWRAP", "X9_102_AESKW", "X9_102_TDKW", "X9_102_AKW1", "X9_102_AKW2", "AEAD",
)  # fmt: skip
"""Block Cipher Mode (s11.6)."""

PADDINGS: Final = (
    NONE, "OAEP", "PKCS5", "SSL3", "ZEROS", "ANSI_X9_23", "ISO_10126", "PKCS1_V1_5", "X9_31", "PSS",
)  # fmt: skip
"""Padding Method (s11.37)."""

HASHES: Final = (
    NONE, "MD2", "MD4", "MD5", "SHA_1", "SHA_224", "SHA_256", "SHA_384", "SHA_512", "RIPEMD_160", "TIGER", "WHIRLPOOL",
    "SHA_512_224", "SHA_512_256", "SHA3_224", "SHA3_256", "SHA3_384", "SHA3_512",
)  # fmt: skip
"""Hashing Algorithm (s11.21)."""

SIGNATURES: Final = (
    NONE, "MD2_WITH_RSA_ENCRYPTION", "MD5_WITH_RSA_ENCRYPTION", "SHA_1_WITH_RSA_ENCRYPTION",
    "SHA_224_WITH_RSA_ENCRYPTION", "SHA_256_WITH_RSA_ENCRYPTION", "SHA_384_WITH_RSA_ENCRYPTION",
    "SHA_512_WITH_RSA_ENCRYPTION", "RSASSA_PSS", "DSA_WITH_SHA_1", "DSA_WITH_SHA224", "DSA_WITH_SHA256",
    "ECDSA_WITH_SHA_1", "ECDSA_WITH_SHA224", "ECDSA_WITH_SHA256", "ECDSA_WITH_SHA384", "ECDSA_WITH_SHA512",
    "SHA3_256_WITH_RSA_ENCRYPTION", "SHA3_384_WITH_RSA_ENCRYPTION", "SHA3_512_WITH_RSA_ENCRYPTION",
)  # fmt: skip
"""Digital Signature Algorithm (s11.16)."""


class Parameters(NamedTuple):
    """The parameters in effect, defaults included. `mask_hash` is that of the mask of OAEP and PSS."""

    block_mode: str = NONE
    padding: str = NONE
    hash: str = NONE
    mask_hash: str = NONE
    signature: str = NONE


NO_PARAMETERS: Final = Parameters()
"""Those of a request that computes nothing with a key."""

FIELDS: Final = {
    "block_modes": ("block_mode", BLOCK_MODES),
    "paddings": ("padding", PADDINGS),
    "hashes": ("hash", HASHES),
    "mask_hashes": ("mask_hash", HASHES),
    "signatures": ("signature", SIGNATURES),
}
"""The field of a match that names each parameter, and the names that there are."""
