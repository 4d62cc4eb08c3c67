"""Pending writes, and how a run of them is sent: sorted by kind, each kind with one statement for all its rows.

The order of kinds is fixed: objects before what refers to them, removals last. Within a kind the order is kept, and of
several writes to one object only the last is sent. A removed object is never inserted again within one run (the unit
sends in between). Rows are updated in the order of their identifiers, so that two transactions that update the same
rows wait for each other and never in a circle.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.port import ObjectRow, StorageConflict
from kmip_server.storage.rows import (
    Entry,
    entries_from_text,
    entries_to_text,
    job_values,
    stored_entries,
    written_values,
)
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


Write = tuple[Kind, Any, Any, Any]
"""Kind, key (Unique Identifier or Correlation Value), the new row, claim or job, and its sealed part."""


def send(connection: HeldConnection, statements: Statements, writes: list[Write]) -> None:
    """Send a run of writes. Raises StorageConflict if a row to update is not in the version it was read in."""
    by_kind: dict[Kind, list[Write]] = {}
    for write in writes:
        by_kind.setdefault(write[0], []).append(write)
    inserted: dict[str, ObjectRow] = {}
    materials: dict[str, Sealed | None] = {}
    for _, key, row, sealed in by_kind.get(Kind.INSERT, ()):
        inserted[key] = row
        if sealed is not None:
            materials[key] = sealed
    updated: dict[str, tuple[int, ObjectRow]] = {}
    for _, key, row, _ in by_kind.get(Kind.UPDATE, ()):
        if key in inserted:
            inserted[key] = row
        else:
            base = updated[key][0] if key in updated else row.version - 1
            updated[key] = (base, row)
    materials.update({key: sealed for _, key, _, sealed in by_kind.get(Kind.MATERIAL, ())})
    if inserted:
        _insert_objects(connection, statements, inserted, materials)
    if updated:
        _update_objects(connection, statements, updated)
    if materials:
        _store_materials(connection, statements, materials, inserted)
    if Kind.REMOVE in by_kind:
        _remove_objects(connection, statements, [key for _, key, _, _ in by_kind[Kind.REMOVE]])
    if Kind.NONCE in by_kind:
        connection.run_many(statements.insert_nonce, [claim for _, _, claim, _ in by_kind[Kind.NONCE]])
    if by_kind.keys() & {Kind.ADD_JOB, Kind.UPDATE_JOB, Kind.REMOVE_JOB}:
        _send_jobs(connection, statements, by_kind)


def _insert_objects(
    connection: HeldConnection,
    statements: Statements,
    inserted: dict[str, ObjectRow],
    materials: dict[str, Sealed | None],
) -> None:
    parameters = []
    entries: list[tuple[Any, ...]] = []
    for identifier, row in inserted.items():
        found = stored_entries(row)
        sealed = materials.get(identifier)
        sealing_id = None if sealed is None else sealed.sealing_id
        parameters.append((*written_values(row), sealing_id, entries_to_text(found)))
        entries += _entry_keys(identifier, row.owner, row.initial_date, found)
    connection.run_many(statements.insert_object, parameters)
    _run_if_any(connection, statements.insert_entry, entries)


def _update_objects(
    connection: HeldConnection, statements: Statements, updated: dict[str, tuple[int, ObjectRow]]
) -> None:
    ordered = sorted(updated.items())
    reindexed = [row for _, (_, row) in ordered if row.index is not None]
    gone: list[tuple[Any, ...]] = []
    for row in reindexed:
        gone += _stored_keys(connection, statements, row.unique_identifier)
    parameters = [(*written_values(row), key, base) for key, (base, row) in ordered]
    if connection.run_many(statements.update_object, parameters) != len(parameters):
        raise StorageConflict("an object was changed by another transaction first")
    if not reindexed:
        return
    wanted: list[tuple[Any, ...]] = []
    texts = []
    for row in reindexed:
        found = stored_entries(row)
        wanted += _entry_keys(row.unique_identifier, row.owner, row.initial_date, found)
        texts.append((entries_to_text(found), row.unique_identifier))
    kept = set(gone) & set(wanted)
    _run_if_any(connection, statements.delete_entry, [key for key in gone if key not in kept])
    _run_if_any(connection, statements.insert_entry, [key for key in wanted if key not in kept])
    connection.run_many(statements.set_entries, texts)


def _store_materials(
    connection: HeldConnection,
    statements: Statements,
    materials: dict[str, Sealed | None],
    inserted: dict[str, ObjectRow],
) -> None:
    known = sorted(key for key in materials if key not in inserted)
    if known:
        connection.run_many(statements.delete_material, [(key,) for key in known])
        identifiers = [(sealed and sealed.sealing_id, key) for key in known for sealed in (materials[key],)]
        connection.run_many(statements.set_material_id, identifiers)
    stored = [
        (key, sealed.master_key_id, sealed.wrapped_key, sealed.ciphertext)
        for key, sealed in materials.items()
        if sealed is not None
    ]
    _run_if_any(connection, statements.insert_material, stored)


def _remove_objects(connection: HeldConnection, statements: Statements, keys: list[str]) -> None:
    ordered = sorted(set(keys))
    entries = [entry for key in ordered for entry in _stored_keys(connection, statements, key)]
    _run_if_any(connection, statements.delete_entry, entries)
    connection.run_many(statements.delete_material, [(key,) for key in ordered])
    connection.run_many(statements.delete_object, [(key,) for key in ordered])


def _send_jobs(connection: HeldConnection, statements: Statements, by_kind: dict[Kind, list[Write]]) -> None:
    added = [job_values(job, sealed) for _, _, job, sealed in by_kind.get(Kind.ADD_JOB, ())]
    _run_if_any(connection, statements.insert_job, added)
    changed = [(job.stage, *sealed, job.correlation_value) for _, _, job, sealed in by_kind.get(Kind.UPDATE_JOB, ())]
    _run_if_any(connection, statements.update_job, changed)
    _run_if_any(connection, statements.delete_job, [(key,) for _, key, _, _ in by_kind.get(Kind.REMOVE_JOB, ())])


def _run_if_any(connection: HeldConnection, text: str, rows: list[Any]) -> None:
    if rows:
        connection.run_many(text, rows)


def _entry_keys(identifier: str, owner: str, date: int, entries: tuple[Entry, ...]) -> list[tuple[Any, ...]]:
    return [(tag, value, owner, date, identifier) for tag, value in entries]


def _stored_keys(connection: HeldConnection, statements: Statements, identifier: str) -> list[tuple[Any, ...]]:
    """The index rows that the database has for an object."""
    found = connection.first(statements.get_entries, (identifier,))
    if found is None:
        return []
    text, owner, date = found
    return _entry_keys(identifier, owner, date, entries_from_text(text))
