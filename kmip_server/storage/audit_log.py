"""The audit log for administration: records of what administrators do, and reading.

What a command changes is on record in the transaction that changes it, as it is for requests (unit.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, Select, insert, select, update

from kmip_server.storage import audit_chain, schema
from kmip_server.storage.port import AuditEntry

_STEP = 1000


class Record(NamedTuple):
    """A record as the table has it. `at` is in POSIX seconds; `digest` is what audit_chain.py says."""

    sequence: int
    at: int
    caller: str
    operation: str
    unique_identifier: str | None
    outcome: str
    detail: str
    correlation: str
    digest: bytes

    @property
    def texts(self) -> audit_chain.Texts:
        """What the digest covers beside number and time."""
        return (self.caller, self.operation, self.unique_identifier, self.outcome, self.detail, self.correlation)


class Wanted(NamedTuple):
    """Which records are read: each field that is given for itself; `last` are the newest of those that fit."""

    since: int | None = None
    until: int | None = None
    caller: str | None = None
    operation: str | None = None
    outcome: str | None = None
    last: int | None = None


ALL = Wanted()


def append(connection: Connection, entry: AuditEntry) -> int:
    """Put an entry on record in the transaction of its effect; its number. The row of the head is locked until its end.

    The database's refusal is the caller's: then there is no effect either.
    """
    head = schema.audit_head
    before = connection.execute(select(head.c.sequence, head.c.digest).with_for_update()).one()
    values = audit_chain.record(before.sequence + 1, bytes(before.digest), entry)
    record = Record(*values)
    connection.execute(insert(schema.audit).values(record._asdict()))
    connection.execute(update(head).values(sequence=record.sequence, digest=record.digest))
    return record.sequence


def head(connection: Connection) -> tuple[int, bytes]:
    """Number and digest of the last record, as the table of the head has them."""
    found = connection.execute(select(schema.audit_head.c.sequence, schema.audit_head.c.digest)).one()
    return found.sequence, bytes(found.digest)


def records(connection: Connection, wanted: Wanted = ALL) -> Iterator[Record]:
    """The records that are wanted, the oldest first, some at a time."""
    table = schema.audit
    statement = _narrowed(select(table), wanted)
    after = -(2**63)
    if wanted.last is not None:
        newest = statement.order_by(table.c.sequence.desc()).limit(wanted.last)
        yield from reversed([_record(row) for row in connection.execute(newest)])
        return
    while True:
        step = statement.where(table.c.sequence > after).order_by(table.c.sequence).limit(_STEP)
        found = [_record(row) for row in connection.execute(step)]
        yield from found
        if len(found) < _STEP:
            return
        after = found[-1].sequence


def record(connection: Connection, sequence: int) -> Record | None:
    """One record by its number."""
    found = connection.execute(select(schema.audit).where(schema.audit.c.sequence == sequence)).first()
    return None if found is None else _record(found)


def _record(row: object) -> Record:
    values = Record(*row)  # type: ignore[misc]
    return values._replace(digest=bytes(values.digest))


def _narrowed(statement: Select[tuple[object, ...]], wanted: Wanted) -> Select[tuple[object, ...]]:
    columns = schema.audit.c
    for name in ("caller", "operation", "outcome"):
        if (value := getattr(wanted, name)) is not None:
            statement = statement.where(columns[name] == value)
    if wanted.since is not None:
        statement = statement.where(columns.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(columns.at < wanted.until)
    return statement
