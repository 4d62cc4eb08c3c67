from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from kmip_server.config import Settings
from kmip_server.storage.accounts import list_clients
from kmip_server.storage.database import Database
from kmip_server.storage.master_key import open_key_file
from kmip_server.storage.port import AuditEntry, ObjectRow
from kmip_server.storage.store import Store


def _material(directory: Path) -> bytes | None:
    settings = Settings.load(directory)
    store = Store.open(settings.storage.url, open_key_file(settings.master_key.file))
    try:
        with store.unit(writes=False) as unit:
            row = unit.get("key-1")
            return None if row is None else unit.material(row)
    finally:
        store.close()


@pytest.fixture
def served(run, directory: Path) -> Path:
    """A server directory with a key, a client, a user and a file of somebody's own."""
    run("client", "add", directory, "alice", "--group", "arrays")
    run("user", "add", directory, "operator", stdin="correct horse")
    (directory / "pki/notes.txt").write_text("renewed by hand")
    settings = Settings.load(directory)
    store = Store.open(settings.storage.url, open_key_file(settings.master_key.file))
    row = ObjectRow(
        unique_identifier="key-1", owner="alice", object_type=2, state=1, attributes=b"", operation_policy="default"
    )
    with store.unit(writes=True) as unit:
        unit.insert(row, b"k" * 32)
        unit.audit(AuditEntry(at=1, caller="alice", operation="Create", unique_identifier="key-1", outcome="ok"))
        unit.accept()
    store.close()
    return directory


def _files(directory: Path) -> dict[str, bytes]:
    """All but the database, and where it is."""
    return {
        str(path.relative_to(directory)): re.sub(rb'(?m)^url = "[^"]*"', b"", path.read_bytes())
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith("kmip.db")
    }


def test_a_restored_directory_is_the_one_that_was_backed_up(run, served: Path, tmp_path: Path) -> None:
    ran = run("backup", served, tmp_path / "file", "--json")
    assert ran.code == 0
    assert (ran.json["objects"], ran.json["audit_sequence"]) == (1, 4)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    restored = tmp_path / "restored"
    ran = run("restore", tmp_path / "file", restored)
    assert ran.code == 0, ran.err
    assert "1 objects" in ran.out
    assert _files(restored) == _files(served)
    assert _material(restored) == b"k" * 32
    assert [record.name for record in list_clients(Database(Settings.load(restored).storage.url))] == ["alice"]
    assert run("check", restored).code == 0
    assert run("client", "add", restored, "bob").code == 0


def test_restored_keys_are_for_the_servers_user_only(run, served: Path, tmp_path: Path) -> None:
    run("backup", served, tmp_path / "file")
    run("restore", tmp_path / "file", tmp_path / "restored")
    for name in ("master.key", "pki/ca-key.pem", "pki/server-key.pem", "clients/alice/key.pem"):
        assert stat.S_IMODE((tmp_path / "restored" / name).stat().st_mode) == 0o600, name


@pytest.mark.sqlite_file("its mode is looked at")
def test_a_restored_database_is_for_the_servers_user_only(run, served: Path, tmp_path: Path) -> None:
    run("backup", served, tmp_path / "file")
    run("restore", tmp_path / "file", tmp_path / "restored")
    assert stat.S_IMODE((tmp_path / "restored/kmip.db").stat().st_mode) == 0o600


def test_without_the_master_key_the_backup_opens_nothing_until_it_is_put_back(run, served, tmp_path: Path) -> None:
    key = (served / "master.key").read_bytes()
    run("backup", served, tmp_path / "file", "--without-master-key")
    assert key not in (tmp_path / "file").read_bytes()
    restored = tmp_path / "restored"
    ran = run("restore", tmp_path / "file", restored)
    assert f"put it at {restored / 'master.key'}" in ran.out
    assert run("check", restored).code == 1
    (restored / "master.key").touch(0o600)
    (restored / "master.key").write_bytes(key)
    assert run("check", restored).code == 0


def test_object_keys_are_sealed_in_the_backup(run, served: Path, tmp_path: Path) -> None:
    run("backup", served, tmp_path / "file")
    assert b"k" * 32 not in (tmp_path / "file").read_bytes()


def test_a_backup_never_replaces_a_file(run, served: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    ran = run("backup", served, tmp_path / "file")
    assert ran.code == 1
    assert "exists already" in ran.err
    assert (tmp_path / "file").read_text() == "precious"


def test_a_restore_never_replaces_a_server_directory(run, served: Path, tmp_path: Path) -> None:
    run("backup", served, tmp_path / "file")
    before = _files(served)
    ran = run("restore", tmp_path / "file", served)
    assert ran.code == 1
    assert "initialised already" in ran.err
    assert _files(served) == before


@pytest.mark.parametrize("position", [0, 30, 200, 5000, -1])
def test_a_damaged_backup_is_refused_and_nothing_is_made(run, served: Path, tmp_path: Path, position: int) -> None:
    run("backup", served, tmp_path / "file")
    content = bytearray((tmp_path / "file").read_bytes())
    content[position] ^= 1
    (tmp_path / "file").write_bytes(content)
    ran = run("restore", tmp_path / "file", tmp_path / "restored")
    assert ran.code == 1
    assert "file" in ran.err
    assert not (tmp_path / "restored").exists()


def test_a_backup_inside_the_server_directory_does_not_hold_itself(run, served: Path) -> None:
    assert run("backup", served, served / "first").code == 0
    ran = run("backup", served, served / "second", "--json")
    assert ran.code == 0
    assert "second" not in ran.json["files"]


def test_links_and_hidden_files_are_not_followed_into_a_backup(run, served: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("outside")
    (served / "link").symlink_to(tmp_path / "outside")
    (served / ".hidden").write_text("hidden")
    files = run("backup", served, tmp_path / "file", "--json").json["files"]
    assert "link" not in files
    assert ".hidden" not in files
