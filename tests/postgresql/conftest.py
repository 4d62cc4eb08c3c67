"""Servers that run on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pg_servers import WORKERS
from support.databases import Databases
from support.postgres import PostgresServer
from support.server import Client, RunningServer


@pytest.fixture(scope="session")
def on_postgres(
    postgres: PostgresServer, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A running server of several workers on PostgreSQL, which other tests use too: never stop it."""
    folder = tmp_path_factory.mktemp("postgresql")
    running = RunningServer(databases, folder, "--workers", str(WORKERS))
    running.start()
    yield running
    assert running.stop() == 0
    assert running.command("check", str(running.data)).stdout == "Everything is in order\n"


@pytest.fixture(scope="session")
def pg_client(on_postgres: RunningServer) -> Client:
    """A client of the shared server on PostgreSQL."""
    return on_postgres.add_client("client")
