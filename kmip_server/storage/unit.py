"""One transaction as operations see it: reads answered once, writes kept back and sent together.

Writes wait in one list, in order. A mark in it says what is accepted: `discard()` cuts the list at the mark and takes
back what the cut writes did to the rows in memory. They are sent, sorted by kind, at the commit, or earlier when a
search has to see them; only then may a real savepoint be needed. Audit records wait in a list of their own, which
nothing cuts, and are sent last: their numbers come from one row that is locked from then until the commit.
"""

# ruff: noqa: D102 - the port documents the methods that it names.

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from kmip_server.storage import audit_chain
from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.database import Database
from kmip_server.storage.identifiers import new_identifier
from kmip_server.storage.port import (
    AuditEntry,
    Job,
    ObjectRow,
    SealBroken,
    Search,
    SharedChange,
    StorageConflict,
    WritesNeeded,
)
from kmip_server.storage.rows import (
    Entry,
    approval_from_columns,
    job_from_columns,
    row_from_columns,
    row_from_sqlite,
    storable_key,
    stored_entries,
    stored_value,
    with_sealing,
)
from kmip_server.storage.sealing import Sealed, Sealer, bound_columns, sealed_in
from kmip_server.storage.searching import Searcher
from kmip_server.storage.statements import build_statements
from kmip_server.storage.writes import Kind, Write, send
from policy.approvals import ApprovalRequest
from policy.notifications import Message, Waiting, new_row

_ABSENT: Any = object()
_BEHIND_ALL = "\U0010ffff"
"""No Unique Identifier comes behind it."""


