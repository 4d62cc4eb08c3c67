"""One held connection, run without SQLAlchemy between the statement's text and the driver.

SQLAlchemy compiles the statements once (database.py); executing them through it would cost several times what the
database itself takes. Transactions are begun and ended by explicit statements on both databases.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, cast

from kmip_server.storage.database import Database
from kmip_server.storage.port import StorageConflict, StorageUnavailable

Row = tuple[Any, ...]

LOCK_WAIT = 5.0
"""How long a transaction waits for another process's write lock, in seconds."""

_LOCK_POLL = 0.0003

# A process that was stopped in the middle of a transaction does not stop the others for ever.
_POSTGRESQL_PATIENCE = {"lock_timeout": "10s", "idle_in_transaction_session_timeout": "60s"}
_STREAM_STEP = 500


class _Cursor(Protocol):
    rowcount: int

    def execute(self, text: Any, parameters: Sequence[Any] = ..., /) -> Any: ...
    def executemany(self, text: Any, rows: Iterable[Sequence[Any]], /) -> Any: ...
    def fetchone(self) -> Row | None: ...
    def fetchall(self) -> list[Row]: ...


class HeldConnection:
    """A connection that one user keeps. Not thread-safe. Opens itself again after a failure.

    Every method may raise StorageUnavailable (nothing can be done now), StorageConflict (another transaction was first)
    or ValueError (the database does not take this parameter). `failed` is true then, and the transaction must be rolled
    back.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.failed = False
        self._connection: Any = None
        self._cursor: _Cursor
        self._errors: type[Exception] = sqlite3.Error
        self._meaning: Callable[[Exception], Exception] = _sqlite_failure
        if not database.sqlite:
            import psycopg

            self._errors = psycopg.Error
            self._meaning = _postgresql_failure
        self._open()

    @property
    def lost(self) -> bool:
        """Whether there is no connection; the next begin() opens one."""
        return self._connection is None

    def _open(self) -> None:
        try:
            proxy = self._database.engine.raw_connection()
        except Exception as error:
            if isinstance(error, self._errors):
                raise self._failure(error) from error
            raise
        connection = proxy.driver_connection
        assert connection is not None
        proxy.detach()
        if self._database.sqlite:
            # begin() waits for the lock itself: SQLite's own waiting sleeps up to 0.1 s at a time and starves.
            connection.execute("PRAGMA busy_timeout=0")
        else:
            connection.autocommit = True
            for setting, value in _POSTGRESQL_PATIENCE.items():
                connection.execute(f"SET {setting} = '{value}'")
        self._connection = connection
        self._cursor = cast(_Cursor, connection.cursor())

    def _failure(self, error: Exception) -> Exception:
        self.failed = True
        return self._meaning(error)

    def begin(self, *, writes: bool, wait: float | None = None) -> None:
        """Begin a transaction; one that writes takes SQLite's write lock at once, one that reads sees one snapshot.

        `wait` is how long it may wait for that lock, in seconds: LOCK_WAIT if None.
        """
        self.failed = False
        if self._connection is None:
            self._open()
        try:
            if self._database.sqlite:
                self._begin_sqlite("BEGIN IMMEDIATE" if writes else "BEGIN", LOCK_WAIT if wait is None else wait)
            else:
                self._begin_postgresql("READ COMMITTED" if writes else "REPEATABLE READ READ ONLY")
        except self._errors as error:
            raise self._failure(error) from error

    def _begin_postgresql(self, level: str) -> None:
        try:
            self._cursor.execute(f"BEGIN ISOLATION LEVEL {level}")
        except self._errors:
            # The server closed an idle connection, or was restarted: nothing had begun on it.
            self.close()
            self._open()
            self._cursor.execute(f"BEGIN ISOLATION LEVEL {level}")

    def _begin_sqlite(self, begin: str, wait: float) -> None:
        deadline = 0.0
        while True:
            try:
                self._cursor.execute(begin)
                if begin == "BEGIN":
                    # A deferred transaction has no snapshot before its first read.
                    self._cursor.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                if self._connection.in_transaction:
                    self._cursor.execute("ROLLBACK")
                now = time.monotonic()
                deadline = deadline or now + wait
                if now >= deadline:
                    raise
                time.sleep(_LOCK_POLL)
            else:
                return

    def commit(self) -> None:
        """Make the transaction durable. After an exception it has not happened, unless the connection was lost."""
        try:
            self._cursor.execute("COMMIT")
        except self._errors as error:
            raise self._failure(error) from error

    def rollback(self) -> None:
        """End the transaction without effect. Never raises: a connection that cannot is closed, and reopened later."""
        if self._connection is None:
            return
        try:
            if not self._database.sqlite or self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
        except self._errors:
            self.close()

    def first(self, text: str, parameters: Sequence[Any]) -> Row | None:
        """The first row of an answer that has one row at most, or None."""
        try:
            self._cursor.execute(text, parameters)
            return self._cursor.fetchone()
        except self._errors as error:
            raise self._failure(error) from error

    def all(self, text: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of an answer."""
        try:
            self._cursor.execute(text, parameters)
            return self._cursor.fetchall()
        except self._errors as error:
            raise self._failure(error) from error

    def stream(self, text: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a long answer, some at a time, while other statements run on the connection."""
        try:
            cursor = self._connection.cursor()
            cursor.execute(text, parameters)
            while rows := cursor.fetchmany(_STREAM_STEP):
                yield from rows
        except self._errors as error:
            raise self._failure(error) from error

    def run(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """Carry out a statement; the number of rows it changed."""
        try:
            self._cursor.execute(text, parameters)
        except self._errors as error:
            raise self._failure(error) from error
        return self._cursor.rowcount

    def run_many(self, text: str, rows: Sequence[Sequence[Any]]) -> int:
        """Carry out a statement once for each row of parameters; the number of rows it changed in all."""
        try:
            self._cursor.executemany(text, map(_quick, rows) if self._database.sqlite else rows)
        except self._errors as error:
            raise self._failure(error) from error
        return self._cursor.rowcount

    def close(self) -> None:
        """Close the connection; a transaction under way is rolled back. The next begin() opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except self._errors:
                return


_QUICK = frozenset({int, str, float, type(None)})


def _quick(row: Sequence[Any]) -> list[Any]:
    """The row in types that Python's driver for SQLite takes at once; for others it looks for an adapter each time."""
    return [
        value if (kind := type(value)) in _QUICK else bytearray(value) if kind is bytes else int(value) for value in row
    ]


def _sqlite_failure(error: Exception) -> Exception:
    if isinstance(error, sqlite3.IntegrityError):
        return StorageConflict("a row with this key exists already, or a row it needs is gone")
    if isinstance(error, (sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)):
        return ValueError(f"the database does not take this: {error}")
    return StorageUnavailable(f"the database says: {error}")


def _postgresql_failure(error: Exception) -> Exception:
    import psycopg

    if isinstance(error, psycopg.IntegrityError):
        return StorageConflict("a row with this key exists already, or a row it needs is gone")
    if isinstance(error, (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)):
        return StorageConflict("another transaction changed the same rows first")
    if isinstance(error, (psycopg.DataError, psycopg.ProgrammingError)):
        return ValueError(f"the database does not take this: {type(error).__name__}")
    # The server's text may repeat parameters: only the class of the error is told.
    return StorageUnavailable(f"the database says: {type(error).__name__} {getattr(error, 'sqlstate', '')}")
