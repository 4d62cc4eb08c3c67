"""Where the servers and stores of a test run keep their data: SQLite files, or databases of one real PostgreSQL.

Whoever makes a server or a store is given one of these, so that a test which needs a database asks for the fixture
`databases`, itself or through another fixture: this is how `--database postgresql` knows which tests to run.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import count
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from kmip_server.storage import schema
from kmip_server.storage.database import Database
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.migrations import upgrade
from kmip_server.storage.store import Store
from support.postgres import PostgresServer

MASTER_KEY = bytes(range(32))
URL = "KMIP_STORAGE__URL"
"""The environment variable that says where a server's database is."""


class Databases(Protocol):
    """Gives databases and takes them back."""

    def place(self) -> dict[str, str]:
        """The environment in which `init` and `restore` make a server's database in a place of its own."""

    def empty(self, folder: Path) -> str:
        """The URL of a database without tables; its file, if it has one, is in `folder`."""

    def store(self, folder: Path) -> str:
        """The URL of an empty store under MASTER_KEY; its file, if it has one, is in `folder`."""

    def files(self, url: str) -> list[Path]:
        """The files in which what the database holds is on the disk."""

    def take_back(self, url: str) -> None:
        """Nobody uses this database any more."""


class SqliteDatabases:
    """Files in the folders of their users, who delete them."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def place(self) -> dict[str, str]:
        return {}

    def empty(self, folder: Path) -> str:
        return f"sqlite:///{folder}/store-{next(self._numbers)}.db"

    def store(self, folder: Path) -> str:
        url = self.empty(folder)
        path = Path(url.removeprefix("sqlite:///"))
        copyfile(_template() / "store.db", path)
        path.chmod(0o600)
        return url

    def files(self, url: str) -> list[Path]:
        path = Path(url.removeprefix("sqlite:///"))
        return list(path.parent.glob(f"{path.name}*"))

    def take_back(self, url: str) -> None:
        pass


class PostgresqlDatabases:
    """Databases of one PostgreSQL. A store that was taken back is emptied and given again: that is much faster."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._stores: dict[str, Contents] = {}
        self._free: list[str] = []

    def place(self) -> dict[str, str]:
        return {URL: self._server.create_database()}

    def empty(self, folder: Path) -> str:
        return self._server.create_database()

    def store(self, folder: Path) -> str:
        if self._free:
            url = self._free.pop()
            put_back(url, self._stores[url])
            return url
        url = self._server.create_database()
        upgrade(url)
        self._stores[url] = contents_of(url)
        return url

    def files(self, url: str) -> list[Path]:
        return self._server.files_of(url)

    def take_back(self, url: str) -> None:
        if url in self._stores:
            self._free.append(url)
        else:
            self._server.drop_database(url)


Contents = dict[str, list[dict[str, Any]]]
"""The rows of each table."""


def contents_of(url: str) -> Contents:
    """What a store holds."""
    database = Database(url)
    with database.reading() as connection:
        tables = schema.metadata.sorted_tables
        found = {table.name: [dict(row) for row in connection.execute(table.select()).mappings()] for table in tables}
    database.close()
    return found


def put_back(url: str, contents: Contents) -> None:
    """Bring a PostgreSQL store back to what it held after the migration, which would take many times as long."""
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '20s'")
        for table in schema.metadata.sorted_tables:
            connection.execute(table.delete())
        for name, rows in contents.items():
            if rows:
                connection.execute(schema.metadata.tables[name].insert(), rows)
    database.close()


def keep_place(directory: Path, environment: dict[str, str]) -> None:
    """Write into a server's configuration where its database was made, as whoever runs it would."""
    if URL in environment:
        configuration = directory / "server.toml"
        text, found = re.subn(r'(?m)^url = "[^"]*"', f'url = "{environment[URL]}"', configuration.read_text())
        assert found == 1, text
        configuration.write_text(text)


@cache
def _template_folder() -> TemporaryDirectory[str]:
    """A folder with an empty store, made once for a process and gone with it."""
    folder = TemporaryDirectory()
    Store.create(f"sqlite:///{folder.name}/store.db", LocalMasterKey(MASTER_KEY)).close()
    return folder


def _template() -> Path:
    return Path(_template_folder().name)
