"""A real network of three nodes, for uses by devices that have agents."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "device"))
sys.path.insert(0, str(Path(__file__).parents[1] / "node"))

# After the lines above: the network and its devices are those of the devices' own tests.
from fleet import POLICY, Fleet
from network import network


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Nodes that run, and are left running."""
    with network(Path(tmp_path_factory.mktemp("nodes")), policy=POLICY) as nodes:
        nodes.wait_linked()
        yield Fleet(nodes, tmp_path_factory.mktemp("devices"))
