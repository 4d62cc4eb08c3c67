"""Envelope encryption of what is stored: a random data key for each sealing, itself wrapped by the master key.

Both layers are AES-256-GCM, and both bind what the bytes belong to as associated data:

    "material" or "data key"        which of the two layers
    kind, identifier, owner         each after its length
    up to three numbers             each with a mark that tells "none" from zero
    sealing identifier              16 bytes, new with every sealing: the time in ms (6 bytes), then 10 random ones

so that sealed bytes open only in their own row, with that row's columns unchanged, and an older sealing of the same row
does not open in place of a newer one.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kmip_server.storage.master_key import KEY_SIZE, NONCE_SIZE, MasterKey
from kmip_server.storage.port import Job, ObjectRow, SealBroken

SEALING_ID_SIZE = 16

_HEAD = struct.Struct(">BII?q?q?q")
_WRAPPED = struct.Struct(">H")

_OBJECT, _JOB_REQUEST, _JOB_RESPONSE = 1, 2, 3

CacheKey = tuple[str, bytes, str, int, int | None, int | None]


@dataclass(frozen=True, slots=True)
class Sealed:
    """Sealed bytes with what is needed to open them, except what they are bound to."""

    sealing_id: bytes
    master_key_id: str
    wrapped_key: bytes
    ciphertext: bytes


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

    What is remembered is immutable: it is found only by the unique identifier of its sealing together with every bound
    column, all read from the object's row in the transaction that uses them. A destroyed object's row has no such
    identifier any more. Thread-safe.
    """

    def __init__(self, master_key: MasterKey, *, cache_entries: int = 4096, cache_bytes: int = 8 << 20) -> None:
        self._master_key = master_key
        self._cache: dict[CacheKey, bytes] = {}
        self._cache_entries = cache_entries
        self._cache_room = cache_bytes
        self._lock = threading.Lock()

    @property
    def master_key_id(self) -> str:
        """The name of the master key in use."""
        return self._master_key.key_id

    def seal(self, bound: bytes, content: bytes) -> Sealed:
        """Seal bytes under a new data key."""
        fresh = os.urandom(KEY_SIZE + NONCE_SIZE + 10)
        data_key, nonce = fresh[:KEY_SIZE], fresh[KEY_SIZE : KEY_SIZE + NONCE_SIZE]
        sealing_id = (time.time_ns() // 1_000_000).to_bytes(6) + fresh[KEY_SIZE + NONCE_SIZE :]
        ciphertext = nonce + AESGCM(data_key).encrypt(nonce, content, b"material" + bound + sealing_id)
        wrapped = self._master_key.wrap(data_key, b"data key" + bound + sealing_id)
        return Sealed(sealing_id, self._master_key.key_id, wrapped, ciphertext)

    def open(self, bound: bytes, sealed: Sealed) -> bytes:
        """The bytes that were sealed. Raises SealBroken."""
        if sealed.master_key_id != self._master_key.key_id:
            raise SealBroken(f"sealed under another master key ({sealed.master_key_id})")
        data_key = self._master_key.unwrap(sealed.wrapped_key, b"data key" + bound + sealed.sealing_id)
        nonce, ciphertext = sealed.ciphertext[:NONCE_SIZE], sealed.ciphertext[NONCE_SIZE:]
        try:
            return AESGCM(data_key).decrypt(nonce, ciphertext, b"material" + bound + sealed.sealing_id)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("the sealed bytes or what they are bound to were changed") from error

    def cached(self, row: ObjectRow) -> bytes | None:
        """The object's material if it was opened before, for exactly this sealing and these bound columns."""
        return self._cache.get(_cache_key(row))

    def open_material(self, row: ObjectRow, sealed: Sealed) -> bytes:
        """An object's material, remembered for the next time. Raises SealBroken."""
        content = self.open(object_binding(row), sealed)
        key = _cache_key(row)
        with self._lock:
            self._cache_room += len(self._cache.pop(key, b"")) - len(content)
            self._cache[key] = content
            while self._cache and (len(self._cache) > self._cache_entries or self._cache_room < 0):
                self._cache_room += len(self._cache.pop(next(iter(self._cache))))
        return content

    def forget(self, row: ObjectRow) -> None:
        """Remember an object's material no longer: it was destroyed or replaced."""
        with self._lock:
            self._cache_room += len(self._cache.pop(_cache_key(row), b""))

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
        sealed = self.seal(bound, content)
        return sealed.sealing_id + _WRAPPED.pack(len(sealed.wrapped_key)) + sealed.wrapped_key + sealed.ciphertext

    def _unpacked(self, bound: bytes, packed: bytes) -> bytes:
        start = SEALING_ID_SIZE + _WRAPPED.size
        if len(packed) < start:
            raise SealBroken("the sealed bytes are cut off")
        end = start + _WRAPPED.unpack_from(packed, SEALING_ID_SIZE)[0]
        sealing_id = packed[:SEALING_ID_SIZE]
        return self.open(bound, Sealed(sealing_id, self._master_key.key_id, packed[start:end], packed[end:]))


def _cache_key(row: ObjectRow) -> CacheKey:
    return (
        row.unique_identifier,
        row.material_id or b"",
        row.owner,
        row.object_type,
        row.cryptographic_algorithm,
        row.cryptographic_length,
    )


def _job_binding(job: Job, kind: int) -> bytes:
    return binding(kind, job.correlation_value, job.owner, (job.operation, job.submitted_at, None))
