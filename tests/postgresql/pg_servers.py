"""Servers on a real PostgreSQL, for the tests in this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.server import RunningServer

from kmip_server.config import Settings

if TYPE_CHECKING:
    import psycopg

URL = "KMIP_STORAGE__URL"
WORKERS = 4

def url_of(server: RunningServer) -> str:
    return Settings.load(server.data).storage.url


@contextmanager
def database_of(server: RunningServer) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection of an administrator to a server's database."""
    import psycopg

    with psycopg.connect(url_of(server).replace("+psycopg", ""), autocommit=True) as connection:
        yield connection
