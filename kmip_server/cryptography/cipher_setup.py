"""Key, Cryptographic Parameters and IV, checked and made into a cipher that is ready to run (KMIP 2.1 s4.16).

Conventions where the standard leaves a choice. CFB is CFB128 (CFB64 for 3DES). A CTR IV of 16 bytes is the whole first
counter block; a shorter one is the nonce, and Initial Counter Value fills the rest, big-endian (RFC 3686: 4 bytes of
salt and 8 of IV, counter 1). A ChaCha20 IV of 12 bytes has a 32-bit counter (RFC 8439), one of 8 bytes a 64-bit counter
(the original cipher), both starting at Initial Counter Value or 0; one of 16 bytes is counter and nonce together.
The tag is apart from the data, never appended. Padding Method has no effect on modes that need no full blocks.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from cryptography.hazmat.primitives import padding

from kmip_server.cryptography.algorithms import CipherAlgorithm, CipherMode, cipher_of
from kmip_server.cryptography.failures import bad_parameters, missing_iv, unsupported
from kmip_server.cryptography.parameters import CryptographicParameters
from kmip_server.ttlv.enumerations import BlockCipherMode, CryptographicAlgorithm, PaddingMethod

_Padding = Callable[[int], padding.PKCS7 | padding.ANSIX923]


@dataclass(kw_only=True, slots=True)
class Setup:
    """A cipher ready to run: key, mode and IV checked against the tables. Nobody changes it.

    It is not frozen, since one is made for every message, and a frozen one takes four times as long.
    `iv` is what the library takes, `made_iv` what the peer must be told. `maximum` is the longest message in bytes.
    """

    algorithm: CryptographicAlgorithm
    cipher: CipherAlgorithm
    mode: CipherMode
    name: BlockCipherMode | None
    key: bytes = field(repr=False)
    iv: bytes
    made_iv: bytes | None
    tag_length: int
    padding: _Padding | None
    aad: bytes
    maximum: int | None

    @property
    def title(self) -> str:
        """The algorithm and mode in words."""
        return f"{self.algorithm.title} in mode {self.name.title}" if self.name else self.algorithm.title

    def fits(self, length: int) -> bool:
        """Whether a message of `length` bytes is long enough for the mode, and not too long for one key and IV."""
        return self.mode.minimum <= length and (self.maximum is None or length <= self.maximum)

    def check_length(self, length: int) -> None:
        """Refuse a message that does not fit."""
        if not self.fits(length):
            most = "" if self.maximum is None else f" and at most {self.maximum}"
            raise bad_parameters(
                f"{self.title} takes at least {self.mode.minimum}{most} bytes of Data (4200C2) with this IV"
            )


def prepare(
    algorithm: CryptographicAlgorithm,
    key: bytes,
    parameters: CryptographicParameters,
    *,
    iv: bytes | None,
    aad: bytes,
    encrypting: bool,
) -> Setup:
    """Check key, parameters and IV against the tables. Raises what `encrypt` raises."""
    cipher = cipher_of(algorithm)
    name = parameters.block_cipher_mode or cipher.default_mode
    mode = _mode(algorithm, cipher, name, parameters)
    _check_key(algorithm, cipher, mode, name, key)
    if aad and not mode.tags:
        raise bad_parameters("only a Block Cipher Mode (420011) with a tag authenticates additional data")
    made_iv = None
    if mode.ivs and not iv:
        if not (encrypting and parameters.random_iv):
            raise missing_iv("an IV/Counter/Nonce (42003D) is required, or Random IV when encrypting")
        iv = made_iv = _random_iv(mode, parameters)
    _check_iv(mode, parameters, iv or b"")
    iv, maximum = _initial_block(algorithm, name, mode, iv or b"", parameters)
    return Setup(
        algorithm=algorithm,
        cipher=cipher,
        mode=mode,
        name=name,
        key=key,
        iv=iv,
        made_iv=made_iv,
        tag_length=_tag_length(mode, parameters),
        padding=_padding(mode, parameters),
        aad=aad,
        maximum=maximum,
    )


def encrypts_once(algorithm: CryptographicAlgorithm, parameters: CryptographicParameters) -> bool:
    """Whether a key must not encrypt twice with one IV. Takes what `prepare` has taken."""
    cipher = cipher_of(algorithm)
    return cipher.modes[parameters.block_cipher_mode or cipher.default_mode].once


def never_again(algorithm: CryptographicAlgorithm, parameters: CryptographicParameters, iv: bytes) -> tuple[bytes, ...]:
    """The nonces that a key must not encrypt with again after it has encrypted with this IV, in a mode `once`.

    Where blocks are counted, it is the blocks that must not come again. A nonce is then what stands beside the last 32
    bits of the counter, whatever the IV calls a counter; a message has one nonce, or two if it may count past these
    bits. So messages with different nonces have no block in common, however long they are.
    """
    cipher = cipher_of(algorithm)
    name = parameters.block_cipher_mode or cipher.default_mode
    if not cipher.modes[name].counter:
        return (iv,)
    chacha20 = algorithm is CryptographicAlgorithm.CHACHA20
    block, maximum = _chacha20_block(iv, parameters) if chacha20 else _ctr_block(iv, parameters)
    order: Literal["little", "big"] = "little" if chacha20 else "big"
    first = int.from_bytes(block, order)
    last = first + maximum // (_CHACHA20_BLOCK if chacha20 else cipher.block_size) - 1
    nonces = {(counter >> 32) % 2**96 for counter in (first, last)}
    return tuple([nonce.to_bytes(12, order) for nonce in sorted(nonces)])


def _mode(
    algorithm: CryptographicAlgorithm,
    cipher: CipherAlgorithm,
    name: BlockCipherMode | None,
    parameters: CryptographicParameters,
) -> CipherMode:
    named = parameters.cryptographic_algorithm
    if named not in (None, algorithm):
        raise bad_parameters(
            f"the Cryptographic Algorithm (420028) of the parameters is not that of the key, {algorithm.title}"
        )
    if name in cipher.modes:
        return cipher.modes[name]
    if name is None:
        raise bad_parameters(f"{algorithm.title} needs a Block Cipher Mode (420011)")
    raise unsupported(f"{algorithm.title} in the Block Cipher Mode (420011) {name.title} is not supported")


def _check_key(
    algorithm: CryptographicAlgorithm,
    cipher: CipherAlgorithm,
    mode: CipherMode,
    name: BlockCipherMode | None,
    key: bytes,
) -> None:
    if not cipher.fits(key, mode.key_lengths):
        where = f" in mode {name.title}" if name else ""
        raise bad_parameters(f"a Cryptographic Length (42002A) of {len(key) * 8} does not fit {algorithm.title}{where}")
    if name is BlockCipherMode.XTS and hmac.compare_digest(key[: len(key) // 2], key[len(key) // 2 :]):
        raise bad_parameters("the two halves of the Key Material (420043) for XTS must differ")


def _random_iv(mode: CipherMode, parameters: CryptographicParameters) -> bytes:
    if parameters.fixed_field_length is not None or parameters.invocation_field_length is not None:
        raise unsupported("IVs are made here without Fixed Field Length (4200CF) and Invocation Field Length")
    bits = mode.random_iv * 8
    if parameters.iv_length is not None:
        bits = parameters.iv_length
    elif mode.counter and parameters.initial_counter_value is not None and parameters.counter_length is not None:
        bits = mode.ivs[-1] * 8 - parameters.counter_length
    # A tagged mode's random nonce that is shorter than usual would soon repeat.
    if bits % 8 or bits // 8 not in mode.ivs or (mode.tags and bits // 8 < mode.random_iv):
        raise bad_parameters(f"a Random IV (4200C5) of {bits} bits is not made in this mode")
    return secrets.token_bytes(bits // 8)


def _check_iv(mode: CipherMode, parameters: CryptographicParameters, iv: bytes) -> None:
    if iv and not mode.ivs:
        raise bad_parameters("this mode takes no IV/Counter/Nonce (42003D)")
    if not mode.ivs:
        return
    if len(iv) not in mode.ivs:
        expected = f"{mode.ivs[0]} to {mode.ivs[-1]}" if len(mode.ivs) > 1 else f"{mode.ivs[0]}"
        raise bad_parameters(f"the IV/Counter/Nonce (42003D) has {len(iv)} bytes, this mode takes {expected}")
    if parameters.iv_length not in (None, len(iv) * 8):
        raise bad_parameters(f"IV Length (4200CD) says {parameters.iv_length} bits, the IV has {len(iv) * 8}")


def _initial_block(
    algorithm: CryptographicAlgorithm,
    name: BlockCipherMode | None,
    mode: CipherMode,
    iv: bytes,
    parameters: CryptographicParameters,
) -> tuple[bytes, int | None]:
    """Return the IV in the library's form, and the longest message that repeats no counter."""
    if name is BlockCipherMode.CTR:
        return _ctr_block(iv, parameters)
    if algorithm is CryptographicAlgorithm.CHACHA20:
        return _chacha20_block(iv, parameters)
    if name is BlockCipherMode.CCM:
        return iv, 2 ** (8 * (15 - len(iv))) - 1
    return iv, mode.maximum


