"""Encrypt and decrypt with a symmetric cipher in one part (KMIP 2.1 s6.1.11, s6.1.17)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.modes import CFB, OFB
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext, AEADEncryptionContext, Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR, ECB, GCM, XTS, Mode

from kmip_server.cryptography.algorithms import GCM_TAGS
from kmip_server.cryptography.cipher_setup import Setup, check_tag, pad, prepare, unpad
from kmip_server.cryptography.failures import bad_parameters, decryption_failed
from kmip_server.cryptography.parameters import NO_PARAMETERS, CryptographicParameters
from kmip_server.ttlv.enumerations import BlockCipherMode, CryptographicAlgorithm


@dataclass(frozen=True, kw_only=True, slots=True)
class Encrypted:
    """What Encrypt answers: the data, the IV if it was made here, the tag if the mode authenticates."""

    data: bytes
    iv: bytes | None = None
    tag: bytes | None = None


def encrypt(
    algorithm: CryptographicAlgorithm,
    key: bytes,
    data: bytes,
    parameters: CryptographicParameters = NO_PARAMETERS,
    *,
    iv: bytes | None = None,
    aad: bytes = b"",
) -> Encrypted:
    """Encrypt `data` under `key` (KMIP 2.1 s6.1.17).

    Without an IV where one is needed, Random IV makes one. `aad` is the Authenticated Encryption Additional Data.
    Raises Bad Cryptographic Parameters for what is missing, of the wrong size or contradictory, Unsupported
    Cryptographic Parameters for what is not done here, Missing Initialization Vector.
    """
    return seal(prepare(algorithm, key, parameters, iv=iv, aad=aad, encrypting=True), data)


def decrypt(
    algorithm: CryptographicAlgorithm,
    key: bytes,
    data: bytes,
    parameters: CryptographicParameters = NO_PARAMETERS,
    *,
    iv: bytes | None = None,
    aad: bytes = b"",
    tag: bytes | None = None,
) -> bytes:
    """Decrypt `data` under `key` (KMIP 2.1 s6.1.11); nothing is returned before the tag is verified.

    Raises as `encrypt` does for parameters, and one and the same Cryptographic Failure for everything that is wrong
    with the data: its length, padding, tag or additional data.
    """
    setup = prepare(algorithm, key, parameters, iv=iv, aad=aad, encrypting=False)
    check_tag(setup, parameters, tag)
    return open_sealed(setup, data, tag or b"")


def seal(setup: Setup, data: bytes) -> Encrypted:
    """Encrypt the whole message with a cipher that is ready. Raises Bad Cryptographic Parameters."""
    data = pad(setup, data)
    setup.check_length(len(data))
    if setup.name in _WHOLE:
        sealed, tag = _WHOLE[setup.name].seal(setup, data)
        return Encrypted(data=sealed, iv=setup.made_iv, tag=tag)
    context = encryptor(setup)
    sealed = context.update(data) + context.finalize()
    return Encrypted(data=sealed, iv=setup.made_iv, tag=tag_of(setup, context))


def open_sealed(setup: Setup, data: bytes, tag: bytes) -> bytes:
    """Decrypt the whole message with a cipher that is ready. Raises Cryptographic Failure."""
    if not setup.fits(len(data)):
        raise decryption_failed()
    if setup.name in _WHOLE:
        return _WHOLE[setup.name].open(setup, data, tag)
    context = decryptor(setup, tag)
    try:
        return unpad(setup, context.update(data) + context.finalize())
    except (ValueError, InvalidTag):
        raise decryption_failed() from None


_MODES: dict[BlockCipherMode | None, Callable[[bytes], Mode]] = {
    BlockCipherMode.ECB: lambda iv: ECB(),  # noqa: S305 (a mode of the standard)
    BlockCipherMode.CBC: CBC,
    BlockCipherMode.CFB: CFB,
    BlockCipherMode.OFB: OFB,
    BlockCipherMode.CTR: CTR,
    BlockCipherMode.GCM: GCM,
    BlockCipherMode.XTS: XTS,
}


def _cipher(setup: Setup, mode: Mode | None) -> Cipher[Any]:
    if setup.cipher.block is None:
        return Cipher(ChaCha20(setup.key, setup.iv), mode=None)
    return Cipher(setup.cipher.block(setup.key), mode or _MODES[setup.name](setup.iv))


def encryptor(setup: Setup) -> CipherContext:
    """Return the library's running encryption, for modes that can run."""
    context: CipherContext = _cipher(setup, None).encryptor()
    if isinstance(context, AEADEncryptionContext):
        context.authenticate_additional_data(setup.aad)
    return context


