"""What an administrator does, on record and told, in the transaction that does it: if one fails, all of it does."""

from __future__ import annotations

from sqlalchemy import Connection

from kmip_server.storage import audit_log
from kmip_server.storage.identifiers import new_identifier
from kmip_server.storage.port import AuditEntry
from policy import outbox
from policy.decision import Subject
from policy.model import Who
from policy.notifications import Event


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
    audit_log.append(connection, AuditEntry(now, by, operation, about or None, "succeeded", detail))
    said = Event(event, now, Subject(by, kind=Who.USER), about, operation, detail)
    outbox.announce(connection, said, new_identifier, channels)
