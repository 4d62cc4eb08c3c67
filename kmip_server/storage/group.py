"""Group commit: several pieces of work in one transaction, made durable by one commit.

Each piece of work is all or nothing for itself. If the transaction as a whole fails, it is rolled back and each piece
is carried out again in a transaction of its own: so work is a function that may be called more than once, and the one
at fault fails alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.port import StorageConflict, StorageUnavailable, Unit, WritesNeeded
from kmip_server.storage.unit import Access, SqlUnit

_ATTEMPTS = 10
_BACKOFF = 0.002


@dataclass(frozen=True, slots=True)
class Work:
    """A function of a unit, and whether it may write (an audit record is a write)."""

    function: Callable[[Unit], Any]
    writes: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a piece of work: its value, or the exception it ended with."""

    value: Any = None
    error: Exception | None = None


class _Redo(Exception):  # noqa: N818
    """The transaction failed with this group in it: carry out each piece alone."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class GroupCommit:
    """Carries out groups on one held connection. Not thread-safe. Recovers by itself from every failure."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._connection = HeldConnection(access.database)
        self.scrub_due = False
        """Whether erased key material may still be in SQLite's write-ahead log: call scrub() when there is time."""

    def carry_out(self, group: Sequence[Work]) -> list[Outcome]:
        """The outcomes in the order of the work; all that succeeded is durable. Never raises an Exception."""
        try:
            self._connection.begin(writes=any(work.writes for work in group))
        except Exception as error:
            self._connection.rollback()
            return [Outcome(error=error)] * len(group)
        try:
            return self._transaction(group, locking=False)
        except _Redo as redo:
            self._connection.rollback()
            if isinstance(redo.reason, WritesNeeded):
                return self.carry_out([Work(work.function, writes=True) for work in group])
            return self._one_by_one(group)
        except StorageUnavailable as error:
            self._connection.rollback()
            return [Outcome(error=error)] * len(group)

    def _transaction(self, group: Sequence[Work], *, locking: bool) -> list[Outcome]:
        """Carry out the group in the transaction that has begun, and commit it. Raises as _commit() does."""
        writes = any(work.writes for work in group)
        unit = SqlUnit(self._access, self._connection, writes=writes, locking=locking)
        try:
            outcomes = [self._step(unit, work) for work in group]
            evidence = unit.finish()
        except Exception as error:
            raise _Redo(error) from error
        self._commit(evidence, writes)
        self.scrub_due |= unit.dropped_material
        return outcomes

    def _step(self, unit: SqlUnit, work: Work) -> Outcome:
        try:
            value = work.function(unit)
            unit.end_undoable()
        except Exception as error:
            if self._connection.failed or isinstance(error, (StorageConflict, StorageUnavailable, WritesNeeded)):
                raise
            unit.abandon()
            return Outcome(error=error)
        return Outcome(value)

    def _commit(self, evidence: tuple[int, bytes] | None, writes: bool) -> None:
        """Commit. Raises _Redo if it has surely not happened, StorageUnavailable if that cannot be found out."""
        try:
            self._connection.commit()
        except Exception as error:
            self._connection.rollback()
            if self._access.database.sqlite or not writes:
                raise _Redo(error) from error
            if not self._committed(evidence):
                raise _Redo(error) from error

    def _committed(self, evidence: tuple[int, bytes] | None) -> bool:
        """Whether a commit whose answer was lost has happened: its last audit record is there, or is not."""
        if evidence is None:
            raise StorageUnavailable("the connection was lost during a commit, and whether it happened is not known")
        sequence, digest = evidence
        statements = self._access.statements
        self._connection.begin(writes=True)
        # Waits until the transaction in doubt has ended, one way or the other.
        self._connection.all(statements.audit_head)
        found = self._connection.first(statements.audit_digest, (sequence,))
        self._connection.rollback()
        return found is not None and bytes(found[0]) == digest

    def _one_by_one(self, group: Sequence[Work]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for work in group:
            try:
                outcomes.append(self._alone(work))
            except StorageUnavailable as error:
                # Not even a transaction can be begun: the rest need not wait for the same answer.
                outcomes += [Outcome(error=error)] * (len(group) - len(outcomes))
                break
        return outcomes

    def _alone(self, work: Work) -> Outcome:
        """One piece of work in its own transaction. Raises StorageUnavailable if none can be begun."""
        locking = work.writes and not self._access.database.sqlite
        error: Exception = StorageUnavailable("the database did not answer")
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, _BACKOFF * attempt))  # noqa: S311 - a pause, not a secret
            self._connection.begin(writes=work.writes)
            try:
                return self._transaction([work], locking=locking)[0]
            except _Redo as redo:
                self._connection.rollback()
                error = redo.reason
            except StorageUnavailable as unavailable:
                self._connection.rollback()
                error = unavailable
            if not isinstance(error, StorageConflict):
                break
        return Outcome(error=error)

    def scrub(self) -> None:
        """Empty SQLite's write-ahead log, so that erased key material is gone from it too. Others may prevent it."""
        self.scrub_due = False
        if self._access.database.sqlite:
            try:
                ((busy, _, _),) = self._connection.all("PRAGMA wal_checkpoint(TRUNCATE)")
                self.scrub_due = bool(busy)
            except StorageUnavailable:
                self.scrub_due = True

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
