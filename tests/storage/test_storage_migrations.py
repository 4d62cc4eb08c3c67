"""Migrations: the schema that the code expects, made whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.schema import CreateTable
from support.old_store import MATERIALS, add_old_objects, put_old_store
from support.rows import MASTER_KEY, NAME

from kmip_server.storage import migrations, schema
from kmip_server.storage.check import check
from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.database import Database, UnsafeDatabaseError
from kmip_server.storage.master_key import LocalMasterKey, MasterKeyError
from kmip_server.storage.migrations import upgrade
from kmip_server.storage.port import Job, SealBroken
from kmip_server.storage.store import Store


def test_the_migrations_make_the_schema_that_the_code_uses(store: Store) -> None:
    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_the_code_is_written_for_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.REVISION


def test_an_upgrade_of_a_current_database_changes_nothing(store_url: str) -> None:
    upgrade(store_url)
    upgrade(store_url)
    Database(store_url).check_schema()


def test_a_store_without_its_schema_is_not_opened(store_url: str) -> None:
    database = Database(store_url)
    database.create_file()
    with pytest.raises(UnsafeDatabaseError, match="schema none"):
        database.check_schema()
    upgrade(store_url)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UnsafeDatabaseError, match="schema 9999"):
        Store.open(store_url, LocalMasterKey(MASTER_KEY))


def test_two_upgrades_at_once_do_it_once(store_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upgrade, [store_url, store_url]))
    Database(store_url).check_schema()


_KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.migrations import upgrade

left = int(sys.argv[2])

def before_cursor_execute(connection, cursor, statement, parameters, context, executemany):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "before_cursor_execute", before_cursor_execute)
upgrade(sys.argv[1], master_key=LocalMasterKey(bytes(range(32))))
"""


def killed_upgrade(url: str, statement: int) -> None:
    """An upgrade in a process of its own, which is killed when it has come to a statement."""
    killed = subprocess.run([sys.executable, "-c", _KILLED_IN_THE_MIDDLE, url, str(statement)], check=False)
    assert killed.returncode == -signal.SIGKILL


@pytest.mark.parametrize("statement", [2, 5, 9, 15, 22, 26])
def test_a_migration_that_was_killed_is_run_again(store_url: str, statement: int) -> None:
    killed_upgrade(store_url, statement)
    with pytest.raises(UnsafeDatabaseError, match="schema none"):
        Database(store_url).check_schema()
    store = Store.create(store_url, LocalMasterKey(MASTER_KEY))
    with store.unit(writes=False) as unit:
        assert unit.epoch() == 0
    store.close()


def materials(store: Store) -> dict[str, bytes | None]:
    """What the objects of a store have as key material, opened once with nothing in memory."""
    connection = HeldConnection(store.database)
    connection.begin(writes=False)
    found = {stored.row.unique_identifier: store.open_material(stored) for stored in store.objects(connection)}
    connection.close()
    return found


def schema_of(url: str) -> str:
    with Database(url).reading() as connection:
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


def test_an_upgrade_from_the_first_schema_keeps_every_key(store_url: str) -> None:
    put_old_store(store_url)
    add_old_objects(store_url, 1203)
    expected = MATERIALS | {f"many {number:05}": f"many {number:05}".encode() for number in range(1203)}
    store = Store.create(store_url, LocalMasterKey(MASTER_KEY))
    assert materials(store) == expected
    with store.unit(writes=True) as unit:
        found = unit.get("changed")
        assert found is not None
        assert (found.version, list(unit.indexed("alice", NAME, "after"))) == (3, ["changed"])
        unit.update(found.next_version())
        assert unit.job(b"job") == Job(b"job", "alice", 1, 1, b"request", 3, b"response")
    assert materials(store) == expected
    assert [finding for finding in check(store) if "many" not in finding] == []
    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    store.close()


@pytest.mark.sqlite_file("the words of its tables")
def test_an_upgrade_leaves_the_tables_as_the_code_makes_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    put_old_store(url)
    upgrade(url, master_key=LocalMasterKey(MASTER_KEY))
    with Database(url).reading() as connection:
        made = connection.exec_driver_sql("SELECT sql FROM sqlite_schema WHERE name = 'material'").scalar_one()
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars().all()
    wanted = CreateTable(schema.material).compile(dialect=Database(url).engine.dialect)
    assert sorted(str(made).replace('"', "").split()) == sorted(str(wanted).split())
    assert set(tables) == {*schema.metadata.tables, "alembic_version"}


