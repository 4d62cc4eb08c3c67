"""Faults of PostgreSQL: lost connections, canceled statements, a crash. No success is false, and no failure."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pg_servers import database_of
from support import requests as ask
from support.databases import PostgresqlDatabases
from support.postgres import PostgresServer
from support.server import MakeServer, RunningServer
from support.witnesses import Witnesses

pytestmark = pytest.mark.usefixtures("postgres")
VERSION = (2, 1)


def test_a_lost_database_connection_is_no_false_success_and_no_false_failure(make_server: MakeServer) -> None:
    server = make_server("--workers", "2")
    server.start()
    witnesses = Witnesses(server.add_client("witness"))
    with witnesses.at_work(8), database_of(server) as database:
        for _ in range(12):
            witnesses.wait_for_more(5)
            killed = database.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()
            assert killed is not None
            assert killed[0] >= 2
            time.sleep(random.uniform(0, 0.05))
        witnesses.wait_for_more(20)
    assert witnesses.contradicted() == []
    # A connection that was lost is opened again, and what was under way on it is begun again: hardly anybody notices.
    assert len(witnesses.refused + witnesses.unknown) <= len(witnesses.made) // 20
    assert server.stop() == 0
    assert server.command("check", str(server.data)).returncode == 0


def test_a_statement_that_is_canceled_spoils_nothing(make_server: MakeServer) -> None:
    server = make_server()
    server.start()
    witnesses = Witnesses(server.add_client("witness"))
    with witnesses.at_work(8), database_of(server) as database:
        for _ in range(100):
            database.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'"
            )
        witnesses.wait_for_more(10)
    assert witnesses.contradicted() == []
    assert server.stop() == 0
    assert server.command("check", str(server.data)).returncode == 0


@pytest.fixture
def own_postgres(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A PostgreSQL to be crashed."""
    own = PostgresServer()
    yield own
    own.stop()


def test_a_crashed_database_fails_requests_and_is_used_again_when_it_is_back(
    own_postgres: PostgresServer, tmp_path: Path
) -> None:
    server = RunningServer(PostgresqlDatabases(own_postgres), tmp_path, "--workers", "2")
    server.start()
    witnesses = Witnesses(server.add_client("witness"))
    try:
        with witnesses.at_work(8), witnesses.client.session(VERSION) as session:
            for _ in range(2):
                witnesses.wait_for_more(10)
                own_postgres.crash()
                assert not session.do(ask.create_aes(VERSION)).ok
                # Nothing is decided by what was last known: who is asked whether it is up says no, too.
                assert not session.do(ask.discover_versions()).ok
                own_postgres.start_again()
                witnesses.wait_for_more(10)
        assert witnesses.contradicted() == []
        assert witnesses.refused
        assert server.stop() == 0
        assert server.command("check", str(server.data)).returncode == 0
    finally:
        server.kill()
