"""The world of the listeners' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_support import World, start_reactor
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An authority of its own for each test."""
    return World(tmp_path, start_reactor())


@pytest.fixture(autouse=True)
def _nothing_raises_into_the_reactor() -> Iterator[None]:
    """Twisted logs what it had to catch itself; there must be nothing."""
    failures: list[str] = []

    def observe(event: LogEvent) -> None:
        if event["log_level"] >= LogLevel.error:
            failures.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield
    globalLogPublisher.removeObserver(observe)
    assert failures == []
