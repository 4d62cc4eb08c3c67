"""One network of three nodes for a module; tests use devices of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from network import Network, network

from dscc.node.database import NodeDatabase


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network(Path(tmp_path_factory.mktemp("network"))) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> NodeDatabase:
    """A new store of a node, which does not run."""
    made = NodeDatabase(tmp_path / "node.db")
    made.create()
    return made


@pytest.fixture(autouse=True)
def _connections_are_closed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "nodes" in request.fixturenames:
        request.getfixturevalue("nodes").close_devices()
