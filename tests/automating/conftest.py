"""A store on each kind of database, and automatic rules on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.automating import Rules
from support.postgres import PostgresServer, PostgresUnavailableError
from support.rows import MASTER_KEY

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
def rules(store: Store) -> Rules:
    return Rules(store)
