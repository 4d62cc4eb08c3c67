"""One database by its URL: connections that keep the promised durability, or a refusal to use it.

SQLite runs in WAL mode with synchronous=FULL; PostgreSQL must not have fsync, full_page_writes or synchronous_commit
turned off. Both are verified for every connection: SQLite's settings belong to the connection and are lost with it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from kmip_server.storage.port import StorageUnavailable
from kmip_server.storage.schema import REVISION

_SQLITE_SETTINGS: dict[str, tuple[str, object]] = {
    # pragma: (value to set, value to read back)
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "foreign_keys": ("ON", 1),
    "trusted_schema": ("OFF", 0),
    "cell_size_check": ("ON", 1),
    "secure_delete": ("ON", 1),
    # Sorting never spills rows to a temporary file.
    "temp_store": ("MEMORY", 2),
    # 16 MiB of write-ahead log between two checkpoints: each costs two fsyncs and a walk over the changed pages.
    "wal_autocheckpoint": ("4000", 4000),
    "cache_size": ("-4096", -4096),
    "busy_timeout": ("10000", 10000),
}

_POSTGRESQL_SETTINGS: dict[str, frozenset[str]] = {
    "fsync": frozenset({"on"}),
    "full_page_writes": frozenset({"on"}),
    "synchronous_commit": frozenset({"on", "local", "remote_write", "remote_apply"}),
    "server_encoding": frozenset({"UTF8"}),
}

_CONNECT_SECONDS = 10


class UnsafeDatabaseError(Exception):
    """The database is set up in a way that is weaker than promised, or not reachable by the URL; the text says how."""


@dataclass(frozen=True, slots=True)
class Sql:
    """A Core statement in the words of one driver: its text, and the constants that follow the caller's parameters."""

    text: str
    constants: tuple[Any, ...]


class First(Protocol):
    """What each transaction of administration begins with; what it raises ends the transaction."""

    def __call__(self, connection: Connection, *, writes: bool) -> None:
        """Look at the database as the transaction sees it."""


class Database:
    """The database behind a URL: `sqlite:////absolute/path.db` or `postgresql+psycopg://user@host/name`."""

    def __init__(self, url: str, first: First | None = None) -> None:
        parsed = make_url(url)
        self._first = first
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed
        self.sqlite = parsed.get_backend_name() == "sqlite"
        if self.sqlite:
            self.path = _sqlite_path(parsed)
            self._dialect: Dialect = SQLiteDialect_pysqlite(paramstyle="qmark")
        elif parsed.drivername == "postgresql+psycopg":
            self._dialect = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]
        else:
            raise UnsafeDatabaseError(f"{parsed.drivername} is not supported: use sqlite or postgresql+psycopg")
        # A connection is held by its user for as long as it works; a pool would only hide when it is really closed.
        arguments = {} if self.sqlite or "connect_timeout" in parsed.query else {"connect_timeout": _CONNECT_SECONDS}
        try:
            self.engine: Engine = create_engine(parsed, poolclass=NullPool, connect_args=arguments)
        except ImportError as error:
            why, wanted = str(error).partition("\n")[0], "pip install 'kmip-server[postgres]'"
            raise UnsafeDatabaseError(f"the driver of PostgreSQL cannot be used ({why}): {wanted}") from None
        if self.sqlite:
            event.listen(self.engine, "connect", _set_up_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            event.listen(self.engine, "connect", _verify_postgresql)

    def create_file(self) -> None:
        """Make an empty SQLite file that only its owner may read; an existing one must have such a mode already.

        Raises UnsafeDatabaseError if others may read it. For PostgreSQL this does nothing.
        """
        if not self.sqlite:
            return
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            self.check_file()

    def check_file(self) -> None:
        """Raise UnsafeDatabaseError if the SQLite file is absent or others may read it. PostgreSQL: does nothing."""
        if not self.sqlite:
            return
        if not self.path.exists():
            raise UnsafeDatabaseError(f"there is no database at {self.path}")
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if mode & 0o077:
            raise UnsafeDatabaseError(f"{self.path} has mode {mode:04o}: others may read it; set it to 0600")

    def compile(self, statement: Executable, *order: str) -> Sql:
        """A Core statement as text for this driver, which takes the named parameters in the given order.

        Raises ValueError if the statement needs them in another order, so that an order is checked when it is written.
        """
        compiled = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]
        positions = tuple(compiled.positiontup or ())
        if positions[: len(order)] != order:
            raise ValueError(f"the parameters of this statement are {positions}")
        return Sql(str(compiled), tuple(compiled.params[name] for name in positions[len(order) :]))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction through SQLAlchemy for administration: one snapshot, which waits for no lock.

        Raises StorageUnavailable.
        """
        with _translated(), self.engine.connect().execution_options(reads=True) as connection:
            if not self.sqlite:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if self._first is not None:
                self._first(connection, writes=False)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction through SQLAlchemy for administration, committed at the end of the block.

        Raises StorageUnavailable.
        """
        with _translated(), self.engine.begin() as connection:
            if self._first is not None:
                self._first(connection, writes=True)
            yield connection

    def check_schema(self) -> None:
        """Raise UnsafeDatabaseError if the schema is not the one that this code is written for."""
        with self.reading() as connection:
            found = None
            if inspect(connection).has_table("alembic_version"):
                found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found != REVISION:
            wanted = f"this server needs {REVISION}: upgrade it"
            raise UnsafeDatabaseError(f"the database has schema {found or 'none'}, {wanted}")

    def close(self) -> None:
        """Forget the engine. Connections in use stay with their users."""
        self.engine.dispose()


def insert_if_new(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless there is one with its key, and say whether it was inserted.

    Whoever inserts the same one in a transaction under way is waited for.
    """
    made = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table).values(**values)
    wanted = made.on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return connection.execute(wanted).rowcount == 1


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        # The text of PostgreSQL may repeat parameters. That of SQLite does not: "database is locked".
        said = str(error.orig) if isinstance(error.orig, sqlite3.Error) else type(error.orig).__name__
        if getattr(error.orig, "sqlstate", "") is None:
            said += ": PostgreSQL cannot be reached, or lets nobody in by this URL"
        raise StorageUnavailable(f"the database says: {said}") from error


def _sqlite_path(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise UnsafeDatabaseError("an SQLite database must be a file: a store in memory is lost with the process")
    return Path(url.database).absolute()


def _set_up_sqlite(connection: DBAPIConnection, _record: object) -> None:
    """Apply and read back the settings of one connection; transactions begin only where the code says so."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma, (value, expected) in _SQLITE_SETTINGS.items():
        cursor.execute(f"PRAGMA {pragma}={value}")
        cursor.execute(f"PRAGMA {pragma}")
        found = cursor.fetchone()
        if found is None or found[0] != expected:
            raise UnsafeDatabaseError(f"SQLite did not accept {pragma}={value}: it says {found}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _verify_postgresql(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    for setting, allowed in _POSTGRESQL_SETTINGS.items():
        cursor.execute(f"SHOW {setting}")
        row: Sequence[str] | None = cursor.fetchone()
        if row is None or row[0] not in allowed:
            raise UnsafeDatabaseError(f"PostgreSQL has {setting}={row and row[0]}: a commit would not be durable")
    connection.rollback()
    cursor.close()
