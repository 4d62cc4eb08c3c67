"""Lanes: work carried out in groups, each group made durable by one commit, and no work spoilt by its neighbours."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager

import pytest
from support.lanes import submit
from support.rows import NAME, MakeRow, audited

from kmip_server.storage import connection
from kmip_server.storage.group import GroupCommit, Work
from kmip_server.storage.lane import Lane, Lanes
from kmip_server.storage.port import ObjectRow, OutcomeUnknown, QueueFull, StorageConflict, StorageUnavailable, Unit
from kmip_server.storage.store import Store
from kmip_server.ttlv.enumerations import State


@contextmanager
def held_up(lane: Lane | Lanes) -> Iterator[None]:
    """Keeps the lane busy, so that what is submitted meanwhile makes one group."""
    running, release = threading.Event(), threading.Event()

    def hold(_unit: Unit) -> None:
        running.set()
        release.wait(20)

    future = submit(lane, hold, writes=False)
    running.wait(20)
    yield
    release.set()
    future.result(20)


def inserting(row: ObjectRow, material: bytes | None = None) -> Work:
    def work(unit: Unit) -> str:
        unit.insert(row, material)
        unit.audit(audited("Create", row.unique_identifier))
        unit.accept()
        return row.unique_identifier

    return Work(work, writes=True)


def versions(store: Store, rows: list[ObjectRow]) -> list[int | None]:
    with store.unit(writes=False) as unit:
        return [found and found.version for found in (unit.get(row.unique_identifier) for row in rows)]


@pytest.fixture
def lane(store: Store) -> Iterator[Lane]:
    opened = Lane(store.access, queue_limit=50)
    yield opened
    opened.close()


@pytest.fixture
def group(store: Store) -> Iterator[GroupCommit]:
    opened = GroupCommit(store.access)
    yield opened
    opened.close()


def test_work_that_gathers_meanwhile_shares_one_commit(store: Store, make_row: MakeRow) -> None:
    groups: list[threading.Thread] = []
    lane = Lane(store.access, on_group_done=lambda resolve: (groups.append(threading.current_thread()), resolve()))
    rows = [make_row() for _ in range(20)]
    with held_up(lane):
        futures = [submit(lane, inserting(row).function, writes=True) for row in rows]
    assert [future.result(20) for future in futures] == [row.unique_identifier for row in rows]
    lane.close()
    assert len(groups) == 2
    assert versions(store, rows) == [1] * 20


def test_futures_are_resolved_by_whom_the_edge_names(store: Store) -> None:
    resolvers = []
    done = threading.Event()
    lane = Lane(store.access, on_group_done=lambda resolve: (resolvers.append(resolve), done.set()))
    future = submit(lane, lambda unit: 1, writes=False)
    done.wait(20)
    assert not future.done()
    resolvers[0]()
    assert future.result(0) == 1
    lane.close()


def test_work_that_raises_loses_its_own_writes_only(lane: Lane, store: Store, make_row: MakeRow) -> None:
    good, bad, also_good = make_row(), make_row(), make_row()

    def fail(unit: Unit) -> None:
        unit.begin_undoable()
        unit.insert(bad, b"key")
        unit.accept()
        raise ZeroDivisionError

    with held_up(lane):
        futures: list[Future[object]] = [
            submit(lane, inserting(good).function, writes=True),
            submit(lane, fail, writes=True),
            submit(lane, inserting(also_good).function, writes=True),
        ]
    assert isinstance(futures[1].exception(20), ZeroDivisionError)
    assert futures[2].result(20) == also_good.unique_identifier
    assert versions(store, [good, bad, also_good]) == [1, None, 1]


def test_a_conflict_of_one_leaves_the_others_whole(group: GroupCommit, store: Store, make_row: MakeRow) -> None:
    first, second = make_row(), make_row()
    group.carry_out([inserting(first)])

    def stale(unit: Unit) -> None:
        unit.update(first._replace(version=7))

    outcomes = group.carry_out([inserting(second), Work(stale, writes=True)])
    assert outcomes[0].value == second.unique_identifier
    assert isinstance(outcomes[1].error, StorageConflict)
    assert versions(store, [first, second]) == [1, 1]
    with store.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM audit").scalar() == 2


def test_work_that_the_database_refuses_fails_alone(group: GroupCommit, store: Store, make_row: MakeRow) -> None:
    good, bad = make_row(), make_row(activation_date=2**70)
    outcomes = group.carry_out([inserting(good), inserting(bad)])
    assert outcomes[0].value == good.unique_identifier
    assert outcomes[1].error is not None
    assert versions(store, [good, bad]) == [1, None]
    assert group.carry_out([inserting(make_row())])[0].error is None


def test_work_that_turns_out_to_write_is_done_again_for_writing(group: GroupCommit, make_row: MakeRow) -> None:
    row = make_row()
    seen = []

    def read(unit: Unit) -> int:
        seen.append(unit.get(row.unique_identifier))
        return 1

    outcomes = group.carry_out([Work(read, writes=False), inserting(row)._replace(writes=False)])
    assert [outcome.value for outcome in outcomes] == [1, row.unique_identifier]
    assert seen == [None, None]


def test_the_queue_is_bounded(lane: Lane) -> None:
    with held_up(lane):
        futures = [submit(lane, lambda unit: 1, writes=False) for _ in range(50)]
        with pytest.raises(QueueFull):
            submit(lane, lambda unit: 1, writes=False)
    assert [future.result(20) for future in futures] == [1] * 50
    assert submit(lane, lambda unit: 2, writes=False).result(20) == 2


def test_close_finishes_what_was_taken_and_takes_no_more(store: Store, make_row: MakeRow) -> None:
    lane = Lane(store.access)
    rows = [make_row() for _ in range(10)]
    futures = [submit(lane, inserting(row).function, writes=True) for row in rows]
    lane.close()
    assert all(future.done() for future in futures)
    assert versions(store, rows) == [1] * 10
    with pytest.raises(StorageUnavailable):
        submit(lane, lambda unit: 1, writes=False)


def test_a_lost_connection_is_opened_again(lane: Lane, store: Store, make_row: MakeRow) -> None:
    submit(lane, lambda unit: None, writes=True).result(20)
    lane._group._connection._connection.close()
    row = make_row()
    future = submit(lane, inserting(row).function, writes=True)
    if store.database.sqlite:
        # A closed SQLite connection is a mistake in the program; the lane must still recover after it.
        assert future.exception(20) is not None
        future = submit(lane, inserting(row).function, writes=True)
    assert future.result(20) == row.unique_identifier


def test_counters_are_never_overspent(store: Store, make_row: MakeRow) -> None:
    """KMIP 2.1 s4.64: with many at once, exactly Usage Limits Total uses succeed."""
    key = make_row(cryptographic_length=100)
    with store.unit(writes=True) as unit:
        unit.insert(key, None)
    lanes = Lanes([Lane(store.access) for _ in range(2)])

    def use(unit: Unit) -> bool:
        row = unit.get(key.unique_identifier)
        assert row is not None
        assert row.cryptographic_length is not None
        if row.cryptographic_length == 0:
            return False
        unit.update(row._replace(cryptographic_length=row.cryptographic_length - 1).next_version())
        unit.accept()
        return True

    futures = [submit(lanes, use, writes=True) for _ in range(300)]
    uses = [future.result(60) for future in futures]
    lanes.close()
    assert uses.count(True) == 100
    assert versions(store, [key]) == [101]


def test_who_reads_a_key_while_others_change_its_row_finds_its_seal_whole(store: Store, make_row: MakeRow) -> None:
    """A data key is that of the version that was read, and never of the one that was committed in between."""
    key = make_row()
    lanes = [Lane(store.access) for _ in range(3)]
    submit(lanes[0], inserting(key, b"key").function, writes=True).result(20)

    def change(unit: Unit) -> None:
        row = unit.get(key.unique_identifier)
        assert row is not None
        unit.update(row.next_version())
        unit.accept()

    def read(unit: Unit) -> bytes | None:
        store.access.sealer.forget(key.unique_identifier)
        row = unit.get(key.unique_identifier)
        assert row is not None
        return unit.material(row)

    changes = [submit(lanes[0], change, writes=True) for _ in range(200)]
    reads = [submit(lanes[1 + number % 2], read, writes=bool(number % 4 // 2)) for number in range(400)]
    assert {future.result(60) for future in changes} == {None}
    assert {future.result(60) for future in reads} == {b"key"}
    for lane in lanes:
        lane.close()
    assert versions(store, [key]) == [201]


def test_a_name_goes_to_one_of_many_who_want_it(store: Store, make_row: MakeRow) -> None:
    """KMIP 2.1 s4.32: two transactions that look for a name at the same time do not both find it free."""
    lanes = [Lane(store.access) for _ in range(2)]
    taken = []

    def take(number: int, row: ObjectRow) -> Work:
        def work(unit: Unit) -> bool:
            if list(unit.indexed("alice", NAME, f"name {number}")):
                return False
            unit.insert(row, None)
            unit.accept()
            return True

        return Work(work, writes=True)

    for number in range(30):
        index = ((NAME, f"name {number}"),)
        pair = [submit(lane, take(number, make_row(indexed=index)).function, writes=True) for lane in lanes]
        wait(pair)
        taken.append([future.result(0) for future in pair].count(True))
    for lane in lanes:
        lane.close()
    assert taken == [1] * 30


def test_a_nonce_that_two_transactions_claim_at_once_goes_to_one(store: Store) -> None:
    lanes = [Lane(store.access) for _ in range(2)]
    for number in range(30):
        nonce = number.to_bytes(12)
        pair = [submit(lane, lambda unit, nonce=nonce: unit.claim_nonce("key", nonce), writes=True) for lane in lanes]
        assert sorted(future.result(20) for future in pair) == [False, True]
    for lane in lanes:
        lane.close()


def test_two_processes_lanes_on_one_store_lose_nothing(store: Store, make_row: MakeRow) -> None:
    other = Store.open(store.database.url.render_as_string(hide_password=False), store.access.sealer._master_key)
    lanes = [Lane(store.access), Lane(other.access)]
    rows = [make_row() for _ in range(200)]
    futures = [submit(lanes[number % 2], inserting(row).function, writes=True) for number, row in enumerate(rows)]
    assert all(future.result(60) for future in futures)
    for lane in lanes:
        lane.close()
    other.close()
    assert versions(store, rows) == [1] * 200
    with store.database.reading() as connection:
        sequences = connection.exec_driver_sql("SELECT sequence FROM audit ORDER BY sequence").scalars().all()
    assert sequences == list(range(1, 201))


def test_destroyed_material_is_gone_from_another_lane_s_cache_at_once(store: Store, make_row: MakeRow) -> None:
    key = make_row()
    other = Store.open(store.database.url.render_as_string(hide_password=False), store.access.sealer._master_key)
    lanes = [Lane(store.access), Lane(other.access)]

    def read(unit: Unit) -> bytes | None:
        row = unit.get(key.unique_identifier)
        return None if row is None else unit.material(row)

    def destroy(unit: Unit) -> None:
        row = unit.get(key.unique_identifier)
        assert row is not None
        unit.update_material(row._replace(destroyed=True, state=State.DESTROYED).next_version(), None)

    submit(lanes[0], inserting(key, b"key").function, writes=True).result(20)
    assert submit(lanes[0], read, writes=False).result(20) == b"key"
    assert submit(lanes[1], read, writes=False).result(20) == b"key"
    submit(lanes[0], destroy, writes=True).result(20)
    assert submit(lanes[1], read, writes=False).result(20) is None
    for lane in lanes:
        lane.close()
    other.close()


def test_a_commit_whose_answer_is_lost_is_not_carried_out_twice(postgres_store: Store, make_row: MakeRow) -> None:
    group = GroupCommit(postgres_store.access)
    row = make_row()
    held = group._connection
    commit, attempts = held.commit, []

    def commit_and_lose_the_answer() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            commit()
            held._connection.close()
            raise StorageUnavailable("the connection is lost")
        commit()

    held.commit = commit_and_lose_the_answer  # type: ignore[method-assign]
    outcomes = group.carry_out([inserting(row)])
    assert outcomes[0].value == row.unique_identifier
    assert len(attempts) == 1
    assert versions(postgres_store, [row]) == [1]
    group.close()


def test_a_commit_that_was_lost_with_the_connection_is_carried_out_again(
    postgres_store: Store, make_row: MakeRow
) -> None:
    group = GroupCommit(postgres_store.access)
    row = make_row()
    held = group._connection
    commit, attempts = held.commit, []

    def lose_the_commit() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            held._connection.close()
            raise StorageUnavailable("the connection is lost")
        commit()

    held.commit = lose_the_commit  # type: ignore[method-assign]
    assert group.carry_out([inserting(row)])[0].value == row.unique_identifier
    assert len(attempts) == 2
    assert versions(postgres_store, [row]) == [1]
    group.close()


@pytest.mark.parametrize("why", ["no audit record", "the database is gone"])
def test_a_commit_whose_fate_cannot_be_found_out_is_said_to_be_unknown(
    postgres_store: Store, make_row: MakeRow, why: str
) -> None:
    """It is neither a success nor a failure, and it is not carried out again."""
    group, row = GroupCommit(postgres_store.access), make_row()
    held, begun = group._connection, []
    commit = held.commit

    def commit_and_lose_the_answer() -> None:
        commit()
        held._connection.close()
        if why == "the database is gone":
            held._open = gone  # type: ignore[method-assign]
        raise StorageUnavailable("the connection is lost")

    def gone() -> None:
        raise StorageUnavailable("the database does not answer")

    def create(unit: Unit) -> None:
        begun.append(1)
        unit.insert(row, b"key bytes")
        if why == "the database is gone":
            unit.audit(audited("Create", row.unique_identifier))

    held.commit = commit_and_lose_the_answer  # type: ignore[method-assign]
    (outcome,) = group.carry_out([Work(create, writes=True)])
    assert isinstance(outcome.error, OutcomeUnknown)
    assert begun == [1]
    group.close()


def test_a_transaction_that_never_ends_does_not_stop_the_others(
    postgres_store: Store, make_row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection._POSTGRESQL_PATIENCE, "lock_timeout", "50ms")
    group = GroupCommit(postgres_store.access)
    with postgres_store.unit(writes=True) as stopped:
        stopped._connection.all(postgres_store.access.statements.audit_head)
        outcomes = group.carry_out([inserting(make_row()) for _ in range(2)])
        assert all(isinstance(outcome.error, StorageUnavailable) for outcome in outcomes)
    assert group.carry_out([inserting(make_row())])[0].error is None
    group.close()


def test_a_locked_database_is_unavailable_and_then_available_again(
    sqlite_store: Store, make_row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmip_server.storage.connection.LOCK_WAIT", 0.05)
    group = GroupCommit(sqlite_store.access)
    blocker = sqlite3.connect(sqlite_store.database.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    outcomes = group.carry_out([inserting(make_row()) for _ in range(3)])
    assert all(isinstance(outcome.error, StorageUnavailable) for outcome in outcomes)
    assert group.carry_out([Work(lambda unit: unit.get("x"), writes=False)])[0].error is None
    blocker.execute("ROLLBACK")
    blocker.close()
    assert group.carry_out([inserting(make_row())])[0].error is None
    group.close()
