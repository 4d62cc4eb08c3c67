"""What a node keeps secret, sealed: AES-256-GCM under the node's own key, bound to the place where it is kept."""

from __future__ import annotations

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from console.private_files import read_private, write_once
from dscc.node.database import NodeError
from dscc.primitives import IV_BYTES, KEY_BYTES, enc


class NodeKey:
    """The key of a node. A sealing is its initialization vector, 12 random bytes, then ciphertext and tag."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    @classmethod
    def create(cls, path: Path) -> NodeKey:
        """Make a key, in a file that only its owner may read. Raises NodeError if there is one."""
        key = secrets.token_bytes(KEY_BYTES)
        try:
            write_once(path, key)
        except FileExistsError:
            raise NodeError(f"there is a key at {path} already") from None
        return cls(key)

    @classmethod
    def read(cls, path: Path) -> NodeKey:
        """The key of a file. Raises NodeError if it is absent, or others may read it."""
        try:
            key = read_private(path)
        except OSError as error:
            raise NodeError(f"the node's key cannot be read: {path}: {error.strerror}") from None
        if len(key) != KEY_BYTES:
            raise NodeError(f"{path} is no key of a node: {len(key)} bytes, not {KEY_BYTES}")
        return cls(key)

    def seal(self, secret: bytes, *place: bytes) -> bytes:
        """A secret for one place: table, row, and what else tells it from every other."""
        iv = secrets.token_bytes(IV_BYTES)
        return iv + self._aead.encrypt(iv, secret, enc(*place))

    def open(self, sealed: bytes, *place: bytes) -> bytes:
        """What was sealed for this place. Raises NodeError: it was changed, moved, or sealed by another node."""
        try:
            return self._aead.decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], enc(*place))
        except (InvalidTag, ValueError):
            raise NodeError(f"what is sealed in {place[0].decode()} was changed, or is another node's") from None
