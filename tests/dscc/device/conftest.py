"""A real network of three nodes for all tests of devices; each test has devices of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "node"))

# After the line above: the network is that of the nodes' own tests.
from fleet import POLICY, Fleet
from network import network


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Nodes that run, and are left running."""
    with network(Path(tmp_path_factory.mktemp("nodes")), policy=POLICY) as nodes:
        nodes.wait_linked()
        yield Fleet(nodes, tmp_path_factory.mktemp("devices"))


@pytest.fixture
def own_fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Nodes for one test, which may stop them."""
    (tmp_path / "nodes").mkdir()
    with network(tmp_path / "nodes", policy=POLICY) as nodes:
        nodes.wait_linked()
        yield Fleet(nodes, tmp_path / "devices")
