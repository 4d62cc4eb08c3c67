"""Automatic rules on a real store with an engine, by a clock that the test holds."""

from __future__ import annotations

from typing import Any

import tomli_w
from sqlalchemy import Connection, select

from kmip_server.automating.automation import Automation, Outcome
from kmip_server.engine import Engine
from kmip_server.identity.directory import Directory
from kmip_server.opening import directory_source
from kmip_server.operations.services import Services
from kmip_server.storage import schema
from kmip_server.storage.accounts import add_client, changing
from kmip_server.storage.port import AuditEntry
from kmip_server.storage.store import Store
from policy import store as policy_store
from policy.documents import read_document

DAY = 86_400
NOON = 1_900_000_000
"""Later than the migration, from which on inactivity is counted."""


GUESSING = {
    "name": "guessing",
    "if": "failed-authentications",
    "then": "quarantine",
    "count": 3,
    "within": "10m",
    "subjects": ["anyone"],
}
"""A rule about wrong passwords."""


class Rules:
    """A store whose policy has automatic rules. Each `worker()` is as good as another process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.version = 0

    def put(self, *automatic: dict[str, Any], **document: Any) -> None:
        """Put a policy in force that tells a channel of every act."""
        channels = {"ops": {"kind": "syslog", "url": "udp://127.0.0.1:9"}}
        told = [{"events": ["rule-acted", "client-quarantined", "client-revoked", "device-*"], "channels": ["ops"]}]
        whole = {"channels": channels, "notifications": told, "automatic": list(automatic), **document}
        self.version += 1
        policy = read_document(tomli_w.dumps(whole), "here")
        with changing(self.store.database) as connection:
            policy_store.put_in_force(connection, policy, author="root", comment=str(self.version), now=self.version)

    def worker(self) -> Automation:
        directories = directory_source(self.store)

        def newest() -> Directory:
            directories.refresh()
            return directories.current

        return Automation(self.store, Engine(Services(ruling=directories.current.ruling)), newest)

    def look(self, now: int, **how: Any) -> list[Outcome]:
        return self.worker().look(now, **how)

    def add(self, name: str, now: int, *groups: str) -> None:
        add_client(
            self.store.database,
            name=name,
            fingerprint=name.encode().hex(),
            serial="1",
            not_after=NOON * 2,
            now=now,
            by="root",
            groups=frozenset(groups),
        )

    def guess(self, name: str, *moments: int) -> None:
        """Put wrong passwords on record, as the server does."""
        with self.store.unit(writes=True) as unit:
            for at in moments:
                unit.audit(AuditEntry(at, name, "Authentication", None, "failed", "wrong"))

    def audit(self) -> list[tuple[str, str, str | None, str]]:
        """Who did what to whom, and how it ended; guesses and clients' own requests left out."""
        table = schema.audit.c
        wanted = select(table.caller, table.operation, table.unique_identifier, table.outcome).order_by(table.sequence)
        with self.store.database.reading() as connection:
            rows = [tuple(row) for row in connection.execute(wanted)]
        return [row for row in rows if row[0].startswith("automatic rule")]

    def told(self) -> list[tuple[str, str]]:
        """What went to the outbox: event and channel, the oldest first."""
        table = schema.outbox.c
        with self.store.database.reading() as connection:
            rows = connection.execute(select(table.event, table.channel).order_by(table.message_id))
            return [tuple(row) for row in rows]


def count(connection: Connection, table: Any) -> int:
    return len(connection.execute(select(table)).all())
