"""A device's folder: its lock, and the key that seals what is kept there.

The key is in a file of mode 0600, or comes from a passphrase (Argon2id, RFC 9106); then the file has salt, parameters
and a check. It seals one thing, the key of each journal file, with AES-256-GCM and a random initialization vector.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from hmac import compare_digest
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from console.private_files import read_private, write_once
from dscc.errors import DsccError, Reason
from dscc.primitives import IV_BYTES, KEY_BYTES

KEY_FILE: Final = "device.key"
LOCK_FILE: Final = "lock"
_ITERATIONS: Final = 3
_LANES: Final = 4
_MEMORY: Final = 64 * 1024
"""In KiB: with the two above, the second recommended option of RFC 9106 s4."""
_MOST: Final = {"iterations": 100, "lanes": 64, "memory_kib": 1024 * 1024}
_SALT_BYTES: Final = 16


class FolderError(DsccError):
    """A device's folder cannot be used as it is: the message says what is wrong with it, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.FAILED, message)


class Vault:
    """Seals under the device's key. Its repr shows nothing."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        """The initialization vector, then what is sealed."""
        iv = os.urandom(IV_BYTES)
        return iv + self._aead.encrypt(iv, plain, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """What was sealed. Raises FolderError: by another key, or it was changed."""
        try:
            return self._aead.decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], bound)
        except (InvalidTag, ValueError):
            raise FolderError("what is kept in the folder does not open under the device's key") from None


class FolderLock:
    """One process at a time works with a folder: its chains go on in one place only. Ends with the process."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise FolderError(f"{folder} is in use by another process (dscc-agent?)") from None

    def release(self) -> None:
        """Let another process have it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def create_folder(folder: Path) -> None:
    """Make the folder, for its owner only; one that is there has to be so. Raises FolderError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        raise FolderError(f"{folder} has mode {mode:04o}: set it to 0700")


def create_key(folder: Path, passphrase: bytes | None = None) -> Vault:
    """Make the device's key, random or from a passphrase. Raises FolderError if there is one already."""
    if passphrase is None:
        key = content = os.urandom(KEY_BYTES)
    else:
        salt = os.urandom(_SALT_BYTES)
        parameters = {"iterations": _ITERATIONS, "lanes": _LANES, "memory_kib": _MEMORY}
        key, check = _derive(passphrase, salt, parameters)
        content = json.dumps({"salt": salt.hex(), **parameters, "check": check.hex()}).encode() + b"\n"
    try:
        write_once(folder / KEY_FILE, content)
    except FileExistsError:
        raise FolderError(f"{folder} has a device in it already") from None
    return Vault(key)


def needs_passphrase(folder: Path) -> bool:
    """Whether the key comes from a passphrase. Raises FolderError if there is no key."""
    return len(_read_key_file(folder)) != KEY_BYTES


def open_key(folder: Path, passphrase: bytes | None = None) -> Vault:
    """The device's key. Raises FolderError: absent, readable by others, or the wrong passphrase."""
    content = _read_key_file(folder)
    if len(content) == KEY_BYTES:
        return Vault(content)
    if passphrase is None:
        raise FolderError(f"the key of {folder} comes from a passphrase, and none was given")
    try:
        document = json.loads(content)
        salt, check = bytes.fromhex(document["salt"]), bytes.fromhex(document["check"])
        parameters = {name: int(document[name]) for name in _MOST}
    except (ValueError, KeyError, TypeError):
        raise FolderError(f"{folder / KEY_FILE} is not the key of a device") from None
    if any(not 1 <= parameters[name] <= most for name, most in _MOST.items()):
        raise FolderError(f"{folder / KEY_FILE} asks for a derivation that is not done here")
    key, found = _derive(passphrase, salt, parameters)
    if not compare_digest(found, check):
        raise FolderError("the passphrase is wrong")
    return Vault(key)


def _derive(passphrase: bytes, salt: bytes, parameters: dict[str, int]) -> tuple[bytes, bytes]:
    """The key, and a check that is derived beside it and tells nothing about it."""
    if not passphrase:
        raise FolderError("the passphrase is empty")
    derived = Argon2id(
        salt=salt,
        length=2 * KEY_BYTES,
        iterations=parameters["iterations"],
        lanes=parameters["lanes"],
        memory_cost=parameters["memory_kib"],
    ).derive(passphrase)
    return derived[:KEY_BYTES], derived[KEY_BYTES:]


def _read_key_file(folder: Path) -> bytes:
    try:
        return read_private(folder / KEY_FILE)
    except PermissionError as error:
        raise FolderError(f"{folder / KEY_FILE} cannot be read: {error.strerror}") from None
    except OSError as error:
        raise FolderError(f"there is no device in {folder}: {error.strerror}") from None
