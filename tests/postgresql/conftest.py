"""Servers that run on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pg_servers import WORKERS
from support.databases import PostgresqlDatabases
from support.postgres import PostgresServer
from support.server import Client, MakeServer, RunningServer


@pytest.fixture(scope="session")
def on_postgres(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running server of several workers on PostgreSQL, which other tests use too: never stop it."""
    folder = tmp_path_factory.mktemp("postgresql")
    running = RunningServer(PostgresqlDatabases(postgres), folder, "--workers", str(WORKERS))
    running.start()
    yield running
    assert running.stop() == 0
    assert running.command("check", str(running.data)).stdout == "Everything is in order\n"


@pytest.fixture(scope="session")
def pg_client(on_postgres: RunningServer) -> Client:
    """A client of the shared server on PostgreSQL."""
    return on_postgres.add_client("client")


@pytest.fixture
def make_server(postgres: PostgresServer, tmp_path: Path) -> Iterator[MakeServer]:
    """Make a server for one test on a database of its own; it is not started."""
    made: list[RunningServer] = []

    def make(*arguments: str) -> RunningServer:
        folder = tmp_path / f"server-{len(made)}"
        folder.mkdir()
        made.append(RunningServer(PostgresqlDatabases(postgres), folder, *arguments))
        return made[-1]

    yield make
    for server in made:
        server.discard()
