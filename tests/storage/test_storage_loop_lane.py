"""The lane on an event loop's thread: the loop goes on while a group is made durable, and waits for nobody."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from queue import SimpleQueue
from typing import Any

import pytest
from support.lanes import submit
from support.rows import MakeRow, audited

from kmip_server.storage.check import check
from kmip_server.storage.loop_lane import LoopLane
from kmip_server.storage.port import ObjectRow, QueueFull, StorageConflict, StorageUnavailable, Unit
from kmip_server.storage.store import Store


class Loop:
    """An event loop in a few lines."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def run_until(self, futures: list[Future[Any]]) -> None:
        while not all(future.done() for future in futures):
            self.calls.get(timeout=20)()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def lane(sqlite_store: Store, loop: Loop) -> Iterator[LoopLane]:
    opened = LoopLane(
        sqlite_store.access, call_soon=loop.calls.put, call_from_thread=loop.calls.put, group_limit=20, queue_limit=50
    )
    yield opened
    opened.close()


def inserting(row: ObjectRow) -> Callable[[Unit], str]:
    def work(unit: Unit) -> str:
        unit.insert(row, b"key")
        unit.audit(audited("Create", row.unique_identifier))
        return threading.current_thread().name

    return work


def stored(store: Store, rows: list[ObjectRow]) -> list[bool]:
    with store.unit(writes=False) as unit:
        return [unit.get(row.unique_identifier) is not None for row in rows]


def test_work_is_done_on_the_loop_s_thread_and_durable_when_its_future_ends(
    lane: LoopLane, loop: Loop, sqlite_store: Store, make_row: MakeRow
) -> None:
    rows = [make_row() for _ in range(50)]
    futures = [submit(lane, inserting(row), writes=True) for row in rows]
    assert lane.load == 50
    ended: list[str] = []
    for future in futures:
        future.add_done_callback(lambda _: ended.append(threading.current_thread().name))
    loop.run_until(futures)
    assert {future.result(0) for future in futures} == {threading.current_thread().name}
    assert ended == [threading.current_thread().name] * 50
    assert stored(sqlite_store, rows) == [True] * 50
    assert lane.load == 0


def test_the_loop_goes_on_while_a_group_is_committed(lane: LoopLane, loop: Loop, make_row: MakeRow) -> None:
    commit = lane._group._connection.commit
    committing, release = threading.Event(), threading.Event()

    def slow_commit() -> None:
        committing.set()
        release.wait(20)
        commit()

    lane._group._connection.commit = slow_commit  # type: ignore[method-assign]
    first = submit(lane, inserting(make_row()), writes=True)
    loop.calls.get(timeout=20)()
    assert committing.wait(20)
    second = submit(lane, inserting(make_row()), writes=True)
    assert loop.calls.empty()
    assert not first.done()
    release.set()
    loop.run_until([first, second])


def test_what_comes_while_a_group_is_gathered_is_in_it(lane: LoopLane, loop: Loop, make_row: MakeRow) -> None:
    futures = [submit(lane, inserting(make_row()), writes=True) for _ in range(2)]
    loop.calls.get(timeout=20)()
    assert not any(future.done() for future in futures)
    futures += [submit(lane, inserting(make_row()), writes=True) for _ in range(3)]
    loop.calls.get(timeout=20)()
    loop.calls.get(timeout=20)()
    assert lane.load == len(lane._under_way) == 5
    loop.run_until(futures)


def test_a_group_that_never_stops_growing_begins_when_it_is_full(lane: LoopLane, loop: Loop, make_row: MakeRow) -> None:
    futures = []
    for _ in range(8):
        futures += [submit(lane, inserting(make_row()), writes=True) for _ in range(4)]
        if lane._under_way:
            break
        loop.calls.get(timeout=20)()
    assert len(lane._under_way) == 20
    loop.run_until(futures)


def test_reading_alone_needs_no_other_thread(lane: LoopLane, loop: Loop) -> None:
    future = submit(lane, lambda unit: unit.get("x"), writes=False)
    loop.calls.get(timeout=20)()
    assert future.done()