def decryptor(setup: Setup, tag: bytes) -> CipherContext:
    """Return the library's running decryption; its `finalize` verifies `tag` in a mode that has one."""
    mode = GCM(setup.iv, tag, min_tag_length=GCM_TAGS[-1]) if setup.mode.tags else None
    context: CipherContext = _cipher(setup, mode).decryptor()
    if isinstance(context, AEADDecryptionContext):
        context.authenticate_additional_data(setup.aad)
    return context


def tag_of(setup: Setup, context: object) -> bytes | None:
    """Return the tag of a finished encryption, cut to Tag Length."""
    return context.tag[: setup.tag_length] if isinstance(context, AEADEncryptionContext) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Whole:
    seal: Callable[[Setup, bytes], tuple[bytes, bytes | None]]
    open: Callable[[Setup, bytes, bytes], bytes]


def _ccm_seal(setup: Setup, data: bytes) -> tuple[bytes, bytes | None]:
    sealed = AESCCM(setup.key, setup.tag_length).encrypt(setup.iv, data, setup.aad)
    return sealed[: len(data)], sealed[len(data) :]


def _ccm_open(setup: Setup, data: bytes, tag: bytes) -> bytes:
    try:
        return AESCCM(setup.key, len(tag)).decrypt(setup.iv, data + tag, setup.aad)
    except (InvalidTag, ValueError):
        raise decryption_failed() from None


def _chacha20_poly1305_seal(setup: Setup, data: bytes) -> tuple[bytes, bytes | None]:
    sealed = ChaCha20Poly1305(setup.key).encrypt(setup.iv, data, setup.aad)
    return sealed[: len(data)], sealed[len(data) :][: setup.tag_length]


def _chacha20_poly1305_open(setup: Setup, data: bytes, tag: bytes) -> bytes:
    # The library verifies full tags only; a tag cut to Tag Length is compared with that of the decrypted data.
    counter_one = (1).to_bytes(4, "little") + setup.iv
    plain = Cipher(ChaCha20(setup.key, counter_one), mode=None).decryptor().update(data)
    expected = ChaCha20Poly1305(setup.key).encrypt(setup.iv, plain, setup.aad)[len(data) :]
    if not hmac.compare_digest(expected[: len(tag)], tag):
        raise decryption_failed()
    return plain


def _gcm_seal(setup: Setup, data: bytes) -> tuple[bytes, bytes | None]:
    sealed = AESGCM(setup.key).encrypt(setup.iv, data, setup.aad)
    return sealed[: len(data)], sealed[len(data) :][: setup.tag_length]


def _gcm_open(setup: Setup, data: bytes, tag: bytes) -> bytes:
    # Not with AESGCM, which takes full tags only.
    context = decryptor(setup, tag)
    try:
        return context.update(data) + context.finalize()
    except (InvalidTag, ValueError):
        raise decryption_failed() from None


def _wrap_seal(setup: Setup, data: bytes) -> tuple[bytes, bytes | None]:
    if len(data) % 8:
        raise bad_parameters(
            "the Block Cipher Mode (420011) NISTKeyWrap takes multiples of 8 bytes: use AESKeyWrapPadding for others"
        )
    return keywrap.aes_key_wrap(setup.key, data), None


def _wrap_open(setup: Setup, data: bytes, tag: bytes) -> bytes:
    try:
        return keywrap.aes_key_unwrap(setup.key, data)
    except (keywrap.InvalidUnwrap, ValueError):
        raise decryption_failed() from None


def _wrap_padding_seal(setup: Setup, data: bytes) -> tuple[bytes, bytes | None]:
    return keywrap.aes_key_wrap_with_padding(setup.key, data), None


def _wrap_padding_open(setup: Setup, data: bytes, tag: bytes) -> bytes:
    try:
        return keywrap.aes_key_unwrap_with_padding(setup.key, data)
    except (keywrap.InvalidUnwrap, ValueError):
        raise decryption_failed() from None


_CHACHA20_POLY1305 = _Whole(seal=_chacha20_poly1305_seal, open=_chacha20_poly1305_open)
_WHOLE: dict[BlockCipherMode | None, _Whole] = {
    BlockCipherMode.GCM: _Whole(seal=_gcm_seal, open=_gcm_open),
    BlockCipherMode.CCM: _Whole(seal=_ccm_seal, open=_ccm_open),
    BlockCipherMode.AEAD: _CHACHA20_POLY1305,
    BlockCipherMode.NISTKEYWRAP: _Whole(seal=_wrap_seal, open=_wrap_open),
    BlockCipherMode.AESKEYWRAPPADDING: _Whole(seal=_wrap_padding_seal, open=_wrap_padding_open),
}
