"""Signals and ends: SIGTERM answers what was taken and begins nothing else; a SIGHUP never ends; no core is dumped."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import requests as ask
from support.server import Client, MakeServer, RunningServer
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


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_process_of_the_server_may_leave_a_core_dump(make_server: MakeServer, workers: str) -> None:
    server = make_server("--workers", workers)
    server.start(prefix=("prlimit", "--core=4096:4096"))
    try:
        processes = server.processes()
        assert len(processes) == (1 if workers == "1" else 3)
        for process in processes:
            (line,) = (line for line in limits_of(process) if line.startswith("Max core file size"))
            assert line.split()[4:6] == ["0", "0"]
    finally:
        server.kill()


def limits_of(process: int) -> list[str]:
    return Path(f"/proc/{process}/limits").read_text().splitlines()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_sighup_during_the_start_waits_until_the_server_is_ready(make_server: MakeServer, workers: str) -> None:
    server = make_server("--workers", workers)
    # The shell becomes the server, and its child hangs up as soon as the server says that it has begun to start.
    hang_up = """
        while ! grep -q '^SigBlk:.*[13579bdf]$' /proc/$$/status; do sleep 0.01; done
        kill -HUP $$
    """
    server.start(prefix=("sh", "-c", f'({hang_up}) & exec "$@"', "sh"))
    try:
        assert eventually(lambda: "the TLS files were reloaded" in server.stderr.read_text())
        with server.add_client("client").session(VERSION) as session:
            session.do(ask.create_aes(VERSION)).expect_success()
    finally:
        server.kill()


def eventually(question: Callable[[], bool], within: float = 10) -> bool:
    deadline = time.monotonic() + within
    while not question() and time.monotonic() < deadline:
        time.sleep(0.02)
    return question()


def test_sigterm_under_load_keeps_every_promise(make_server: MakeServer) -> None:
    server = make_server()
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
