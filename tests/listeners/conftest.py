"""The world of the listeners' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from edge_support import World, start_reactor


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An authority of its own for each test."""
    return World(tmp_path, start_reactor())
