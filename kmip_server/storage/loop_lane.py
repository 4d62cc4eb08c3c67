"""A lane on an event loop's own thread, for SQLite: only what waits for the disk for long is in another thread.

A lane in a thread of its own passes Python's interpreter lock back and forth with the event loop at every row that it
reads or writes, which costs more than reading and writing. Here a group is worked through on the loop's thread, since
SQLite answers from memory, and its commit is handed over while the loop serves its connections. What would have to wait
(for another process's transaction) or has failed is carried out wholly in the other thread. While the disk is quick, a
commit is over sooner than another thread can take it, and stays on the loop: a slow one makes the next ones be handed
over.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from queue import Empty, SimpleQueue
from typing import Any

from kmip_server.storage.group import GroupCommit, Outcome, Ready, Scrubber, Work
from kmip_server.storage.lane import GROUP_LIMIT, QUEUE_LIMIT, Done, Entry, resolve_all
from kmip_server.storage.port import QueueFull, StorageUnavailable, Unit
from kmip_server.storage.unit import Access

_CLOSE_SECONDS = 60.0
_SHORT_COMMIT = 0.001
"""How long a commit took, in seconds, after which the next one may hold up the loop."""


class LoopLane:
    """One lane on an event loop. `submit` is called on the loop's thread; so is the work, mostly.

    `call_soon` makes the loop call a function when it has served what is ready; `call_from_thread` does so from another
    thread. The group is used by one thread at a time: by the loop's while it prepares, by the other until it answers.
    """

    def __init__(
        self,
        access: Access,
        *,
        call_soon: Callable[[Callable[[], None]], Any],
        call_from_thread: Callable[[Callable[[], None]], Any],
        group_limit: int = GROUP_LIMIT,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self._group = GroupCommit(access)
        self._call_soon = call_soon
        self._call_from_thread = call_from_thread
        self._group_limit = group_limit
        self._queue_limit = queue_limit
        self._waiting: deque[Entry] = deque()
        self._under_way: list[Entry] = []
        self._called = False
        self._gathered = 0
        self._closed = False
        self._last_commit = inf
        self._idle = threading.Event()
        self._idle.set()
        self._loop_thread = threading.get_ident()
        self._scrubber = Scrubber(access.database)
        self._handed: SimpleQueue[Callable[[], list[Outcome]] | None] = SimpleQueue()
        self._answers: SimpleQueue[list[Outcome]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="storage commit", daemon=True)
        self._thread.start()

    @property
    def load(self) -> int:
        """How many pieces of work wait or are under way."""
        return len(self._waiting) + len(self._under_way)

    def submit(self, work: Callable[[Unit], Any], done: Done, *, writes: bool) -> None:
        """As Lane.submit, on the loop's thread; the outcome is told there too."""
        if self._closed:
            raise StorageUnavailable("the storage is closing")
        if len(self._waiting) >= self._queue_limit:
            raise QueueFull(f"{self._queue_limit} requests wait for the database already")
        self._loop_thread = threading.get_ident()
        if self._idle.is_set():
            self._idle.clear()
        self._waiting.append(Entry(Work(work, writes), done))
        self._go_on()

    def close(self) -> None:
        """Finish what was taken, then end the thread and the connection.

        On the loop's thread it does so itself; in another thread it waits for the loop, which has to be running.
        """
        self._closed = True
        if threading.get_ident() == self._loop_thread:
            while self._under_way or self._waiting:
                if self._under_way:
                    self._done(self._answers.get())
                self._next()
        else:
            self._idle.wait(_CLOSE_SECONDS)
        self._handed.put(None)
        self._thread.join()

    # On the loop's thread

    def _go_on(self) -> None:
        if self._waiting and not self._under_way and not self._called:
            self._called = True
            self._call_soon(self._next)

    def _next(self) -> None:
        """Take the next group, unless one is under way, or close() has taken the last one."""
        self._called = False
        if self._under_way or not self._waiting:
            return
        if max(self._gathered, 1) < len(self._waiting) < self._group_limit:
            # More may have come while these were read: who misses a group waits for two.
            self._gathered = len(self._waiting)
            self._go_on()
            return
        self._gathered = 0
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._group_limit))]
        self._under_way = group
        work = [entry.work for entry in group]
        ready = self._group.prepare(work)
        if ready is None:
            self._handed.put(partial(self._group.carry_out, work))
        elif ready.writes and (ready.erased or self._last_commit > _SHORT_COMMIT):
            # What erases is noted by the thread that scrubs.
            self._handed.put(partial(self._complete, ready))
        elif (outcomes := self._commit(ready)) is not None:
            self._done(outcomes)
        else:
            self._handed.put(partial(self._group.redo, ready))

    def _commit(self, ready: Ready) -> list[Outcome] | None:
        """On either thread: make a group durable, and note how long that took."""
        began = time.monotonic()
        outcomes = self._group.commit(ready)
        self._last_commit = time.monotonic() - began
        return outcomes

    def _collect(self) -> None:
        try:
            outcomes = self._answers.get_nowait()
        except Empty:
            # close() was faster.
            return
        self._done(outcomes)

    def _done(self, outcomes: list[Outcome]) -> None:
        group, self._under_way = self._under_way, []
        resolve_all(group, outcomes)
        self._settle()

    def _settle(self) -> None:
        if not self._waiting and not self._under_way:
            self._idle.set()
        self._go_on()

    # On the other thread

    def _complete(self, ready: Ready) -> list[Outcome]:
        return self._commit(ready) or self._group.redo(ready)

    def _run(self) -> None:
        while True:
            try:
                handed = self._handed.get(timeout=self._scrubber.patience)
            except Empty:
                self._scrubber.scrub()
                continue
            if handed is None:
                break
            try:
                outcomes = handed()
            except Exception as error:
                outcomes = [Outcome(error=error)] * len(self._under_way)
            self._answers.put(outcomes)
            self._call_from_thread(self._collect)
            self._scrubber.note(self._group)
        self._group.close()
        self._scrubber.scrub()
