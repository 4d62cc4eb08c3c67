"""Servers on a real PostgreSQL, for the tests in this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.server import RunningServer

if TYPE_CHECKING:
    import psycopg

WORKERS = 4


@contextmanager
def database_of(server: RunningServer) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection of an administrator to a server's database."""
    import psycopg

    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection
