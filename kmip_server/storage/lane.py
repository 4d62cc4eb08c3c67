"""Lanes: what carries out work on the database in groups, and the choice among several.

While one group is made durable the next one gathers, so that under load many requests share one commit, and a single
request waits for nobody. SQLite has one writer and therefore one lane; PostgreSQL has a few, each in a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, Protocol

import structlog

from kmip_server.storage.group import GroupCommit, Outcome, Scrubber, Work
from kmip_server.storage.port import QueueFull, StorageUnavailable, Unit
from kmip_server.storage.unit import Access

_log: Final = structlog.stdlib.get_logger(__name__)

Resolve = Callable[[], None]
Done = Callable[[Outcome], None]
"""Is told what became of a piece of work, once."""

GROUP_LIMIT = 64
QUEUE_LIMIT = 2048


class Entry(NamedTuple):
    """Work that waits, and where its outcome goes."""

    work: Work
    done: Done


class WorkLane(Protocol):
    """What carries out work: see Lane."""

    @property
    def load(self) -> int:
        """How many pieces of work wait or are under way."""

    def submit(self, work: Callable[[Unit], Any], done: Done, *, writes: bool) -> None:
        """Have work carried out."""

    def close(self) -> None:
        """Finish what was taken."""


def _at_once(resolve: Resolve) -> None:
    resolve()


class Lane:
    """One thread with one held connection.

    `on_group_done` is called on the lane's thread with a function that tells all outcomes of a group; an event loop
    passes what runs it on the loop's thread, and so is woken once for a group.
    """

    def __init__(
        self,
        access: Access,
        *,
        on_group_done: Callable[[Resolve], Any] = _at_once,
        group_limit: int = GROUP_LIMIT,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self._group = GroupCommit(access)
        self._on_group_done = on_group_done
        self._group_limit = group_limit
        self._queue_limit = queue_limit
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._under_way = 0
        self._closing = threading.Lock()
        self._closed = False
        self._scrubber = Scrubber(access.database)
        self._thread = threading.Thread(target=self._run, name="storage lane", daemon=True)
        self._thread.start()

    @property
    def load(self) -> int:
        """How many pieces of work wait or are under way."""
        return self._queue.qsize() + self._under_way

    def submit(self, work: Callable[[Unit], Any], done: Done, *, writes: bool) -> None:
        """Have work carried out; it may be called more than once, on the lane's thread. Work that audits writes.

        What the work wrote is accepted when it returns and discarded when it raises. The outcome is its value, told
        after the commit, or its exception, StorageConflict or StorageUnavailable. Raises QueueFull, and
        StorageUnavailable when the lane is closed.
        """
        with self._closing:
            if self._closed:
                raise StorageUnavailable("the storage is closing")
            if self._queue.qsize() >= self._queue_limit:
                raise QueueFull(f"{self._queue_limit} requests wait for the database already")
            self._queue.put(Entry(Work(work, writes), done))

    def close(self) -> None:
        """Finish what was taken, then end the thread and the connection."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._take()
            if group:
                self._carry_out(group)
        self._group.close()
        self._scrubber.scrub()

    def _take(self) -> tuple[list[Entry], bool]:
        """The next group, and whether it is the last one; an empty group if there was time to scrub instead."""
        try:
            entry = self._queue.get(timeout=self._scrubber.patience)
        except Empty:
            self._scrubber.scrub()
            return [], False
        group: list[Entry] = []
        while entry is not None:
            group.append(entry)
            if len(group) == self._group_limit:
                return group, False
            try:
                entry = self._queue.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _carry_out(self, group: list[Entry]) -> None:
        self._under_way = len(group)
        try:
            outcomes = self._group.carry_out([entry.work for entry in group])
        except Exception as error:
            outcomes = [Outcome(error=error)] * len(group)
        self._under_way = 0
        self._on_group_done(lambda: resolve_all(group, outcomes))
        self._scrubber.note(self._group)


def resolve_all(group: Sequence[Entry], outcomes: Sequence[Outcome]) -> None:
    """Tell every outcome of a group. Whoever fails to hear one is in nobody's way."""
    for (_, done), outcome in zip(group, outcomes, strict=True):
        try:
            done(outcome)
        except Exception:
            _log.exception("an outcome could not be told")


class Lanes:
    """Several lanes on one database; work goes to the one with the least to do."""

    def __init__(self, lanes: Sequence[WorkLane]) -> None:
        self._lanes = tuple(lanes)

    def submit(self, work: Callable[[Unit], Any], done: Done, *, writes: bool) -> None:
        """As Lane.submit, on the least busy lane."""
        lanes = self._lanes
        lane = lanes[0] if len(lanes) == 1 else min(lanes, key=lambda lane: lane.load)
        lane.submit(work, done, writes=writes)

    def close(self) -> None:
        """Finish what was taken by every lane, then end them."""
        for lane in self._lanes:
            lane.close()
