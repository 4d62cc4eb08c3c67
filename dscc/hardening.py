"""ML-KEM (FIPS 203), the one thing here that is not symmetric: optional hardening, where a policy asks for it.

Keys are made here, from the operating system's random source, so that the state machines stay pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import mlkem

from dscc.errors import DsccError, Reason

_Private = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey
_Public = mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey


class _Kind(NamedTuple):
    generate: Callable[[], _Private]
    private: Callable[[bytes], _Private]
    public: Callable[[bytes], _Public]
    ciphertext_bytes: int


_KINDS: Final = {
    "mlkem768": _Kind(
        mlkem.MLKEM768PrivateKey.generate,
        mlkem.MLKEM768PrivateKey.from_seed_bytes,
        mlkem.MLKEM768PublicKey.from_public_bytes,
        1088,
    ),
    "mlkem1024": _Kind(
        mlkem.MLKEM1024PrivateKey.generate,
        mlkem.MLKEM1024PrivateKey.from_seed_bytes,
        mlkem.MLKEM1024PublicKey.from_public_bytes,
        1568,
    ),
}
KEMS: Final = frozenset(_KINDS)


class Encapsulated(NamedTuple):
    """A secret of 32 bytes, and the ciphertext from which the holder of the private key has it, too."""

    secret: bytes
    ciphertext: bytes

    def __repr__(self) -> str:
        return "Encapsulated(...)"


class KemKey:
    """A key that is used once: its public half is sent, and what comes back is opened.

    From its `seed` (64 bytes, as secret as the key) it is made again, by a device that crashed before the answer came.
    """

    def __init__(self, kind: str, seed: bytes | None = None) -> None:
        self._size = _KINDS[kind].ciphertext_bytes
        self._private = _KINDS[kind].generate() if seed is None else _KINDS[kind].private(seed)
        self.public = self._private.public_key().public_bytes_raw()

    @property
    def seed(self) -> bytes:
        """What the key is made of."""
        return self._private.private_bytes_raw()

    def open(self, ciphertext: bytes) -> bytes:
        """The secret. Raises DsccError (MALFORMED) for a ciphertext of another size."""
        if len(ciphertext) != self._size:
            raise DsccError(Reason.MALFORMED, f"a ciphertext has {self._size} bytes here, not {len(ciphertext)}")
        return self._private.decapsulate(ciphertext)


def encapsulate(kind: str, public: bytes) -> Encapsulated:
    """A fresh secret for the holder of a key. Raises DsccError (MALFORMED) if that is no public key of this kind."""
    try:
        return Encapsulated(*_KINDS[kind].public(public).encapsulate())
    except ValueError:
        raise DsccError(Reason.MALFORMED, f"not a public key of {kind}") from None
