"""Envelope encryption of what is stored: a random data key for each sealing, itself wrapped by the master key.

Both layers are AES-256-GCM, and both bind what the bytes belong to as associated data:

    "material" or "data key"        which of the two layers
    kind, identifier, owner         each after its length
    up to three numbers             each with a mark that tells "none" from zero
    version                         8 bytes, only in the data key of an object: the version of its row
    sealing identifier              16 bytes, new with every sealing: the time in ms (6 bytes), then 10 random ones

so that sealed bytes open only in their own row, with that row's columns unchanged, and an older sealing of the same row
does not open in place of a newer one. A new version of a row has its data key wrapped anew, and the material stays.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kmip_server.storage.master_key import KEY_SIZE, NONCE_SIZE, MasterKey
from kmip_server.storage.port import Job, ObjectRow, SealBroken

SEALING_ID_SIZE = 16

_HEAD = struct.Struct(">BII?q?q?q")
_VERSION = struct.Struct(">q")
_WRAPPED = struct.Struct(">H")

_OBJECT, _JOB_REQUEST, _JOB_RESPONSE = 1, 2, 3
_NOTHING: tuple[tuple[Any, ...], bytes] = ((), b"")

_BOUND = ("unique_identifier", "owner", "object_type", "cryptographic_algorithm", "cryptographic_length")
bound_columns = attrgetter(*_BOUND)
"""The columns that an object's key material is bound to; its data key is bound to the version too."""

_opened_with = attrgetter("material_id", "wrapped_key", "version", *_BOUND)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Sealed bytes with what is needed to open them, except what they are bound to."""

    sealing_id: bytes
    master_key_id: str
    wrapped_key: bytes
    ciphertext: bytes


def sealed_in(row: ObjectRow, master_key_id: str, ciphertext: bytes) -> Sealed:
    """An object's sealed material, with the row that names it."""
    return Sealed(row.material_id or b"", master_key_id, row.wrapped_key or b"", ciphertext)


def binding(kind: int, identifier: bytes, owner: str, numbers: tuple[int | None, int | None, int | None]) -> bytes:
    """What sealed bytes belong to, as one unambiguous byte string."""
    first, second, third = numbers
    owner_bytes = owner.encode()
    head = _HEAD.pack(
        kind,
        len(identifier),
        len(owner_bytes),
        first is not None,
        first or 0,
        second is not None,
        second or 0,
        third is not None,
        third or 0,
    )
    return head + identifier + owner_bytes


def object_binding(row: ObjectRow) -> bytes:
    """What an object's key material is bound to: identifier, owner, type, algorithm and length."""
    numbers = (row.object_type, row.cryptographic_algorithm, row.cryptographic_length)
    return binding(_OBJECT, row.unique_identifier.encode(), row.owner, numbers)


