"""`client revoke` takes effect within a second, on connections that are open too, in every worker."""

from __future__ import annotations

import ssl
import time

import pytest
from support import requests as ask
from support.requests import Session
from support.served import is_served, may_connect
from support.server import MakeServer, RunningServer
from support.wire import Connection, PeerClosedError

VERSION = (2, 1)
EFFECT_S = 1.0


@pytest.mark.parametrize("workers", [1, 4])
def test_a_revoked_client_is_not_served_a_second_later(make_server: MakeServer, workers: int) -> None:
    server = make_server("--workers", str(workers))
    server.start()
    try:
        good, bad = server.add_client("good"), server.add_client("bad")
        with good.session(VERSION) as session:
            kept = session.create_aes()
        with bad.session(VERSION) as session:
            key = session.create_aes()
        connections = [bad.connect() for _ in range(8)]
        assert all(is_served(connection, ask.get(key)) for connection in connections)
        server.revoke_client("bad")
        time.sleep(EFFECT_S)
        assert [is_served(connection, ask.get(key)) for connection in connections] == [False] * 8
        assert not may_connect(bad)
        with good.session(VERSION) as session:
            session.do(ask.get(kept)).expect_success()
        for connection in connections:
            connection.close()
        server.restart()
        assert not may_connect(bad)
        assert may_connect(good)
    finally:
        server.kill()


def test_a_session_of_a_revoked_client_is_not_resumed(fresh_server: RunningServer) -> None:
    client = fresh_server.add_client("bad")
    context = client.credentials.context(ssl.TLSVersion.TLSv1_2)
    with Connection(fresh_server.kmip, context) as connection:
        Session(connection, VERSION).do(ask.discover_versions()).expect_success()
        resumable = connection.socket.session
    fresh_server.revoke_client("bad")
    time.sleep(EFFECT_S)
    with (
        pytest.raises((OSError, PeerClosedError)),
        Connection(fresh_server.kmip, context, resume=resumable) as connection,
    ):
        Session(connection, VERSION).do(ask.discover_versions()).expect_success()
