"""Where clients stand: seen, in quarantine, released; each change once, on record, and noticed by every worker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, select

from kmip_server.storage import schema
from kmip_server.storage.accounts import AccountError, add_client, read_accounts, revoke_client
from kmip_server.storage.automatic_facts import wrong_passwords
from kmip_server.storage.database import Database
from kmip_server.storage.standing import (
    ClientStanding,
    list_standings,
    note_seen,
    quarantine_client,
    release_client,
)
from kmip_server.storage.store import Store


@pytest.fixture
def database(store: Store) -> Database:
    return store.database


def add(database: Database, name: str, fingerprint: str = "aa") -> None:
    add_client(database, name=name, fingerprint=fingerprint * 32, serial="1", not_after=2_000_000_000, now=5, by="root")


def seen(database: Database, *names: str, now: int) -> None:
    with database.writing() as connection:
        note_seen(connection, names, now)


def on_record(database: Database) -> list[tuple[str, str, str | None, str]]:
    """What was done to clients that were entered."""
    table = schema.audit.c
    columns = select(table.operation, table.caller, table.unique_identifier, table.detail).order_by(table.sequence)
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(columns) if row.operation != "Client Addition"]


def test_a_client_is_in_quarantine_until_it_is_released(database: Database) -> None:
    add(database, "alice")
    before = read_accounts(database)
    quarantine_client(database, "alice", by="root", now=7, detail="lost")
    held = read_accounts(database)
    assert (before.quarantined, held.quarantined) == (frozenset(), {"alice"})
    assert held.epoch > before.epoch
    assert list_standings(database) == {"alice": ClientStanding("alice", None, 7, None)}
    release_client(database, "alice", by="root", now=9)
    free = read_accounts(database)
    assert free.quarantined == frozenset()
    assert free.epoch > held.epoch
    assert list_standings(database) == {"alice": ClientStanding("alice", None, None, 9)}
    assert on_record(database) == [
        ("Client Quarantine", "root", "alice", "lost"),
        ("Client Release", "root", "alice", ""),
    ]


def test_it_is_done_once_and_to_those_who_are_known(database: Database) -> None:
    add(database, "alice")
    with pytest.raises(AccountError, match="no client 'nobody', and none of this name was seen"):
        quarantine_client(database, "nobody", by="root", now=1)
    with pytest.raises(AccountError, match="not in quarantine"):
        release_client(database, "alice", by="root", now=1)

    def attempt(_: int) -> bool:
        try:
            quarantine_client(database, "alice", by="root", now=1)
        except AccountError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [False, False, False, True]
    assert len(on_record(database)) == 1


def test_who_comes_back_with_another_certificate_is_in_quarantine_still(database: Database) -> None:
    add(database, "alice")
    quarantine_client(database, "alice", by="root", now=7)
    revoke_client(database, "alice", 8, by="root")
    add(database, "alice", "bb")
    assert read_accounts(database).quarantined == {"alice"}


def test_seeing_goes_forward_only_and_moves_no_epoch(database: Database) -> None:
    before = read_accounts(database).epoch
    seen(database, "alice", "stranger", now=20)
    seen(database, "alice", now=10)
    found = list_standings(database)
    assert [found[name].last_seen_at for name in ("alice", "stranger")] == [20, 20]
    assert read_accounts(database).epoch == before
    quarantine_client(database, "stranger", by="root", now=30)
    assert read_accounts(database).quarantined == {"stranger"}, "the certificate of another authority is no way out"


def test_two_who_note_the_same_names_at_once_both_do(database: Database) -> None:
    names = [f"client {number}" for number in range(20)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda order: seen(database, *order, now=3), [names, names[::-1]]))
    assert {each.last_seen_at for each in list_standings(database).values()} == {3}


def test_counting_wrong_passwords_reads_nothing_else(sqlite_store: Store) -> None:
    """The index holds them alone: what a client's other requests put on record costs no time."""
    statements: list[str] = []
    engine = sqlite_store.database.engine
    event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_: statements.append(statement))
    with sqlite_store.database.reading() as connection:
        wrong_passwords(connection, 0, 10)
        (asked,) = [each for each in statements if "FROM audit" in each]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", (0, 10, 1, 0)[: asked.count("?")]).all()
    assert any("audit_authentications" in row[3] for row in plan), plan
