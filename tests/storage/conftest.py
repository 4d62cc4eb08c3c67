"""Fixtures of the storage tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.databases import Databases
from support.postgres import PostgresServer
from support.rows import MASTER_KEY, MakeRow, row_maker

from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.store import Store


@pytest.fixture
def store_url(databases: Databases, tmp_path: Path) -> str:
    """The URL of an empty database."""
    return databases.empty(tmp_path)


@pytest.fixture
def store(databases: Databases, tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    url = databases.store(tmp_path)
    opened = Store.open(url, LocalMasterKey(MASTER_KEY))
    yield opened
    opened.close()
    databases.take_back(url)


@pytest.fixture
def sqlite_store(store: Store) -> Store:
    """For what only SQLite has: files."""
    return store


@pytest.fixture
def postgres_store(postgres: PostgresServer, store: Store) -> Store:
    """For what only PostgreSQL has: a connection that can be lost."""
    return store


@pytest.fixture
def make_row() -> MakeRow:
    return row_maker()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What only SQLite has is not tested on PostgreSQL."""
    for item in items:
        if "sqlite_store" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.sqlite_file("its statements, or the lane that only it has"))
