"""The hash chain over the audit records.

The digest of a record is SHA-256 over the digest of the record before it and the record's columns as a JSON array in
ASCII: sequence, at, caller, operation, unique_identifier (or null), outcome, detail, correlation. The chain begins with
32 zero bytes. So a record that is changed, removed, added or moved makes every later digest wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from json.encoder import encode_basestring_ascii

from kmip_server.storage.port import AuditEntry

GENESIS = bytes(32)

_MOST_TEXT = 1024
_MOST_DETAIL = 4096

Texts = tuple[str, str, str | None, str, str, str]
AuditRecord = tuple[int, int, str, str, str | None, str, str, str, bytes]


def record(sequence: int, before: bytes, entry: AuditEntry) -> AuditRecord:
    """An entry as the next record: its columns, with the digest that follows `before`."""
    identifier = entry.unique_identifier
    texts: Texts = (entry.caller, entry.operation, identifier, entry.outcome, entry.detail, entry.correlation)
    whole = "".join([text for text in texts if text])
    if not (whole.isascii() and len(whole) <= _MOST_TEXT and "\0" not in whole):
        texts = (
            storable(entry.caller, _MOST_TEXT),
            storable(entry.operation, _MOST_TEXT),
            None if identifier is None else storable(identifier, _MOST_TEXT),
            storable(entry.outcome, _MOST_TEXT),
            storable(entry.detail, _MOST_DETAIL),
            storable(entry.correlation, _MOST_TEXT),
        )
    return (sequence, entry.at, *texts, digest(before, sequence, entry.at, texts))


def digest(before: bytes, sequence: int, at: int, texts: Texts) -> bytes:
    """The digest of a record with these six texts, in the order of the table's columns."""
    # As json.dumps((sequence, at, *texts)), without the making of an encoder for each record.
    columns = ", ".join(["null" if text is None else encode_basestring_ascii(text) for text in texts])
    return sha256(before + f"[{sequence}, {at}, {columns}]".encode("ascii")).digest()


def breaks(last: int, before: bytes, sequence: int, at: int, texts: Texts, found: bytes) -> Iterator[str]:
    """What is wrong, in words, with a record that comes after number `last` and digest `before`, and has `found`."""
    if sequence != last + 1:
        yield f"audit record {sequence} follows {last}"
    if digest(before, sequence, at, texts) != found:
        yield f"audit record {sequence} was changed, or the one before it"


def storable(text: str, most: int) -> str:
    """A text that every database takes: bounded, and without NUL and lone surrogates, which PostgreSQL refuses."""
    bounded = text if len(text) <= most else text[: most - 1] + "…"
    return bounded.replace("\0", "\ufffd").encode(errors="replace").decode()
