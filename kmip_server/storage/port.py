"""The storage port: what operations ask of a transaction, and nothing about SQL.

A `Unit` is one database transaction, shared by the requests that are committed together (group commit). Within it each
batch item is its own all-or-nothing step: `accept()` keeps what the item wrote, `discard()` forgets it. Reads see the
unit's own accepted and pending writes. Nothing that a unit did is true for anyone before its commit, and no answer
leaves before that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from policy.approvals import ApprovalRequest
from policy.notifications import Message, Waiting


class ObjectRow(NamedTuple):
    """One managed object without its key bytes. Times are POSIX seconds.

    `attributes` is opaque to the storage; the columns repeat those attributes that Locate filters by. `indexed` holds
    (tag, canonical value) of every other attribute instance that Locate can match exactly; it is None in a row that was
    read, and `Unit.update` takes None as "the stored entries stay". `material_id` and `wrapped_key` are the storage's
    own: they name the sealing of the key material and open it in this version, and are None when there is none.
    """

    unique_identifier: str
    owner: str
    object_type: int
    state: int | None
    attributes: bytes
    operation_policy: str
    version: int = 1
    archived: bool = False
    destroyed: bool = False
    next_transition: int | None = None
    cryptographic_algorithm: int | None = None
    cryptographic_length: int | None = None
    cryptographic_usage_mask: int | None = None
    initial_date: int = 0
    last_change_date: int = 0
    activation_date: int | None = None
    process_start_date: int | None = None
    protect_stop_date: int | None = None
    deactivation_date: int | None = None
    destroy_date: int | None = None
    compromise_date: int | None = None
    archive_date: int | None = None
    fresh: bool = False
    material_id: bytes | None = None
    wrapped_key: bytes | None = None
    indexed: tuple[tuple[int, str], ...] | None = None

    def next_version(self) -> ObjectRow:
        """The same row, one version on: the form in which `Unit.update` takes a changed row."""
        return self._replace(version=self.version + 1)


@dataclass(frozen=True, slots=True)
class Range:
    """An inclusive range over a date or number column; None is open."""

    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What Locate asks (KMIP 2.1 s6.1.28), already in the storage's terms.

    `columns` maps names of ObjectRow's columns to a value or a Range; `mask` are bits that must all be set in the
    usage mask; `index` are (tag, canonical value) pairs that must all be present. `owner` limits to one owner, or
    None for all. `online`, `archived`, `destroyed` are the Storage Status Mask.
    """

    owner: str | None
    columns: dict[str, int | str | bool | Range] = field(default_factory=dict)
    mask: int = 0
    index: tuple[tuple[int, str], ...] = ()
    online: bool = True
    archived: bool = False
    destroyed: bool = False


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One record of the audit log: who did what to which object, and how it ended. Never key bytes, never passwords."""

    at: int
    caller: str
    operation: str
    unique_identifier: str | None
    outcome: str
    detail: str = ""
    correlation: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """An asynchronous operation (KMIP 2.1 s6.1.38): the request to carry out, then its encoded response.

    `stage` is a Processing Stage of KMIP 2.1 s11.40; `response` is None until completed.
    """

    correlation_value: bytes
    owner: str
    submitted_at: int
    operation: int
    request: bytes
    stage: int
    response: bytes | None = None


PEERS: Final = "peers"
NODES: Final = "nodes"
AWAITED: Final = "awaited"
"""The reason of a new key that a client waits for: it is told of only while that one waits, and withdrawn if not."""
WITHDRAWN: Final = "withdrawn"
"""The reason by which the nodes are told of a new key that was withdrawn."""


class SharedChange(NamedTuple):
    """A shared key whose state others have still to hear of: `PEERS` of what it is, `NODES` of its revocation.

    `version` is the object's when it was noted, `at` when that was first, in POSIX seconds. `reason` is that of a
    revocation, or why a new key was withdrawn, or AWAITED; "" leaves a reason as it was noted before.
    """

    unique_identifier: str
    audience: str
    version: int
    reason: str
    at: int


class StorageConflict(Exception):  # noqa: N818
    """Another transaction changed the same row first; the work may be done again from the start."""


class StorageUnavailable(Exception):  # noqa: N818
    """The database cannot write or answer now (full, locked, gone); nothing of the unit has happened."""


class OutcomeUnknown(StorageUnavailable):
    """The connection was lost during a commit, and whether it happened cannot be found out now."""


class QueueFull(StorageUnavailable):
    """More work waits for the database than its queue may hold; nothing of this work has happened."""


class SealBroken(Exception):  # noqa: N818
    """Sealed bytes, or a column bound to them, are not what was stored: tampering or damage, and worth an alarm."""


class WritesNeeded(Exception):  # noqa: N818
    """The unit was begun for reading only, and the work turned out to write: do it again in one that may."""


class Unit(Protocol):
    """One transaction (see the module's text). Not thread-safe: a unit belongs to one lane."""

    def get(self, unique_identifier: str) -> ObjectRow | None:
        """The object's row, or None. Reads inside the transaction that uses the answer."""

    def insert(self, row: ObjectRow, material: bytes | None) -> None:
        """Add an object; its key material, if any, is sealed before it is stored."""

    def update(self, row: ObjectRow) -> None:
        """Replace a row by its next version; the key material stays.

        Raises StorageConflict if the stored version is not the one before; SealBroken if the key material does not
        belong to that one, and nothing is written then.
        """

    def update_material(self, row: ObjectRow, material: bytes | None) -> None:
        """As update(), with other key material, or none (Destroy): the sealed bytes and data key before are erased.

        The seal before may be broken. Raises StorageConflict.
        """

    def material(self, row: ObjectRow) -> bytes | None:
        """The object's unsealed key material, or None if there is none (any more). Raises SealBroken on tampering."""

    def remove(self, unique_identifier: str) -> None:
        """Remove an object wholly (Import with Replace Existing of another type)."""

    def search(self, search: Search) -> Iterator[ObjectRow]:
        """Rows that match, newest Initial Date first (then highest Unique Identifier), fetched in small steps."""

    def indexed(self, owner: str, tag: int, value: str) -> Iterable[str]:
        """Unique Identifiers of the owner's objects with this index entry (Name uniqueness, KMIP 2.1 s4.32)."""

    def due(self, now: int, limit: int) -> list[ObjectRow]:
        """Objects whose next_transition is at or before now, soonest first, at most `limit`."""

    def audit(self, entry: AuditEntry) -> None:
        """Append an audit record to this transaction. It survives `discard()`: refusals are on record too."""

    def add_job(self, job: Job) -> None:
        """Store an asynchronous job."""

    def job(self, correlation_value: bytes) -> Job | None:
        """An asynchronous job, or None."""

    def update_job(self, job: Job) -> None:
        """Store the stage, request and response of a job that had no response. Raises StorageConflict if it had one."""

    def remove_job(self, correlation_value: bytes) -> None:
        """Forget a job."""

    def jobs(self, stage: int, limit: int) -> list[Job]:
        """Jobs at a Processing Stage, oldest first, then by Correlation Value, at most `limit`.

        A job whose seal is broken is left out: `kmip-server check` names it, and the others need not suffer from it.
        """

    def forget_jobs(self, stage: int, before: int) -> None:
        """Forget the jobs at a Processing Stage that were submitted before a time (POSIX seconds)."""

    def epoch(self) -> int:
        """A number that grows with every change of clients, users, groups or policy, read in this transaction."""

    def claim_nonce(self, unique_identifier: str, nonce: bytes) -> bool:
        """Record a caller's IV for a key; False if that key has used it before (KMIP has no rule: docs/decisions)."""

    def nonce_claimed(self, unique_identifier: str, nonce: bytes) -> bool:
        """Whether claim_nonce() has recorded this for the key."""

    def approval(self, digest: bytes) -> ApprovalRequest | None:
        """The last request for approval of what has this digest, unless it was used; with its votes."""

    def request_approval(self, request: ApprovalRequest) -> None:
        """Store a new request for approval."""

    def use_approval(self, request: ApprovalRequest, now: int) -> None:
        """What was approved is done, and is not done again. Raises StorageConflict if it was used."""

    def notify(self, messages: Sequence[Message]) -> None:
        """Put what is to be told into the outbox, together with what it tells of: what is undone is not told."""

    def due_messages(self, now: int, limit: int) -> list[Waiting]:
        """Messages whose next attempt is at or before now, soonest first, at most `limit`."""

    def claim_message(self, message: Waiting, until: int) -> bool:
        """Have a message to deliver until then (POSIX seconds); False if another worker has it already."""

    def settle_message(self, message: Waiting) -> None:
        """Store when a message was delivered, or is tried again, or that it is given up; with the last error."""

    def forget_messages(self, before: int) -> None:
        """Forget the messages from before a time that are delivered or given up."""

    def active_keys(self, after: str, activated_by: int, window: int) -> tuple[list[ObjectRow], str]:
        """The symmetric keys that were activated by a time (POSIX seconds), among the next `window` objects.

        Objects are gone through in the order of their Unique Identifiers, behind `after`; also answers what the next
        step goes on behind, "" at the end. Whether a key is Active still is for the caller to settle.
        """

    def last_acts(self, rule: str) -> dict[str, int]:
        """When an automatic rule has acted last (POSIX seconds), by what it was about."""

    def claim_act(self, rule: str, about: str, last: int | None, now: int) -> bool:
        """Be the one who acts by an automatic rule on something; False if another has since it acted `last`."""

    def note_shared(self, change: SharedChange) -> None:
        """Have others hear of a shared key's state, together with the change of it: what is undone is not told."""

    def shared_changes(self, limit: int) -> list[SharedChange]:
        """What others have still to hear of, the oldest first, at most `limit`."""

    def settle_shared(self, change: SharedChange) -> bool:
        """They have heard of it: False, and it stays, if the object has gone on to another version."""

    def withdraw(self, unique_identifier: str, now: int) -> None:
        """There shall never be a shared key of this Unique Identifier, if there is none."""

    def is_withdrawn(self, unique_identifier: str) -> bool:
        """Whether there shall never be one."""

    def lease(self) -> int:
        """Until when shared keys may be used, in POSIX seconds; read in this transaction. 0: there is no lease."""

    def accept(self) -> None:
        """Keep what was written since the last accept or discard: the batch item succeeded."""

    def discard(self) -> None:
        """Forget what was written since the last accept or discard, audit records excepted: the batch item failed."""

    def begin_undoable(self) -> None:
        """Start a batch that may be undone as a whole (Batch Error Continuation Option Undo)."""

    def undo(self) -> None:
        """Forget everything, accepted or not, since begin_undoable(), audit records excepted."""

    def end_undoable(self) -> None:
        """The batch that might have been undone succeeded."""