class Access:
    """What every unit on one database shares: its statements, its searches, and the sealer."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self.database = database
        self.sealer = sealer
        self.statements = build_statements(database)
        self.searcher = Searcher(database)
        self.row = row_from_sqlite if database.sqlite else row_from_columns


class _Mark(NamedTuple):
    """A point to go back to: how many writes and changes to memory there were, and whether a savepoint was set."""

    writes: int = 0
    memory: int = 0
    savepoint: bool = False


class SqlUnit:
    """The port's Unit on a held connection whose transaction has begun. See the port for what each method promises.

    `locking` makes reads of single rows lock them (PostgreSQL): for work that is done again after a conflict.
    """

    def __init__(self, access: Access, connection: HeldConnection, *, writes: bool, locking: bool = False) -> None:
        self._access = access
        self._connection = connection
        self._writable = writes
        self._get_text = access.statements.get_locked if locking else access.statements.get
        self._get_job_text = access.statements.get_job_locked if locking else access.statements.get_job
        self._rows: dict[str, ObjectRow | None] = {}
        self._materials: dict[str, bytes | None] = {}
        self._jobs: dict[bytes, Job | None] = {}
        self._nonces: dict[tuple[str, bytes], None] = {}
        self._approvals: dict[bytes, ApprovalRequest | None] = {}
        self._named: dict[tuple[int, str, str], list[str]] = {}
        self._writes: list[Write] = []
        # (dictionary, key, what was there before): how to take back what pending writes did to memory.
        self._memory: list[tuple[dict[Any, Any], Any, Any]] = []
        self._removed: set[str] = set()
        self._audit: list[AuditEntry] = []
        self._item = _Mark()
        self._undoable: _Mark | None = None
        self._withdrawn: dict[str, bool] = {}
        self._epoch: int | None = None
        self.dropped_material = False
        """Whether sealed bytes were erased or replaced: the write-ahead log should be emptied when there is time."""

    # Reading

    def get(self, unique_identifier: str) -> ObjectRow | None:
        row = self._rows.get(unique_identifier, _ABSENT)
        if row is not _ABSENT:
            return row  # type: ignore[no-any-return]
        if not storable_key(unique_identifier):
            return None
        values = self._connection.first(self._get_text, (unique_identifier,))
        row = self._rows[unique_identifier] = None if values is None else self._access.row(values)
        return row

    def material(self, row: ObjectRow) -> bytes | None:
        identifier = row.unique_identifier
        content = self._materials.get(identifier, _ABSENT)
        if content is not _ABSENT:
            return content  # type: ignore[no-any-return]
        current = self.get(identifier)
        if current is None or current.destroyed or current.material_id is None:
            return None
        sealer = self._access.sealer
        known = sealer.cached(current)
        return known if known is not None else sealer.open_material(current, self._sealed(current))

    def _sealed(self, row: ObjectRow) -> Sealed:
        stored = self._connection.first(self._access.statements.get_material, (row.material_id,))
        if stored is None:
            raise SealBroken("the sealed bytes are gone")
        return sealed_in(row, *stored)

    def search(self, search: Search) -> Iterator[ObjectRow]:
        steps = self._access.searcher.steps(self._connection, search)
        while True:
            # Each step sees what was written since the one before.
            self._send_all()
            values = next(steps, None)
            if values is None:
                return
            for row in map(self._access.row, values):
                yield self._rows.get(row.unique_identifier) or row

    def indexed(self, owner: str, tag: int, value: str) -> Iterable[str]:
        entry = (tag, stored_value(value), owner)
        if self._writable and not self._access.database.sqlite:
            # Two transactions that both see a name free would both take it: the second one waits here for the first.
            key = sha256(repr(entry).encode()).digest()[:8]
            self._connection.run("SELECT pg_advisory_xact_lock(%s)", (int.from_bytes(key, signed=True),))
        stored = {row[0] for row in self._connection.all(self._access.statements.indexed, entry)}
        pending = {identifier for identifier in self._named.get(entry, ()) if self._has_entry(identifier, entry)}
        return sorted(
            pending | {identifier for identifier in stored if self._has_entry(identifier, entry) is not False}
        )

    def _has_entry(self, identifier: str, entry: tuple[int, str, str]) -> bool | None:
        """Whether the row as this unit knows it has the entry; None if the unit does not know the row's entries."""
        row = self._rows.get(identifier, _ABSENT)
        if row is None:
            return False
        if row is _ABSENT or row.indexed is None:
            return None
        return bool(row.owner == entry[2] and entry[:2] in stored_entries(row))

    def due(self, now: int, limit: int) -> list[ObjectRow]:
        self._send_all()
        sql = self._access.statements.due
        found = self._connection.all(sql.text, (now, limit, *sql.constants))
        return [self._rows.get(row.unique_identifier) or row for row in map(self._access.row, found)]

    def epoch(self) -> int:
        if self._epoch is None:
            self._epoch = int(self._connection.all(self._access.statements.epoch)[0][0])
        return self._epoch

    # Writing

    def _write(self, write: Write) -> None:
        if not self._writable:
            raise WritesNeeded
        self._writes.append(write)

    def _remember(self, memory: dict[Any, Any], key: Any, value: Any) -> None:
        self._memory.append((memory, key, memory.get(key, _ABSENT)))
        memory[key] = value

    def insert(self, row: ObjectRow, material: bytes | None) -> None:
        identifier = row.unique_identifier
        if not (identifier and storable_key(identifier) and storable_key(row.owner)):
            raise ValueError("a Unique Identifier and an owner have at most 255 characters, none of them NUL")
        if self._rows.get(identifier) is not None:
            raise StorageConflict("an object with this Unique Identifier exists already")
        if identifier in self._removed:
            self._send_all()
        sealed = None if material is None else self._access.sealer.seal(row, material)
        self._put(None, _sealed_row(row, sealed), sealed)
        self._remember(self._materials, identifier, material)

    def update(self, row: ObjectRow) -> None:
        before = self._before(row)
        row = self._with_index(row, before)
        if bound_columns(row) != bound_columns(before) and (material := self.material(before)) is not None:
            self.update_material(row, material)
        elif before.material_id is None:
            self._put(before, _sealed_row(row, None), None)
        else:
            sealer = self._access.sealer
            row = with_sealing(row, before.material_id, sealer.rewrap(before, row.version))
            self._put(before, row, None)
            sealer.carry_over(before, row)

    def update_material(self, row: ObjectRow, material: bytes | None) -> None:
        before = self._before(row)
        row = self._with_index(row, before)
        sealer = self._access.sealer
        sealed = None if material is None else sealer.seal(row, material)
        self._put(before, _sealed_row(row, sealed), sealed)
        self._remember(self._materials, row.unique_identifier, material)
        sealer.forget(row.unique_identifier)
        self.dropped_material = True

    def _before(self, row: ObjectRow) -> ObjectRow:
        """The row whose next version this is. Raises StorageConflict."""
        before = self.get(row.unique_identifier)
        if before is None or row.version != before.version + 1:
            raise StorageConflict("the object was changed by another transaction first")
        return before

    @staticmethod
    def _with_index(row: ObjectRow, before: ObjectRow) -> ObjectRow:
        """The row with the index entries of the version before, if it has none of its own and this unit knows those."""
        if row.indexed is None and before.indexed is not None:
            return row._replace(indexed=before.indexed)
        if row.indexed is None and (row.owner, row.initial_date) != (before.owner, before.initial_date):
            raise ValueError("a change of owner or Initial Date needs the index entries")
        return row

    def _put(self, before: ObjectRow | None, row: ObjectRow, sealed: Sealed | None) -> None:
        self._write((Kind.OBJECT, row.unique_identifier, row, self._noted_entries(row), (before, sealed)))
        self._remember(self._rows, row.unique_identifier, row)

    def _noted_entries(self, row: ObjectRow) -> tuple[Entry, ...]:
        entries = stored_entries(row)
        for tag, value in entries:
            self._named.setdefault((tag, value, row.owner), []).append(row.unique_identifier)
        return entries

    def remove(self, unique_identifier: str) -> None:
        current = self.get(unique_identifier)
        if current is None:
            return
        self._access.sealer.forget(unique_identifier)
        self._write((Kind.REMOVE, unique_identifier, None, (), None))
        self._remember(self._rows, unique_identifier, None)
        self._remember(self._materials, unique_identifier, None)
        self._removed.add(unique_identifier)
        self.dropped_material = True

    def audit(self, entry: AuditEntry) -> None:
        if not self._writable:
            raise WritesNeeded
        self._audit.append(entry)

    def claim_nonce(self, unique_identifier: str, nonce: bytes) -> bool:
        claim = (unique_identifier, sha256(nonce).digest())
        if self._claimed(claim):
            return False
        self._write((Kind.NONCE, unique_identifier, claim, (), None))
        self._remember(self._nonces, claim, None)
        return True

    def nonce_claimed(self, unique_identifier: str, nonce: bytes) -> bool:
        return self._claimed((unique_identifier, sha256(nonce).digest()))

    def _claimed(self, claim: tuple[str, bytes]) -> bool:
        if claim not in self._nonces:
            if self._connection.first(self._access.statements.get_nonce, claim) is None:
                return False
            # It is in the database for good: nothing that this unit takes back makes it free.
            self._nonces[claim] = None
        return True

    def approval(self, digest: bytes) -> ApprovalRequest | None:
        known = self._approvals.get(digest, _ABSENT)
        if known is not _ABSENT:
            return known  # type: ignore[no-any-return]
        found = self._connection.first(self._access.statements.get_approvals, (digest,))
        if found is None:
            return None
        return approval_from_columns(found, self._connection.all(self._access.statements.get_votes, (found[0],)))

    def request_approval(self, request: ApprovalRequest) -> None:
        self._write((Kind.APPROVAL, request.approval_id, request, (), None))
        self._remember(self._approvals, request.digest, request)

    def use_approval(self, request: ApprovalRequest, now: int) -> None:
        self._write((Kind.USE_APPROVAL, request.approval_id, now, (), None))
        self._remember(self._approvals, request.digest, None)

    # Notifications

    def notify(self, messages: Sequence[Message]) -> None:
        for message in messages:
            row = new_row(message, new_identifier())
            self._write((Kind.MESSAGE, row.message_id, row, (), None))

    def due_messages(self, now: int, limit: int) -> list[Waiting]:
        sql = self._access.statements.due_messages
        return [Waiting(*row) for row in self._connection.all(sql.text, (now, limit, *sql.constants))]

    def claim_message(self, message: Waiting, until: int) -> bool:
        values = (until, message.message_id, message.next_attempt_at)
        return self._connection.run(self._access.statements.claim_message, values) == 1

    def settle_message(self, message: Waiting) -> None:
        values = (message.next_attempt_at, message.delivered_at, message.last_error, message.message_id)
        self._connection.run(self._access.statements.settle_message, values)

    def forget_messages(self, before: int) -> None:
        self._connection.run(self._access.statements.forget_messages, (before,))

    # Automatic rules

    def active_keys(self, after: str, activated_by: int, window: int) -> tuple[list[ObjectRow], str]:
        statements = self._access.statements
        last = self._connection.first(statements.key_window.text, (after, window - 1, *statements.key_window.constants))
        end = _BEHIND_ALL if last is None else last[0]
        found = self._connection.all(statements.active_keys, (after, end, activated_by))
        return [self._access.row(row) for row in found], "" if last is None else end

    def last_acts(self, rule: str) -> dict[str, int]:
        return dict(self._connection.all(self._access.statements.last_acts, (rule,)))

    def claim_act(self, rule: str, about: str, last: int | None, now: int) -> bool:
        if last is None:
            return self._connection.run(self._access.statements.insert_act, (rule, about, now)) == 1
        return self._connection.run(self._access.statements.move_act, (now, rule, about, last)) == 1

    # Shared keys

    def note_shared(self, change: SharedChange) -> None:
        self._write((Kind.SHARED, change.unique_identifier, change, (), None))

    def shared_changes(self, limit: int) -> list[SharedChange]:
        self._send_all()
        sql = self._access.statements.shared_changes
        return [SharedChange(*row) for row in self._connection.all(sql.text, (limit, *sql.constants))]

    def settle_shared(self, change: SharedChange) -> bool:
        self._send_all()
        values = (change.unique_identifier, change.audience, change.version)
        return self._connection.run(self._access.statements.settle_shared, values) == 1

    def withdraw(self, unique_identifier: str, now: int) -> None:
        self._write((Kind.WITHDRAWN, unique_identifier, now, (), None))
        self._remember(self._withdrawn, unique_identifier, True)

    def is_withdrawn(self, unique_identifier: str) -> bool:
        known = self._withdrawn.get(unique_identifier, False)
        return known or self._connection.first(self._access.statements.get_withdrawn, (unique_identifier,)) is not None

    def lease(self) -> int:
        found = self._connection.first(self._access.statements.lease, ())
        return 0 if found is None else int(found[0])

    # Jobs

    def add_job(self, job: Job) -> None:
        self._write((Kind.ADD_JOB, job.correlation_value, job, (), self._access.sealer.seal_job(job)))
        self._remember(self._jobs, job.correlation_value, job)

    def job(self, correlation_value: bytes) -> Job | None:
        job = self._jobs.get(correlation_value, _ABSENT)
        if job is not _ABSENT:
            return job  # type: ignore[no-any-return]
        found = self._connection.first(self._get_job_text, (correlation_value,))
        return None if found is None else self._access.sealer.open_job(job_from_columns(found))

    def update_job(self, job: Job) -> None:
        self._write((Kind.UPDATE_JOB, job.correlation_value, job, (), self._access.sealer.seal_job(job)))
        self._remember(self._jobs, job.correlation_value, job)
        self.dropped_material = True

    def remove_job(self, correlation_value: bytes) -> None:
        self._write((Kind.REMOVE_JOB, correlation_value, None, (), None))
        self._remember(self._jobs, correlation_value, None)
        self.dropped_material = True

    def jobs(self, stage: int, limit: int) -> list[Job]:
        self._send_all()
        sql = self._access.statements.jobs
        found = self._connection.all(sql.text, (stage, limit, *sql.constants))
        jobs = (self._opened(job_from_columns(row)) for row in found)
        return [job for job in jobs if job is not None]

    def _opened(self, job: Job) -> Job | None:
        try:
            return self._access.sealer.open_job(job)
        except SealBroken:
            return None

    def forget_jobs(self, stage: int, before: int) -> None:
        self._write((Kind.FORGET_JOBS, (stage, before), None, (), None))
        self.dropped_material = True

    # Steps within the transaction

    def accept(self) -> None:
        item, writes, memory = self._item, len(self._writes), len(self._memory)
        if item.savepoint:
            self._connection.run("RELEASE SAVEPOINT item")
        elif item.writes == writes and item.memory == memory:
            return
        self._item = _Mark(writes, memory)

    def discard(self) -> None:
        self._back_to(self._item, "item")
        self._item = _Mark(self._item.writes, self._item.memory)

    def begin_undoable(self) -> None:
        if self._undoable is not None:
            raise RuntimeError("a batch that may be undone is under way already")
        self.accept()
        self._undoable = self._item

    def undo(self) -> None:
        if self._undoable is None:
            raise RuntimeError("no batch that may be undone is under way")
        mark, self._undoable = self._undoable, None
        self._back_to(mark, "batch")
        self._item = _Mark(mark.writes, mark.memory)

    def end_undoable(self) -> None:
        self.accept()
        if self._undoable is None:
            return
        if self._undoable.savepoint:
            self._connection.run("RELEASE SAVEPOINT batch")
        self._undoable = None

    def abandon(self) -> None:
        """Forget what the work under way wrote, its open undoable batch included: it ended with an exception."""
        if self._undoable is not None:
            self.undo()
        else:
            self.discard()

    def _back_to(self, mark: _Mark, savepoint: str) -> None:
        if mark.savepoint:
            self._connection.run(f"ROLLBACK TO SAVEPOINT {savepoint}")
            self._connection.run(f"RELEASE SAVEPOINT {savepoint}")
        del self._writes[mark.writes :]
        for memory, key, before in reversed(self._memory[mark.memory :]):
            if before is _ABSENT:
                memory.pop(key, None)
            else:
                memory[key] = before
        del self._memory[mark.memory :]

    # Sending

    def _send_all(self) -> None:
        """Send every pending write, each part that may still be taken back behind a savepoint of its own."""
        if not self._writes:
            return
        accepted = self._item.writes
        if self._undoable is not None and not self._undoable.savepoint:
            self._send(0, self._undoable.writes)
            self._connection.run("SAVEPOINT batch")
            self._send(self._undoable.writes, accepted)
            self._undoable = _Mark(0, self._undoable.memory, savepoint=True)
        else:
            self._send(0, accepted)
        if len(self._writes) > accepted:
            if not self._item.savepoint:
                self._connection.run("SAVEPOINT item")
                self._item = self._item._replace(savepoint=True)
            self._send(accepted, len(self._writes))
        self._item = self._item._replace(writes=0)
        self._writes.clear()
        self._removed.clear()

    def _send(self, start: int, end: int) -> None:
        if start < end:
            send(self._connection, self._access.statements, self._writes[start:end])

    def finish(self) -> tuple[int, bytes] | None:
        """Send all that is pending, then the audit records; the number and digest of the last one, or None.

        What was not accepted is kept: the caller has accepted or discarded each piece of work. Raises StorageConflict.
        """
        if self._writes:
            self._send(0, len(self._writes))
            self._writes.clear()
        if not self._audit:
            return None
        statements = self._access.statements
        ((start, digest),) = self._connection.all(statements.audit_head)
        sequence = start
        records = []
        for entry in self._audit:
            sequence += 1
            records.append(audit_chain.record(sequence, digest, entry))
            digest = records[-1][-1]
        self._connection.run_many(statements.insert_audit, records)
        self._connection.run(statements.move_audit_head, (sequence, digest, start))
        self._audit.clear()
        return sequence, digest


def _sealed_row(row: ObjectRow, sealed: Sealed | None) -> ObjectRow:
    """The row of an object whose material this is, or that has none."""
    return with_sealing(row, None, None) if sealed is None else with_sealing(row, sealed.sealing_id, sealed.wrapped_key)
