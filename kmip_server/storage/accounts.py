"""Who may connect: client certificates, their groups, and users with passwords. All changes move the epoch on.

Administration calls the functions that change; each is one transaction. A worker keeps the snapshot of
`read_accounts()` and reads a new one when the epoch, which every unit can read, is not the snapshot's any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Row, cast, delete, insert, select, update
from sqlalchemy.types import BigInteger, Text

from kmip_server.storage import schema
from kmip_server.storage.administration import done, record
from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.database import Database
from kmip_server.storage.rows import storable_key
from policy import store as policy_store
from policy.model import Policy

_EPOCH = schema.server_state.c.key == "epoch"


class AccountError(Exception):
    """The change of accounts is not possible; the text says why."""


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A client certificate: its owner's name, its SHA-256 in lower-case hexadecimal, and its life."""

    name: str
    fingerprint: str
    serial: str
    not_after: int
    created_at: int
    revoked_at: int | None
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user who gives a password, as a second factor beside the certificate."""

    name: str
    password_hash: str
    groups: frozenset[str]

    def __repr__(self) -> str:
        return f"UserRecord({self.name!r}, groups={sorted(self.groups)})"


@dataclass(frozen=True, slots=True)
class Accounts:
    """All accounts at one epoch. `clients` are those in force, by fingerprint; `groups` go by client name.

    `quarantined` are names of clients; `stages` those of devices, by name.
    """

    epoch: int
    clients: Mapping[str, ClientRecord]
    revoked: frozenset[str]
    users: Mapping[str, UserRecord]
    groups: Mapping[str, frozenset[str]]
    stages: Mapping[str, str]
    quarantined: frozenset[str]


def add_client(
    database: Database,
    *,
    name: str,
    fingerprint: str,
    serial: str,
    not_after: int,
    now: int,
    by: str,
    groups: frozenset[str] = frozenset(),
) -> None:
    """Enter a client certificate, on record as done `by` a user.

    Raises AccountError if the name has one in force, or the certificate is known.
    """
    _check_name(name)
    clients = schema.clients
    with changing(database) as connection:
        in_force = (clients.c.name == name, clients.c.revoked_at.is_(None))
        if connection.execute(select(clients.c.name).where(*in_force)).first() is not None:
            raise AccountError(f"there is a client {name!r} already: revoke it first")
        if connection.execute(select(clients.c.name).where(clients.c.fingerprint == fingerprint)).first() is not None:
            raise AccountError("this certificate was entered before")
        values = {"serial": serial, "not_after": not_after, "created_at": now}
        connection.execute(insert(clients).values(name=name, fingerprint=fingerprint, revoked_at=None, **values))
        _replace_groups(connection, name, groups)
        detail = f"certificate {fingerprint}, {_in_words(groups)}"
        record(connection, "Client Addition", by=by, about=name, now=now, detail=detail)


def revoke_client(database: Database, name: str, now: int, *, by: str) -> tuple[str, ...]:
    """Revoke every certificate of a client, on record as done `by` a user; the fingerprints.

    Raises AccountError if it has none in force.
    """
    with changing(database) as connection:
        return revoke_certificates(connection, name, now, by=by)


def revoke_certificates(connection: Connection, name: str, now: int, *, by: str, why: str = "") -> tuple[str, ...]:
    """As `revoke_client`, in the caller's transaction, which moves the epoch on."""
    clients = schema.clients
    in_force = (clients.c.name == name, clients.c.revoked_at.is_(None))
    fingerprints = tuple(connection.execute(select(clients.c.fingerprint).where(*in_force)).scalars())
    if not fingerprints:
        raise AccountError(f"there is no client {name!r} with a certificate in force")
    connection.execute(update(clients).where(*in_force).values(revoked_at=now))
    detail = "; ".join([*([why] if why else []), f"certificates {', '.join(fingerprints)}"])
    done(connection, "client-revoked", "Client Revocation", by=by, about=name, now=now, detail=detail)
    return fingerprints


def list_clients(database: Database) -> list[ClientRecord]:
    """Every client certificate ever entered, by name and date."""
    clients = schema.clients.c
    with database.reading() as connection:
        groups = read_groups(connection)
        found = connection.execute(
            select(schema.clients).order_by(clients.name, clients.created_at, clients.fingerprint)
        )
        return [_client(row, groups) for row in found]


def set_client_groups(database: Database, name: str, groups: frozenset[str], *, by: str, now: int) -> None:
    """Replace the groups of a client, on record. Raises AccountError if no client has this name."""
    with changing(database) as connection:
        if connection.execute(select(schema.clients.c.name).where(schema.clients.c.name == name)).first() is None:
            raise AccountError(f"there is no client {name!r}")
        _replace_groups(connection, name, groups)
        record(connection, "Client Groups", by=by, about=name, now=now, detail=_in_words(groups))


