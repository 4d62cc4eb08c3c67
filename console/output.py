"""What every command shares: refusals, progress, tables and JSON.

Results go to standard output; questions, progress and refusals go to standard error. Rich is loaded only where it is
used, so that a short command stays short.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from rich.status import Status

_NO_WRAP: Final = 10_000

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


class CommandError(Exception):
    """The command does not do what was asked: the message is printed and the exit code is 1."""


def progress(what: str) -> AbstractContextManager[Status]:
    """A spinner on standard error while something takes long; nothing where that is no terminal."""
    from rich.console import Console

    return Console(stderr=True).status(what)


def say_line(words: str) -> None:
    """Print a line now, in one piece: other processes may say something on the same standard output.

    With PYTHONUNBUFFERED, which many containers have, `print` writes the end of a line after the line.
    """
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def print_json(document: object) -> None:
    """Print a document for scripts."""
    print(json.dumps(document, indent=2, sort_keys=True))


def shown_time(at: int) -> str:
    """A moment in POSIX seconds as tables show it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def moment(text: str | None) -> int | None:
    """A time that was given as an option, in POSIX seconds; UTC unless it says otherwise. Raises BadParameter."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: give 2026-11-01 or 2026-11-01T08:30") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def printable(text: str) -> str:
    """The text without what could steer a terminal: clients choose some of the names that end up in messages."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], styles: dict[str, str] | None = None) -> None:
    """Print rows of plain text under column titles; `styles` colours cells that are exactly such a word."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(printable(cell), style=(styles or {}).get(cell, "")) for cell in row))
    # Only a terminal has a width to keep to: what scripts read is a line for each row.
    Console(width=None if sys.stdout.isatty() else _NO_WRAP).print(table)


def ask_secret(question: str, *, twice: bool) -> str:
    """A secret from the terminal, without echo, or the first line of standard input if that is no terminal.

    Raises CommandError if there is none.
    """
    if sys.stdin.isatty():
        secret: str = typer.prompt(question, hide_input=True, confirmation_prompt=twice, err=True)
    else:
        secret = sys.stdin.readline(2048).rstrip("\r\n")
    if not secret:
        raise CommandError(f"{question}: nothing was given")
    return secret
