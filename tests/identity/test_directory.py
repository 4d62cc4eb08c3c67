from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update
from support.databases import Databases

from kmip_server.identity.caller import Caller
from kmip_server.identity.certificate import CertificateIdentity, IdentityError
from kmip_server.identity.credentials import hash_password
from kmip_server.identity.directory import DirectorySource
from kmip_server.storage import accounts, standing
from kmip_server.storage.database import Database
from policy.model import Policy, PolicyError
from policy.operation_policies import BUILT_IN, parse_policies
from policy.store import put_in_force, versions

TEAM = '{"team": {"SYMMETRIC_KEY": {"LOCATE": "ALLOW_ALL"}}}'


@pytest.fixture
def database(databases: Databases, tmp_path: Path) -> Iterator[Database]:
    url = databases.store(tmp_path)
    database = Database(url)
    yield database
    database.close()
    databases.take_back(url)


@pytest.fixture
def source(database: Database) -> Iterator[DirectorySource]:
    reader = accounts.EpochReader(database)
    yield DirectorySource(
        lambda: accounts.read_accounts(database),
        lambda: (record.name for record in accounts.list_clients(database)),
        reader.current,
        lambda: accounts.read_policy(database),
    )
    reader.close()


def _add(database: Database, name: str, *groups: str, fingerprint: str = "") -> None:
    accounts.add_client(
        database,
        name=name,
        fingerprint=fingerprint or f"fingerprint of {name}",
        serial="1",
        not_after=2_000_000_000,
        now=1_700_000_000,
        by="root",
        groups=frozenset(groups),
    )


def _identity(name: str, fingerprint: str = "") -> CertificateIdentity:
    return CertificateIdentity(name, fingerprint or f"fingerprint of {name}", datetime(2033, 5, 18, tzinfo=UTC))


def test_a_caller_gets_its_groups_from_the_servers_records(source: DirectorySource, database: Database) -> None:
    _add(database, "alice", "arrays", "tapes")
    assert source.refresh()
    caller = source.current.caller(_identity("alice"))
    assert caller == Caller("alice", frozenset({"arrays", "tapes"}), "fingerprint of alice")


def test_a_client_of_the_trusted_authority_that_nobody_entered_has_no_groups(source: DirectorySource) -> None:
    assert source.current.caller(_identity("stranger")).groups == frozenset()


def test_a_revoked_certificate_is_nobody_and_a_new_one_of_the_same_name_is_somebody(
    source: DirectorySource, database: Database
) -> None:
    _add(database, "alice", "arrays")
    accounts.revoke_client(database, "alice", 1_700_000_001, by="root")
    assert source.refresh()
    with pytest.raises(IdentityError, match="revoked"):
        source.current.caller(_identity("alice"))
    _add(database, "alice", fingerprint="another")
    source.refresh()
    assert source.current.caller(_identity("alice", "another")).name == "alice"
    with pytest.raises(IdentityError, match="revoked"):
        source.current.caller(_identity("alice"))


def test_a_revoked_clients_name_stays_known(source: DirectorySource, database: Database) -> None:
    _add(database, "alice")
    accounts.revoke_client(database, "alice", 1_700_000_001, by="root")
    source.refresh()
    assert "alice" in source.current.clients


def test_users_and_their_groups_are_in_the_directory(source: DirectorySource, database: Database) -> None:
    hashed = hash_password("correct horse")
    accounts.add_user(database, "operator", hashed, frozenset({"operators"}), by="root", now=1)
    source.refresh()
    user = source.current.users["operator"]
    assert (user.name, user.password_hash, user.groups) == ("operator", hashed, {"operators"})
    accounts.remove_user(database, "operator", by="root", now=1)
    source.refresh()
    assert not source.current.users


def test_a_caller_is_looked_up_again_in_a_newer_directory(source: DirectorySource, database: Database) -> None:
    _add(database, "alice", "arrays")
    source.refresh()
    caller = source.current.caller(_identity("alice"))
    accounts.set_client_groups(database, "alice", frozenset({"tapes"}), by="root", now=1)
    source.refresh()
    assert source.current.again(caller) == Caller("alice", frozenset({"tapes"}), "fingerprint of alice")
    assert source.current.named("alice") == Caller("alice", frozenset({"tapes"}))
    accounts.revoke_client(database, "alice", 1_700_000_001, by="root")
    source.refresh()
    with pytest.raises(IdentityError, match="revoked"):
        source.current.again(caller)
    with pytest.raises(IdentityError, match="revoked"):
        source.current.named("alice")
    assert source.current.named("somebody nobody entered").groups == frozenset()


def test_many_threads_may_refresh_at_once(source: DirectorySource, database: Database) -> None:
    _add(database, "alice", "arrays")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: source.refresh(), range(32)))
    assert answers.count(True) == 1
    assert "alice" in source.current.clients


def test_a_snapshot_never_changes_and_a_refresh_without_change_keeps_it(
    source: DirectorySource, database: Database
) -> None:
    before = source.current
    assert not source.refresh()
    assert source.current is before
    _add(database, "alice")
    assert source.refresh()
    assert "alice" not in before.clients
    assert source.current.epoch > before.epoch


def _put_in_force(database: Database, policy: Policy) -> None:
    with accounts.changing(database) as connection:
        put_in_force(connection, policy, author="root", comment="", now=1_700_000_000)


def test_the_policy_in_force_decides_and_its_successor_is_read(source: DirectorySource, database: Database) -> None:
    assert source.current.ruling.operation_policies == BUILT_IN
    _put_in_force(database, Policy(operation_policies=parse_policies(TEAM, "here")))
    assert source.refresh()
    assert set(source.current.ruling.operation_policies) == {"default", "public", "team"}
    assert not source.refresh()
    _put_in_force(database, Policy())
    assert source.refresh()
    assert source.current.ruling.operation_policies == BUILT_IN


def test_a_policy_that_cannot_be_used_is_told_and_the_directory_is_not_the_newest_until_another_is_in_force(
    source: DirectorySource, database: Database
) -> None:
    before = source.current
    _put_in_force(database, Policy(operation_policies=parse_policies(TEAM, "here")))
    with database.writing() as connection:
        connection.execute(update(versions).values(document="other"))
    for _ in range(2):
        with pytest.raises(PolicyError, match="was changed in the database"):
            source.refresh()
    assert source.current is before
    _put_in_force(database, Policy())
    assert source.refresh()


def test_a_client_in_quarantine_is_nobody_until_it_is_released(source: DirectorySource, database: Database) -> None:
    _add(database, "alice")
    source.refresh()
    caller = source.current.caller(_identity("alice"))
    assert source.current.admits(caller)
    standing.quarantine_client(database, "alice", by="root", now=1_700_000_001)
    assert source.refresh()
    assert not source.current.admits(caller)
    for ask in (
        lambda: source.current.caller(_identity("alice")),
        lambda: source.current.caller(_identity("alice", "of another authority")),
        lambda: source.current.again(caller),
        lambda: source.current.named("alice"),
    ):
        with pytest.raises(IdentityError, match="in quarantine"):
            ask()
    standing.release_client(database, "alice", by="root", now=1_700_000_002)
    source.refresh()
    assert source.current.again(caller) == caller
