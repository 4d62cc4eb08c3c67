"""Where clients stand: when each was seen last, and whether it is in quarantine, by name.

A client in quarantine is refused everything, from its very next request on and on every worker, until it is released.
It stays there if it gets another certificate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select, update

from kmip_server.storage import schema
from kmip_server.storage.accounts import AccountError, changing
from kmip_server.storage.administration import done
from kmip_server.storage.database import Database, insert_if_new

_TABLE = schema.client_standing


@dataclass(frozen=True, slots=True)
class ClientStanding:
    """When a client was seen, put into quarantine, and released; POSIX seconds, None for never.

    `quarantined_at` is None again when it is released.
    """

    name: str
    last_seen_at: int | None = None
    quarantined_at: int | None = None
    released_at: int | None = None


def standings(connection: Connection) -> dict[str, ClientStanding]:
    """Where every client stands of whom anything is known beside its certificates, by name."""
    return {row.name: ClientStanding(**row._mapping) for row in connection.execute(select(_TABLE))}


def list_standings(database: Database) -> dict[str, ClientStanding]:
    """As `standings`, in a transaction of its own."""
    with database.reading() as connection:
        return standings(connection)


def quarantine_client(database: Database, name: str, *, by: str, now: int, detail: str = "") -> None:
    """Put a client into quarantine. Raises AccountError if it is there, or nobody of this name is known."""
    with changing(database) as connection:
        put_into_quarantine(connection, name, by=by, now=now, detail=detail)


def put_into_quarantine(connection: Connection, name: str, *, by: str, now: int, detail: str = "") -> None:
    """As `quarantine_client`, in the caller's transaction, which moves the epoch on."""
    _make_known(connection, name)
    free = (_TABLE.c.name == name, _TABLE.c.quarantined_at.is_(None))
    if not connection.execute(update(_TABLE).where(*free).values(quarantined_at=now)).rowcount:
        raise AccountError(f"{name} is in quarantine already")
    done(connection, "client-quarantined", "Client Quarantine", by=by, about=name, now=now, detail=detail)


def release_client(database: Database, name: str, *, by: str, now: int, detail: str = "") -> None:
    """Let a client out of quarantine. Raises AccountError if it is not there.

    What was against it before, wrong passwords or that it was not seen for long, counts no more.
    """
    held = (_TABLE.c.name == name, _TABLE.c.quarantined_at.is_not(None))
    with changing(database) as connection:
        if not connection.execute(update(_TABLE).where(*held).values(quarantined_at=None, released_at=now)).rowcount:
            raise AccountError(f"{name} is not in quarantine; `client list` says who is")
        done(connection, "client-released", "Client Release", by=by, about=name, now=now, detail=detail)


def note_seen(connection: Connection, names: Iterable[str], now: int) -> None:
    """Note that clients were seen by now. This is no change of accounts: the epoch stays."""
    # In one order, so that two who note the same names wait for each other and never in a circle.
    for name in sorted(names):
        insert_if_new(connection, _TABLE, name=name)
        earlier = or_(_TABLE.c.last_seen_at.is_(None), _TABLE.c.last_seen_at < now)
        connection.execute(update(_TABLE).where(_TABLE.c.name == name, earlier).values(last_seen_at=now))


def _make_known(connection: Connection, name: str) -> None:
    """Have a row for a client that was entered, or seen with the certificate of another authority."""
    clients = schema.clients.c
    if connection.execute(select(_TABLE.c.name).where(_TABLE.c.name == name)).first() is not None:
        return
    if connection.execute(select(clients.name).where(clients.name == name).limit(1)).first() is None:
        raise AccountError(f"there is no client {name!r}, and none of this name was seen")
    insert_if_new(connection, _TABLE, name=name)
