"""Brings the store that an earlier program made up to the schema of this one: step by step, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, select, update

from dscc.node import schema


def upgrade(connection: Connection) -> int:
    """Take what steps there are, in the caller's transaction, which writes: the version after them.

    It is not schema.VERSION if another program made the store, or a later one.
    """
    version: int = connection.execute(select(schema.about.c.schema_version)).scalar_one()
    while version in _STEPS:
        _STEPS[version](connection)
        version += 1
        connection.execute(update(schema.about).values(schema_version=version))
    return version


def _give_revocations_places(connection: Connection) -> None:
    """1 to 2: revocations have places among the audit records.

    Each has had a record, so the first places are there, one for each. Which of them it is does not matter, as long as
    the order is that in which they came: no device has been told yet up to where it has heard of them.
    """
    for table in (schema.revocations, schema.tokens, schema.receipts):
        for index in table.indexes:
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {index.name}")
    connection.exec_driver_sql("ALTER TABLE revocations RENAME TO revocations_1")
    schema.revocations.create(connection)
    connection.exec_driver_sql(
        "INSERT INTO revocations SELECT origin, number, kind, subject, reason, author, at,"
        " row_number() OVER (ORDER BY rowid) FROM revocations_1"
    )
    connection.exec_driver_sql("DROP TABLE revocations_1")
    for table in (schema.tokens, schema.receipts):
        for index in table.indexes:
            index.create(connection)


_STEPS: Final[dict[int, Callable[[Connection], None]]] = {1: _give_revocations_places}
"""By the version that each begins with."""
