"""Cryptographic operations in parts: Init, then data, then Final (KMIP 2.1 s7.14, s7.17).

A part runs through at once where the algorithm allows it. Where it does not, the parts are kept, up to a cap, and
everything comes out with the last one: modes that need the whole message (CCM, XTS, ChaCha20-Poly1305, key wrapping),
every authenticated decryption, of which nothing may be released before the tag is verified, and Edwards signatures.
An operation that has ended or failed takes no more parts. These objects live in the memory of one process.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.hazmat.primitives.hashes import Hash

from kmip_server.cryptography import macs, signing, symmetric
from kmip_server.cryptography.cipher_setup import Setup, check_tag, prepare
from kmip_server.cryptography.failures import bad_parameters, decryption_failed
from kmip_server.cryptography.key_formats import PrivateKey, PublicKey
from kmip_server.cryptography.parameters import NO_PARAMETERS, CryptographicParameters
from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, HashingAlgorithm, ResultReason

MAXIMUM_KEPT = 4 << 20


class _Context(Protocol):
    """One stage of a run: a cipher or a padding."""

    def update(self, data: bytes, /) -> bytes: ...

    def finalize(self) -> bytes: ...


class _Nothing:
    """The stage of a mode without padding."""

    def update(self, data: bytes, /) -> bytes:
        return data

    def finalize(self) -> bytes:
        return b""


class _Kept:
    """Parts that wait for the last one."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, data: bytes) -> None:
        self._length += len(data)
        if self._length > self._maximum:
            raise KmipError(
                ResultReason.FEATURE_NOT_SUPPORTED,
                f"this operation keeps all parts until the last, and at most {self._maximum} bytes of Data (4200C2)",
            )
        self._parts.append(data)

    def joined(self) -> bytes:
        return b"".join(self._parts)


class _Stream:
    """What every operation in parts shares: after its end, or its first failure, it takes nothing more."""

    def __init__(self) -> None:
        self._ended = False

    @contextmanager
    def _part(self, *, final: bool = False) -> Iterator[None]:
        if self._ended:
            raise KmipError(
                ResultReason.INVALID_CORRELATION_VALUE,
                "the operation in parts with this Correlation Value (4200D6) has ended",
            )
        self._ended = True
        yield
        self._ended = final


class _Cipher(_Stream):
    """A run through two stages, cipher and padding, with a count of what went in."""

    def __init__(self, setup: Setup, first: _Context, second: _Context) -> None:
        super().__init__()
        self._setup = setup
        self._first = first
        self._second = second
        self._length = 0

    def _run(self, data: bytes) -> bytes:
        self._length += len(data)
        if self._setup.maximum is not None:
            self._setup.check_length(self._length)
        return self._second.update(self._first.update(data))

    def _finish(self) -> bytes:
        return self._second.update(self._first.finalize()) + self._second.finalize()


class EncryptStream(_Cipher):
    """Encrypt in parts (KMIP 2.1 s6.1.17). `iv` is the IV if it was made here. Raises as `symmetric.encrypt`."""

    def __init__(
        self,
        algorithm: CryptographicAlgorithm,
        key: bytes,
        parameters: CryptographicParameters = NO_PARAMETERS,
        *,
        iv: bytes | None = None,
        aad: bytes = b"",
        maximum_kept: int = MAXIMUM_KEPT,
    ) -> None:
        """Begin. `maximum_kept` is in bytes, for modes that need the whole message."""
        setup = prepare(algorithm, key, parameters, iv=iv, aad=aad, encrypting=True)
        self.iv = setup.made_iv
        self._kept = _Kept(maximum_kept) if setup.mode.whole else None
        padder = setup.padding(setup.cipher.block_size * 8).padder() if setup.padding else _Nothing()
        self._encryptor: _Context = _Nothing() if setup.mode.whole else symmetric.encryptor(setup)
        super().__init__(setup, padder, self._encryptor)

    def update(self, data: bytes) -> bytes:
        """Take a part, give what is ready of the ciphertext."""
        with self._part():
            if self._kept is None:
                return self._run(data)
            self._kept.add(data)
            return b""

    def finish(self, data: bytes = b"") -> symmetric.Encrypted:
        """Take the last part; give the rest of the ciphertext, the IV if made here, and the tag."""
        with self._part(final=True):
            if self._kept is not None:
                self._kept.add(data)
                return symmetric.seal(self._setup, self._kept.joined())
            try:
                rest = self._run(data) + self._finish()
            except ValueError:
                raise bad_parameters("without a Padding Method (42005F) the data must be full blocks") from None
            return symmetric.Encrypted(data=rest, iv=self.iv, tag=symmetric.tag_of(self._setup, self._encryptor))


