"""The time, as an argument: of the system, or one that tests and demonstrations move."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Protocol


class Clock(Protocol):
    """What a device knows of time."""

    def now(self) -> float:
        """POSIX seconds."""

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait so long from now on, be it awaited at once or later."""


class SystemClock:
    """The system's clock."""

    def now(self) -> float:
        """POSIX seconds."""
        return time.time()

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait."""
        return asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is moved, and several devices can share."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        """POSIX seconds."""
        return self._now

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait until the clock has been moved that far."""
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, woken))
        return woken

    def move(self, seconds: float) -> None:
        """Let time pass: who has slept long enough wakes."""
        self._now += seconds
        due = [woken for at, woken in self._sleepers if at <= self._now]
        self._sleepers = [(at, woken) for at, woken in self._sleepers if at > self._now]
        for woken in due:
            if not woken.done():
                woken.set_result(None)
