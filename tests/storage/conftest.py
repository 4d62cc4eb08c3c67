"""Fixtures of the storage tests: every store there is on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import PostgresServer, PostgresUnavailableError
from support.rows import MASTER_KEY, MakeRow, row_maker

from kmip_server.storage.lane import Lanes
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.store import Store


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer()
    except PostgresUnavailableError as error:
        pytest.skip(f"PostgreSQL: {error}")
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once for each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.create(store_url, LocalMasterKey(MASTER_KEY))
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """For what only SQLite has: files."""
    opened = Store.create(f"sqlite:///{tmp_path}/store.db", LocalMasterKey(MASTER_KEY))
    yield opened
    opened.close()


@pytest.fixture
def postgres_store(postgres: PostgresServer) -> Iterator[Store]:
    """For what only PostgreSQL has: a connection that can be lost."""
    opened = Store.create(postgres.create_database(), LocalMasterKey(MASTER_KEY))
    yield opened
    opened.close()


@pytest.fixture
def lanes(store: Store) -> Iterator[Lanes]:
    opened = store.lanes()
    yield opened
    opened.close()


@pytest.fixture
def make_row() -> MakeRow:
    return row_maker()
