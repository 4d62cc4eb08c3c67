"""The key above all keys: what seals the data keys, and where it comes from.

A provider wraps and unwraps 32-byte data keys and never gives its own key away, so that one in a hardware module
(PKCS#11) or in another KMIP server fits the same interface. Here are two that hold their key in memory: a file, and a
passphrase.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from console.private_files import read_private, write_once
from kmip_server.storage.port import SealBroken

KEY_SIZE = 32
NONCE_SIZE = 12

_ARGON2_ITERATIONS = 3
_ARGON2_LANES = 4
_ARGON2_MEMORY = 64 * 1024
"""Memory in KiB: the second recommended option of RFC 9106 s4."""

_MOST_MEMORY = 1024 * 1024
_MOST_ITERATIONS = 100
_MOST_LANES = 64


class MasterKeyError(Exception):
    """The master key cannot be had: absent, readable by others, or the wrong passphrase. The text says which."""


class MasterKey(Protocol):
    """What seals data keys. `key_id` tells one master key from another and reveals nothing about it."""

    @property
    def key_id(self) -> str:
        """A name of this key, stored with everything that it wraps."""

    def wrap(self, data_key: bytes, associated: bytes) -> bytes:
        """The data key, wrapped and bound to the associated data."""

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """The data key. Raises SealBroken if bytes, associated data or master key are not those of wrap()."""


class LocalMasterKey:
    """A master key held in this process's memory. AES-256-GCM with a random 96-bit nonce for each wrapping."""

    __slots__ = ("_cipher", "_key_id")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise MasterKeyError(f"a master key has {KEY_SIZE} bytes, this one has {len(key)}")
        self._cipher = AESGCM(key)
        self._key_id = hmac.digest(key, b"kmip-server master key id", "sha256")[:8].hex()

    @property
    def key_id(self) -> str:
        """The first 8 bytes of HMAC-SHA-256 under the key over a fixed text, in hexadecimal."""
        return self._key_id

    def wrap(self, data_key: bytes, associated: bytes) -> bytes:
        """The nonce, then the encrypted data key and its tag."""
        nonce = os.urandom(NONCE_SIZE)
        return nonce + self._cipher.encrypt(nonce, data_key, associated)

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """The data key. Raises SealBroken."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:], associated)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("a data key does not open under the master key") from error


def create_key_file(path: Path) -> LocalMasterKey:
    """Make a new random master key in a file that only its owner may read. Raises FileExistsError if there is one."""
    key = os.urandom(KEY_SIZE)
    write_once(path, key)
    return LocalMasterKey(key)


def open_key_file(path: Path) -> LocalMasterKey:
    """The master key of a file. Raises MasterKeyError if it is absent, readable by others, or not 32 bytes."""
    return LocalMasterKey(_read(path, KEY_SIZE + 1))


def create_passphrase(path: Path, passphrase: bytes) -> LocalMasterKey:
    """Make a master key from a passphrase; the file keeps the salt, the parameters and a check, never the key.

    Raises FileExistsError if the file is there, MasterKeyError if the passphrase is empty.
    """
    salt = os.urandom(16)
    parameters = {"iterations": _ARGON2_ITERATIONS, "lanes": _ARGON2_LANES, "memory_kib": _ARGON2_MEMORY}
    key, check = _derive(passphrase, salt, parameters)
    document = {
        "derivation": "argon2id",
        "salt": base64.b64encode(salt).decode(),
        **parameters,
        "check": base64.b64encode(check).decode(),
    }
    write_once(path, json.dumps(document, indent=2).encode() + b"\n")
    return LocalMasterKey(key)


def open_passphrase(path: Path, passphrase: bytes) -> LocalMasterKey:
    """The master key of a passphrase. Raises MasterKeyError if the passphrase is wrong or the file is unusable."""
    try:
        document = json.loads(_read(path, 4096))
        salt = base64.b64decode(document["salt"], validate=True)
        check = base64.b64decode(document["check"], validate=True)
        parameters = {name: int(document[name]) for name in ("iterations", "lanes", "memory_kib")}
        known = document["derivation"] == "argon2id"
    except (ValueError, KeyError, TypeError) as error:
        raise MasterKeyError(f"{path} is not a passphrase file of this server") from error
    limits = (parameters["iterations"], _MOST_ITERATIONS), (parameters["lanes"], _MOST_LANES)
    if not known or any(not 1 <= value <= most for value, most in (*limits, (parameters["memory_kib"], _MOST_MEMORY))):
        raise MasterKeyError(f"{path} asks for a derivation that this server does not do")
    key, found = _derive(passphrase, salt, parameters)
    if not hmac.compare_digest(found, check):
        raise MasterKeyError("the passphrase is wrong")
    return LocalMasterKey(key)


def passphrase_from_descriptor(descriptor: int) -> bytes:
    """The first line of an open file descriptor, which is closed then. Raises MasterKeyError if it is empty."""
    with os.fdopen(descriptor, "rb") as stream:
        return _checked(stream.readline(1024).rstrip(b"\r\n"))


def passphrase_from_environment(variable: str) -> bytes:
    """The passphrase in an environment variable, which is removed so that no child process inherits it.

    Raises MasterKeyError if it is not set or empty.
    """
    return _checked(os.environb.pop(variable.encode(), b""))


def _checked(passphrase: bytes) -> bytes:
    if not passphrase:
        raise MasterKeyError("the passphrase is empty")
    return passphrase


def _derive(passphrase: bytes, salt: bytes, parameters: dict[str, int]) -> tuple[bytes, bytes]:
    """The key, and a check value that is derived beside it and tells nothing about it."""
    derivation = Argon2id(
        salt=salt,
        length=2 * KEY_SIZE,
        iterations=parameters["iterations"],
        lanes=parameters["lanes"],
        memory_cost=parameters["memory_kib"],
    )
    derived = derivation.derive(_checked(passphrase))
    return derived[:KEY_SIZE], derived[KEY_SIZE:]


def _read(path: Path, most: int) -> bytes:
    try:
        return read_private(path, most)
    except OSError as error:
        raise MasterKeyError(f"the master key file {path} cannot be opened: {error.strerror}") from error
