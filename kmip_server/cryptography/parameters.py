"""Cryptographic Parameters: what a peer asks of a cryptographic operation (KMIP 2.1 s4.16)."""

from __future__ import annotations

from dataclasses import dataclass

from kmip_server.ttlv.enumerations import (
    BlockCipherMode,
    CryptographicAlgorithm,
    DigitalSignatureAlgorithm,
    HashingAlgorithm,
    KeyRoleType,
    MaskGenerator,
    PaddingMethod,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CryptographicParameters:
    """The standard's structure, field by field; None where the peer said nothing.

    IV Length, Fixed Field Length, Invocation Field Length and Counter Length are in bits; Tag Length and Salt Length
    are in bytes (KMIP 2.1 s4.16).
    """

    block_cipher_mode: BlockCipherMode | None = None
    padding_method: PaddingMethod | None = None
    hashing_algorithm: HashingAlgorithm | None = None
    key_role_type: KeyRoleType | None = None
    digital_signature_algorithm: DigitalSignatureAlgorithm | None = None
    cryptographic_algorithm: CryptographicAlgorithm | None = None
    random_iv: bool | None = None
    iv_length: int | None = None
    tag_length: int | None = None
    fixed_field_length: int | None = None
    invocation_field_length: int | None = None
    counter_length: int | None = None
    initial_counter_value: int | None = None
    salt_length: int | None = None
    mask_generator: MaskGenerator | None = None
    mask_generator_hashing_algorithm: HashingAlgorithm | None = None
    p_source: bytes | None = None
    trailer_field: int | None = None


NO_PARAMETERS = CryptographicParameters()
