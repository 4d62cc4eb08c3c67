"""The hash chain over the audit records.

The digest of a record is SHA-256 over the digest of the record before it, the record's sequence number and time, and
each of its texts after its length (an absent text has the length 0xFFFFFFFF). The chain begins with 32 zero bytes. So a
record that is changed, removed, added or moved makes every later digest wrong.
"""

from __future__ import annotations

import struct
from hashlib import sha256

from kmip_server.storage.port import AuditEntry

GENESIS = bytes(32)

_MOST_TEXT = 1024
_MOST_DETAIL = 4096
_HEAD = struct.Struct(">qqIIIIII")
_ABSENT = 0xFFFFFFFF

AuditRecord = tuple[int, int, str, str, str | None, str, str, str, bytes]


def record(sequence: int, before: bytes, entry: AuditEntry) -> AuditRecord:
    """An entry as the next record: its columns, with the digest that follows `before`."""
    identifier = entry.unique_identifier
    texts = (
        storable(entry.caller, _MOST_TEXT),
        storable(entry.operation, _MOST_TEXT),
        None if identifier is None else storable(identifier, _MOST_TEXT),
        storable(entry.outcome, _MOST_TEXT),
        storable(entry.detail, _MOST_DETAIL),
        storable(entry.correlation, _MOST_TEXT),
    )
    return (sequence, entry.at, *texts, digest(before, sequence, entry.at, texts))


def digest(before: bytes, sequence: int, at: int, texts: tuple[str | None, ...]) -> bytes:
    """The digest of a record with these six texts, in the order of the table's columns."""
    encoded = [b"" if text is None else text.encode() for text in texts]
    lengths = [_ABSENT if text is None else len(data) for text, data in zip(texts, encoded, strict=True)]
    return sha256(b"".join((before, _HEAD.pack(sequence, at, *lengths), *encoded))).digest()


def storable(text: str, most: int) -> str:
    """A text that every database takes: bounded, and without NUL and lone surrogates, which PostgreSQL refuses."""
    if text.isascii() and len(text) <= most and "\0" not in text:
        return text
    bounded = text if len(text) <= most else text[: most - 1] + "…"
    return bounded.replace("\0", "\ufffd").encode(errors="replace").decode()
