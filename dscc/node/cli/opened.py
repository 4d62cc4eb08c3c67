"""A node's folder, as its commands open it."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
from sqlalchemy import Connection

from dscc.node.database import NodeDatabase
from dscc.node.sealing import NodeKey
from dscc.node.settings import Settings, read_settings

DATABASE: Final = "node.db"
KEY: Final = "node.key"

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The node's folder.", show_default=False)]


class Node(NamedTuple):
    """A node that is opened: its settings, its store and its key, and who gives the command."""

    settings: Settings
    database: NodeDatabase
    key: NodeKey
    by: str

    @property
    def now(self) -> int:
        """POSIX seconds."""
        return int(time.time())


def open_node(folder: Path) -> Node:
    """Open a node's folder. Raises NodeError that says what is wrong with it."""
    settings = read_settings(folder)
    database = NodeDatabase(folder / DATABASE)
    database.check()
    return Node(settings, database, NodeKey.read(folder / KEY), getpass.getuser())


@contextmanager
def changing(folder: Path) -> Iterator[tuple[Node, Connection]]:
    """A node and a transaction that changes its store; the running node notices it."""
    node = open_node(folder)
    with node.database.writing() as connection:
        yield node, connection


@contextmanager
def looking(folder: Path) -> Iterator[tuple[Node, Connection]]:
    """A node and a transaction that only reads."""
    node = open_node(folder)
    with node.database.reading() as connection:
        yield node, connection
