"""One engine for each test of an operation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.engine import EngineHarness


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineHarness]:
    """An engine on an empty store of its own; 3DES and other legacy algorithms are allowed."""
    harness = EngineHarness(tmp_path, legacy_algorithms=True)
    yield harness
    harness.store.close()
