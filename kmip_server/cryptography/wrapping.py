"""Wrap and unwrap key bytes: Wrapping Method Encrypt (KMIP 2.1 s3.3, s7.18).

A wrapping key is AES or ChaCha20-Poly1305 in an authenticated mode, or RSA with OAEP. With GCM, CCM and
ChaCha20-Poly1305 the IV goes into IV/Counter/Nonce and the tag is appended to the wrapped bytes, as Key Wrapping Data
has no field for it. Modes that do not authenticate are refused: an unwrapping that takes any bytes for a key makes the
server an oracle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kmip_server.cryptography import asymmetric, symmetric
from kmip_server.cryptography.algorithms import cipher_of
from kmip_server.cryptography.failures import bad_parameters, decryption_failed, unsupported
from kmip_server.cryptography.key_formats import PrivateKey, PublicKey
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.ttlv.enumerations import BlockCipherMode, CryptographicAlgorithm, PaddingMethod

_KEY_WRAPS = frozenset({BlockCipherMode.NISTKEYWRAP, BlockCipherMode.AESKEYWRAPPADDING})


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrapped:
    """A wrapped key: the Key Value bytes, and the IV/Counter/Nonce if the mode has one."""

    data: bytes
    iv: bytes | None = None


def wrap(
    algorithm: CryptographicAlgorithm,
    wrapping_key: bytes,
    key: bytes,
    parameters: CryptographicParameters,
    *,
    iv: bytes | None = None,
) -> Wrapped:
    """Wrap `key` under a symmetric wrapping key; an IV is made here unless one is given.

    Raises Bad Cryptographic Parameters (NISTKeyWrap takes multiples of 8 bytes from 16 on), Unsupported Cryptographic
    Parameters for modes that do not authenticate.
    """
    _check_mode(algorithm, parameters)
    if iv is None:
        parameters = replace(parameters, random_iv=True)
    sealed = symmetric.encrypt(algorithm, wrapping_key, key, parameters, iv=iv)
    return Wrapped(data=sealed.data + (sealed.tag or b""), iv=sealed.iv or iv)


def unwrap(
    algorithm: CryptographicAlgorithm,
    wrapping_key: bytes,
    data: bytes,
    parameters: CryptographicParameters,
    *,
    iv: bytes | None = None,
) -> bytes:
    """Return the key that `wrap` wrapped. Raises as `wrap`, Missing Initialization Vector, and one Cryptographic
    Failure for whatever is wrong with the wrapped bytes.
    """
    length = _check_mode(algorithm, parameters)
    if not length:
        return symmetric.decrypt(algorithm, wrapping_key, data, parameters, iv=iv)
    if len(data) < length:
        raise decryption_failed()
    return symmetric.decrypt(algorithm, wrapping_key, data[:-length], parameters, iv=iv, tag=data[-length:])


def wrap_to_public_key(wrapping_key: PublicKey, key: bytes, parameters: CryptographicParameters) -> Wrapped:
    """Wrap `key` to an RSA public key with OAEP. Raises Bad or Unsupported Cryptographic Parameters."""
    _check_oaep(parameters)
    return Wrapped(data=asymmetric.encrypt(wrapping_key, key, parameters))


def unwrap_with_private_key(wrapping_key: PrivateKey, data: bytes, parameters: CryptographicParameters) -> bytes:
    """Return the key that was wrapped to the public key. Raises as `unwrap`."""
    _check_oaep(parameters)
    return asymmetric.decrypt(wrapping_key, data, parameters)


def _check_mode(algorithm: CryptographicAlgorithm, parameters: CryptographicParameters) -> int:
    """Refuse modes that do not authenticate; return the length in bytes of the tag behind the wrapped key."""
    cipher = cipher_of(algorithm)
    name = parameters.block_cipher_mode or cipher.default_mode
    if name is None:
        raise bad_parameters("wrapping needs a Block Cipher Mode (420011)")
    if name in _KEY_WRAPS:
        return 0
    mode = cipher.modes.get(name)
    if mode is None or not mode.tags:
        raise unsupported(
            f"{algorithm.title} in {name.title} wraps no keys: the Block Cipher Mode (420011) has to authenticate"
        )
    return mode.tags[0] if parameters.tag_length is None else parameters.tag_length


def _check_oaep(parameters: CryptographicParameters) -> None:
    if parameters.padding_method is None:
        raise bad_parameters("wrapping to an RSA key needs the Padding Method (42005F) OAEP")
    if parameters.padding_method is not PaddingMethod.OAEP:
        raise unsupported("keys are wrapped to RSA keys with the Padding Method (42005F) OAEP only")
