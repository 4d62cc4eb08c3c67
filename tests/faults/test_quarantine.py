"""`client quarantine` holds for the very next request, on connections that are open too, in every worker."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.served import is_served, may_connect
from support.server import MakeServer

VERSION = (2, 1)


@pytest.mark.parametrize("workers", [1, 4])
def test_the_next_request_of_a_client_in_quarantine_is_refused(make_server: MakeServer, workers: int) -> None:
    server = make_server("--workers", str(workers))
    server.start()
    try:
        good, bad = server.add_client("good"), server.add_client("bad")
        with good.session(VERSION) as session:
            kept = session.create_aes()
        with bad.session(VERSION) as session:
            key = session.create_aes()
        asked = (ask.get(key), ask.create_aes(VERSION), ask.destroy(key), ask.get_attributes(VERSION, key))
        connections = [bad.connect() for _ in range(8)]
        assert all(is_served(connection, ask.get(key)) for connection in connections)
        server.command("client", "quarantine", str(server.data), "bad", "-m", "a trial")
        answers = [is_served(each, asked[number % 4]) for number, each in enumerate(connections)]
        assert answers == [False] * 8, "without waiting for anything"
        with good.session(VERSION) as session:
            session.do(ask.get(kept)).expect_success()
        server.restart()
        assert not may_connect(bad)
        server.command("client", "release", str(server.data), "bad")
        server.restart()
        with bad.session(VERSION) as session:
            session.do(ask.get(key)).expect_success()
        for connection in connections:
            connection.close()
    finally:
        server.kill()
