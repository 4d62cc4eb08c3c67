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
from typing import Any, NamedTuple

from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.database import Database
from kmip_server.storage.port import OutcomeUnknown, StorageConflict, StorageUnavailable, Unit, WritesNeeded
from kmip_server.storage.unit import Access, SqlUnit

_ATTEMPTS = 10
_BACKOFF = 0.002


class Work(NamedTuple):
    """A function of a unit, and whether it may write (an audit record is a write)."""

    function: Callable[[Unit], Any]
    writes: bool


class Outcome(NamedTuple):
    """What became of a piece of work: its value, or the exception it ended with."""

    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A group whose work is done and sent, and that only waits for its commit. `evidence`: its last audit record."""

    group: Sequence[Work]
    outcomes: list[Outcome]
    writes: bool
    erased: bool
    evidence: tuple[int, bytes] | None


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
        self.erased = False
        """Whether a group has erased key material since this was last set to False: it is time for scrub()."""

    def carry_out(self, group: Sequence[Work]) -> list[Outcome]:
        """The outcomes in the order of the work; all that succeeded is durable. Never raises an Exception."""
        try:
            self._connection.begin(writes=any(work.writes for work in group))
        except Exception as error:
            self._connection.rollback()
            return [Outcome(error=error)] * len(group)
        try:
            return self._commit(self._work(group, locking=False))
        except _Redo as redo:
            self._connection.rollback()
            if isinstance(redo.reason, WritesNeeded):
                return self.carry_out([Work(work.function, writes=True) for work in group])
            return self._one_by_one(group)
        except StorageUnavailable as error:
            self._connection.rollback()
            return [Outcome(error=error)] * len(group)

    def prepare(self, group: Sequence[Work]) -> Ready | None:
        """The first half of carry_out(), which waits for nothing: everything but commit().

        None if it cannot be done without waiting, or failed; nothing has happened then, and carry_out() does it all.
        """
        try:
            self._connection.begin(writes=any(work.writes for work in group), wait=0)
            return self._work(group, locking=False)
        except Exception:
            self._connection.rollback()
            return None

    def commit(self, ready: Ready) -> list[Outcome] | None:
        """The second half of carry_out(): make it durable, or None if that failed: redo() is left to do then."""
        try:
            return self._commit(ready)
        except _Redo:
            return None
        except StorageUnavailable as error:
            return [Outcome(error=error)] * len(ready.group)

    def redo(self, ready: Ready) -> list[Outcome]:
        """Carry out each piece of a group that could not be committed in a transaction of its own. May wait."""
        return self._one_by_one(ready.group)

    def _work(self, group: Sequence[Work], *, locking: bool) -> Ready:
        """Carry out the group in the transaction that has begun, and send what it wrote. Raises _Redo."""
        writes = any(work.writes for work in group)
        unit = SqlUnit(self._access, self._connection, writes=writes, locking=locking)
        try:
            outcomes = [self._step(unit, work) for work in group]
            return Ready(group, outcomes, writes, unit.dropped_material, unit.finish())
        except Exception as error:
            raise _Redo(error) from error

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

    def _commit(self, ready: Ready) -> list[Outcome]:
        """Commit. Raises _Redo if it has surely not happened, OutcomeUnknown if that cannot be found out."""
        try:
            self._connection.commit()
        except Exception as error:
            self._connection.rollback()
            if self._access.database.sqlite or not ready.writes or not self._committed(ready.evidence):
                raise _Redo(error) from error
        self.erased |= ready.erased
        return ready.outcomes

    def _committed(self, evidence: tuple[int, bytes] | None) -> bool:
        """Whether a commit whose answer was lost has happened: its last audit record is there, or is not."""
        if evidence is None:
            raise OutcomeUnknown("the connection was lost during a commit, and nothing tells whether it happened")
        sequence, digest = evidence
        statements = self._access.statements
        try:
            self._connection.begin(writes=True)
            # Waits until the transaction in doubt has ended, one way or the other.
            self._connection.all(statements.audit_head)
            found = self._connection.first(statements.audit_digest, (sequence,))
        except StorageUnavailable as error:
            raise OutcomeUnknown("the connection was lost during a commit, and the database does not answer") from error
        finally:
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
                return self._commit(self._work([work], locking=locking))[0]
            except _Redo as redo:
                self._connection.rollback()
                error = redo.reason
            except StorageUnavailable as unavailable:
                self._connection.rollback()
                return Outcome(error=unavailable)
            if not isinstance(error, StorageConflict) and not self._connection.lost:
                break
        return Outcome(error=error)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Scrubber:
    """Empties SQLite's write-ahead log some time after key material was erased, so that it is gone from there too.

    It waits for a moment of quiet, but not for ever. Other users of the store may be in the way: then it tries again.
    """

    quiet = 0.5
    latest = 30.0

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since: float | None = None

    @property
    def patience(self) -> float | None:
        """How long to wait for more to do before calling scrub(), in seconds; None if there is nothing to scrub."""
        return None if self._since is None else self.quiet

    def note(self, group: GroupCommit) -> None:
        """After a group: remember what it erased. Scrubs if that has waited for too long."""
        if group.erased and self._database.sqlite:
            group.erased = False
            self._since = self._since or time.monotonic()
        if self._since is not None and time.monotonic() - self._since > self.latest:
            self.scrub()

    def scrub(self) -> None:
        """Empty the log if there is something to scrub and nobody is in the way."""
        if self._since is None:
            return
        try:
            connection = HeldConnection(self._database)
        except StorageUnavailable:
            return
        try:
            ((busy, _, _),) = connection.all("PRAGMA wal_checkpoint(TRUNCATE)")
            self._since = time.monotonic() if busy else None
        except StorageUnavailable:
            self._since = time.monotonic()
        finally:
            connection.close()
