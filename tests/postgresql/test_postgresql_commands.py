"""Every command of kmip-server works on PostgreSQL as it does on SQLite, and says what is wrong where it cannot."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from pg_servers import database_of
from support import requests as ask
from support.databases import URL, keep_place
from support.postgres import PostgresServer
from support.server import COMMAND, Client, MakeServer, RunningServer

from kmip_server.storage.schema import REVISION

pytestmark = pytest.mark.usefixtures("postgres")
VERSION = (2, 1)
FREE_PORTS = ("--kmip-port", "0", "--https-port", "0")


def commanded(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **environment}
    )


def diagnosed(server: RunningServer, subject: str) -> list[tuple[str, str]]:
    """What the doctor finds about a subject."""
    done = server.command("doctor", str(server.data), "--json", check=False)
    return [(found["outcome"], found["detail"]) for found in json.loads(done.stdout) if found["subject"] == subject]


def test_a_server_lives_on_postgresql_and_moves_by_backup_and_restore(
    make_server: MakeServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    server = make_server()
    assert not list(server.data.glob("*.db*"))
    server.start()
    client = server.add_client("client")
    with client.session(VERSION) as session:
        key = session.create_aes(ask.name("kept"), active=True)
        material = session.key_material(key)
        file = tmp_path / "backup"
        server.command("backup", str(server.data), str(file))
        later = session.create_aes()
    assert server.command("check", str(server.data)).stdout == "Everything is in order\n"
    assert diagnosed(server, "database") == [("ok", f"PostgreSQL: durable settings, schema {REVISION}")]
    assert diagnosed(server, "master key") == [("ok", "opens this database")]
    assert server.stop() == 0

    elsewhere = {URL: postgres.create_database()}
    done = commanded("restore", file, tmp_path / "restored", **elsewhere)
    assert done.returncode == 0, done.stderr
    server.data = tmp_path / "restored"
    keep_place(server.data, elsewhere)
    server.start()
    with Client(server, "client").session(VERSION) as session:
        assert session.located(ask.name("kept"), ask.state(ask.ACTIVE)) == [key]
        assert session.key_material(key) == material
        assert not session.do(ask.get(later)).ok
        session.create_aes()
    assert server.stop() == 0
    assert server.command("check", str(server.data)).returncode == 0


def test_a_database_that_is_not_empty_is_neither_initialised_nor_restored_into(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server()
    server.add_client("client")
    server.command("backup", str(server.data), str(tmp_path / "backup"))
    for command in (("init", tmp_path / "again"), ("restore", tmp_path / "backup", tmp_path / "again")):
        done = commanded(*command, **{URL: server.url})
        assert done.returncode == 1
        assert done.stderr.startswith("kmip-server: ")
        assert not (tmp_path / "again").exists()
    assert server.command("check", str(server.data)).returncode == 0


def test_check_finds_what_was_changed_behind_the_server(make_server: MakeServer) -> None:
    server = make_server()
    server.start()
    client = server.add_client("client")
    with client.session(VERSION) as session:
        key = session.create_aes()
    with database_of(server) as connection:
        connection.execute("UPDATE objects SET owner = 'mallory'")
    done = server.command("check", str(server.data), check=False)
    assert done.returncode == 1
    assert key in done.stdout
    assert server.stop() == 0


def test_a_database_that_would_lose_what_was_acknowledged_is_not_used(on_postgres: RunningServer) -> None:
    url = f"{on_postgres.url}&options=-c%20synchronous_commit%3Doff"
    done = commanded("check", on_postgres.data, **{URL: url})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "kmip-server: PostgreSQL has synchronous_commit=off: a commit would not be durable\n"


UNREACHABLE = "postgresql+psycopg://kmip:a-secret@127.0.0.1:1/kmip"


@pytest.mark.parametrize(
    "command",
    [
        ("init", "NEW"),
        ("client", "add", "DIR", "late"),
        ("serve", "DIR", "--kmip-port", "0", "--https-port", "0"),
        ("check", "DIR"),
    ],
)
def test_an_unreachable_database_is_one_clear_line_without_the_password(
    on_postgres: RunningServer, command: tuple[str, ...], tmp_path: Path
) -> None:
    places = {"DIR": on_postgres.data, "NEW": tmp_path / "new"}
    done = commanded(*[places.get(word, word) for word in command], **{URL: UNREACHABLE})
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("kmip-server: ")]
    assert "PostgreSQL cannot be reached" in line
    assert "a-secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()
    assert not (on_postgres.data / "clients" / "late").exists()


def test_without_the_driver_every_command_says_what_to_install(on_postgres: RunningServer, tmp_path: Path) -> None:
    """The driver is an extra: `pip install kmip-server[postgres]`."""
    absent = "raise ModuleNotFoundError(\"No module named 'psycopg'\", name='psycopg')\n"
    (tmp_path / "psycopg.py").write_text(absent)
    for command in (("init", tmp_path / "new"), ("serve", on_postgres.data, *FREE_PORTS)):
        done = commanded(*command, PYTHONPATH=str(tmp_path), **{URL: on_postgres.url})
        assert done.returncode == 1
        assert "pip install 'kmip-server[postgres]'" in done.stderr
        assert "Traceback" not in done.stderr
