"""Storage lanes as tests use them: an outcome that can be waited for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from kmip_server.storage.group import Outcome
from kmip_server.storage.lane import Lanes, WorkLane
from kmip_server.storage.port import Unit

T = TypeVar("T")


def submit(lane: WorkLane | Lanes, work: Callable[[Unit], T], *, writes: bool) -> Future[T]:
    """Have work carried out; the future ends when its outcome is told."""
    future: Future[Any] = Future()

    def done(outcome: Outcome) -> None:
        if outcome.error is None:
            future.set_result(outcome.value)
        else:
            future.set_exception(outcome.error)

    lane.submit(work, done, writes=writes)
    return future
