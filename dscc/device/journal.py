"""What a device keeps, as a journal: each change is a sealed record at the end of a file, durable when `write` returns.

    file    = magic | file key, sealed under the device's key | records
    record  = 4 bytes of length | AES-256-GCM under the file key; the initialization vector is the record's number
    content = CBOR: a list of [table, key, value], a value of none removes

SQLite was measured beside it: a commit (WAL, synchronous=FULL) takes three times the processor time of an append with
fdatasync, and many times the wait, and a device that negotiates is to be cheap. All of it is small, and in memory.

`compact` writes what there is now into a new file under a new key, and renames it over the old one: what was replaced
cannot be read any more even with the device's key, as far as files are concerned (not the medium's spare blocks). It is
done whenever a file is opened, so that no record number is ever used twice under one key.

A record that a crash cut off was not acknowledged, and is dropped. Anything else that does not open is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from struct import Struct
from typing import Any, Final

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from console.private_files import make_names_durable
from dscc.device.vault import FolderError, Vault
from dscc.primitives import IV_BYTES, KEY_BYTES, TAG_BYTES

Change = tuple[str, Any, Any]
"""A table, a key, and its new value (None: none)."""
Tables = dict[str, dict[Any, Any]]

FILE_NAME: Final = "state"
_MAGIC: Final = b"DSCC device state 1\n"
_SEALED_KEY_BYTES: Final = IV_BYTES + KEY_BYTES + TAG_BYTES
_length = Struct(">I")
_AT_ONCE: Final = 128
"""Values in one record of a new file."""
_COMPACT_BYTES: Final = 1 << 20


class Journal:
    """The open journal. One process has it (`FolderLock`), and one thread."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self._path, self._vault = folder / FILE_NAME, vault
        self._descriptor = -1
        self._broken = False
        self.tables: Tables = _read(self._path, vault) if self._path.exists() else {}
        """The values as they were written. Look, and do not change."""
        self.compact()

    def write(self, *changes: Change) -> None:
        """Make changes, all of them or none, and durable. Raises FolderError if that failed."""
        if self._broken:
            raise FolderError("an earlier change could not be written: the device has to be opened again")
        # Until it is known to be written, another record would have the same number.
        self._broken = True
        try:
            self._append(changes)
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise FolderError(f"{self._path} cannot be written: {error.strerror}") from None
        self._broken = False
        _apply(self.tables, changes)
        if self._size > self._compact_at:
            self.compact()

    def compact(self) -> None:
        """Write a new file with what there is, under a new key. Raises FolderError; the old file holds then."""
        self._broken = True
        fresh = self._path.with_name(f"{FILE_NAME}.new")
        try:
            self._release()
            fresh.unlink(missing_ok=True)
            self._descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            key = os.urandom(KEY_BYTES)
            self._aead, self._number, self._size = AESGCM(key), 0, 0
            self._put(_MAGIC + self._vault.seal(key, _MAGIC))
            everything = [(table, each, value) for table, rows in self.tables.items() for each, value in rows.items()]
            for start in range(0, len(everything), _AT_ONCE):
                self._append(everything[start : start + _AT_ONCE])
            os.fsync(self._descriptor)
            fresh.rename(self._path)
            make_names_durable(self._path.parent)
        except OSError as error:
            raise FolderError(f"{self._path} cannot be written: {error.strerror}") from None
        self._compact_at = 2 * self._size + _COMPACT_BYTES
        self._broken = False

    @property
    def is_broken(self) -> bool:
        """Whether a write has failed: nothing more is written before the folder is opened again."""
        return self._broken

    def close(self) -> None:
        """Leave nothing that was replaced behind. It may be closed twice."""
        if not self._broken:
            self.compact()
        self._release()
        self._broken = True

    def _release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _append(self, changes: Iterable[Change]) -> None:
        sealed = self._aead.encrypt(_iv(self._number), cbor2.dumps([list(change) for change in changes]), _MAGIC)
        self._number += 1
        self._put(_length.pack(len(sealed)) + sealed)

    def _put(self, data: bytes) -> None:
        self._size += len(data)
        while data:
            data = data[os.write(self._descriptor, data) :]


def _iv(number: int) -> bytes:
    return number.to_bytes(IV_BYTES, "big")


def _apply(tables: Tables, changes: Iterable[Change]) -> None:
    for table, key, value in changes:
        rows = tables.setdefault(table, {})
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value


def _read(path: Path, vault: Vault) -> Tables:
    data = path.read_bytes()
    start = len(_MAGIC) + _SEALED_KEY_BYTES
    if not data.startswith(_MAGIC) or len(data) < start:
        raise FolderError(f"{path} is not the state of a device")
    aead = AESGCM(vault.open(data[len(_MAGIC) : start], _MAGIC))
    tables: Tables = {}
    number = 0
    while start + _length.size <= len(data):
        (size,) = _length.unpack_from(data, start)
        end = start + _length.size + size
        if end > len(data):
            break
        try:
            plain = aead.decrypt(_iv(number), data[start + _length.size : end], _MAGIC)
        except (InvalidTag, ValueError):
            if end == len(data) or not any(data[start:]):
                break
            raise FolderError(f"{path} is damaged in record {number}") from None
        _apply(tables, [(table, key, value) for table, key, value in cbor2.loads(plain)])
        start, number = end, number + 1
    return tables
