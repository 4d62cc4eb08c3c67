"""Clients for replays, which share one certificate unless a test brings its own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from typing import Protocol

import pytest
from replaying import OverHttps, OverTls, Replay
from support.server import Client, RunningServer
from support.wire import Version


class Connect(Protocol):
    """Connect to the shared server, with the shared client's certificate or that of `client`."""

    def __call__(
        self,
        version: Version,
        *,
        client: Client | None = None,
        fields: Sequence[bytes] = (),
        item_id: bytes | None = None,
        https: bool = False,
        tls: ssl.TLSVersion | None = None,
    ) -> Replay: ...


@pytest.fixture
def connect(client: Client) -> Iterator[Connect]:
    """Replays of clients, by version; they are closed when the test ends."""
    opened: list[Replay] = []
    shared = client

    def open_one(
        version: Version,
        *,
        client: Client | None = None,
        fields: Sequence[bytes] = (),
        item_id: bytes | None = None,
        https: bool = False,
        tls: ssl.TLSVersion | None = None,
    ) -> Replay:
        owner = shared if client is None else client
        opened.append(Replay(OverHttps(owner) if https else OverTls(owner, tls), version, fields, item_id))
        return opened[-1]

    yield open_one
    for replay in opened:
        replay.channel.close()


@pytest.fixture(scope="session")
def password(server: RunningServer) -> tuple[str, str]:
    """A user name and a password that clients of the shared server may send beside their certificates."""
    user, secret = "appliance", "a password of an appliance"
    server.add_user(user, secret)
    return user, secret
