"""One engine for each test of an operation."""

from __future__ import annotations

import pytest
from support.engine import EngineHarness, MakeEngine


@pytest.fixture
def engine(make_engine: MakeEngine) -> EngineHarness:
    """An engine on an empty store of its own; 3DES and other legacy algorithms are allowed."""
    return make_engine(legacy_algorithms=True)
