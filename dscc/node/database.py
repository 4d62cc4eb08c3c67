"""A node's database: one SQLite file that only its owner may read, every commit of which is durable."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from dscc.node import schema
from dscc.node.upgrading import upgrade

_SETTINGS: Final = {
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "foreign_keys": "ON",
    "trusted_schema": "OFF",
    "secure_delete": "ON",
    "busy_timeout": "10000",
}


class NodeError(Exception):
    """What was asked of a node cannot be done; the message says why, and what to do."""


class NodeDatabase:
    """The database of one node. Each thread, and each process, opens its own connections."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
        event.listen(self._engine, "connect", _set_up)
        event.listen(self._engine, "begin", _begin)

    def create(self) -> None:
        """Make the file and its tables. Raises NodeError if there is one already."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise NodeError(f"there is a node in {self.path.parent} already") from None
        with self.open() as connection, connection.begin():
            schema.metadata.create_all(connection)
            connection.execute(insert(schema.about).values(schema_version=schema.VERSION))

    def check(self) -> None:
        """Have the database ready: what an earlier version made is brought up to this one (`upgrading.py`).

        Raises NodeError if there is no such database, others may read it, or a later version made it.
        """
        if not self.path.exists():
            raise NodeError(f"there is no node in {self.path.parent}; make one: dscc-node init {self.path.parent}")
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if mode & 0o077:
            raise NodeError(f"{self.path} has mode {mode:04o}: others may read it; set it to 0600")
        try:
            with self.reading() as connection:
                found = connection.execute(select(schema.about.c.schema_version)).scalar()
            if found != schema.VERSION:
                with self.writing() as connection:
                    found = upgrade(connection)
        except SQLAlchemyError as error:
            raise NodeError(f"{self.path} cannot be read: {error.__class__.__name__}") from None
        if found != schema.VERSION:
            raise NodeError(f"{self.path} has version {found} of the schema; this program has {schema.VERSION}")

    def open(self) -> Connection:
        """A connection; its user closes it."""
        return self._engine.connect()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads: one snapshot."""
        with self.open() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: no other writer is in it at the same time, in any process."""
        with self.open() as connection, writing(connection):
            yield connection


@contextmanager
def writing(connection: Connection) -> Iterator[Connection]:
    """A transaction that writes on an open connection. It is durable when this ends, or has not happened."""
    connection.execution_options(writes=True)
    try:
        with connection.begin():
            yield connection
    finally:
        connection.execution_options(writes=False)


def _set_up(connection: Any, _record: object) -> None:
    # SQLAlchemy begins transactions, and not the driver.
    connection.isolation_level = None
    cursor = connection.cursor()
    for name, value in _SETTINGS.items():
        cursor.execute(f"PRAGMA {name}={value}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
