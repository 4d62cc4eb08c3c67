"""A policy that one process puts in force decides the next request of every worker: nothing acts on a stale one."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from support import requests as ask
from support.certificates import Authority, Issued
from support.requests import Session
from support.server import Client, MakeServer, RunningServer
from support.wire import Connection, Credentials, PeerClosedError

from kmip_server.identity.certificate import fingerprint_of
from kmip_server.storage.accounts import add_client, changing, revoke_client
from kmip_server.storage.database import Database
from policy.documents import read_document
from policy.store import put_in_force

VERSION = (2, 1)
WORKERS, SESSIONS, CONNECTIONS, CHANGES = 4, 6, 4, 200
ANSWERED_WITHIN_S = 30
DENIED = """
[[rules]]
name = "nobody reads keys, {number}"
effect = "deny"
subjects = ["anyone"]
actions = ["GET"]
"""
ALLOWED = """
[[rules]]
name = "nobody destroys keys, {number}"
effect = "deny"
subjects = ["anyone"]
actions = ["DESTROY"]
"""


class Asked(NamedTuple):
    """A request: when it was sent, when it was answered, and whether it was allowed."""

    sent: float
    answered: float
    allowed: bool


class Change(NamedTuple):
    """A policy: when it began to be put in force, when that was done, and whether it allows the requests."""

    began: float
    done: float
    allows: bool


@pytest.fixture
def server(make_server: MakeServer) -> Iterator[RunningServer]:
    running = make_server("--workers", str(WORKERS))
    running.start()
    yield running
    running.kill()


def _ask_and_ask(client: Client, key: str, asked: list[Asked], ended: Event) -> None:
    with client.session(VERSION) as session:
        while not ended.is_set():
            sent = time.monotonic()
            allowed = session.do(ask.get(key)).ok
            asked.append(Asked(sent, time.monotonic(), allowed))


def _wait_for_one(asked: list[Asked], change: Change) -> None:
    """Wait until a request that was sent after a change has been answered."""
    before, deadline = len(asked), time.monotonic() + ANSWERED_WITHIN_S
    while not any(one.sent > change.done for one in asked[before:]):
        assert time.monotonic() < deadline
        time.sleep(0.002)


def _put_in_force(database: Database, number: int) -> Change:
    allows = number % 2 == 0
    policy = read_document((ALLOWED if allows else DENIED).format(number=number), "here")
    began = time.monotonic()
    with changing(database) as connection:
        put_in_force(connection, policy, author="test", comment="", now=int(time.time()))
    return Change(began, time.monotonic(), allows)


@pytest.mark.slow
def test_every_worker_s_next_request_is_decided_by_the_policy_in_force(server: RunningServer) -> None:
    client = server.add_client("reader")
    with client.session(VERSION) as session:
        key = session.create_aes()
    database, ended = Database(server.url), Event()
    changes: list[Change] = []
    asked: list[Asked] = []
    with ThreadPoolExecutor(SESSIONS) as pool:
        running = [pool.submit(_ask_and_ask, client, key, asked, ended) for _ in range(SESSIONS)]
        try:
            for number in range(CHANGES):
                changes.append(_put_in_force(database, number))
                _wait_for_one(asked, changes[-1])
        finally:
            ended.set()
        for future in running:
            future.result()
    database.close()
    judged = 0
    for change, following in pairwise(changes):
        for one in asked:
            if change.done < one.sent and one.answered < following.began:
                judged += 1
                assert one.allowed == change.allows, (one, change)
    assert judged >= CHANGES - 1, "after each change but the last"


@pytest.mark.slow
def test_every_worker_s_next_request_is_refused_of_a_client_that_another_process_revoked(
    server: RunningServer, tmp_path: Path
) -> None:
    """The same race for revocations: each certificate is revoked while all its connections ask."""
    database, authority = Database(server.url), Authority.of_server(server.data, tmp_path)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for number in range(CHANGES):
            context = _enter(database, authority.issue("victim"), authority)
            asked: list[list[Asked]] = [[] for _ in range(CONNECTIONS)]
            running = [pool.submit(_ask_until_refused, server, context, one) for one in asked]
            while not all(asked) and not any(future.done() for future in running):
                time.sleep(0.001)
            revoke_client(database, "victim", int(time.time()), by="root")
            done = time.monotonic()
            for future in running:
                future.result()
            assert [one for each in asked for one in each if one.sent > done and one.allowed] == [], number
    database.close()


def _enter(database: Database, issued: Issued, authority: Authority) -> ssl.SSLContext:
    """Enter a certificate of a client, as `client add` does."""
    certificate, now = issued.certificate, int(time.time())
    add_client(
        database,
        name="victim",
        fingerprint=fingerprint_of(certificate.public_bytes(Encoding.DER)),
        serial=f"{certificate.serial_number:x}",
        not_after=int(certificate.not_valid_after_utc.timestamp()),
        now=now,
        by="root",
    )
    return Credentials(issued.cert_file, issued.key_file, authority.file).context()


def _ask_until_refused(server: RunningServer, context: ssl.SSLContext, asked: list[Asked]) -> None:
    with Connection(server.kmip, context) as connection:
        session, deadline = Session(connection, VERSION), time.monotonic() + ANSWERED_WITHIN_S
        while not asked or asked[-1].allowed:
            sent = time.monotonic()
            assert sent < deadline
            try:
                allowed = session.do(ask.locate(VERSION)).ok
            except (OSError, PeerClosedError):
                allowed = False
            asked.append(Asked(sent, time.monotonic(), allowed))
