"""The outbox: what is to be told, kept in the transaction of what has happened, until it is delivered.

A row is claimed by moving its next attempt into the future: of several workers one delivers it, and if that one dies,
it is delivered by another one then. So a message may come twice, with the same id, and is never lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, MetaData, Table, Text, delete, insert, select, update

from policy import store
from policy.notifications import Event, Waiting, by_event, messages, new_row

metadata = MetaData()

outbox = Table(
    "outbox",
    metadata,
    # Begins with the time: see identifiers.py.
    Column("message_id", Text, primary_key=True),
    # POSIX seconds.
    Column("at", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("channel", Text, nullable=False),
    # A JSON object without secrets: see notifications.py.
    Column("body", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    # None once it is delivered, or given up.
    Column("next_attempt_at", BigInteger),
    Column("delivered_at", BigInteger),
    Column("last_error", Text, nullable=False),
)
Index(
    "outbox_due",
    outbox.c.next_attempt_at,
    sqlite_where=outbox.c.next_attempt_at.is_not(None),
    postgresql_where=outbox.c.next_attempt_at.is_not(None),
)


def announce(
    connection: Connection, event: Event, new_identifier: Callable[[], str], channels: frozenset[str] = frozenset()
) -> None:
    """Put what the policy in force says about an event into the outbox, in the caller's transaction.

    These `channels` are told in any case.

    Raises PolicyError.
    """
    found = store.current(connection)
    if found is None:
        return
    made = messages(by_event(found.policy), event, channels)
    if made:
        connection.execute(insert(outbox), [new_row(message, new_identifier())._asdict() for message in made])


def rows(connection: Connection) -> list[Waiting]:
    """Everything in the outbox, the newest first."""
    found = connection.execute(select(outbox).order_by(outbox.c.message_id.desc()))
    return [Waiting(**row._mapping) for row in found]


def retry(connection: Connection, message_id: str, now: int) -> bool:
    """Try a message again that is not delivered, as if it were new; whether there is such a one."""
    values: dict[str, Any] = {"attempts": 0, "next_attempt_at": now}
    waiting = (outbox.c.message_id == message_id, outbox.c.delivered_at.is_(None))
    return bool(connection.execute(update(outbox).where(*waiting).values(values)).rowcount)


class OutboxIn:
    """The outbox in a transaction of SQLAlchemy's, as a deliverer works on it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def due_messages(self, now: int, limit: int) -> list[Waiting]:
        """Messages whose next attempt is due, the most urgent first, so many of them."""
        due = select(outbox).where(outbox.c.next_attempt_at <= now)
        found = self._connection.execute(due.order_by(outbox.c.next_attempt_at, outbox.c.message_id).limit(limit))
        return [Waiting(**row._mapping) for row in found]

    def claim_message(self, message: Waiting, until: int) -> bool:
        """Have a message to deliver until then (POSIX seconds); False if another process has it already."""
        this = (outbox.c.message_id == message.message_id, outbox.c.next_attempt_at == message.next_attempt_at)
        claim = update(outbox).where(*this).values(next_attempt_at=until, attempts=outbox.c.attempts + 1)
        return self._connection.execute(claim).rowcount == 1

    def settle_message(self, message: Waiting) -> None:
        """Store when a message was delivered, or is tried again, or that it is given up; with the last error."""
        this = (outbox.c.message_id == message.message_id, outbox.c.delivered_at.is_(None))
        values = {name: getattr(message, name) for name in ("next_attempt_at", "delivered_at", "last_error")}
        self._connection.execute(update(outbox).where(*this).values(values))

    def forget_messages(self, before: int) -> None:
        """Forget the messages from before a time that are delivered or given up."""
        self._connection.execute(delete(outbox).where(outbox.c.next_attempt_at.is_(None), outbox.c.at < before))
