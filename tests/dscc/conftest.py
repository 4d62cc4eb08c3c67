"""Nodes and devices keep what is theirs in SQLite files of their own: these tests run once, whatever servers use."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say so for each of them."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.sqlite_file("nodes and devices of DSCC have files of their own"))
