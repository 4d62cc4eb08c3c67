"""What is on record: a chain of records, each with the digest of the one before, in the transaction of the effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select

from dscc.node.schema import audit

_GENESIS = bytes(32)
_HEAD = "the last audit record"
_LAST = select(audit.c.sequence, audit.c.digest).order_by(audit.c.sequence.desc()).limit(1)
_DIGEST = select(audit.c.digest).where(audit.c.sequence == bindparam("sequence"))
_ADDING = insert(audit)
_MOST = 512


class Entry(NamedTuple):
    """Who did what to what, and what became of it ("done", "refused"), at a time in POSIX seconds."""

    at: int
    actor: str
    action: str
    resource: str
    outcome: str
    detail: str = ""


def record(connection: Connection, *entries: Entry) -> None:
    """Put entries on record, in the caller's transaction, which writes."""
    sequence, before = head(connection)
    rows = []
    for entry in entries:
        sequence += 1
        bounded = entry._replace(**{name: text[:_MOST] for name, text in entry._asdict().items() if name != "at"})
        before = _digest(before, sequence, bounded)
        rows.append({**bounded._asdict(), "sequence": sequence, "digest": before})
    connection.execute(_ADDING, rows)
    connection.info[_HEAD] = connection.get_transaction(), (sequence, before)


class Refusals:
    """Puts on record what is refused before it is known who asks: so many a minute, lest somebody fill the disk.

    What is left out is counted, and said in the next record.
    """

    MOST = 120
    _MINUTE = 60

    def __init__(self) -> None:
        self._minute = 0
        self._recorded = 0
        self._left_out = 0

    def entry(self, now: int, peer: str, what: str, reason: str) -> Entry | None:
        """The entry for one refusal; None if there were too many in this minute."""
        minute = now // self._MINUTE
        if minute != self._minute:
            self._minute, self._recorded = minute, 0
        if self._recorded >= self.MOST:
            self._left_out += 1
            return None
        self._recorded += 1
        before, self._left_out = self._left_out, 0
        said = reason + (f"; {before} more were not put on record before" if before else "")
        return Entry(now, peer or "unknown", what, "", "refused", said)


def forget(connection: Connection) -> None:
    """What was put on record since a savepoint was taken back."""
    connection.info.pop(_HEAD, None)


def digest_of(connection: Connection, sequence: int) -> bytes | None:
    """The digest of a record, which tells it, and all before it, from those of any other past; None: there is none."""
    found: bytes | None = connection.execute(_DIGEST, {"sequence": sequence}).scalar()
    return found


def head(connection: Connection) -> tuple[int, bytes]:
    """The last record, and its digest.

    Nobody else writes while a transaction writes: it is looked up once in each.
    """
    transaction, head = connection.info.get(_HEAD, (None, None))
    if head is None or transaction is not connection.get_transaction():
        last = connection.execute(_LAST).first()
        head = (0, _GENESIS) if last is None else (last.sequence, last.digest)
    found: tuple[int, bytes] = head
    return found


def problems(connection: Connection) -> Iterator[str]:
    """What is wrong with the records: each that was changed, removed, added or moved breaks the chain."""
    sequence, before = 0, _GENESIS
    for row in connection.execute(select(audit).order_by(audit.c.sequence)):
        sequence += 1
        entry = Entry(row.at, row.actor, row.action, row.resource, row.outcome, row.detail)
        if row.sequence != sequence or row.digest != _digest(before, sequence, entry):
            yield f"audit record {row.sequence} was changed, or the one before it"
        sequence, before = row.sequence, row.digest


def _digest(before: bytes, sequence: int, entry: Entry) -> bytes:
    return sha256(before + json.dumps([sequence, *entry]).encode()).digest()