class Sealer:
    """Seals and opens under one master key, and remembers a bounded amount of opened key material.

    What is remembered of an object is found only with everything that it was opened with: the sealing's identifier, the
    wrapped data key and every bound column, all read from the object's row in the transaction that uses them. So it is
    served for no row that would not open by itself. A destroyed object's row has no sealing any more. Thread-safe.
    """

    def __init__(self, master_key: MasterKey, *, cache_entries: int = 4096, cache_bytes: int = 8 << 20) -> None:
        self._master_key = master_key
        self._cache: dict[str, tuple[tuple[Any, ...], bytes]] = {}
        self._cache_entries = cache_entries
        self._cache_room = cache_bytes
        self._lock = threading.Lock()

    @property
    def master_key_id(self) -> str:
        """The name of the master key in use."""
        return self._master_key.key_id

    def seal(self, row: ObjectRow, material: bytes) -> Sealed:
        """Seal an object's material under a new data key, for this version of its row."""
        bound = object_binding(row)
        return self._seal(bound, bound + _VERSION.pack(row.version), material)

    def open(self, row: ObjectRow, sealed: Sealed) -> bytes:
        """An object's material, opened and not remembered. Raises SealBroken."""
        bound = object_binding(row)
        return self._open(bound, bound + _VERSION.pack(row.version), sealed)

    def rewrap(self, row: ObjectRow, version: int) -> bytes:
        """The data key of a row that names its sealing, wrapped for another version of it. Raises SealBroken."""
        bound, sealing_id = object_binding(row), row.material_id or b""
        before = b"data key" + bound + _VERSION.pack(row.version) + sealing_id
        data_key = self._master_key.unwrap(row.wrapped_key or b"", before)
        return self._master_key.wrap(data_key, b"data key" + bound + _VERSION.pack(version) + sealing_id)

    def _seal(self, bound: bytes, key_bound: bytes, content: bytes) -> Sealed:
        fresh = os.urandom(KEY_SIZE + NONCE_SIZE + 10)
        data_key, nonce = fresh[:KEY_SIZE], fresh[KEY_SIZE : KEY_SIZE + NONCE_SIZE]
        sealing_id = (time.time_ns() // 1_000_000).to_bytes(6) + fresh[KEY_SIZE + NONCE_SIZE :]
        ciphertext = nonce + AESGCM(data_key).encrypt(nonce, content, b"material" + bound + sealing_id)
        wrapped = self._master_key.wrap(data_key, b"data key" + key_bound + sealing_id)
        return Sealed(sealing_id, self._master_key.key_id, wrapped, ciphertext)

    def _open(self, bound: bytes, key_bound: bytes, sealed: Sealed) -> bytes:
        if sealed.master_key_id != self._master_key.key_id:
            raise SealBroken(f"sealed under another master key ({sealed.master_key_id})")
        data_key = self._master_key.unwrap(sealed.wrapped_key, b"data key" + key_bound + sealed.sealing_id)
        nonce, ciphertext = sealed.ciphertext[:NONCE_SIZE], sealed.ciphertext[NONCE_SIZE:]
        try:
            return AESGCM(data_key).decrypt(nonce, ciphertext, b"material" + bound + sealed.sealing_id)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("the sealed bytes or what they are bound to were changed") from error

    # What was opened

    def cached(self, row: ObjectRow) -> bytes | None:
        """The object's material if it was opened before, for exactly this sealing, version and bound columns."""
        key, content = self._cache.get(row.unique_identifier, _NOTHING)
        return content if key == _opened_with(row) else None

    def open_material(self, row: ObjectRow, sealed: Sealed) -> bytes:
        """An object's material, remembered for the next time. Raises SealBroken."""
        content = self.open(row, sealed)
        with self._lock:
            self._cache_room += self._forgotten(row.unique_identifier) - len(content)
            self._cache[row.unique_identifier] = (_opened_with(row), content)
            while self._cache and (len(self._cache) > self._cache_entries or self._cache_room < 0):
                self._cache_room += self._forgotten(next(iter(self._cache)))
        return content

    def carry_over(self, before: ObjectRow, after: ObjectRow) -> None:
        """Remember for the next version of a row what is remembered for the one before: the material is the same."""
        with self._lock:
            content = self.cached(before)
            if content is not None:
                self._cache[after.unique_identifier] = (_opened_with(after), content)

    def forget(self, unique_identifier: str) -> None:
        """Remember an object's material no longer: it was destroyed or replaced."""
        with self._lock:
            self._cache_room += self._forgotten(unique_identifier)

    def _forgotten(self, unique_identifier: str) -> int:
        return len(self._cache.pop(unique_identifier, _NOTHING)[1])

    # Jobs

    def seal_job(self, job: Job) -> tuple[bytes, bytes | None]:
        """A job's request and response, sealed and packed into one byte string each."""
        response = None if job.response is None else self._packed(_job_binding(job, _JOB_RESPONSE), job.response)
        return self._packed(_job_binding(job, _JOB_REQUEST), job.request), response

    def open_job(self, job: Job) -> Job:
        """A job whose request and response are packed as in seal_job(), opened. Raises SealBroken."""
        response = None if job.response is None else self._unpacked(_job_binding(job, _JOB_RESPONSE), job.response)
        request = self._unpacked(_job_binding(job, _JOB_REQUEST), job.request)
        return Job(job.correlation_value, job.owner, job.submitted_at, job.operation, request, job.stage, response)

    def _packed(self, bound: bytes, content: bytes) -> bytes:
        sealed = self._seal(bound, bound, content)
        return sealed.sealing_id + _WRAPPED.pack(len(sealed.wrapped_key)) + sealed.wrapped_key + sealed.ciphertext

    def _unpacked(self, bound: bytes, packed: bytes) -> bytes:
        start = SEALING_ID_SIZE + _WRAPPED.size
        if len(packed) < start:
            raise SealBroken("the sealed bytes are cut off")
        end = start + _WRAPPED.unpack_from(packed, SEALING_ID_SIZE)[0]
        sealing_id = packed[:SEALING_ID_SIZE]
        sealed = Sealed(sealing_id, self._master_key.key_id, packed[start:end], packed[end:])
        return self._open(bound, bound, sealed)


def _job_binding(job: Job, kind: int) -> bytes:
    return binding(kind, job.correlation_value, job.owner, (job.operation, job.submitted_at, None))
