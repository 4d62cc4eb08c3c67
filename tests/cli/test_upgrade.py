"""kmip-server upgrade: the migrations of a newer version, run on a server that is there already."""

from __future__ import annotations

import shutil
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect
from support.databases import URL, Databases, keep_place
from support.old_store import MATERIALS, old_backup, put_old_store
from support.rows import MASTER_KEY

from kmip_server.storage import database, migrations, schema
from kmip_server.storage.backup import backup
from kmip_server.storage.database import Database
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.store import Store

REVISION, AFTER = schema.REVISION, "9999"
NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{after}", "{before}", None, None

def upgrade() -> None:
    op.add_column("clients", sa.Column("remark", sa.Text(), nullable=True))
    {more}
"""


def asked(directory: Path, question: str) -> list[tuple[object, ...]]:
    with database_of(directory).writing() as connection:
        result = connection.exec_driver_sql(question)
        return [tuple(row) for row in result] if result.returns_rows else []


def database_of(directory: Path) -> Database:
    return Database(url_of(directory))


def url_of(directory: Path) -> str:
    """Where the database is, also by a server.toml that this version does not take."""
    url: str = tomllib.loads((directory / "server.toml").read_text())["storage"]["url"]
    return url.replace("sqlite:///kmip.db", f"sqlite:///{directory}/kmip.db")


def newer_version(folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """Have the code of this process be a version with one migration more."""
    copy = folder / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, copy)
    (copy / "versions" / f"v{AFTER}_next.py").write_text(NEXT.format(more=more, before=REVISION, after=AFTER))
    monkeypatch.setattr(migrations, "__file__", str(copy / "__init__.py"))
    for module in (schema, database):
        monkeypatch.setattr(module, "REVISION", AFTER)


def older_server(directory: Path, databases: Databases) -> Path:
    """Make the directory that of a server whose database has the first schema."""
    keep_place(directory, {URL: databases.empty(directory)})
    put_old_store(url_of(directory))
    (directory / "master.key").write_bytes(MASTER_KEY)
    return directory


def opened(directory: Path) -> dict[str, bytes | None]:
    store = Store.open(url_of(directory), LocalMasterKey(MASTER_KEY))
    with store.unit(writes=False) as unit:
        rows = {name: unit.get(name) for name in MATERIALS}
        found = {name: row and unit.material(row) for name, row in rows.items()}
    store.close()
    return found


def test_a_server_of_the_first_schema_is_upgraded_and_keeps_every_key(
    run, directory: Path, databases: Databases
) -> None:
    older_server(directory, databases)
    refused = run("check", directory)
    assert f"the database has schema 0001, this server needs {REVISION}: upgrade it" in refused.err
    ran = run("upgrade", directory)
    assert (ran.code, ran.out) == (0, f"The database had schema 0001 and has {REVISION} now.\n")
    assert run("check", directory).out == "Everything is in order\n"
    assert opened(directory) == MATERIALS


def test_an_upgrade_opens_the_master_key_and_takes_no_other(run, directory: Path, databases: Databases) -> None:
    other = (directory / "master.key").read_bytes()
    older_server(directory, databases)
    for content, said in ((None, "cannot be opened"), (other, "this store is sealed by master key")):
        (directory / "master.key").unlink(missing_ok=True)
        if content is not None:
            (directory / "master.key").touch(0o600)
            (directory / "master.key").write_bytes(content)
        ran = run("upgrade", directory)
        assert ran.code == 1
        assert said in ran.err
        assert asked(directory, "SELECT version_num FROM alembic_version") == [("0001",)]
    (directory / "master.key").write_bytes(MASTER_KEY)
    assert run("upgrade", directory).code == 0
    assert opened(directory) == MATERIALS


def test_a_backup_of_the_first_schema_is_restored_with_its_master_key(
    run, directory: Path, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, options in (("with", ()), ("without", ("--without-master-key",))):
        assert run("backup", directory, tmp_path / name, *options).code == 0
    key, old = directory / "master.key", tmp_path / "old.db"
    older_server(directory, databases)
    put_old_store(f"sqlite:///{old}")
    for name in ("with", "without"):
        current = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(old_backup(current, old, {"files/master.key": key}))
    assert run("restore", tmp_path / "with", tmp_path / "one").code == 0
    assert opened(tmp_path / "one") == MATERIALS
    assert run("check", tmp_path / "one").code == 0
    refused = run("restore", tmp_path / "without", tmp_path / "two")
    assert (refused.code, (tmp_path / "two").exists()) == (1, False)
    assert "say in KMIP_MASTER_KEY__FILE where it is" in refused.err
    monkeypatch.setenv("KMIP_MASTER_KEY__FILE", str(key))
    assert run("restore", tmp_path / "without", tmp_path / "two").code == 0
    assert opened(tmp_path / "two") == MATERIALS


def test_a_database_that_is_up_to_date_is_left_as_it_is(run, directory: Path) -> None:
    ran = run("upgrade", directory)
    assert (ran.code, ran.out) == (0, f"Nothing to do: the database has schema {REVISION} already.\n")


def test_an_older_database_is_upgraded_in_place_and_keeps_what_it_has(
    run, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("client", "add", directory, "array7")
    newer_version(tmp_path, monkeypatch)
    refused = run("check", directory)
    assert f"the database has schema {REVISION}, this server needs {AFTER}: upgrade it" in refused.err
    ran = run("upgrade", directory)
    assert (ran.code, ran.out) == (0, f"The database had schema {REVISION} and has {AFTER} now.\n")
    assert asked(directory, "SELECT name, remark FROM clients") == [("array7", None)]
    assert run("check", directory).out == "Everything is in order\n"
    assert "Nothing to do" in run("upgrade", directory).out


def test_an_upgrade_that_fails_halfway_has_changed_nothing(
    run, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer_version(tmp_path, monkeypatch, more="raise ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        run("upgrade", directory)
    assert asked(directory, "SELECT version_num FROM alembic_version") == [(REVISION,)]
    with database_of(directory).reading() as connection:
        assert "remark" not in {column["name"] for column in inspect(connection).get_columns("clients")}


@pytest.mark.sqlite_file("it has one writer, who locks it")
def test_a_database_to_which_another_program_writes_is_refused_and_left_as_it_is(
    run, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer_version(tmp_path, monkeypatch)
    monkeypatch.setitem(database._SQLITE_SETTINGS, "busy_timeout", ("0", 0))
    with closing(sqlite3.connect(directory / "kmip.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ran = run("upgrade", directory)
    assert ran.code == 1
    assert "database is locked" in ran.err
    assert asked(directory, "SELECT version_num FROM alembic_version") == [(REVISION,)]


def test_the_database_of_a_newer_version_is_refused(run, directory: Path) -> None:
    asked(directory, "UPDATE alembic_version SET version_num = '0042'")
    ran = run("upgrade", directory)
    assert ran.code == 1
    assert "the database has schema 0042, which this version does not know: a newer one has used it" in ran.err


@pytest.mark.sqlite_file("it is gone")
def test_a_database_that_is_absent_is_refused_and_not_made(run, directory: Path) -> None:
    path = directory / "kmip.db"
    path.unlink()
    ran = run("upgrade", directory)
    assert (ran.code, path.exists()) == (1, False)
    assert "there is no database" in ran.err


def test_a_database_that_is_empty_is_refused(run, directory: Path, databases: Databases) -> None:
    keep_place(directory, {URL: databases.empty(directory)})
    database_of(directory).create_file()
    ran = run("upgrade", directory)
    assert ran.code == 1
    assert "not that of a server" in ran.err


OLD_SETTING = '[policy]\noperation_policies = ["policies", "more.json"]   # files in PyKMIP\'s format\n'
TABLE = '{"%s": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}'


@pytest.fixture
def with_files(directory: Path) -> Path:
    """A server directory of the time when operation policies were in files."""
    return put_files(directory)


def put_files(directory: Path) -> Path:
    """Put operation policies into files, as an older version had them."""
    file = directory / "server.toml"
    file.write_text(file.read_text().replace("[policy]\n", OLD_SETTING))
    (directory / "policies").mkdir()
    (directory / "policies/team.json").write_text(TABLE % "team")
    (directory / "more.json").write_text(TABLE % "more")
    return directory


def reads_by(run, directory: Path, policy: str) -> bool:
    asked = ("client:x", "GET", f"SYMMETRIC_KEY,owner=y,operation_policy={policy}")
    return run("policy", "explain", directory, *asked).code == 0


def test_operation_policies_in_files_are_put_into_the_policy_by_an_upgrade(run, with_files: Path) -> None:
    refused = run("check", with_files)
    assert refused.code == 1
    where = f"{with_files}/server.toml: policy.operation_policies: operation policies are in the policy store now"
    assert where in refused.err
    assert "`kmip-server upgrade DIR` takes the files there" in refused.err
    ran = run("upgrade", with_files)
    assert (ran.code, "Operation policies are in version 1 of the policy now" in ran.out) == (0, True)
    assert reads_by(run, with_files, "team")
    assert reads_by(run, with_files, "more")
    assert "operation_policies" not in (with_files / "server.toml").read_text()
    assert "legacy_algorithms = false" in (with_files / "server.toml").read_text()
    assert "Operation policies" not in run("upgrade", with_files).out


def test_operation_policies_that_cannot_be_used_stop_an_upgrade_and_server_toml_stays(run, with_files: Path) -> None:
    before = (with_files / "server.toml").read_text()
    (with_files / "more.json").write_text("{")
    assert "more.json: is not JSON" in run("upgrade", with_files).err
    (with_files / "more.json").write_text(TABLE % "more")
    (with_files / "server.toml").write_text(before.replace(OLD_SETTING, "[policy]\n"))
    asked(with_files, "UPDATE alembic_version SET version_num = '0042'")
    (with_files / "server.toml").write_text(before)
    assert "a newer one has used it" in run("upgrade", with_files).err
    assert (with_files / "server.toml").read_text() == before
    (with_files / "server.toml").write_text("policy = { operation_policies = ['policies'] }\n")
    assert "remove policy.operation_policies with an editor" in run("upgrade", with_files).err


def test_an_upgrade_leaves_operation_policies_of_the_policy_as_they_are(run, with_files: Path, tmp_path: Path) -> None:
    server_toml = (with_files / "server.toml").read_text()
    run("upgrade", with_files)
    (tmp_path / "team.json").write_text('{"team": {}}')
    run("policy", "import", with_files, tmp_path / "team.json")
    (with_files / "server.toml").write_text(server_toml)
    assert "Operation policies" not in run("upgrade", with_files).out
    assert not reads_by(run, with_files, "team")
    assert reads_by(run, with_files, "more")


def test_a_backup_with_operation_policies_in_files_is_restored_with_them(run, directory: Path, tmp_path: Path) -> None:
    url, with_files = url_of(directory), put_files(directory)
    files = {str(path.relative_to(with_files)): path for path in with_files.rglob("*.*") if path.name != "kmip.db"}
    backup(url, tmp_path / "backup", files, by="root")
    ran = run("restore", tmp_path / "backup", tmp_path / "restored")
    assert ran.code == 0, ran.err
    assert reads_by(run, tmp_path / "restored", "team")
    assert reads_by(run, tmp_path / "restored", "more")
    assert run("check", tmp_path / "restored").code == 0
