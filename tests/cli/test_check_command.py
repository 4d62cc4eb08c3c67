from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from console.output import printable
from kmip_server.config import Settings
from kmip_server.storage.database import Database
from kmip_server.storage.master_key import open_key_file
from kmip_server.storage.port import AuditEntry, ObjectRow
from kmip_server.storage.store import Store


@pytest.fixture
def stored(directory: Path) -> Path:
    """A server directory with one symmetric key in it."""
    settings = Settings.load(directory)
    store = Store.open(settings.storage.url, open_key_file(settings.master_key.file))
    row = ObjectRow(
        unique_identifier="key-1",
        owner="alice",
        object_type=2,
        state=1,
        attributes=b"",
        operation_policy="default",
    )
    with store.unit(writes=True) as unit:
        unit.insert(row, b"k" * 32)
        unit.audit(AuditEntry(at=1, caller="alice", operation="Create", unique_identifier="key-1", outcome="ok"))
        unit.accept()
    store.close()
    return directory


def _spoil(directory: Path, statement: str, **values: str) -> None:
    with Database(Settings.load(directory).storage.url).writing() as connection:
        connection.execute(text(statement), values)


def test_a_sound_store_is_in_order(run, stored: Path) -> None:
    ran = run("check", stored)
    assert (ran.code, ran.out) == (0, "Everything is in order\n")
    assert run("check", stored, "--json").json == {"findings": []}


def test_what_is_wrong_is_listed_and_the_exit_code_is_1(run, stored: Path) -> None:
    _spoil(stored, "UPDATE objects SET owner = 'mallory'")
    ran = run("check", stored)
    assert ran.code == 1
    assert "object key-1: its key material does not open" in ran.out
    assert ran.out.splitlines()[-1].endswith("faults found")
    assert any("key-1" in finding for finding in run("check", stored, "--json").json["findings"])


def test_an_audit_record_that_was_changed_is_found(run, stored: Path) -> None:
    _spoil(stored, "UPDATE audit SET caller = 'mallory'")
    ran = run("check", stored)
    assert ran.code == 1
    assert "audit record 1 was changed" in ran.out


def test_names_that_clients_chose_cannot_steer_the_terminal(run, stored: Path) -> None:
    _spoil(stored, "UPDATE objects SET unique_identifier = :chosen", chosen="key\x1b[2J\nforged")
    ran = run("check", stored)
    assert ran.code == 1
    assert "\x1b" not in ran.out
    assert "\nforged" not in ran.out
    assert printable("a\x1b\u202e\n") == "a\\x1b\\u202e\\n"


def test_another_master_key_is_refused(run, stored: Path) -> None:
    (stored / "master.key").write_bytes(b"x" * 32)
    ran = run("check", stored)
    assert ran.code == 1
    assert "this store is sealed by master key" in ran.err
