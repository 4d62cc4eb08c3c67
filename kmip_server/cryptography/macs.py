"""Message authentication codes and hashes (KMIP 2.1 s6.1.24, s6.1.32, s6.1.33)."""

from __future__ import annotations

import hmac
from typing import TypeAlias

from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.hazmat.primitives.hmac import HMAC

from kmip_server.cryptography.algorithms import CIPHERS, HMACS, hash_of
from kmip_server.cryptography.failures import bad_parameters, unsupported
from kmip_server.cryptography.parameters import NO_PARAMETERS, CryptographicParameters
from kmip_server.ttlv.enumerations import BlockCipherMode, CryptographicAlgorithm, HashingAlgorithm

MacContext: TypeAlias = HMAC | CMAC

_CMAC_MODES = (None, BlockCipherMode.CMAC)


def mac(
    algorithm: CryptographicAlgorithm | None,
    key: bytes,
    data: bytes,
    parameters: CryptographicParameters = NO_PARAMETERS,
) -> bytes:
    """Return the MAC of `data` (KMIP 2.1 s6.1.32), at full length.

    `algorithm` is the key's. The parameters' Cryptographic Algorithm goes before it, so that any key can be an HMAC
    key; a block cipher means CMAC. Raises Bad or Unsupported Cryptographic Parameters.
    """
    context = start_mac(algorithm, key, parameters)
    context.update(data)
    return context.finalize()


def verify_mac(
    algorithm: CryptographicAlgorithm | None,
    key: bytes,
    data: bytes,
    mac_data: bytes,
    parameters: CryptographicParameters = NO_PARAMETERS,
) -> bool:
    """Whether `mac_data` is the MAC of `data` (KMIP 2.1 s6.1.33); a MAC of another length is not. Raises as `mac`."""
    return hmac.compare_digest(mac(algorithm, key, data, parameters), mac_data)


def mac_algorithm(
    algorithm: CryptographicAlgorithm | None, parameters: CryptographicParameters
) -> CryptographicAlgorithm | None:
    """The algorithm that a MAC is made by: that of the parameters, or else of the key."""
    return parameters.cryptographic_algorithm or algorithm


def start_mac(algorithm: CryptographicAlgorithm | None, key: bytes, parameters: CryptographicParameters) -> MacContext:
    """Return a running MAC. Raises as `mac`."""
    chosen = mac_algorithm(algorithm, parameters)
    if chosen is None:
        raise bad_parameters("a Cryptographic Algorithm (420028) is required for a MAC")
    if not key:
        raise bad_parameters("the Key Material (420043) is empty")
    if chosen in HMACS:
        return HMAC(key, hash_of(HMACS[chosen], "for an HMAC"))
    cipher = CIPHERS.get(chosen)
    if cipher is None or cipher.block is None or parameters.block_cipher_mode not in _CMAC_MODES:
        raise unsupported(f"the Cryptographic Algorithm (420028) {chosen.title} makes no MAC so: use HMAC or CMAC")
    if algorithm not in (None, chosen):
        raise bad_parameters(
            f"a key of another Cryptographic Algorithm (420028) cannot make a CMAC with {chosen.title}"
        )
    if not cipher.fits(key, cipher.modes[BlockCipherMode.CBC].key_lengths):
        raise bad_parameters(f"a Cryptographic Length (42002A) of {len(key) * 8} does not fit {chosen.title}")
    return CMAC(cipher.block(key))


def digest(algorithm: HashingAlgorithm | None, data: bytes) -> bytes:
    """Return the hash of `data` (KMIP 2.1 s6.1.24). Raises Bad or Unsupported Cryptographic Parameters."""
    context = start_digest(algorithm)
    context.update(data)
    return context.finalize()


def start_digest(algorithm: HashingAlgorithm | None) -> Hash:
    """Return a running hash. Raises as `digest`."""
    return Hash(hash_of(algorithm, "to hash"))