@pytest.mark.parametrize(
    "statement",
    [4, 7, 8, 9, 10]
    + [pytest.param(n, marks=pytest.mark.sqlite_file("it takes SQLite more statements")) for n in (20, 21, 22, 23)],
)
def test_an_upgrade_from_the_first_schema_that_was_killed_is_run_again(store_url: str, statement: int) -> None:
    put_old_store(store_url)
    killed_upgrade(store_url, statement)
    assert schema_of(store_url) == "0001"
    store = Store.create(store_url, LocalMasterKey(MASTER_KEY))
    assert materials(store) == MATERIALS
    assert check(store) == []
    store.close()


@pytest.mark.parametrize("key", [None, LocalMasterKey(bytes(32))])
def test_keys_are_not_wrapped_anew_without_their_own_master_key(store_url: str, key: LocalMasterKey | None) -> None:
    put_old_store(store_url)
    with pytest.raises(MasterKeyError):
        upgrade(store_url, master_key=key)
    assert schema_of(store_url) == "0001"
    store = Store.create(store_url, LocalMasterKey(MASTER_KEY))
    assert materials(store) == MATERIALS
    store.close()


def test_a_store_of_the_first_schema_without_keys_is_upgraded_without_a_master_key(store_url: str) -> None:
    upgrade(store_url, "0001")
    upgrade(store_url)
    Database(store_url).check_schema()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE objects SET owner = 'mallory' WHERE unique_identifier = 'plain'",
        "UPDATE material SET wrapped_key = sealed FROM objects"
        " WHERE objects.material_id = material.material_id AND unique_identifier = 'plain'",
        "DELETE FROM material WHERE material_id = (SELECT material_id FROM objects WHERE unique_identifier = 'plain')",
    ],
)
def test_a_seal_that_was_broken_before_an_upgrade_is_broken_after_it_and_the_others_are_not(
    store_url: str, statement: str
) -> None:
    put_old_store(store_url)
    with Database(store_url).writing() as connection:
        connection.exec_driver_sql(statement)
    store = Store.create(store_url, LocalMasterKey(MASTER_KEY))
    findings = check(store)
    assert [finding for finding in findings if "key material" in finding] == [
        finding for finding in findings if finding.startswith("object plain: its key material does not open")
    ]
    with pytest.raises(SealBroken), store.unit(writes=False) as unit:
        found = unit.get("plain")
        assert found is not None
        unit.material(found)
    with store.unit(writes=True) as unit:
        unit.remove("plain")
    assert materials(store) == {name: material for name, material in MATERIALS.items() if name != "plain"}
    store.close()


@pytest.mark.sqlite_file("its mode is looked at")
def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        store = Store.create(f"sqlite:///{tmp_path}/store.db", LocalMasterKey(MASTER_KEY))
        with store.unit(writes=True) as unit:
            unit.claim_nonce("key", b"nonce")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(mask)
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    (tmp_path / "store.db").chmod(0o644)
    with pytest.raises(UnsafeDatabaseError, match="others may read it"):
        Store.open(f"sqlite:///{tmp_path}/store.db", LocalMasterKey(MASTER_KEY))


@pytest.mark.sqlite_file("its settings are those of the connection")
def test_a_database_that_may_lose_commits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kmip_server.storage import database

    monkeypatch.setitem(database._SQLITE_SETTINGS, "synchronous", ("NORMAL", 2))
    with pytest.raises(UnsafeDatabaseError, match="synchronous"):
        Store.create(f"sqlite:///{tmp_path}/store.db", LocalMasterKey(MASTER_KEY))


def test_a_postgresql_that_may_lose_commits_is_refused(postgres_store: Store) -> None:
    url = postgres_store.database.url
    weak = url.update_query_dict({"options": "-csynchronous_commit=off"}).render_as_string(hide_password=False)
    with pytest.raises(UnsafeDatabaseError, match="synchronous_commit=off"):
        Store.open(weak, LocalMasterKey(MASTER_KEY))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_a_url_that_cannot_keep_a_promise_is_refused(url: str) -> None:
    with pytest.raises(UnsafeDatabaseError):
        Database(url)


@pytest.mark.sqlite_file("it is absent")
def test_an_absent_file_is_not_made_by_opening(tmp_path: Path) -> None:
    with pytest.raises(UnsafeDatabaseError, match="no database"):
        Store.open(f"sqlite:///{tmp_path}/store.db", LocalMasterKey(MASTER_KEY))
    assert list(tmp_path.iterdir()) == []
