"""Fixtures of the storage tests: every store there is on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.databases import empty_tables
from support.postgres import PostgresServer
from support.rows import MASTER_KEY, MakeRow, row_maker

from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.migrations import upgrade
from kmip_server.storage.store import Store


@pytest.fixture(scope="session")
def postgres_url(postgres: PostgresServer) -> str:
    """The URL of the database that the tests of a session use one after another."""
    url = postgres.create_database()
    upgrade(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once for each kind."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Store:
    """An open store, once for each kind of database."""
    opened: Store = request.getfixturevalue("sqlite_store" if kind == "sqlite" else "postgres_store")
    return opened


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """For what only SQLite has: files."""
    opened = Store.create(f"sqlite:///{tmp_path}/store.db", LocalMasterKey(MASTER_KEY))
    yield opened
    opened.close()


@pytest.fixture
def postgres_store(postgres_url: str) -> Iterator[Store]:
    """For what only PostgreSQL has: a connection that can be lost."""
    empty_tables(postgres_url)
    opened = Store.open(postgres_url, LocalMasterKey(MASTER_KEY))
    yield opened
    opened.close()


@pytest.fixture
def make_row() -> MakeRow:
    return row_maker()
