"""Several workers are one server: what one has done, every other knows before the answer has left."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support import requests as ask
from support.databases import Databases
from support.requests import Session
from support.server import Client, MakeServer, RunningServer
from support.wire import PeerClosedError

VERSION = (2, 1)
WORKERS = 4
CONNECTIONS = 16
"""Enough for every worker to have some, whichever way the connections are spread."""


@pytest.fixture(scope="module")
def four_workers(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    server = RunningServer(databases, tmp_path_factory.mktemp("workers"), "--workers", str(WORKERS))
    server.start()
    yield server.add_client("client")
    assert server.stop() == 0


@pytest.fixture
def sessions(four_workers: Client) -> Iterator[list[Session]]:
    with ExitStack() as stack:
        yield [stack.enter_context(four_workers.session(VERSION)) for _ in range(CONNECTIONS)]


def test_there_are_as_many_workers_as_asked_for(four_workers: Client) -> None:
    assert len(four_workers.server.processes()) >= WORKERS


def test_a_key_made_on_one_connection_is_there_on_all(sessions: list[Session]) -> None:
    for maker in sessions:
        key = maker.create_aes()
        material = maker.key_material(key)
        assert all(session.key_material(key) == material for session in sessions)


def test_a_state_changed_on_one_connection_holds_on_all(sessions: list[Session]) -> None:
    how = ask.parameters(ask.CBC, padding=3)
    for number, changer in enumerate(sessions):
        key = changer.create_aes(active=True)
        asked = ask.encrypt(key, bytes(16), how, number.to_bytes(16, "big"))
        for place, session in enumerate(sessions):
            iv = bytes([number, place]) + bytes(14)
            session.do(ask.encrypt(key, bytes(16), how, iv)).expect_success()
        changer.do(ask.revoke(key)).expect_success()
        assert not any(session.do(asked).ok for session in sessions)
        changer.do(ask.destroy(key)).expect_success()
        assert not any(session.do(ask.get(key)).ok for session in sessions)


def test_a_name_is_taken_once_among_all_workers(four_workers: Client) -> None:
    """Names are unique to their owner (KMIP 2.1 s4.32), also when every worker is asked at the same moment."""
    name = ask.name(f"wanted by all {time.monotonic_ns()}")
    together = threading.Barrier(CONNECTIONS)
    results = []

    def create() -> None:
        with four_workers.session(VERSION) as session:
            session.do(ask.discover_versions()).expect_success()
            together.wait(30)
            results.append(session.do(ask.create_aes(VERSION, name)))

    threads = [threading.Thread(target=create) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.ok for result in results].count(True) == 1, [str(result) for result in results]
    with four_workers.session(VERSION) as session:
        assert len(session.located(name)) == 1


def test_a_key_is_not_used_after_its_acknowledged_revocation(four_workers: Client) -> None:
    """Revoke races with Encrypt on every worker: what starts after the answer to Revoke is refused."""
    how = ask.parameters(ask.CBC, padding=3)
    for turn in range(5):
        with four_workers.session(VERSION) as session:
            key = session.create_aes(active=True)
        revoked = threading.Event()
        late: list[bool] = []

        def use(number: int, key: str = key, revoked: threading.Event = revoked, late: list[bool] = late) -> None:
            with four_workers.session(VERSION) as session:
                for count in range(2000):
                    after = revoked.is_set()
                    iv = bytes([number]) + count.to_bytes(15, "big")
                    done = session.do(ask.encrypt(key, bytes(16), how, iv)).ok
                    if after:
                        late.append(done)
                        return

        threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.05 * turn)
        with four_workers.session(VERSION) as session:
            session.do(ask.revoke(key)).expect_success()
            revoked.set()
        for thread in threads:
            thread.join()
        assert not any(late)


def test_a_lost_worker_is_replaced_and_the_others_go_on(make_server: MakeServer) -> None:
    server = make_server("--workers", "2")
    server.start()
    client = server.add_client("client")
    with ExitStack() as stack:
        sessions = [stack.enter_context(client.session(VERSION)) for _ in range(8)]
        key = sessions[0].create_aes()
        before = server.processes()
        os.kill(before[-1], signal.SIGKILL)
        assert sum(_answers(session, key) for session in sessions) == 4
        with client.session(VERSION) as session:
            session.do(ask.get(key)).expect_success()
    deadline = time.monotonic() + 20
    while len(server.processes()) < len(before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(server.processes()) == len(before)
    for _ in range(8):
        with client.session(VERSION) as session:
            session.do(ask.get(key)).expect_success()
    assert server.stop() == 0


def _answers(session: Session, key: str) -> bool:
    try:
        return session.do(ask.get(key)).ok
    except (OSError, PeerClosedError):
        return False


def test_a_worker_lost_in_the_middle_of_a_request_answers_nothing_false(
    make_server: MakeServer,
) -> None:
    server = make_server("--workers", "2")
    server.start()
    client = server.add_client("client")
    made: list[str] = []

    def create() -> None:
        try:
            with client.session(VERSION) as session:
                while True:
                    made.append(session.create_aes())
        except (OSError, PeerClosedError):
            return

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    server.kill()
    for thread in threads:
        thread.join()
    server.start()
    with client.session(VERSION) as session:
        for key in made:
            session.do(ask.get(key)).expect_success()
    server.kill()
