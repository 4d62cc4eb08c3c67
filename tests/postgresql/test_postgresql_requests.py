"""Requests to a server of several workers on PostgreSQL: the life of keys, and what only one of many may get."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count

import pytest
from support import requests as ask
from support.attributes import allocate, usage_limits
from support.bad import NOT_FOUND, assert_refused
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.server import Client, RunningServer
from support.wire import OPERATION_FAILED, OPERATION_PENDING, OPERATION_UNDONE, Version, enumeration, octets

BOTH: list[Version] = [(1, 2), (2, 1)]
NEWEST: Version = (2, 1)
IN_CLEAR = ask.parameters(ask.CBC, padding=1)
CLIENTS = 32
_numbers = count()


def a_name() -> ask.Attribute:
    return ask.name(f"on PostgreSQL {next(_numbers)}")


def all_at_once(work: Callable[[int], object], workers: int) -> list[object]:
    """Do something in so many threads that begin together; what each answered."""
    together = threading.Barrier(workers)

    def begin(number: int) -> object:
        together.wait(60)
        return work(number)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(begin, range(workers)))


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_a_key_lives_from_create_to_destroy(pg_client: Client, version: Version) -> None:
    name = a_name()
    with pg_client.session(version) as session, pg_client.session(version) as elsewhere:
        key = session.create_aes(name)
        material = session.key_material(key)
        assert elsewhere.located(name, ask.state(ask.PRE_ACTIVE)) == [key]
        assert not elsewhere.do(ask.encrypt(key, bytes(16), IN_CLEAR, bytes(16))).ok
        session.do(ask.add_attribute(version, key, ask.contact_information("somebody"))).expect_success()
        session.do(ask.activate(key)).expect_success()
        sealed = elsewhere.do(ask.encrypt(key, b"sixteen bytes ..", IN_CLEAR, bytes(16))).expect_success().get(Tag.DATA)
        assert session.do(ask.decrypt(key, sealed, IN_CLEAR, bytes(16))).get(Tag.DATA) == b"sixteen bytes .."
        replaced = session.do(ask.rekey(key)).unique_identifier
        assert elsewhere.key_material(replaced) != material
        session.do(ask.revoke(key)).expect_success()
        assert not elsewhere.do(ask.encrypt(key, bytes(16), IN_CLEAR, bytes(16))).ok
        session.do(ask.destroy(key)).expect_success()
        assert not elsewhere.do(ask.get(key)).ok


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_every_kind_of_object_is_kept(pg_client: Client, version: Version) -> None:
    with pg_client.session(version) as session:
        key = session.do(ask.register_key(version, bytes(range(32)), a_name())).unique_identifier
        secret = session.do(ask.register_secret(version, b"a \0 password", a_name())).unique_identifier
        opaque = session.do(ask.register_opaque(version, bytes(100_000), a_name())).unique_identifier
        pair = session.do(ask.create_key_pair(version, [ask.algorithm(ask.RSA), ask.length(2048)], 1, 2))
        assert session.key_material(key) == bytes(range(32))
        for each in (
            secret,
            opaque,
            pair.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER),
            pair.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER),
        ):
            session.do(ask.get(each)).expect_success()


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_locate_filters_sorts_and_pages(pg_client: Client, version: Version) -> None:
    group = ask.object_group(f"located {next(_numbers)}")
    with pg_client.session(version) as session:
        keys = [session.create_aes(group, bits=bits) for bits in (128, 256, 128, 192, 128)]
        session.do(ask.activate(keys[2])).expect_success()
        assert session.located(group) == keys[::-1]
        assert session.located(group, ask.length(128)) == [keys[4], keys[2], keys[0]]
        assert session.located(group, ask.length(128), ask.state(ask.ACTIVE)) == [keys[2]]
        page = session.do(ask.locate(version, group, maximum=2)).expect_success()
        assert page.payload is not None
        assert [node.value for node in page.payload.all(Tag.UNIQUE_IDENTIFIER)] == keys[:2:-1]


def test_a_batch_is_undone_where_a_search_sent_it_to_the_database(pg_client: Client) -> None:
    name = a_name()
    undo = (enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 3),)
    with pg_client.session(NEWEST) as session:
        key = session.create_aes()
        response = session.batch(
            ask.create_aes(NEWEST, name), ask.locate(NEWEST, name), ask.destroy(key), ask.get("nothing"), fields=undo
        )
        assert [result.status for result in response.results] == [OPERATION_UNDONE] * 3 + [OPERATION_FAILED]
        assert session.located(name) == []
        session.do(ask.get(key)).expect_success()


def test_asynchronous_operations_are_done_by_some_worker_and_polled_at_any(pg_client: Client) -> None:
    group = ask.object_group(f"asynchronous {next(_numbers)}")
    mandatory = (enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1),)
    with ExitStack() as stack:
        sessions = [stack.enter_context(pg_client.session(NEWEST)) for _ in range(8)]
        values = [
            result.correlation
            for session in sessions
            for result in session.batch(ask.create_aes(NEWEST, group), ask.activate(), fields=mandatory).results
        ]
        for number, value in enumerate(values):
            poll = Request(Operation.POLL, octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, value or b""))
            deadline = time.monotonic() + 60
            session = sessions[number // 2 - 1]
            while (done := session.do(poll)).status == OPERATION_PENDING:
                assert time.monotonic() < deadline
            done.expect_success()
        assert len(sessions[0].located(group, ask.state(ask.ACTIVE))) == 8


def test_a_name_is_taken_once_however_many_want_it(pg_client: Client) -> None:
    """Names are unique to their owner (KMIP 2.1 s4.32): by Create, by Add Attribute, by Register."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(pg_client.session(NEWEST)) for _ in range(9)]
        keys = [session.create_aes() for session in sessions]
        for _ in range(5):
            name = a_name()
            ways = (
                lambda key, name=name: ask.create_aes(NEWEST, name),
                lambda key, name=name: ask.add_attribute(NEWEST, key, name),
                lambda key, name=name: ask.register_opaque(NEWEST, b"x", name),
            )
            results = all_at_once(
                lambda number, ways=ways: sessions[number].do(ways[number % 3](keys[number])), len(sessions)
            )
            good = [result for result in results if result.ok]
            assert len(good) == 1, [str(result) for result in results]
            assert sessions[0].located(name) == [good[0].unique_identifier]
            assert {result.reason for result in results if not result.ok} == {Reason.NON_UNIQUE_NAME_ATTRIBUTE}