class DecryptStream(_Cipher):
    """Decrypt in parts (KMIP 2.1 s6.1.11). Raises as `symmetric.decrypt`.

    `tag` comes with the first part, or it is the last `tag_behind` bytes of the last one.
    """

    def __init__(
        self,
        algorithm: CryptographicAlgorithm,
        key: bytes,
        parameters: CryptographicParameters = NO_PARAMETERS,
        *,
        iv: bytes | None = None,
        aad: bytes = b"",
        tag: bytes | None = None,
        tag_behind: int = 0,
        maximum_kept: int = MAXIMUM_KEPT,
    ) -> None:
        """Begin. `maximum_kept` is in bytes, for modes that authenticate or need the whole message."""
        setup = prepare(algorithm, key, parameters, iv=iv, aad=aad, encrypting=False)
        check_tag(setup, parameters, bytes(tag_behind) if tag_behind else tag)
        self._tag = tag or b""
        self._tag_behind = tag_behind
        keeps = setup.mode.whole or bool(setup.mode.tags)
        self._kept = _Kept(maximum_kept) if keeps else None
        unpadder = setup.padding(setup.cipher.block_size * 8).unpadder() if setup.padding else _Nothing()
        super().__init__(setup, _Nothing() if keeps else symmetric.decryptor(setup, b""), unpadder)

    def update(self, data: bytes) -> bytes:
        """Take a part, give what is ready of the plaintext: nothing in a mode with a tag."""
        with self._part():
            if self._kept is None:
                return self._run(data)
            self._kept.add(data)
            return b""

    def finish(self, data: bytes = b"") -> bytes:
        """Take the last part, give the rest of the plaintext. Raises Cryptographic Failure."""
        with self._part(final=True):
            if self._kept is not None:
                self._kept.add(data)
                sealed, tag = self._kept.joined(), self._tag
                if self._tag_behind:
                    if len(sealed) < self._tag_behind:
                        raise decryption_failed()
                    sealed, tag = sealed[: -self._tag_behind], sealed[-self._tag_behind :]
                return symmetric.open_sealed(self._setup, sealed, tag)
            try:
                return self._run(data) + self._finish()
            except ValueError:
                raise decryption_failed() from None


class _Signature(_Stream):
    def __init__(self, key: PrivateKey | PublicKey, parameters: CryptographicParameters, maximum_kept: int) -> None:
        super().__init__()
        self._parameters = parameters
        edwards = isinstance(
            key,
            ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey | ed448.Ed448PrivateKey | ed448.Ed448PublicKey,
        )
        self._kept = _Kept(maximum_kept) if edwards else None
        self._hash = None if edwards else Hash(signing.scheme_of(key, parameters).hashing_algorithm)

    def update(self, data: bytes) -> None:
        """Take a part."""
        with self._part():
            self._add(data)

    def _add(self, data: bytes) -> None:
        if self._hash is not None:
            self._hash.update(data)
        elif self._kept is not None:
            self._kept.add(data)

    def _message(self) -> dict[str, bytes]:
        if self._hash is not None:
            return {"digested_data": self._hash.finalize()}
        return {"data": self._kept.joined() if self._kept is not None else b""}


class SignStream(_Signature):
    """Sign in parts (KMIP 2.1 s6.1.55). Raises as `signing.sign`."""

    def __init__(
        self,
        key: PrivateKey,
        parameters: CryptographicParameters = NO_PARAMETERS,
        *,
        maximum_kept: int = MAXIMUM_KEPT,
    ) -> None:
        """Begin. `maximum_kept` is in bytes, for Edwards keys."""
        super().__init__(key, parameters, maximum_kept)
        self._key = key

    def finish(self, data: bytes = b"") -> bytes:
        """Take the last part, give the signature."""
        with self._part(final=True):
            self._add(data)
            return signing.sign(self._key, self._parameters, **self._message())


class VerifyStream(_Signature):
    """Verify a signature in parts (KMIP 2.1 s6.1.56). Raises as `signing.verify`."""

    def __init__(
        self,
        key: PublicKey,
        parameters: CryptographicParameters = NO_PARAMETERS,
        *,
        maximum_kept: int = MAXIMUM_KEPT,
    ) -> None:
        """Begin. `maximum_kept` is in bytes, for Edwards keys."""
        super().__init__(key, parameters, maximum_kept)
        self._key = key

    def finish(self, data: bytes, signature: bytes) -> bool:
        """Take the last part, say whether the signature is that of all parts."""
        with self._part(final=True):
            self._add(data)
            return signing.verify(self._key, signature, self._parameters, **self._message())


class MacStream(_Stream):
    """Make or verify a MAC in parts (KMIP 2.1 s6.1.32, s6.1.33). Raises as `macs.mac`."""

    def __init__(
        self,
        algorithm: CryptographicAlgorithm | None,
        key: bytes,
        parameters: CryptographicParameters = NO_PARAMETERS,
    ) -> None:
        """Begin."""
        super().__init__()
        self._context = macs.start_mac(algorithm, key, parameters)

    def update(self, data: bytes) -> None:
        """Take a part."""
        with self._part():
            self._context.update(data)

    def finish(self, data: bytes = b"") -> bytes:
        """Take the last part, give the MAC."""
        with self._part(final=True):
            self._context.update(data)
            return self._context.finalize()

    def verify(self, data: bytes, mac_data: bytes) -> bool:
        """Take the last part, say whether `mac_data` is the MAC of all parts."""
        return hmac.compare_digest(self.finish(data), mac_data)


class HashStream(_Stream):
    """Hash in parts (KMIP 2.1 s6.1.24). Raises as `macs.digest`."""

    def __init__(self, algorithm: HashingAlgorithm | None) -> None:
        """Begin."""
        super().__init__()
        self._context = macs.start_digest(algorithm)

    def update(self, data: bytes) -> None:
        """Take a part."""
        with self._part():
            self._context.update(data)

    def finish(self, data: bytes = b"") -> bytes:
        """Take the last part, give the hash."""
        with self._part(final=True):
            self._context.update(data)
            return self._context.finalize()
