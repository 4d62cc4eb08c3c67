"""Locate's questions (KMIP 2.1 s6.1.28): what matches, in which order, and along which index."""

from __future__ import annotations

import random
import sqlite3
from itertools import count

import pytest
from support.rows import GROUP, NAME, MakeRow

from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.port import ObjectRow, Range, Search
from kmip_server.storage.store import Store
from kmip_server.ttlv.enumerations import ObjectType, State


def identifiers(store: Store, search: Search) -> list[str]:
    with store.unit(writes=False) as unit:
        return [row.unique_identifier for row in unit.search(search)]


def insert(store: Store, *rows: ObjectRow) -> None:
    with store.unit(writes=True) as unit:
        for row in rows:
            unit.insert(row, None)


@pytest.fixture
def three(store: Store, make_row: MakeRow) -> list[ObjectRow]:
    rows = [
        make_row(indexed=((NAME, "a"), (GROUP, "g")), activation_date=100, cryptographic_usage_mask=0x0C),
        make_row(
            indexed=((NAME, "b"), (GROUP, "g"), (GROUP, "long " * 1000)),
            activation_date=200,
            cryptographic_usage_mask=0x04,
        ),
        make_row(owner="bob", object_type=ObjectType.SECRET_DATA, state=State.ACTIVE, cryptographic_usage_mask=None),
    ]
    insert(store, *rows)
    return rows


@pytest.mark.parametrize(
    ("search", "matching"),
    [
        (Search(owner=None), [0, 1, 2]),
        (Search(owner="alice"), [0, 1]),
        (Search(owner="nobody"), []),
        (Search(owner="alice", index=((NAME, "a"),)), [0]),
        (Search(owner=None, index=((NAME, "a"),)), [0]),
        (Search(owner="bob", index=((NAME, "a"),)), []),
        (Search(owner="alice", index=((GROUP, "g"),)), [0, 1]),
        (Search(owner="alice", index=((GROUP, "g"), (NAME, "b"))), [1]),
        (Search(owner="alice", index=((NAME, "a"), (NAME, "b"))), []),
        (Search(owner="alice", index=((GROUP, "long " * 1000),)), [1]),
        (Search(owner="alice", index=((GROUP, "long " * 1000), (NAME, "b"))), [1]),
        (Search(owner="alice", index=((GROUP, "long " * 999),)), []),
        (Search(owner=None, index=((NAME, "A"),)), []),
        (Search(owner=None, index=((NAME, "%"),)), []),
        (Search(owner=None, mask=0x04), [0, 1]),
        (Search(owner=None, mask=0x0C), [0]),
        (Search(owner=None, mask=0x80000000), []),
        (Search(owner=None, columns={"object_type": ObjectType.SECRET_DATA}), [2]),
        (Search(owner=None, columns={"state": State.PRE_ACTIVE, "cryptographic_length": 256}), [0, 1]),
        (Search(owner=None, columns={"activation_date": Range(100, 100)}), [0]),
        (Search(owner=None, columns={"activation_date": Range(101, None)}), [1]),
        (Search(owner=None, columns={"activation_date": Range(None, 199)}), [0]),
        (Search(owner=None, columns={"activation_date": Range(None, None)}), [0, 1]),
        (Search(owner=None, columns={"activation_date": Range(200, 100)}), []),
        (Search(owner=None, columns={"fresh": True}), []),
        (Search(owner=None, columns={"fresh": False, "operation_policy": "default"}), [0, 1, 2]),
        (Search(owner=None, columns={"operation_policy": "nul\0"}), []),
        (Search(owner=None, columns={"unique_identifier": "x" * 70_000}), []),
    ],
)
def test_a_search_finds_what_matches_every_condition(
    store: Store, three: list[ObjectRow], search: Search, matching: list[int]
) -> None:
    assert identifiers(store, search) == [three[number].unique_identifier for number in reversed(matching)]


def test_an_unknown_column_is_a_mistake_of_the_caller(store: Store) -> None:
    for name in ("attributes", "material_id", "wrapped_key", "entries", "1=1; --"):
        with pytest.raises(ValueError, match="column"):
            identifiers(store, Search(owner=None, columns={name: 1}))


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("archived", [True, False])
@pytest.mark.parametrize("destroyed", [True, False])
def test_the_storage_status_mask_chooses(
    store: Store, make_row: MakeRow, online: bool, archived: bool, destroyed: bool
) -> None:
    rows = [make_row(), make_row(archived=True), make_row(destroyed=True), make_row(archived=True, destroyed=True)]
    insert(store, *rows)
    wanted = ([rows[0]] if online else []) + ([rows[1]] if archived else []) + (rows[2:] if destroyed else [])
    search = Search(owner="alice", online=online, archived=archived, destroyed=destroyed)
    assert identifiers(store, search) == [row.unique_identifier for row in reversed(wanted)]


