"""Between the port's dataclasses and the columns of the tables: names, order, and the stored form of index values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from kmip_server.storage.port import Job, ObjectRow
from kmip_server.storage.schema import MAX_IDENTIFIER
from policy.approvals import ApprovalRequest, Vote, needs_from_text, needs_to_text

Entry = tuple[int, str]

MOST_VALUE = 200
"""The longest index value that is stored as it is, in characters: PostgreSQL's index rows end at 2704 bytes."""

COLUMNS = ObjectRow._fields[:-1]
"""The columns of a row, in the order of ObjectRow's fields: all but its index."""

_SEALING = COLUMNS.index("material_id")
_FLAGS = tuple(COLUMNS.index(name) for name in ("archived", "destroyed", "fresh"))
_HASHED = "\x01"


_DATES = slice(COLUMNS.index("activation_date"), COLUMNS.index("archive_date") + 1)
_NO_DATES: tuple[Any, ...] = (None,) * (_DATES.stop - _DATES.start)

DATELESS_COLUMNS = (*COLUMNS[: _DATES.start], *COLUMNS[_DATES.stop :])
"""The columns of an object without dates, as most new ones are. A driver takes longer for a NULL than for a number."""


def dateless_values(row: ObjectRow) -> tuple[Any, ...] | None:
    """The values of a row's columns in the order of DATELESS_COLUMNS, or None if it has dates."""
    values: tuple[Any, ...] = row
    return (*values[: _DATES.start], *values[_DATES.stop : -1]) if values[_DATES] == _NO_DATES else None


def column_values(row: ObjectRow) -> tuple[Any, ...]:
    """The values of a row's columns in the order of COLUMNS."""
    return row[:-1]


def with_sealing(row: ObjectRow, material_id: bytes | None, wrapped_key: bytes | None) -> ObjectRow:
    """The row with what is the storage's own in it. (`_replace` would take three times as long.)"""
    return ObjectRow._make((*row[:_SEALING], material_id, wrapped_key, row.indexed))


def row_from_columns(values: Sequence[Any]) -> ObjectRow:
    """A row that was read, from its columns in the order of COLUMNS."""
    return ObjectRow._make((*values, None))


def row_from_sqlite(values: Sequence[Any]) -> ObjectRow:
    """As row_from_columns, for a database that has numbers in place of booleans."""
    changed = list(values)
    for position in _FLAGS:
        changed[position] = changed[position] == 1
    return row_from_columns(changed)


def stored_value(value: str) -> str:
    """The form in which an index value is kept and compared: itself, or its SHA-256 if it is long or not storable."""
    if len(value) <= MOST_VALUE and "\0" not in value and not value.startswith(_HASHED) and encodable(value):
        return value
    return _HASHED + sha256(value.encode(errors="surrogatepass")).hexdigest()


def storable_key(text: str) -> bool:
    """Whether a text can be a stored identifier or owner at all: bounded, without NUL and lone surrogates."""
    return len(text) <= MAX_IDENTIFIER and "\0" not in text and (text.isascii() or encodable(text))


def encodable(text: str) -> bool:
    """Whether a text has no lone surrogates, which no database takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def stored_entries(row: ObjectRow) -> tuple[Entry, ...]:
    """The distinct index entries of a row in their stored form, in order."""
    if not row.indexed:
        return ()
    return tuple(sorted({(tag, stored_value(value)) for tag, value in row.indexed}))


def entries_to_text(entries: tuple[Entry, ...]) -> str:
    """The entries as the `entries` column keeps them."""
    return json.dumps(entries) if entries else "[]"


def entries_from_text(text: str) -> tuple[Entry, ...]:
    """The entries of an `entries` column. Raises ValueError if it was damaged."""
    return tuple((int(tag), str(value)) for tag, value in json.loads(text))


def approval_values(request: ApprovalRequest) -> tuple[Any, ...]:
    """The columns of a request for approval; its votes are rows of their own."""
    needs = needs_to_text(request.needs)
    return (*request[:5], needs, request.requested_at, request.used_at)


def approval_from_columns(values: Sequence[Any], votes: Iterable[Sequence[Any]]) -> ApprovalRequest:
    """A request for approval with its votes."""
    approval_id, digest, subject, action, resource, needs, requested_at, used_at = values
    said = tuple([Vote(user, bool(approves), at) for user, approves, at in votes])
    return ApprovalRequest(
        approval_id, bytes(digest), subject, action, resource, needs_from_text(needs), requested_at, used_at, said
    )


def job_values(job: Job, sealed: tuple[bytes, bytes | None]) -> tuple[Any, ...]:
    """The columns of a job, with its sealed request and response."""
    request, response = sealed
    return (job.correlation_value, job.owner, job.submitted_at, job.operation, job.stage, request, response)


def job_from_columns(values: Sequence[Any]) -> Job:
    """A job with its request and response still sealed."""
    correlation_value, owner, submitted_at, operation, stage, request, response = values
    return Job(correlation_value, owner, submitted_at, operation, request, stage, response)