def test_a_usage_limit_is_spent_to_the_last_unit_and_no_further(pg_client: Client) -> None:
    """Many clients use and allocate at the same moment; what they get together is exactly the limit."""
    total, size = 16 * 100, 16
    with ExitStack() as stack:
        sessions = [stack.enter_context(pg_client.session(NEWEST)) for _ in range(CLIENTS)]
        key = sessions[0].create_aes(usage_limits(total), active=True)

        def spend(number: int) -> int:
            session, spent = sessions[number], 0
            over = Reason.USAGE_LIMIT_EXCEEDED if number % 2 else Reason.PERMISSION_DENIED
            while True:
                iv = bytes([number]) + spent.to_bytes(15, "big")
                asked = allocate(key, size) if number % 2 else ask.encrypt(key, bytes(size), IN_CLEAR, iv)
                result = session.do(asked)
                if not result.ok:
                    assert_refused(result, NEWEST, frozenset({over}))
                    return spent
                spent += size

        spent = all_at_once(spend, CLIENTS)
        assert sum(int(str(each)) for each in spent) == total, spent
        left = sessions[1].do(ask.get_attributes(NEWEST, key, ("Usage Limits", Tag.USAGE_LIMITS)))
        assert left.get(Tag.ATTRIBUTES, Tag.USAGE_LIMITS, Tag.USAGE_LIMITS_COUNT) == 0


def test_a_key_is_destroyed_once_and_activated_once(pg_client: Client) -> None:
    with ExitStack() as stack:
        sessions = [stack.enter_context(pg_client.session(NEWEST)) for _ in range(8)]
        key = sessions[0].create_aes()
        results = all_at_once(lambda number: sessions[number].do(ask.activate(key)).ok, len(sessions))
        assert results.count(True) == 1
        sessions[0].do(ask.revoke(key)).expect_success()
        results = all_at_once(lambda number: sessions[number].do(ask.destroy(key)).ok, len(sessions))
        assert results.count(True) == 1


def test_what_one_worker_revoked_no_worker_uses(pg_client: Client) -> None:
    with ExitStack() as stack:
        sessions = [stack.enter_context(pg_client.session(NEWEST)) for _ in range(8)]
        for revoking in sessions:
            key = revoking.create_aes(active=True)
            for number, session in enumerate(sessions):
                session.do(ask.encrypt(key, bytes(16), IN_CLEAR, bytes([number] * 16))).expect_success()
            revoking.do(ask.revoke(key)).expect_success()
            assert not any(s.do(ask.encrypt(key, bytes(16), IN_CLEAR, bytes(16))).ok for s in sessions)
            revoking.do(ask.destroy(key)).expect_success()
            assert not any(s.do(ask.get(key)).ok for s in sessions)


def test_a_foreign_object_is_not_there(on_postgres: RunningServer, pg_client: Client) -> None:
    stranger = on_postgres.add_client("stranger")
    name = a_name()
    with pg_client.session(NEWEST) as session, stranger.session(NEWEST) as other:
        key = session.create_aes(name)
        for asked in (ask.get(key), ask.destroy(key), ask.get("nothing")):
            assert_refused(other.do(asked), NEWEST, NOT_FOUND)
        assert other.located(name) == []
        other.create_aes(name)


@pytest.mark.parametrize("text", ["NUL \0 in it", "\U0001f511 \u202e", "x" * 200], ids=["NUL", "astral", "long"])
def test_text_that_postgresql_does_not_store_as_it_is_is_kept_nevertheless(pg_client: Client, text: str) -> None:
    name = ask.name(f"{text} {next(_numbers)}")
    with pg_client.session(NEWEST) as session:
        key = session.create_aes(name)
        assert session.located(name) == [key]
        shown = session.do(ask.get_attributes(NEWEST, key, ("Name", Tag.NAME)))
        assert str(shown.get(Tag.ATTRIBUTES, Tag.NAME, Tag.NAME_VALUE)).startswith(text)


def test_a_session_may_be_idle_between_its_requests(pg_client: Client) -> None:
    with pg_client.connect() as connection:
        session = Session(connection, NEWEST)
        key = session.create_aes()
        time.sleep(0.5)
        session.do(ask.get(key)).expect_success()
