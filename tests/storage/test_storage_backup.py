"""Backup and restore: consistent while serving, whole or refused, and never over something that exists."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select
from support.lanes import submit
from support.old_store import MATERIALS, old_backup, put_old_store
from support.postgres import PostgresServer
from support.rows import MASTER_KEY, NAME, MakeRow, audited

from kmip_server.storage import schema
from kmip_server.storage.accounts import add_client, add_user, read_accounts
from kmip_server.storage.backup import BackupError, backup, open_backup, restore
from kmip_server.storage.check import check
from kmip_server.storage.lane import Lane
from kmip_server.storage.master_key import LocalMasterKey, MasterKeyError
from kmip_server.storage.port import Job, ObjectRow, StorageConflict, Unit
from kmip_server.storage.store import Store

HEADER = len(b"kmip-server backup 1\n") + 65


def url_of(store: Store) -> str:
    return store.database.url.render_as_string(hide_password=False)


def dump(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with store.database.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
        }


@pytest.fixture
def filled(store: Store, make_row: MakeRow) -> Store:
    with store.unit(writes=True) as unit:
        for number in range(30):
            row = make_row(indexed=((NAME, f"name {number}"),), fresh=bool(number % 2), attributes=bytes(number))
            unit.insert(row, b"canary key bytes")
            unit.audit(audited("Create", row.unique_identifier))
        unit.add_job(Job(b"job", "alice", 1, 1, b"request", 1))
        unit.claim_nonce("key", b"nonce")
    names: frozenset[str] = frozenset({"staff"})
    add_client(store.database, name="alice", fingerprint="aa", serial="1", not_after=9, now=1, by="root", groups=names)
    add_user(store.database, "carol", "hash", names, by="root", now=1)
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a backup is restored to, once for each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/restored/store.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


def test_a_restored_store_is_the_one_that_was_saved(filled: Store, other_url: str, tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text("[server]")
    (tmp_path / "ca.pem").write_text("certificate")
    (tmp_path / "ca.pem").chmod(0o644)
    (tmp_path / "server.toml").chmod(0o600)
    files = {"server.toml": tmp_path / "server.toml", "pki/ca.pem": tmp_path / "ca.pem"}
    saved = backup(url_of(filled), tmp_path / "backup", files, by="root")
    # Beside the objects, a client and a user were entered, and the backup begun.
    assert (saved.objects, saved.audit_sequence) == (30, 33)
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert restore(tmp_path / "backup", other_url, tmp_path / "restored", by="root") == saved
    restored = Store.open(other_url, LocalMasterKey(MASTER_KEY))
    before, after = dump(filled), dump(restored)
    (restoring,) = set(after.pop("audit")) - set(before.pop("audit"))
    assert restoring[2:4] == ("root", "Restore")
    assert after | {"audit_head": []} == before | {"audit_head": []}
    assert check(restored) == []
    assert read_accounts(restored.database) == read_accounts(filled.database)
    restored.close()
    assert (tmp_path / "restored" / "server.toml").read_text() == "[server]"
    assert (tmp_path / "restored" / "server.toml").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "restored" / "pki" / "ca.pem").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_backup_holds_no_key_in_clear(filled: Store, tmp_path: Path) -> None:
    backup(url_of(filled), tmp_path / "backup", by="root")
    content = (tmp_path / "backup").read_bytes()
    assert b"canary" not in content
    assert MASTER_KEY not in content


def test_a_backup_under_load_is_consistent(store: Store, make_row: MakeRow, tmp_path: Path) -> None:
    """Each key has its audit record, its index entry and its seal, whatever moment the backup saw."""
    lane = Lane(store.access)
    stop = threading.Event()
    acknowledged: list[ObjectRow] = []

    def create(unit: Unit) -> ObjectRow:
        row = make_row(indexed=((NAME, f"name {len(acknowledged)}"),))
        unit.insert(row, b"key")
        unit.audit(audited("Create", row.unique_identifier))
        return row

    def load() -> None:
        while not stop.is_set():
            futures = [submit(lane, create, writes=True) for _ in range(8)]
            acknowledged.extend(future.result(20) for future in futures)

    thread = threading.Thread(target=load)
    thread.start()
    while len(acknowledged) < 50 and thread.is_alive():
        stop.wait(0.01)
    before = [row.unique_identifier for row in acknowledged]
    facts = backup(url_of(store), tmp_path / "backup", by="root")
    after = len(acknowledged)
    stop.set()
    thread.join()
    lane.close()
    assert len(before) <= facts.objects <= after + 16
    restore(tmp_path / "backup", f"sqlite:///{tmp_path}/restored.db", tmp_path, by="root")
    restored = Store.open(f"sqlite:///{tmp_path}/restored.db", LocalMasterKey(MASTER_KEY))
    assert check(restored) == []
    with restored.unit(writes=False) as unit:
        assert all(unit.get(identifier) for identifier in before)
    restored.close()


def test_every_damaged_region_is_refused(filled: Store, tmp_path: Path) -> None:
    source = tmp_path / "backup"
    backup(url_of(filled), source, by="root")
    content = source.read_bytes()
    positions = [0, 20, 21, 60, HEADER - 1, HEADER, HEADER + 100, HEADER + 257, len(content) // 2, len(content) - 1]
    for position in positions:
        damaged = bytearray(content)
        damaged[position] ^= 0x20
        source.write_bytes(damaged)
        with pytest.raises(BackupError), open_backup(source):
            pass
    for size in (0, 10, HEADER, HEADER + 512, len(content) - 1):
        source.write_bytes(content[:size])
        with pytest.raises(BackupError):
            restore(source, f"sqlite:///{tmp_path}/restored.db", tmp_path, by="root")
    source.write_bytes(content + b"\0")
    with pytest.raises(BackupError):
        restore(source, f"sqlite:///{tmp_path}/restored.db", tmp_path, by="root")
    assert not (tmp_path / "restored.db").exists()


def forged(original: bytes, change: dict[str, bytes], rename: dict[str, str]) -> bytes:
    """A backup with other members and digests that fit them: what an attacker would write."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(original[HEADER:])) as source, tarfile.open(fileobj=out, mode="w") as target:
        members = {}
        for member in source.getmembers():
            reader = source.extractfile(member)
            assert reader is not None
            members[rename.get(member.name, member.name)] = change.get(member.name, reader.read())
        manifest = json.loads(members["manifest.json"])
        manifest["members"] = {
            name: {"size": len(content), "sha256": sha256(content).hexdigest(), "mode": "7777"}
            for name, content in members.items()
            if name != "manifest.json"
        }
        members["manifest.json"] = json.dumps(manifest).encode()
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    body = out.getvalue()
    return original[:21] + sha256(body).hexdigest().encode() + b"\n" + body


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "files/../../outside", "files/a/../b", "."])
def test_a_forged_backup_writes_nothing_outside(store: Store, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    backup(url_of(store), tmp_path / "backup", {"file": tmp_path / "file"}, by="root")
    content = forged((tmp_path / "backup").read_bytes(), {}, {"files/file": name})
    (tmp_path / "forged").write_bytes(content)
    with pytest.raises(BackupError):
        restore(tmp_path / "forged", f"sqlite:///{tmp_path}/new/store.db", tmp_path / "new", by="root")
    assert not (tmp_path / "new").exists()


def test_a_forged_mode_gives_no_more_than_reading(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    backup(url_of(store), tmp_path / "backup", {"file": tmp_path / "file"}, by="root")
    (tmp_path / "forged").write_bytes(forged((tmp_path / "backup").read_bytes(), {}, {}))
    restore(tmp_path / "forged", f"sqlite:///{tmp_path}/new/store.db", tmp_path / "new", by="root")
    assert (tmp_path / "new" / "file").stat().st_mode & 0o7777 == 0o744
    assert (tmp_path / "new" / "store.db").stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("name", ["../x", "/x", "", ".", "a/../b", "a//b", "a/", "nul\0"])
def test_a_file_s_name_stays_below_the_directory(store: Store, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackupError):
        backup(url_of(store), tmp_path / "backup", {name: tmp_path / "file"}, by="root")
    assert not (tmp_path / "backup").exists()


def test_nothing_that_exists_is_overwritten(filled: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("first")
    files = {"file": tmp_path / "file"}
    backup(url_of(filled), tmp_path / "backup", files, by="root")
    before = dump(filled)
    with pytest.raises(BackupError, match="exists already"):
        backup(url_of(filled), tmp_path / "backup", files, by="root")
    with pytest.raises(BackupError, match=r"exists already|in use"):
        restore(tmp_path / "backup", url_of(filled), tmp_path / "elsewhere", by="root")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(BackupError, match="exists already"):
        restore(tmp_path / "backup", f"sqlite:///{tmp_path}/new.db", tmp_path, by="root")
    assert not (tmp_path / "new.db").exists()
    assert dump(filled) == before


def test_a_destroyed_key_does_not_come_back_unannounced(store: Store, make_row: MakeRow, tmp_path: Path) -> None:
    """An older copy tells its age by the last audit record it holds."""
    row = make_row()
    with store.unit(writes=True) as unit:
        unit.insert(row, b"key")
        unit.audit(audited("Create", row.unique_identifier))
    older = backup(url_of(store), tmp_path / "older", by="root")
    with store.unit(writes=True) as unit:
        unit.update_material(row._replace(destroyed=True).next_version(), None)
        unit.audit(audited("Destroy", row.unique_identifier))
    newer = backup(url_of(store), tmp_path / "newer", by="root")
    assert newer.audit_sequence == older.audit_sequence + 2, "the backup itself is on record"
    assert newer.audit_digest != older.audit_digest


def test_a_backup_of_the_first_schema_is_brought_up_to_date_with_its_master_key(
    store: Store, other_url: str, tmp_path: Path
) -> None:
    put_old_store(f"sqlite:///{tmp_path}/old.db")
    backup(url_of(store), tmp_path / "backup", by="root")
    (tmp_path / "backup").write_bytes(old_backup((tmp_path / "backup").read_bytes(), tmp_path / "old.db"))
    target = tmp_path / "restored"
    for key in (None, LocalMasterKey(bytes(32))):
        with pytest.raises(MasterKeyError):
            restore(tmp_path / "backup", other_url, target, key, by="root")
        assert not target.exists()
    assert (
        restore(tmp_path / "backup", other_url, target, LocalMasterKey(MASTER_KEY), by="root").schema_revision == "0001"
    )
    restored = Store.open(other_url, LocalMasterKey(MASTER_KEY))
    with restored.unit(writes=False) as unit:
        rows = {name: unit.get(name) for name in MATERIALS}
        assert {name: row and unit.material(row) for name, row in rows.items()} == MATERIALS
    assert check(restored) == []
    restored.close()


def test_a_restored_store_goes_on(filled: Store, make_row: MakeRow, other_url: str, tmp_path: Path) -> None:
    backup(url_of(filled), tmp_path / "backup", by="root")
    restore(tmp_path / "backup", other_url, tmp_path / "restored", by="root")
    restored = Store.open(other_url, LocalMasterKey(MASTER_KEY))
    row = make_row()
    with restored.unit(writes=True) as unit:
        unit.insert(row, b"key")
        unit.audit(audited("Create", row.unique_identifier))
        assert not unit.claim_nonce("key", b"nonce")
    with pytest.raises(StorageConflict), restored.unit(writes=True) as unit:
        unit.insert(row, None)
    assert check(restored) == []
    restored.close()
