"""A store, and automatic rules on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.automating import Rules
from support.databases import MASTER_KEY, Databases

from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.store import Store


@pytest.fixture
def store_url(databases: Databases, tmp_path: Path) -> Iterator[str]:
    url = databases.store(tmp_path)
    yield url
    databases.take_back(url)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.open(store_url, LocalMasterKey(MASTER_KEY))
    yield opened
    opened.close()


@pytest.fixture
def rules(store: Store) -> Rules:
    return Rules(store)
