"""SIGTERM: what was taken is answered, nothing else is begun, and the process ends with exit status 0."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest
from support import requests as ask
from support.server import Client, RunningServer
from support.wire import Connection, PeerClosedError, Response, read_response

VERSION = (2, 1)


def a_slow_request() -> ask.Request:
    """An RSA key pair of 4096 bits takes long enough to be interrupted."""
    return ask.create_key_pair(VERSION, [ask.algorithm(ask.RSA), ask.length(4096)], 0x01, 0x02)


def answers(connection: Connection) -> list[Response]:
    responses = []
    try:
        while True:
            responses.append(read_response(connection.receive()))
    except PeerClosedError:
        return responses


def test_sigterm_answers_what_was_taken_and_exits_with_0(fresh_server: RunningServer) -> None:
    client = fresh_server.add_client("client")
    with client.connect() as connection, client.connect() as idle:
        connection.send(ask.one(VERSION, a_slow_request()))
        time.sleep(0.15)
        fresh_server.send_signal(signal.SIGTERM)
        (response,) = answers(connection)
        made = response.result.expect_success()
        assert answers(idle) == []
    assert fresh_server.wait() == 0
    with pytest.raises(OSError, match=r"refused|reset"):
        client.connect()
    fresh_server.start()
    with client.session(VERSION) as session:
        for tag in (ask.Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, ask.Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER):
            session.do(ask.get(made.get(tag))).expect_success()


def test_sigterm_under_load_keeps_every_promise(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    server.start()
    client = server.add_client("client")
    made: list[str] = []

    def create() -> None:
        with client.connect() as connection:
            # Ten requests at once: some are taken when the signal comes, some are not.
            batch = b"".join(ask.one(VERSION, ask.create_aes(VERSION)) for _ in range(10))
            try:
                while True:
                    connection.send(batch)
                    for _ in range(10):
                        response = read_response(connection.receive())
                        made.append(response.result.unique_identifier)
            except (OSError, PeerClosedError):
                return

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert made
    server.start()
    with client.session(VERSION) as session:
        for key in made:
            session.do(ask.get(key)).expect_success()
    assert server.stop() == 0


def test_sigterm_does_not_wait_for_clients_that_say_nothing(fresh_server: RunningServer) -> None:
    client: Client = fresh_server.add_client("client")
    with client.connect() as silent, client.connect() as half:
        half.send(ask.one(VERSION, ask.discover_versions())[:20])
        began = time.monotonic()
        assert fresh_server.stop() == 0
        assert time.monotonic() - began < 20
        assert answers(silent) == answers(half) == []
