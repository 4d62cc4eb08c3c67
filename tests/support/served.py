"""Whether a server still answers a client, which may have been revoked or put into quarantine."""

from __future__ import annotations

from support import requests as ask
from support.requests import Session
from support.server import Client
from support.wire import Connection, PeerClosedError

VERSION = (2, 1)


def is_served(connection: Connection, asked: ask.Request) -> bool:
    """Whether a request on this connection is done."""
    try:
        return Session(connection, VERSION).do(asked).ok
    except (OSError, PeerClosedError):
        return False


def may_connect(client: Client, asked: ask.Request | None = None) -> bool:
    """Whether a client gets a new connection and a request on it done: Discover Versions, if it is not said which."""
    try:
        with client.connect() as connection:
            return is_served(connection, asked or ask.discover_versions())
    except (OSError, PeerClosedError):
        return False