_MOST_BLOCKS: Final = 2**31
"""How many blocks one message may count. Fewer than 32 bits count, so that it has two nonces at most."""
_CHACHA20_BLOCK: Final = 64


def _ctr_block(iv: bytes, parameters: CryptographicParameters) -> tuple[bytes, int]:
    bits = parameters.counter_length
    if len(iv) == 16:
        if parameters.initial_counter_value is not None:
            raise bad_parameters("an IV of 16 bytes has its counter inside: leave Initial Counter Value (4200D1) out")
        if bits is None:
            return iv, _MOST_BLOCKS * 16
        if not 0 < bits <= 128:
            raise bad_parameters("Counter Length (4200D0) must be between 1 and 128 bits")
        return iv, min(2**bits - int.from_bytes(iv) % 2**bits, _MOST_BLOCKS) * 16
    room = 128 - 8 * len(iv)
    start = _start(parameters, room)
    if start is None:
        raise bad_parameters("an IV shorter than 16 bytes needs an Initial Counter Value (4200D1)")
    return iv + start.to_bytes(room // 8), min(2**room - start, _MOST_BLOCKS) * 16


def _chacha20_block(iv: bytes, parameters: CryptographicParameters) -> tuple[bytes, int]:
    if len(iv) == 16:
        if parameters.initial_counter_value is not None:
            raise bad_parameters("an IV of 16 bytes has its counter inside: leave Initial Counter Value (4200D1) out")
        return iv, _MOST_BLOCKS * _CHACHA20_BLOCK
    room = 128 - 8 * len(iv)
    start = _start(parameters, room) or 0
    return start.to_bytes(room // 8, "little") + iv, min(2**room - start, _MOST_BLOCKS) * _CHACHA20_BLOCK


def _start(parameters: CryptographicParameters, room: int) -> int | None:
    if parameters.counter_length not in (None, room):
        raise bad_parameters(f"this IV leaves {room} bits for the counter, Counter Length (4200D0) says otherwise")
    start = parameters.initial_counter_value
    if start is not None and not 0 <= start < 2**room:
        raise bad_parameters(f"Initial Counter Value (4200D1) does not fit the {room} bits of the counter")
    return start


def _tag_length(mode: CipherMode, parameters: CryptographicParameters) -> int:
    if not mode.tags:
        return 0
    length = mode.tags[0] if parameters.tag_length is None else parameters.tag_length
    if length not in mode.tags:
        raise bad_parameters(
            f"a Tag Length (4200CE) of {length} bytes is not accepted: {mode.tags[-1]} to {mode.tags[0]}"
        )
    return length


def check_tag(setup: Setup, parameters: CryptographicParameters, tag: bytes | None) -> None:
    """Refuse a missing tag, one shorter than the policy's 12 bytes or not as long as Tag Length says."""
    if not setup.mode.tags:
        if tag:
            raise bad_parameters("this mode has no Authenticated Encryption Tag (4200FF)")
        return
    if tag is None:
        raise bad_parameters("the Authenticated Encryption Tag (4200FF) is required")
    if len(tag) not in setup.mode.tags or len(tag) != (parameters.tag_length or len(tag)):
        raise bad_parameters(f"an Authenticated Encryption Tag (4200FF) of {len(tag)} bytes is not accepted")


_PADDINGS: dict[PaddingMethod | None, _Padding | None] = {
    None: None,
    PaddingMethod.NONE: None,
    PaddingMethod.PKCS5: padding.PKCS7,
    PaddingMethod.ANSI_X9_23: padding.ANSIX923,
}
_ASYMMETRIC = frozenset({PaddingMethod.OAEP, PaddingMethod.PKCS1_V1_5, PaddingMethod.PSS, PaddingMethod.X9_31})


def _padding(mode: CipherMode, parameters: CryptographicParameters) -> _Padding | None:
    method = parameters.padding_method
    if method in _ASYMMETRIC:
        raise bad_parameters("this Padding Method (42005F) is for asymmetric keys")
    if not mode.padded:
        return None
    if method not in _PADDINGS:
        raise unsupported("this Padding Method (42005F) is not supported: use PKCS5 or ANSI X9.23")
    return _PADDINGS[method]


def pad(setup: Setup, data: bytes) -> bytes:
    """Pad to full blocks with the Padding Method; without one, refuse what is not full blocks."""
    if not setup.mode.padded:
        return data
    size = setup.cipher.block_size
    if setup.padding is None:
        if len(data) % size:
            raise bad_parameters(f"without a Padding Method (42005F) the data must be full blocks of {size} bytes")
        return data
    padder = setup.padding(size * 8).padder()
    return padder.update(data) + padder.finalize()


def unpad(setup: Setup, data: bytes) -> bytes:
    """Take the padding off. Raises ValueError if it is not there."""
    if setup.padding is None:
        return data
    unpadder = setup.padding(setup.cipher.block_size * 8).unpadder()
    return unpadder.update(data) + unpadder.finalize()
