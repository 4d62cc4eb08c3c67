"""Accounts: every change is one transaction, and moves the epoch on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kmip_server.storage.accounts import (
    AccountError,
    EpochReader,
    add_client,
    add_user,
    list_clients,
    read_accounts,
    remove_user,
    revoke_client,
    set_client_groups,
)
from kmip_server.storage.database import Database
from kmip_server.storage.store import Store

NONE: frozenset[str] = frozenset()


@pytest.fixture
def database(store: Store) -> Database:
    return store.database


def add(database: Database, name: str, fingerprint: str, groups: frozenset[str] = NONE) -> None:
    add_client(
        database,
        name=name,
        fingerprint=fingerprint,
        serial="0a",
        not_after=2_000_000_000,
        now=5,
        by="root",
        groups=groups,
    )


def test_a_client_is_in_force_until_it_is_revoked(database: Database) -> None:
    add(database, "alice", "aa" * 32, frozenset({"staff", "db"}))
    accounts = read_accounts(database)
    client = accounts.clients["aa" * 32]
    assert (client.name, client.serial, client.not_after, client.created_at) == ("alice", "0a", 2_000_000_000, 5)
    assert client.groups == accounts.groups["alice"] == {"staff", "db"}
    assert revoke_client(database, "alice", 9, by="root") == ("aa" * 32,)
    accounts = read_accounts(database)
    assert not accounts.clients
    assert accounts.revoked == {"aa" * 32}
    assert [client.revoked_at for client in list_clients(database)] == [9]


def test_a_name_has_one_certificate_in_force_and_a_revoked_one_never_comes_back(database: Database) -> None:
    add(database, "alice", "aa" * 32)
    with pytest.raises(AccountError, match="already"):
        add(database, "alice", "bb" * 32)
    with pytest.raises(AccountError, match="before"):
        add(database, "bob", "aa" * 32)
    revoke_client(database, "alice", 9, by="root")
    with pytest.raises(AccountError, match="before"):
        add(database, "alice", "aa" * 32)
    add(database, "alice", "bb" * 32)
    assert [client.revoked_at for client in list_clients(database)] == [9, None]


def test_what_is_not_there_cannot_be_changed(database: Database) -> None:
    for change in (
        lambda: revoke_client(database, "nobody", 1, by="root"),
        lambda: set_client_groups(database, "nobody", NONE, by="root", now=1),
        lambda: remove_user(database, "nobody", by="root", now=1),
    ):
        with pytest.raises(AccountError, match="nobody"):
            change()
    assert read_accounts(database).epoch == 0


@pytest.mark.parametrize("name", ["", "line\nbreak", "nul\0", "x" * 256, "\x1b[31m", "\ud800"])
def test_names_are_short_and_printable(database: Database, name: str) -> None:
    with pytest.raises(AccountError, match="255 printable"):
        add(database, name, "aa" * 32)
    with pytest.raises(AccountError, match="255 printable"):
        add(database, "alice", "aa" * 32, frozenset({name}))
    with pytest.raises(AccountError, match="255 printable"):
        add_user(database, name, "hash", NONE, by="root", now=1)


def test_users_come_and_go_and_their_hash_is_not_shown(database: Database) -> None:
    add_user(database, "carol", "$argon2id$hash", frozenset({"staff"}), by="root", now=1)
    with pytest.raises(AccountError, match="already"):
        add_user(database, "carol", "other", NONE, by="root", now=1)
    user = read_accounts(database).users["carol"]
    assert (user.password_hash, user.groups) == ("$argon2id$hash", {"staff"})
    assert "argon2id" not in repr(user)
    remove_user(database, "carol", by="root", now=1)
    assert not read_accounts(database).users


def test_every_change_moves_the_epoch_and_every_reader_sees_it(store: Store, database: Database) -> None:
    reader = EpochReader(database)
    assert reader.current() == 0
    changes = [
        lambda: add(database, "alice", "aa" * 32),
        lambda: set_client_groups(database, "alice", frozenset({"db"}), by="root", now=1),
        lambda: revoke_client(database, "alice", 1, by="root"),
        lambda: add_user(database, "carol", "hash", NONE, by="root", now=1),
        lambda: remove_user(database, "carol", by="root", now=1),
    ]
    for number, change in enumerate(changes, start=1):
        change()
        with store.unit(writes=False) as unit:
            assert reader.current() == read_accounts(database).epoch == unit.epoch() == number
    reader.close()


def test_two_who_add_the_same_name_at_once_do_not_both_succeed(database: Database) -> None:
    def attempt(number: int) -> bool:
        try:
            add(database, "alice", f"{number:064x}")
        except AccountError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1
    assert read_accounts(database).epoch == 1
