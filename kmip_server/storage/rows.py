"""Between the port's dataclasses and the columns of the tables: names, order, and the stored form of index values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from hashlib import sha256
from operator import attrgetter
from typing import Any, cast

from kmip_server.storage.port import Job, ObjectRow
from kmip_server.storage.schema import MAX_IDENTIFIER

Entry = tuple[int, str]

MOST_VALUE = 200
"""The longest index value that is stored as it is, in characters: PostgreSQL's index rows end at 2704 bytes."""

COLUMNS = tuple(field.name for field in fields(ObjectRow) if field.name != "index")
"""The columns of a row that is read, in the order of ObjectRow's fields."""

WRITTEN = tuple(name for name in COLUMNS if name != "material_id")
"""The columns that follow from a row that is given; the sealing identifier is the storage's own."""

written_values = cast(Callable[[ObjectRow], tuple[Any, ...]], attrgetter(*WRITTEN))
"""The values of a row's columns in the order of WRITTEN."""

_FLAGS = tuple(COLUMNS.index(name) for name in ("archived", "destroyed", "fresh"))
_SLOTS = tuple(ObjectRow.__dict__[name].__set__ for name in COLUMNS)
_SET_INDEX = ObjectRow.__dict__["index"].__set__
_HASHED = "\x01"
_MOST_KNOWN = 2048


def row_from_columns(values: Sequence[Any]) -> ObjectRow:
    """A row that was read, from its columns in the order of COLUMNS.

    This is the innermost loop of Get and Locate. The slots are filled directly, since the constructor of a frozen
    dataclass of this size takes three times as long.
    """
    row = object.__new__(ObjectRow)
    for fill, value in zip(_SLOTS, values, strict=True):
        fill(row, value)
    _SET_INDEX(row, None)
    return row


def row_from_sqlite(values: Sequence[Any]) -> ObjectRow:
    """As row_from_columns, for a database that has numbers in place of booleans."""
    changed = list(values)
    for position in _FLAGS:
        changed[position] = changed[position] == 1
    return row_from_columns(changed)


class KnownRows:
    """Rows that were read before, for as long as the database says that they are as they were. Bounded.

    A row does not change without its version. An object that is removed and made anew under its Unique Identifier
    begins with version 1 again, but its sealed material has another identifier: a row without material is not kept.
    """

    def __init__(self) -> None:
        self._rows: dict[str, ObjectRow] = {}
        self.get = self._rows.get

    def keep(self, row: ObjectRow) -> None:
        """Keep a row; the oldest one makes room."""
        if row.material_id is None:
            return
        self._rows.pop(row.unique_identifier, None)
        if len(self._rows) >= _MOST_KNOWN:
            del self._rows[next(iter(self._rows))]
        self._rows[row.unique_identifier] = row


def stored_value(value: str) -> str:
    """The form in which an index value is kept and compared: itself, or its SHA-256 if it is long or not storable."""
    if len(value) <= MOST_VALUE and "\0" not in value and not value.startswith(_HASHED) and encodable(value):
        return value
    return _HASHED + sha256(value.encode(errors="surrogatepass")).hexdigest()


def storable_key(text: str) -> bool:
    """Whether a text can be a stored identifier or owner at all: bounded, without NUL and lone surrogates."""
    return len(text) <= MAX_IDENTIFIER and "\0" not in text and encodable(text)


def encodable(text: str) -> bool:
    """Whether a text has no lone surrogates, which no database takes."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def stored_entries(row: ObjectRow) -> tuple[Entry, ...]:
    """The distinct index entries of a row in their stored form, in order."""
    return tuple(sorted({(tag, stored_value(value)) for tag, value in row.index or ()}))


def entries_to_text(entries: tuple[Entry, ...]) -> str:
    """The entries as the `entries` column keeps them."""
    return json.dumps(entries)


def entries_from_text(text: str) -> tuple[Entry, ...]:
    """The entries of an `entries` column. Raises ValueError if it was damaged."""
    return tuple((int(tag), str(value)) for tag, value in json.loads(text))


def job_values(job: Job, sealed: tuple[bytes, bytes | None]) -> tuple[Any, ...]:
    """The columns of a job, with its sealed request and response."""
    request, response = sealed
    return (job.correlation_value, job.owner, job.submitted_at, job.operation, job.stage, request, response)


def job_from_columns(values: Sequence[Any]) -> Job:
    """A job with its request and response still sealed."""
    correlation_value, owner, submitted_at, operation, stage, request, response = values
    return Job(correlation_value, owner, submitted_at, operation, request, stage, response)
