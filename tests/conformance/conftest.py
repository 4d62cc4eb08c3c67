"""The server that plays the published cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from support.databases import Databases
from support.server import Client, RunningServer


@pytest.fixture(scope="session")
def make_published_client(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Client]]:
    """Make a client, with a number to its name, of a server whose policy allows 3DES: some published cases use it."""
    running = RunningServer(
        databases, tmp_path_factory.mktemp("published"), environment={"KMIP_POLICY__LEGACY_ALGORITHMS": "true"}
    )
    running.start()
    numbers = count(1)
    yield lambda name: running.add_client(f"{name}-{next(numbers)}")
    running.stop()
