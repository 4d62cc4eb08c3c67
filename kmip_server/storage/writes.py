"""Pending writes, and how a run of them is sent: sorted by kind, each kind with one statement for all its rows.

The order of kinds is fixed: objects before what refers to them, removals last. Within a kind the order is kept, and of
several writes to one object only the last is sent. A removed object is never inserted again within one run (the unit
sends in between). Rows are updated in the order of their identifiers, so that two transactions that update the same
rows wait for each other and never in a circle.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, NamedTuple

from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.port import ObjectRow, StorageConflict
from kmip_server.storage.rows import Entry, entries_from_text, entries_to_text, job_values, written_values
from kmip_server.storage.sealing import Sealed
from kmip_server.storage.statements import Statements


class Kind(Enum):
    """What a pending write does."""

    INSERT = auto()
    UPDATE = auto()
    MATERIAL = auto()
    REMOVE = auto()
    NONCE = auto()
    ADD_JOB = auto()
    UPDATE_JOB = auto()
    REMOVE_JOB = auto()
    FORGET_JOBS = auto()


Write = tuple[Kind, Any, Any, tuple[Entry, ...], Any]
"""Kind, key (Unique Identifier or Correlation Value), the new row, claim or job, its index entries, its sealed part."""


class _Object(NamedTuple):
    """The last state of an object within a run, and the version that the database has if it has the object."""

    row: ObjectRow
    entries: tuple[Entry, ...]
    base: int


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
    inserted: dict[str, _Object] = {}
    materials: dict[str, Sealed | None] = {}
    for _, key, row, entries, sealed in by_kind.get(Kind.INSERT, ()):
        inserted[key] = _Object(row, entries, 0)
        if sealed is not None:
            materials[key] = sealed
    updated: dict[str, _Object] = {}
    for _, key, row, entries, _ in by_kind.get(Kind.UPDATE, ()):
        if key in inserted:
            inserted[key] = _Object(row, entries, 0)
        else:
            base = updated[key].base if key in updated else row.version - 1
            updated[key] = _Object(row, entries, base)
    materials.update({key: sealed for _, key, _, _, sealed in by_kind.get(Kind.MATERIAL, ())})
    if inserted:
        _insert_objects(run, inserted, materials)
    if updated:
        _update_objects(run, updated)
    if materials:
        _store_materials(run, materials, inserted)
    if Kind.REMOVE in by_kind:
        _remove_objects(run, sorted({write[1] for write in by_kind[Kind.REMOVE]}))
    run.many(statements.insert_nonce, [write[2] for write in by_kind.get(Kind.NONCE, ())])
    if by_kind.keys() & {Kind.ADD_JOB, Kind.UPDATE_JOB, Kind.REMOVE_JOB, Kind.FORGET_JOBS}:
        _send_jobs(run, by_kind)


def _insert_objects(run: _Run, inserted: dict[str, _Object], materials: dict[str, Sealed | None]) -> None:
    parameters = []
    index: list[tuple[Any, ...]] = []
    for identifier, (row, entries, _) in inserted.items():
        sealed = materials.get(identifier)
        sealing_id = None if sealed is None else sealed.sealing_id
        parameters.append((*written_values(row), sealing_id, entries_to_text(entries)))
        index += _index_rows(identifier, row.owner, row.initial_date, entries)
    run.many(run.statements.insert_object, parameters)
    run.many(run.statements.insert_entry, index)


def _update_objects(run: _Run, updated: dict[str, _Object]) -> None:
    ordered = sorted(updated.items())
    # An update without index entries leaves the stored ones as they are.
    reindexed = [(key, row, entries) for key, (row, entries, _) in ordered if row.indexed is not None]
    before = [index_row for key, _, _ in reindexed for index_row in _stored_index_rows(run, key)]
    parameters = [(*written_values(row), key, base) for key, (row, _, base) in ordered]
    if run.many(run.statements.update_object, parameters) != len(parameters):
        raise StorageConflict("an object was changed by another transaction first")
    wanted: list[tuple[Any, ...]] = []
    for key, row, entries in reindexed:
        wanted += _index_rows(key, row.owner, row.initial_date, entries)
    kept = set(before) & set(wanted)
    run.many(run.statements.delete_entry, [row for row in before if row not in kept])
    run.many(run.statements.insert_entry, [row for row in wanted if row not in kept])
    run.many(run.statements.set_entries, [(entries_to_text(entries), key) for key, _, entries in reindexed])


def _store_materials(run: _Run, materials: dict[str, Sealed | None], inserted: dict[str, _Object]) -> None:
    known = sorted(key for key in materials if key not in inserted)
    _delete_materials(run, known)
    identifiers = [(sealed and sealed.sealing_id, key) for key in known for sealed in (materials[key],)]
    run.many(run.statements.set_material_id, identifiers)
    stored = [
        (sealed.sealing_id, sealed.master_key_id, sealed.wrapped_key, sealed.ciphertext)
        for sealed in materials.values()
        if sealed is not None
    ]
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


def _index_rows(identifier: str, owner: str, date: int, entries: tuple[Entry, ...]) -> list[tuple[Any, ...]]:
    return [(tag, value, owner, date, identifier) for tag, value in entries]


def _stored_index_rows(run: _Run, identifier: str) -> list[tuple[Any, ...]]:
    """The index rows that the database has for an object."""
    found = run.connection.first(run.statements.get_entries, (identifier,))
    if found is None:
        return []
    text, owner, date = found
    return _index_rows(identifier, owner, date, entries_from_text(text))
