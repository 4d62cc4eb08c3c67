"""What the commands share: which of them runs, its database, and names that are safe as a folder's name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from console.output import CommandError

if TYPE_CHECKING:
    from kmip_server.storage.database import Database


def _noted(context: typer.Context, value: Path) -> Path:
    _running.set(context)
    return value


_running: ContextVar[typer.Context] = ContextVar("_running")
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The server directory.", callback=_noted)]
Groups = Annotated[list[str] | None, typer.Option("--group", help="A group of the operation policies. Repeatable.")]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def running() -> typer.Context:
    """The command that runs, with what was given to it: one that takes a Directory."""
    return _running.get()


def checked_name(name: str) -> str:
    """The name, if it may name a client, a user or a group, and a folder. Raises CommandError."""
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"{name!r} cannot be used: a name has 1 to 64 letters, digits and . _ @ - and begins with a letter or digit"
        )
    return name


def checked_groups(groups: list[str] | None) -> frozenset[str]:
    """The group names, checked. Raises CommandError."""
    return frozenset(checked_name(group) for group in groups or ())


@contextmanager
def open_database(url: str) -> Iterator[Database]:
    """The database of a server, whose accounts can be changed while it runs."""
    from kmip_server.storage.database import Database

    database = Database(url)
    try:
        database.check_file()
        database.check_schema()
        yield database
    finally:
        database.close()
