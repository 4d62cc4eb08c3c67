"""Pending writes, and how a run of them is sent: sorted by kind, each kind with one statement for all its rows.

The order of kinds is fixed: objects before what refers to them, removals last. Within a kind the order is kept, and of
several writes to one object only the last is sent. A removed object is never inserted again within one run (the unit
sends in between). Rows are inserted and updated in the order of their identifiers, so that two transactions that write
the same rows wait for each other and never in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, auto
from typing import Any, NamedTuple

from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.port import ObjectRow, StorageConflict
from kmip_server.storage.rows import (
    Entry,
    approval_values,
    column_values,
    dateless_values,
    entries_from_text,
    entries_to_text,
    job_values,
)
from kmip_server.storage.sealing import Sealed
from kmip_server.storage.statements import Statements


class Kind(IntEnum):
    """What a pending write does."""

    OBJECT = auto()
    REMOVE = auto()
    NONCE = auto()
    APPROVAL = auto()
    USE_APPROVAL = auto()
    MESSAGE = auto()
    SHARED = auto()
    WITHDRAWN = auto()
    ADD_JOB = auto()
    UPDATE_JOB = auto()
    REMOVE_JOB = auto()
    FORGET_JOBS = auto()


Write = tuple[Kind, Any, Any, tuple[Entry, ...], Any]
"""Kind, key (Unique Identifier or Correlation Value), the new row, claim or job, its index entries, its sealed part.

