"""The check finds every discrepancy that is put into a sound store, and nothing in a sound one."""

from __future__ import annotations

import pytest
from support.rows import GROUP, NAME, MakeRow, audited

from kmip_server.storage.check import check
from kmip_server.storage.port import Job
from kmip_server.storage.store import Store
from kmip_server.ttlv.enumerations import State


@pytest.fixture
def used(store: Store, make_row: MakeRow) -> Store:
    """A store with keys in every condition: plain, renamed, destroyed, without material, removed."""
    rows = [make_row(unique_identifier=f"key {n}", indexed=((NAME, f"name {n}"), (GROUP, "g" * 300))) for n in range(5)]
    with store.unit(writes=True) as unit:
        for row in rows:
            unit.insert(row, b"key bytes")
            unit.audit(audited("Create", row.unique_identifier))
        unit.insert(make_row(unique_identifier="bare"), None)
        unit.audit(audited("Register", "bare"))
        unit.add_job(Job(b"job", "alice", 1, 1, b"request", 1, b"response"))
    with store.unit(writes=True) as unit:
        unit.update(rows[1]._replace(indexed=((NAME, "renamed"),)).next_version())
        unit.update_material(
            rows[2]._replace(destroyed=True, destroy_date=9, state=State.DESTROYED).next_version(), None
        )
        unit.remove("key 3")
        unit.update_material(rows[4].next_version(), b"other bytes")
        unit.audit(audited("Destroy", "key 2"))
    return store


def test_a_sound_store_has_no_findings(used: Store) -> None:
    assert check(used) == []


def test_an_empty_store_has_no_findings(store: Store) -> None:
    assert check(store) == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE objects SET owner = 'bob' WHERE unique_identifier = 'key 0'", "key 0: its key material does not open"),
        ("UPDATE objects SET owner = 'bob' WHERE unique_identifier = 'key 0'", "key 0: its index entry"),
        ("UPDATE objects SET object_type = 7 WHERE unique_identifier = 'key 0'", "key 0: its key material"),
        ("UPDATE objects SET version = 0 WHERE unique_identifier = 'key 0'", "key 0: its version is 0"),
        ("UPDATE objects SET destroyed = true WHERE unique_identifier = 'key 0'", "key 0: it is destroyed and has key"),
        ("UPDATE objects SET destroyed = false WHERE unique_identifier = 'key 2'", "key 2: it has a Destroy Date"),
        (
            "UPDATE objects SET entries = '[]' WHERE unique_identifier = 'key 0'",
            "key 0: the index has 2 entries that the object has not",
        ),
        ("UPDATE objects SET entries = '{' WHERE unique_identifier = 'key 0'", "key 0: its list of index entries"),
        ("UPDATE objects SET entries = '[1]' WHERE unique_identifier = 'key 0'", "key 0: its list of index entries"),
        ("UPDATE objects SET initial_date = 1 WHERE unique_identifier = 'key 0'", "key 0: its index entry"),
        ("UPDATE objects SET unique_identifier = 'x' WHERE unique_identifier = 'key 0'", "object x: its key material"),
        ("UPDATE objects SET unique_identifier = 'x' WHERE unique_identifier = 'bare'", "object x: no audit record"),
        ("DELETE FROM objects WHERE unique_identifier = 'key 0'", "belongs to no object"),
        ("DELETE FROM objects WHERE unique_identifier = 'key 0'", "key 0: the index has 2 entries"),
        ("DELETE FROM object_index WHERE value = 'renamed'", "key 1: its index entry for tag 0x420053 is missing"),
        ("UPDATE object_index SET value = 'forged' WHERE value = 'renamed'", "key 1: its index entry"),
        ("INSERT INTO object_index VALUES (1, 'v', 'alice', 1, 'nobody')", "object nobody: the index has 1 entries"),
        ("DELETE FROM material", "key 0: its key material does not open: the sealed bytes are gone"),
        ("UPDATE objects SET version = 2 WHERE unique_identifier = 'key 0'", "key 0: its key material does not open"),
        ("UPDATE objects SET version = 1 WHERE unique_identifier = 'key 1'", "key 1: its key material does not open"),
        ("UPDATE objects SET wrapped_key = material_id", "key 4: its key material does not open"),
        ("UPDATE objects SET wrapped_key = NULL", "key 4: its key material does not open"),
        ("UPDATE objects SET wrapped_key = attributes", "bare: it has a data key and no key material"),
        ("UPDATE material SET master_key_id = 'x'", "sealed under another master key"),
        ("UPDATE jobs SET owner = 'bob'", "job 6a6f62: it does not open"),
        ("UPDATE audit SET caller = 'bob' WHERE sequence = 3", "audit record 3 was changed"),
        ("UPDATE audit SET at = at + 1 WHERE sequence = 7", "audit record 7 was changed"),
        ("UPDATE audit SET unique_identifier = NULL WHERE sequence = 1", "audit record 1 was changed"),
        ("DELETE FROM audit WHERE sequence = 3", "audit record 4 follows 2"),
        ("DELETE FROM audit WHERE sequence = 1", "audit record 2 follows 0"),
        ("DELETE FROM audit WHERE sequence = 7", "the audit log ends at record 6"),
        ("DELETE FROM audit", "the audit log ends at record 0"),
        ("UPDATE audit SET sequence = -3 WHERE sequence = 3", "audit record -3 follows 0"),
        ("UPDATE audit_head SET sequence = 8", "the audit log ends at record 7"),
        ("DELETE FROM audit_head", "the audit log ends at record 7"),
        ("DELETE FROM audit WHERE unique_identifier = 'key 1'", "object key 1: no audit record names it"),
    ],
)
def test_each_discrepancy_is_found(used: Store, statement: str, finding: str) -> None:
    with used.database.writing() as connection:
        connection.exec_driver_sql(statement)
    findings = check(used)
    assert any(finding in text for text in findings), findings


def test_a_swap_of_two_audit_records_is_found(used: Store) -> None:
    with used.database.writing() as connection:
        for before, after in ((2, 100), (3, 2), (100, 3)):
            connection.exec_driver_sql(f"UPDATE audit SET sequence = {after} WHERE sequence = {before}")
    assert [finding for finding in check(used) if "was changed" in finding]


def test_damage_to_the_file_is_found(sqlite_store: Store, make_row: MakeRow) -> None:
    with sqlite_store.unit(writes=True) as unit:
        for _ in range(300):
            row = make_row(attributes=bytes(500))
            unit.insert(row, b"key")
            unit.audit(audited("Create", row.unique_identifier))
    with sqlite_store.database.writing() as connection:
        # An index that lost a row: SQLite itself would go on and give wrong answers.
        connection.exec_driver_sql("PRAGMA writable_schema=ON")
        connection.exec_driver_sql(
            "UPDATE sqlite_schema SET sql = replace(sql, 'initial_date', 'last_change_date') "
            "WHERE name = 'objects_by_date'"
        )
    findings = check(sqlite_store)
    assert any("the database file" in finding for finding in findings), findings