def test_the_loop_does_not_wait_for_another_process_s_lock(
    lane: LoopLane, loop: Loop, sqlite_store: Store, make_row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_row()
    waiting: set[str] = set()
    pause = time.sleep

    def noted_pause(seconds: float) -> None:
        waiting.add(threading.current_thread().name)
        pause(seconds)

    monkeypatch.setattr("kmip_server.storage.connection.time.sleep", noted_pause)
    with closing(sqlite3.connect(sqlite_store.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        future = submit(lane, inserting(row), writes=True)
        loop.calls.get(timeout=20)()
        assert not future.done()
        other.execute("ROLLBACK")
    loop.run_until([future])
    assert future.result(0) == "storage commit"
    assert threading.current_thread().name not in waiting
    assert stored(sqlite_store, [row]) == [True]


def test_work_that_fails_leaves_its_neighbours_whole(
    lane: LoopLane, loop: Loop, sqlite_store: Store, make_row: MakeRow
) -> None:
    good, raising, refused, stale = make_row(), make_row(), make_row(activation_date=2**70), make_row()

    def fail(unit: Unit) -> None:
        unit.insert(raising, b"key")
        raise ZeroDivisionError

    def conflict(unit: Unit) -> None:
        unit.insert(stale, b"key")
        unit.update(stale._replace(version=9))

    futures: list[Future[Any]] = [
        submit(lane, inserting(good), writes=True),
        submit(lane, fail, writes=True),
        submit(lane, inserting(refused), writes=True),
        submit(lane, conflict, writes=True),
    ]
    loop.run_until(futures)
    assert futures[0].exception(0) is None
    assert isinstance(futures[1].exception(0), ZeroDivisionError)
    assert futures[2].exception(0) is not None
    assert isinstance(futures[3].exception(0), StorageConflict)
    assert stored(sqlite_store, [good, raising, refused, stale]) == [True, False, False, False]


def test_a_failed_commit_is_told_and_recovered_from(
    lane: LoopLane, loop: Loop, sqlite_store: Store, make_row: MakeRow
) -> None:
    group = lane._group._connection
    group.begin(writes=False)
    ((pages,),) = group.all("PRAGMA page_count")
    group.rollback()
    group.all(f"PRAGMA max_page_count={pages + 3}")
    rows = [make_row(attributes=bytes(3000)) for _ in range(30)]
    futures: list[Future[Any]] = [submit(lane, inserting(row), writes=True) for row in rows]
    loop.run_until(futures)
    errors = [future.exception(0) for future in futures]
    assert any(isinstance(error, StorageUnavailable) for error in errors)
    assert stored(sqlite_store, rows) == [error is None for error in errors]
    group.all("PRAGMA max_page_count=1000000")
    again: list[Future[Any]] = [submit(lane, inserting(make_row()), writes=True)]
    loop.run_until(again)
    assert again[0].exception(0) is None
    assert check(sqlite_store) == []


def test_the_queue_is_bounded(lane: LoopLane, loop: Loop) -> None:
    futures = [submit(lane, lambda unit: 1, writes=False) for _ in range(50)]
    with pytest.raises(QueueFull):
        submit(lane, lambda unit: 1, writes=False)
    loop.run_until(futures)


@pytest.mark.parametrize("running", [True, False], ids=["from another thread", "on the loop's thread"])
def test_close_finishes_what_was_taken(lane: LoopLane, loop: Loop, make_row: MakeRow, running: bool) -> None:
    futures: list[Future[Any]] = [submit(lane, inserting(make_row()), writes=True) for _ in range(30)]
    futures += [submit(lane, lambda unit: 1, writes=False) for _ in range(5)]
    loop.calls.get(timeout=20)()
    if running:
        closing_thread = threading.Thread(target=lane.close)
        closing_thread.start()
        loop.run_until(futures)
        closing_thread.join(20)
    else:
        lane.close()
    assert all(future.exception(0) is None for future in futures)
    with pytest.raises(StorageUnavailable):
        submit(lane, lambda unit: 1, writes=False)


def test_a_call_that_is_left_after_close_opens_nothing_again(lane: LoopLane, loop: Loop, make_row: MakeRow) -> None:
    future = submit(lane, inserting(make_row()), writes=True)
    lane.close()
    assert future.exception(0) is None
    while not loop.calls.empty():
        loop.calls.get()()
    assert lane._group._connection.lost


def test_a_store_gives_an_event_loop_this_lane_on_sqlite_only(store: Store, loop: Loop) -> None:
    lanes = store.lanes(on_group_done=loop.calls.put, call_soon=loop.calls.put)
    future = submit(lanes, lambda unit: 1, writes=False)
    loop.run_until([future])
    assert {type(lane).__name__ for lane in lanes._lanes} == {"LoopLane" if store.database.sqlite else "Lane"}
    lanes.close()
