"""The client of the bad input: after some wrong passwords a client has to wait, and no other test shall wait for it."""

from __future__ import annotations

import pytest
from support.server import Client, RunningServer


@pytest.fixture(scope="session")
def client(server: RunningServer) -> Client:
    """A client of the shared server, in place of the one that all other tests share."""
    return server.add_client("bad-input-client")