def add_user(database: Database, name: str, password_hash: str, groups: frozenset[str], *, by: str, now: int) -> None:
    """Enter a user with the hash of the password, on record. Raises AccountError if the name is taken."""
    _check_name(name)
    users = schema.users
    for group in groups:
        _check_name(group)
    with changing(database) as connection:
        if connection.execute(select(users.c.name).where(users.c.name == name)).first() is not None:
            raise AccountError(f"there is a user {name!r} already: remove it first")
        values = {"password_hash": password_hash, "groups": json.dumps(sorted(groups))}
        connection.execute(insert(users).values(name=name, **values))
        record(connection, "User Addition", by=by, about=name, now=now, detail=_in_words(groups))


def set_password(database: Database, name: str, password_hash: str, *, by: str, now: int) -> None:
    """Replace the hash of a user's password, on record. Raises AccountError if there is no user of this name."""
    users = schema.users
    with changing(database) as connection:
        changed = update(users).where(users.c.name == name).values(password_hash=password_hash)
        if not connection.execute(changed).rowcount:
            raise AccountError(f"there is no user {name!r}")
        record(connection, "User Password", by=by, about=name, now=now)


def remove_user(database: Database, name: str, *, by: str, now: int) -> None:
    """Remove a user, on record. Raises AccountError if there is none of this name."""
    with changing(database) as connection:
        if not connection.execute(delete(schema.users).where(schema.users.c.name == name)).rowcount:
            raise AccountError(f"there is no user {name!r}")
        record(connection, "User Removal", by=by, about=name, now=now)


def read_accounts(database: Database) -> Accounts:
    """All accounts, as one transaction sees them."""
    with database.reading() as connection:
        epoch = connection.execute(select(schema.server_state.c.value).where(_EPOCH)).scalar_one()
        groups = read_groups(connection)
        records = [_client(row, groups) for row in connection.execute(select(schema.clients))]
        users = [
            UserRecord(row.name, row.password_hash, frozenset(json.loads(row.groups)))
            for row in connection.execute(select(schema.users))
        ]
        stages = {row.name: row.stage for row in connection.execute(select(schema.devices))}
        standing = schema.client_standing.c
        held = connection.execute(select(standing.name).where(standing.quarantined_at.is_not(None))).scalars()
        quarantined = frozenset(held)
    return Accounts(
        epoch=int(epoch),
        clients={record.fingerprint: record for record in records if record.revoked_at is None},
        revoked=frozenset(record.fingerprint for record in records if record.revoked_at is not None),
        users={user.name: user for user in users},
        groups=groups,
        stages=stages,
        quarantined=quarantined,
    )


def read_policy(database: Database) -> Policy:
    """The policy in force; an empty one before there is any. Raises PolicyError."""
    with database.reading() as connection:
        return policy_store.in_force(connection)


class EpochReader:
    """Reads the current epoch over a held connection: a few microseconds on SQLite. Not thread-safe."""

    def __init__(self, database: Database) -> None:
        self._connection = HeldConnection(database)
        self._text = database.compile(select(schema.server_state.c.value).where(schema.server_state.c.key == "epoch"))

    def current(self) -> int:
        """The epoch now. Raises StorageUnavailable."""
        self._connection.begin(writes=False)
        try:
            return int(self._connection.all(self._text.text, self._text.constants)[0][0])
        finally:
            self._connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def changing(database: Database) -> Iterator[Connection]:
    """A transaction that moves the epoch on; its row is taken first, so that changes are made one after another."""
    state = schema.server_state
    with database.writing() as connection:
        following = cast(cast(state.c.value, BigInteger) + 1, Text)
        connection.execute(update(state).where(_EPOCH).values(value=following))
        yield connection


def _replace_groups(connection: Connection, name: str, groups: frozenset[str]) -> None:
    for group in groups:
        _check_name(group)
    table = schema.client_groups
    connection.execute(delete(table).where(table.c.client == name))
    if groups:
        connection.execute(insert(table), [{"client": name, "name": group} for group in sorted(groups)])


def read_groups(connection: Connection) -> dict[str, frozenset[str]]:
    """The groups of clients, by name."""
    groups: dict[str, set[str]] = {}
    for row in connection.execute(select(schema.client_groups)):
        groups.setdefault(row.client, set()).add(row.name)
    return {name: frozenset(names) for name, names in groups.items()}


def _client(row: Row[tuple[object, ...]], groups: Mapping[str, frozenset[str]]) -> ClientRecord:
    return ClientRecord(
        name=row.name,
        fingerprint=row.fingerprint,
        serial=row.serial,
        not_after=row.not_after,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        groups=groups.get(row.name, frozenset()),
    )


def _in_words(groups: frozenset[str]) -> str:
    return f"groups {', '.join(sorted(groups))}" if groups else "no group"


def _check_name(name: str) -> None:
    if not name or not name.isprintable() or not storable_key(name):
        raise AccountError("a name has 1 to 255 printable characters")
