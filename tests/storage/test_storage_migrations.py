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
from support.rows import MASTER_KEY

from kmip_server.storage import migrations, schema
from kmip_server.storage.database import Database, UnsafeDatabaseError
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.migrations import upgrade
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
from kmip_server.storage.migrations import upgrade

left = int(sys.argv[2])

def before_cursor_execute(connection, cursor, statement, parameters, context, executemany):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "before_cursor_execute", before_cursor_execute)
upgrade(sys.argv[1])
"""


@pytest.mark.parametrize("statement", [2, 5, 9, 15, 22])
def test_a_migration_that_was_killed_is_run_again(store_url: str, statement: int) -> None:
    killed = subprocess.run([sys.executable, "-c", _KILLED_IN_THE_MIDDLE, store_url, str(statement)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(UnsafeDatabaseError, match="schema none"):
        Database(store_url).check_schema()
    store = Store.create(store_url, LocalMasterKey(MASTER_KEY))
    with store.unit(writes=False) as unit:
        assert unit.epoch() == 0
    store.close()


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


def test_an_absent_file_is_not_made_by_opening(tmp_path: Path) -> None:
    with pytest.raises(UnsafeDatabaseError, match="no database"):
        Store.open(f"sqlite:///{tmp_path}/store.db", LocalMasterKey(MASTER_KEY))
    assert list(tmp_path.iterdir()) == []
