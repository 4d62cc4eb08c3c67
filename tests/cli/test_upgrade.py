"""kmip-server upgrade: the migrations of a newer version, run on a server that is there already."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kmip_server.storage import database, migrations, schema

NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None

def upgrade() -> None:
    op.add_column("clients", sa.Column("remark", sa.Text(), nullable=True))
    {more}
"""


def asked(directory: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(directory / "kmip.db")) as connection, connection:
        return connection.execute(question).fetchall()


def newer_version(folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """Have the code of this process be a version with one migration more."""
    copy = folder / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, copy)
    (copy / "versions" / "v0002_next.py").write_text(NEXT.format(more=more))
    monkeypatch.setattr(migrations, "__file__", str(copy / "__init__.py"))
    for module in (schema, database):
        monkeypatch.setattr(module, "REVISION", "0002")


def test_a_database_that_is_up_to_date_is_left_as_it_is(run, directory: Path) -> None:
    ran = run("upgrade", directory)
    assert (ran.code, ran.out) == (0, "Nothing to do: the database has schema 0001 already.\n")


def test_an_older_database_is_upgraded_in_place_and_keeps_what_it_has(
    run, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("client", "add", directory, "array7")
    newer_version(tmp_path, monkeypatch)
    refused = run("check", directory)
    assert "the database has schema 0001, this server needs 0002: upgrade it" in refused.err
    ran = run("upgrade", directory)
    assert (ran.code, ran.out) == (0, "The database had schema 0001 and has 0002 now.\n")
    assert asked(directory, "SELECT name, remark FROM clients") == [("array7", None)]
    assert run("check", directory).out == "Everything is in order\n"
    assert "Nothing to do" in run("upgrade", directory).out


def test_an_upgrade_that_fails_halfway_has_changed_nothing(
    run, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer_version(tmp_path, monkeypatch, more="raise ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        run("upgrade", directory)
    assert asked(directory, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert "remark" not in str(asked(directory, "SELECT sql FROM sqlite_schema"))


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
    assert asked(directory, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_the_database_of_a_newer_version_is_refused(run, directory: Path) -> None:
    asked(directory, "UPDATE alembic_version SET version_num = '0042'")
    ran = run("upgrade", directory)
    assert ran.code == 1
    assert "the database has schema 0042, which this version does not know: a newer one has used it" in ran.err


def test_a_database_that_is_absent_or_empty_is_refused_and_not_made(run, directory: Path) -> None:
    path = directory / "kmip.db"
    path.unlink()
    ran = run("upgrade", directory)
    assert (ran.code, path.exists()) == (1, False)
    assert "there is no database" in ran.err
    path.touch(mode=0o600)
    ran = run("upgrade", directory)
    assert ran.code == 1
    assert "not that of a server" in ran.err
