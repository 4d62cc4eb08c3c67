"""What an administrator may do, decided by the policy; and on record and told, in the transaction that does it."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from kmip_server.storage import audit_log, schema
from kmip_server.storage.identifiers import new_identifier
from kmip_server.storage.port import AuditEntry
from policy import outbox
from policy import store as policy_store
from policy.compiling import Ruling
from policy.decision import Decision, Subject, Thing, decide
from policy.model import DEFAULT_TENANT, PolicyError, Who
from policy.notifications import Event


class Administrator(NamedTuple):
    """Who administers, by name. `owns`: it is the account that the installation belongs to."""

    name: str
    owns: bool = False


_INSTALLATION: Final = frozenset({DEFAULT_TENANT})
_OF_VOTERS: Final = "ADMIN_APPROVE"
_OWNER: Final = Decision(True, "", "the installation is theirs, and the policy does not list them")


def decision_on(connection: Connection, who: Administrator, action: str, now: int) -> Decision:
    """Whether somebody may do an administrative action, by the policy in force in this transaction.

    Users of the policy are held to its rules. The owner's account, if the policy does not list it or cannot be read,
    may do everything. What is administered is the whole installation, which is of the tenant `default`; a vote is given
    in the voter's own. Raises PolicyError to others if the policy cannot be read.
    """
    try:
        policy = policy_store.in_force(connection)
    except PolicyError:
        if not who.owns:
            raise
        return _OWNER
    if who.owns and who.name not in policy.users:
        return _OWNER
    ruling = Ruling(policy)
    found = connection.execute(select(schema.users.c.groups).where(schema.users.c.name == who.name)).scalar()
    subject = ruling.subject(Who.USER, who.name, frozenset(json.loads(found or "[]")))
    server = Thing("SERVER", tenants=frozenset({subject.tenant}) if action == _OF_VOTERS else _INSTALLATION)
    return decide(ruling.rules, subject, action, server, ruling.context(subject, now))


def lock_policy(connection: Connection) -> None:
    """Keep the policy, the accounts and who decides by them as they are until the end of a transaction that writes."""
    epoch = schema.server_state.c.key == "epoch"
    connection.execute(select(schema.server_state.c.value).where(epoch).with_for_update())


def record(
    connection: Connection,
    operation: str,
    *,
    by: str,
    about: str,
    now: int,
    detail: str = "",
    outcome: str = "succeeded",
) -> None:
    """Put an act of the user `by` on record, in the transaction that does it. `now` is in POSIX seconds."""
    audit_log.append(connection, AuditEntry(now, by, operation, about or None, outcome, detail))


def done(
    connection: Connection,
    event: str,
    operation: str,
    *,
    by: str,
    about: str,
    now: int,
    detail: str,
    channels: frozenset[str] = frozenset(),
) -> None:
    """Record an act of the user `by`, and tell it to whom the policy in force wants it told.

    `now` is in POSIX seconds; `channels` are told of it in any case. Raises PolicyError if the policy in force cannot
    be read.
    """
    record(connection, operation, by=by, about=about, now=now, detail=detail)
    said = Event(event, now, Subject(by, kind=Who.USER), about, operation, detail)
    outbox.announce(connection, said, new_identifier, channels)