@pytest.mark.parametrize("owner", ["alice", None])
@pytest.mark.parametrize("index", [(), ((GROUP, "g"),)])
def test_the_newest_come_first_through_every_step(
    store: Store, make_row: MakeRow, owner: str | None, index: tuple[tuple[int, str], ...]
) -> None:
    """KMIP 2.1 s6.1.28: Offset Items and Maximum Items need one order. More rows than two steps, many of one second."""
    rows = [make_row(indexed=((GROUP, "g"),), initial_date=number // 50) for number in range(400)]
    shuffled = rows.copy()
    random.Random(1).shuffle(shuffled)
    insert(store, *shuffled)
    insert(store, *(make_row(owner="bob", indexed=((GROUP, "other"),)) for _ in range(3)))
    ordered = sorted(rows, key=lambda row: (row.initial_date, row.unique_identifier), reverse=True)
    found = identifiers(store, Search(owner=owner, index=index, columns={"initial_date": Range(None, 10)}))
    assert found == [row.unique_identifier for row in ordered]


def test_writes_between_two_steps_do_not_disturb_a_search(store: Store, make_row: MakeRow) -> None:
    rows = [make_row() for _ in range(200)]
    insert(store, *rows)
    with store.unit(writes=True) as unit:
        seen = []
        for row in unit.search(Search(owner="alice", columns={"state": State.PRE_ACTIVE})):
            seen.append(row.unique_identifier)
            unit.update(row._replace(state=State.ACTIVE).next_version())
            unit.accept()
        assert seen == [row.unique_identifier for row in reversed(rows)]
        assert list(unit.search(Search(owner="alice", columns={"state": State.PRE_ACTIVE}))) == []


def test_an_object_of_another_date_is_not_read_where_its_index_entry_says_so(
    sqlite_store: Store, make_row: MakeRow
) -> None:
    """The gateway looks every second for keys that are old, and most are young."""
    insert(sqlite_store, *(make_row(indexed=((GROUP, "g"),), initial_date=9, activation_date=9) for _ in range(200)))

    def steps(column: str) -> int:
        """What SQLite does to find that none of them is old by this date."""
        database = sqlite3.connect(str(sqlite_store.database.engine.url.database))
        taken = count()
        connection = HeldConnection(sqlite_store.database)

        def ask(text: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
            database.set_progress_handler(lambda: next(taken) < 0, 1)
            return database.execute(text, parameters).fetchall()

        connection.all = ask  # type: ignore[method-assign]
        search = Search(owner=None, index=((GROUP, "g"),), columns={column: Range(None, 5)})
        assert list(sqlite_store.access.searcher.steps(connection, search)) == []
        connection.close()
        database.close()
        return next(taken)

    assert steps("initial_date") < steps("activation_date") / 1.5


@pytest.mark.parametrize(
    ("search", "index"),
    [
        (Search(owner="alice", index=((NAME, "name 7"),)), "entry0"),
        (Search(owner="alice", index=((NAME, "name 7"),), columns={"object_type": 2, "state": 1}), "entry0"),
        (Search(owner="alice"), "objects_by_"),
        (Search(owner="alice", columns={"object_type": 2, "state": 1}), "objects_by_kind"),
        (Search(owner=None), "objects_by_date"),
        (Search(owner="alice", columns={"initial_date": Range(5, 9)}), "objects_by_owner"),
    ],
)
def test_a_search_walks_an_index_and_sorts_nothing(
    sqlite_store: Store, make_row: MakeRow, search: Search, index: str
) -> None:
    insert(sqlite_store, *(make_row(indexed=((NAME, f"name {number}"),)) for number in range(50)))
    plans = []
    connection = HeldConnection(sqlite_store.database)
    ask = connection.all

    def explained(text: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        plans.append(" / ".join(str(row[3]) for row in ask("EXPLAIN QUERY PLAN " + text, parameters)))
        return ask(text, parameters)

    connection.all = explained  # type: ignore[method-assign]
    connection.begin(writes=False)
    list(sqlite_store.access.searcher.steps(connection, search))
    connection.rollback()
    connection.close()
    assert plans
    for plan in plans:
        assert index in plan
        assert "SCAN" not in plan or "USING INDEX" in plan
        assert "SCAN entry0" not in plan
        assert "TEMP B-TREE" not in plan


def test_the_rarest_of_several_entries_leads(sqlite_store: Store, make_row: MakeRow) -> None:
    insert(sqlite_store, *(make_row(indexed=((NAME, f"name {n}"), (GROUP, "g"))) for n in range(100)))
    connection = HeldConnection(sqlite_store.database)
    asked = []
    ask = connection.all
    connection.all = lambda text, parameters=(): (asked.append(parameters), ask(text, parameters))[1]  # type: ignore
    connection.begin(writes=False)
    search = Search(owner="alice", index=((GROUP, "g"), (NAME, "name 7")))
    ((_,),) = sqlite_store.access.searcher.steps(connection, search)
    connection.rollback()
    connection.close()
    assert asked[-1][:3] == ("alice", NAME, "name 7")
