"""Several workers are one server on SQLite and on PostgreSQL: evenly used, of one mind, replaced when they are lost."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from random import Random

import pytest
from support import requests as ask
from support.databases import Databases
from support.requests import Session
from support.server import RunningServer
from support.wire import PeerClosedError
from support.witnesses import Witnesses

VERSION = (2, 1)
WORKERS = 4
CONNECTIONS = 32
SOON_S = 1.0
_numbers = count()


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = RunningServer(databases, tmp_path_factory.mktemp("workers"), "--workers", str(WORKERS))
    running.start()
    yield running
    running.kill()


def served(session: Session, asked: ask.Request) -> bool:
    """Whether a request is carried out; a connection that the server closed carries out nothing."""
    try:
        return session.do(asked).ok
    except (OSError, PeerClosedError):
        return False


def workers_of(server: RunningServer) -> list[int]:
    return [pid for pid in server.processes() if pid != server.pid]


def test_connections_are_spread_evenly(server: RunningServer) -> None:
    psutil = pytest.importorskip("psutil")
    client = server.add_client(f"many-{next(_numbers)}")
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(client.session(VERSION)).do(ask.query(1)).expect_success()
        port = server.kmip[1]
        held = Counter(
            pid
            for pid in workers_of(server)
            for connection in psutil.Process(pid).net_connections("tcp")
            if connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == port
        )
    assert sorted(held.values()) == [CONNECTIONS // WORKERS] * WORKERS


def test_every_worker_refuses_a_revoked_client_with_its_next_request(server: RunningServer) -> None:
    """Not within a second, as connections that say nothing are closed, but at once."""
    bad, good = server.add_client(f"bad-{next(_numbers)}"), server.add_client(f"good-{next(_numbers)}")
    with ExitStack() as stack:
        sessions = [stack.enter_context(bad.session(VERSION)) for _ in range(2 * WORKERS)]
        others = [stack.enter_context(good.session(VERSION)) for _ in range(2 * WORKERS)]
        key, kept = sessions[0].create_aes(), others[0].create_aes()
        assert all(served(session, ask.get(key)) for session in sessions)
        server.revoke_client(bad.name)
        assert not any(served(session, ask.get(key)) for session in sessions)
        assert all(served(session, ask.get(kept)) for session in others)


def test_every_worker_obeys_a_changed_operation_policy_with_its_next_request(server: RunningServer) -> None:
    name = f"team-{next(_numbers)}"
    server.put_operation_policies({name: {"groups": {"team": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}})
    owner, member = server.add_client(f"owner-{next(_numbers)}"), server.add_client(f"member-{next(_numbers)}", "team")
    with ExitStack() as stack:
        key = (
            stack.enter_context(owner.session((1, 2)))
            .do(ask.create_aes((1, 2), ask.operation_policy_name(name)))
            .unique_identifier
        )
        sessions = [stack.enter_context(member.session(VERSION)) for _ in range(2 * WORKERS)]
        assert all(served(session, ask.get(key)) for session in sessions)
        server.put_operation_policies({name: {"groups": {"team": {"SYMMETRIC_KEY": {"GET": "DISALLOW_ALL"}}}}})
        assert not any(served(session, ask.get(key)) for session in sessions)


def test_workers_are_lost_and_replaced_and_the_last_word_is_kept(server: RunningServer) -> None:
    """Clients go on through kills and a stop; what they were told is true, and nobody is turned away for long."""
    random = Random(11)
    witnesses = Witnesses(server.add_client(f"witness-{next(_numbers)}"))
    before = len(workers_of(server))
    with witnesses.at_work(8):
        for _ in range(4):
            witnesses.wait_for_more(5)
            os.kill(random.choice(workers_of(server)), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while len(workers_of(server)) < before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(workers_of(server)) == before
        witnesses.wait_for_more(20)
        status = server.stop()
        witnesses.ended.set()
    assert status == 0
    server.start()
    assert witnesses.contradicted() == []
    assert witnesses.refused == []
    assert server.command("check", str(server.data)).returncode == 0
