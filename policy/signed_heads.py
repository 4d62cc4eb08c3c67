"""Signed heads of the audit log: what a verifier keeps, so that the log cannot be changed behind it.

A head says how many records there were, the root of the Merkle tree over them, the last digest of their chain, and
when; it is signed with Ed25519 (RFC 8032). It is written as a small JSON document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_CONTEXT: Final = b"kmip-server audit head 1\n"
_HASH: Final = 32
_SIGNATURE: Final = 64


class HeadError(Exception):
    """A text is no signed head; the message says what is wrong with it."""


class SignedHead(NamedTuple):
    """A head of the log. `time` is in POSIX seconds; `key` is the SHA-256 of the public key's 32 bytes."""

    size: int
    root: bytes
    digest: bytes
    time: int
    key: bytes
    signature: bytes = b""

    @property
    def signed_bytes(self) -> bytes:
        """What the signature covers: the fields as JSON without spaces, in the order of their names."""
        fields = {name: value for name, value in self.document().items() if name != "signature"}
        return _CONTEXT + json.dumps(fields, sort_keys=True, separators=(",", ":")).encode("ascii")

    def document(self) -> dict[str, int | str]:
        """The head as a JSON document."""
        return {name: value.hex() if isinstance(value, bytes) else value for name, value in self._asdict().items()}

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is that of the key."""
        try:
            key.verify(self.signature, self.signed_bytes)
        except InvalidSignature:
            return False
        return self.key == key_id(key)


def key_id(key: Ed25519PublicKey) -> bytes:
    """What names a key: the SHA-256 of its 32 bytes."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).digest()


def sign(key: Ed25519PrivateKey, *, size: int, root: bytes, digest: bytes, time: int) -> SignedHead:
    """A head, signed."""
    head = SignedHead(size, root, digest, time, key_id(key.public_key()))
    return head._replace(signature=key.sign(head.signed_bytes))


def read_head(document: object) -> SignedHead:
    """A head from its JSON document; its signature is not verified yet. Raises HeadError."""
    if not isinstance(document, Mapping) or set(document) != set(SignedHead._fields):
        raise HeadError(f"a signed head has the fields {', '.join(SignedHead._fields)}")
    if not all(type(document[name]) is int and 0 <= document[name] < 1 << 63 for name in ("size", "time")):
        raise HeadError("size and time of a signed head are numbers")
    sizes = {"root": _HASH, "digest": _HASH, "key": _HASH, "signature": _SIGNATURE}
    values: dict[str, Any] = {name: hash_of(document[name], name, size) for name, size in sizes.items()}
    return SignedHead(size=document["size"], time=document["time"], **values)


def hash_of(value: object, name: str, size: int = _HASH) -> bytes:
    """Bytes of a size from hexadecimal digits. Raises HeadError."""
    try:
        found = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        found = b""
    if len(found) != size:
        raise HeadError(f"{name} has {2 * size} hexadecimal digits")
    return found