With a row the last one is the row before, None if the object is new, and the material that was sealed for it, if any.
"""


class _Object(NamedTuple):
    """The last state of an object within a run, and the version and sealing that the database has, if any.

    `sealed` is the last material that was sealed within the run: the row names it, unless it was erased again.
    """

    row: ObjectRow
    entries: tuple[Entry, ...]
    sealed: Sealed | None
    base: int | None
    base_material_id: bytes | None


class _Run(NamedTuple):
    connection: HeldConnection
    statements: Statements

    def many(self, text: str, rows: list[Any]) -> int:
        return self.connection.run_many(text, rows) if rows else 0


def send(connection: HeldConnection, statements: Statements, writes: list[Write]) -> None:
    """Send a run of writes. Raises StorageConflict if a row to update is not as it was read."""
    run = _Run(connection, statements)
    by_kind: dict[Kind, list[Write]] = {}
    for write in writes:
        by_kind.setdefault(write[0], []).append(write)
    objects = _last_states(by_kind.get(Kind.OBJECT, ()))
    _insert_objects(run, [known for known in objects if known.base is None])
    _update_objects(run, [known for known in objects if known.base is not None])
    _store_materials(run, objects)
    if Kind.REMOVE in by_kind:
        _remove_objects(run, sorted({write[1] for write in by_kind[Kind.REMOVE]}))
    run.many(statements.insert_nonce, [write[2] for write in by_kind.get(Kind.NONCE, ())])
    run.many(statements.insert_approval, [approval_values(write[2]) for write in by_kind.get(Kind.APPROVAL, ())])
    run.many(statements.insert_message, [write[2] for write in by_kind.get(Kind.MESSAGE, ())])
    run.many(statements.note_shared, [tuple(write[2]) for write in by_kind.get(Kind.SHARED, ())])
    run.many(statements.withdraw, [(key, at) for _, key, at, _, _ in by_kind.get(Kind.WITHDRAWN, ())])
    used = [(at, key) for _, key, at, _, _ in by_kind.get(Kind.USE_APPROVAL, ())]
    if run.many(statements.use_approval, used) != len(used):
        raise StorageConflict("an approval was used by another transaction first")
    if by_kind.keys() & {Kind.ADD_JOB, Kind.UPDATE_JOB, Kind.REMOVE_JOB, Kind.FORGET_JOBS}:
        _send_jobs(run, by_kind)


def _last_states(writes: Iterable[Write]) -> list[_Object]:
    """What a run makes of each object, in the order of their identifiers."""
    states: dict[str, _Object] = {}
    for _, key, row, entries, (before, sealed) in writes:
        earlier = states.get(key)
        if earlier is not None:
            states[key] = earlier._replace(row=row, entries=entries, sealed=sealed or earlier.sealed)
        elif before is None:
            states[key] = _Object(row, entries, sealed, None, None)
        else:
            states[key] = _Object(row, entries, sealed, before.version, before.material_id)
    return [states[key] for key in sorted(states)]


def _insert_objects(run: _Run, inserted: list[_Object]) -> None:
    dateless: list[tuple[Any, ...]] = []
    dated: list[tuple[Any, ...]] = []
    index: list[tuple[Any, ...]] = []
    for row, entries, *_ in inserted:
        values, text = dateless_values(row), entries_to_text(entries)
        if values is not None:
            dateless.append((*values, text))
        else:
            dated.append((*column_values(row), text))
        index += _index_rows(row, entries)
    run.many(run.statements.insert_dateless, dateless)
    run.many(run.statements.insert_object, dated)
    run.many(run.statements.insert_entry, index)


def _update_objects(run: _Run, updated: list[_Object]) -> None:
    # An update without index entries leaves the stored ones as they are.
    reindexed = [(row, entries) for row, entries, *_ in updated if row.indexed is not None]
    before = [index_row for row, _ in reindexed for index_row in _stored_index_rows(run, row.unique_identifier)]
    parameters = [(*column_values(row), row.unique_identifier, base) for row, _, _, base, _ in updated]
    if run.many(run.statements.update_object, parameters) != len(parameters):
        raise StorageConflict("an object was changed by another transaction first")
    wanted = [index_row for row, entries in reindexed for index_row in _index_rows(row, entries)]
    kept = set(before) & set(wanted)
    run.many(run.statements.delete_entry, [row for row in before if row not in kept])
    run.many(run.statements.insert_entry, [row for row in wanted if row not in kept])
    run.many(
        run.statements.set_entries, [(entries_to_text(entries), row.unique_identifier) for row, entries in reindexed]
    )


def _store_materials(run: _Run, objects: list[_Object]) -> None:
    """Erase the sealed bytes that no row names any more, and store those that one names now."""
    erased = [(old,) for row, *_, old in objects if old is not None and old != row.material_id]
    stored = [
        (sealed.sealing_id, sealed.master_key_id, sealed.ciphertext)
        for row, _, sealed, _, _ in objects
        if sealed is not None and row.material_id is not None
    ]
    run.many(run.statements.delete_material, erased)
    run.many(run.statements.insert_material, stored)


def _delete_materials(run: _Run, keys: list[str]) -> None:
    found = [run.connection.first(run.statements.get_material_id, (key,)) for key in keys]
    run.many(run.statements.delete_material, [row for row in found if row is not None and row[0] is not None])


def _remove_objects(run: _Run, keys: list[str]) -> None:
    run.many(run.statements.delete_entry, [row for key in keys for row in _stored_index_rows(run, key)])
    _delete_materials(run, keys)
    run.many(run.statements.delete_object, [(key,) for key in keys])


def _send_jobs(run: _Run, by_kind: dict[Kind, list[Write]]) -> None:
    added = [job_values(job, sealed) for _, _, job, _, sealed in by_kind.get(Kind.ADD_JOB, ())]
    changed = [(job.stage, *sealed, key) for _, key, job, _, sealed in by_kind.get(Kind.UPDATE_JOB, ())]
    run.many(run.statements.insert_job, added)
    if run.many(run.statements.update_job, changed) != len(changed):
        raise StorageConflict("a job was answered by another transaction first")
    run.many(run.statements.delete_job, [(write[1],) for write in by_kind.get(Kind.REMOVE_JOB, ())])
    run.many(run.statements.forget_jobs, [write[1] for write in by_kind.get(Kind.FORGET_JOBS, ())])


def _index_rows(row: ObjectRow, entries: tuple[Entry, ...]) -> list[tuple[Any, ...]]:
    return [(tag, value, row.owner, row.initial_date, row.unique_identifier) for tag, value in entries]


def _stored_index_rows(run: _Run, identifier: str) -> list[tuple[Any, ...]]:
    """The index rows that the database has for an object."""
    found = run.connection.first(run.statements.get_entries, (identifier,))
    if found is None:
        return []
    text, owner, date = found
    return [(tag, value, owner, date, identifier) for tag, value in entries_from_text(text)]
