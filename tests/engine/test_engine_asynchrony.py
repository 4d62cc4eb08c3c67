"""Asynchronous operations over the wire (KMIP 2.1 s6.1.5, s6.1.38, s9.1, s9.2; 1.4 s6.7): Pending, Poll, Cancel."""

from __future__ import annotations

import os
import signal
import time
from itertools import count

import pytest
from sqlalchemy import create_engine, text
from support import requests as ask
from support.bad import NOT_FOUND, assert_refused
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.server import Client, MakeServer, RunningServer
from support.wire import (
    OPERATION_FAILED,
    OPERATION_PENDING,
    OPERATION_UNDONE,
    SUCCESS,
    Result,
    Version,
    boolean,
    enumeration,
    integer,
    octets,
)
from support.wire import text as text_item

TWO: list[Version] = [(2, 0), (2, 1)]
NEWEST: Version = (2, 1)
MANDATORY, OPTIONAL, PROHIBITED = 1, 2, 3
CONTINUE, UNDO = 1, 3
CANCELED, COMPLETED = 1, 3
NOTHING = "there is no such object"
UNKNOWN = frozenset({Reason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE})
WITHIN_S = 60
_numbers = count()


def indicator(value: int) -> bytes:
    return enumeration(Tag.ASYNCHRONOUS_INDICATOR, value)


def option(value: int) -> bytes:
    return enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, value)


def value_of(correlation: bytes | None) -> bytes:
    assert correlation is not None
    return octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, correlation)


def poll(correlation: bytes | None) -> Request:
    return Request(Operation.POLL, value_of(correlation))


def cancel(correlation: bytes | None) -> Request:
    return Request(Operation.CANCEL, value_of(correlation))


def a_group() -> ask.Attribute:
    return ask.object_group(f"asynchronous {next(_numbers)} {time.monotonic_ns()}")


def key_pair(version: Version, *more: ask.Attribute, bits: int = 2048) -> Request:
    return ask.create_key_pair(version, [ask.algorithm(ask.RSA), ask.length(bits), *more], 1, 2)


def submitted(session: Session, *asked: Request, fields: tuple[bytes, ...] = ()) -> list[bytes]:
    """Have operations carried out asynchronously; their Correlation Values."""
    response = session.batch(*asked, fields=(indicator(MANDATORY), *fields))
    for result, each in zip(response.results, asked, strict=True):
        assert result.status == OPERATION_PENDING, result
        assert (result.operation, result.payload, result.reason) == (each.operation, None, None)
    correlations = [result.correlation for result in response.results if result.correlation]
    assert len(set(correlations)) == len(asked)
    return correlations


def outcome(session: Session, correlation: bytes) -> Result:
    """Poll until the operation is completed."""
    deadline = time.monotonic() + WITHIN_S
    while (result := session.do(poll(correlation))).status == OPERATION_PENDING:
        assert (result.correlation, result.payload) == (correlation, None)
        assert time.monotonic() < deadline, "it is pending for too long"
        time.sleep(0.01)
    assert result.correlation is None
    return result


@pytest.mark.parametrize("version", TWO, ids=str)
def test_a_mandatory_create_is_pending_and_then_done_once(client: Client, version: Version) -> None:
    group = a_group()
    with client.session(version) as session:
        (correlation,) = submitted(session, ask.create_aes(version, group))
        done = outcome(session, correlation)
        assert done.operation == Operation.CREATE
        assert session.located(group) == [done.unique_identifier]
        again = session.do(poll(correlation))
        assert again.unique_identifier == done.unique_identifier
        assert len(session.key_material(done.unique_identifier)) == 32


def test_a_denied_check_is_polled_with_the_field_that_led_to_it(client: Client) -> None:
    with client.session((2, 0)) as session:
        key = session.do(ask.create_aes((2, 0))).unique_identifier
        sign = integer(Tag.CRYPTOGRAPHIC_USAGE_MASK, 1)
        asked = Request(Operation.CHECK, ask.identifier(key) + sign)
        (correlation,) = submitted(session, asked)
        denied = outcome(session, correlation)
        assert denied == session.do(asked)
        assert denied.get(Tag.CRYPTOGRAPHIC_USAGE_MASK) == 1


@pytest.mark.parametrize("version", TWO, ids=str)
def test_a_key_pair_is_made_asynchronously(client: Client, version: Version) -> None:
    group = a_group()
    with client.session(version) as session:
        (correlation,) = submitted(session, key_pair(version, group))
        done = outcome(session, correlation).expect_success()
        pair = {done.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), done.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)}
        assert set(session.located(group)) == pair
        assert len(pair) == 2


@pytest.mark.parametrize("version", TWO, ids=str)
def test_poll_answers_as_the_operation_would_have(client: Client, version: Version) -> None:
    """ "This response SHALL be identical to the response that would have been sent" (s6.1.38)."""
    with client.session(version) as session:
        key = session.create_aes()
        asked = [
            ask.get(key),
            ask.get(NOTHING),
            ask.get_attributes(version, key),
            ask.query(1),
            ask.discover_versions(),
        ]
        for each in asked:
            at_once = session.do(each)
            (correlation,) = submitted(session, each)
            later = outcome(session, correlation)
            assert (later.operation, later.status, later.reason) == (each.operation, at_once.status, at_once.reason)
            assert (later.message, later.payload) == (at_once.message, at_once.payload)


@pytest.mark.parametrize("version", [(1, 0), (1, 2), (1, 4)], ids=str)
@pytest.mark.parametrize("able", [True, False])
def test_in_1x_the_indicator_says_what_the_client_can_take(client: Client, version: Version, able: bool) -> None:
    """It leaves the choice to the server, which answers at once."""
    with client.session(version) as session:
        able_to = (boolean(Tag.ASYNCHRONOUS_INDICATOR, able),)
        session.do(ask.create_aes(version), fields=able_to).expect_success()


@pytest.mark.parametrize("version", TWO, ids=str)
@pytest.mark.parametrize("value", [OPTIONAL, PROHIBITED], ids=["Optional", "Prohibited"])
def test_whoever_does_not_insist_is_answered_at_once(client: Client, version: Version, value: int) -> None:
    with client.session(version) as session:
        session.do(ask.create_aes(version), fields=(indicator(value),)).expect_success()


def test_poll_and_cancel_are_never_asynchronous(client: Client) -> None:
    with client.session(NEWEST) as session:
        (correlation,) = submitted(session, ask.create_aes(NEWEST))
        outcome(session, correlation)
        session.do(poll(correlation), fields=(indicator(MANDATORY),)).expect_success()
        session.do(cancel(correlation), fields=(indicator(MANDATORY),)).expect_success()


def test_a_pending_answer_has_the_identifier_of_its_item(client: Client) -> None:
    with client.session(NEWEST) as session:
        asked = [ask.create_aes(NEWEST), ask.create_aes(NEWEST)]
        results = session.batch(*asked, fields=(indicator(MANDATORY),)).results
        assert [result.identifier for result in results] == [b"\0\0\0\1", b"\0\0\0\2"]
        polls = session.batch(*[poll(result.correlation) for result in reversed(results)]).results
        assert [result.identifier for result in polls] == [b"\0\0\0\1", b"\0\0\0\2"]


# --- Batches of asynchronous operations


@pytest.mark.parametrize("version", TWO, ids=str)
def test_the_items_of_a_request_are_carried_out_in_order_and_share_the_placeholder(
    client: Client, version: Version
) -> None:
    with client.session(version) as session:
        steps = [ask.create_aes(version), ask.activate(), ask.get(), ask.revoke()]
        results = [outcome(session, correlation) for correlation in submitted(session, *steps)]
        assert len({result.unique_identifier for result in results}) == 1
        assert [result.operation for result in results] == [step.operation for step in steps]


def test_what_follows_a_failure_is_not_begun(client: Client) -> None:
    group = a_group()
    with client.session(NEWEST) as session:
        values = submitted(session, ask.create_aes(NEWEST, group), ask.get(NOTHING), ask.create_aes(NEWEST, group))
        first, failed, not_begun = [outcome(session, value) for value in values]
        assert_refused(failed, NEWEST, NOT_FOUND)
        assert_refused(not_begun, NEWEST, frozenset({Reason.GENERAL_FAILURE}))
        assert session.located(group) == [first.unique_identifier]


def test_with_continue_what_follows_a_failure_is_done(client: Client) -> None:
    group = a_group()
    with client.session(NEWEST) as session:
        values = submitted(session, ask.get(NOTHING), ask.create_aes(NEWEST, group), fields=(option(CONTINUE),))
        failed, made = [outcome(session, value) for value in values]
        assert_refused(failed, NEWEST, NOT_FOUND)
        assert session.located(group) == [made.unique_identifier]


def test_with_undo_a_failure_takes_everything_back(client: Client) -> None:
    group = a_group()
    with client.session(NEWEST) as session:
        values = submitted(session, ask.create_aes(NEWEST, group), ask.get(NOTHING), fields=(option(UNDO),))
        assert [outcome(session, value).status for value in values] == [OPERATION_UNDONE, OPERATION_FAILED]
        assert session.located(group) == []


# --- Cancel


def test_what_was_canceled_before_it_began_is_not_done(client: Client) -> None:
    """The key pairs of a request are generated first, which takes a while; all else is done after that."""
    groups = [a_group() for _ in range(4)]
    with client.session(NEWEST) as session:
        first, second, *others = submitted(session, *[key_pair(NEWEST, group, bits=3072) for group in groups])
        result = session.do(cancel(second)).expect_success()
        assert result.get(Tag.CANCELLATION_RESULT) == CANCELED
        assert result.get(Tag.ASYNCHRONOUS_CORRELATION_VALUE) == second
        canceled = session.do(poll(second))
        assert (canceled.operation, canceled.status) == (Operation.CREATE_KEY_PAIR, OPERATION_FAILED)
        assert canceled.reason == Reason.OPERATION_CANCELED_BY_REQUESTER
        for value in (first, *others):
            outcome(session, value).expect_success()
        assert session.do(poll(second)).reason == Reason.OPERATION_CANCELED_BY_REQUESTER
        assert [len(session.located(group)) for group in groups] == [2, 0, 2, 2]
        assert session.do(cancel(second)).get(Tag.CANCELLATION_RESULT) == COMPLETED


def test_what_is_done_cannot_be_canceled(client: Client) -> None:
    with client.session(NEWEST) as session:
        (correlation,) = submitted(session, ask.create_aes(NEWEST))
        done = outcome(session, correlation)
        assert session.do(cancel(correlation)).get(Tag.CANCELLATION_RESULT) == COMPLETED
        assert session.do(poll(correlation)).unique_identifier == done.unique_identifier
        session.do(ask.get(done.unique_identifier)).expect_success()


# --- Correlation Values of others, and of nothing


@pytest.mark.parametrize("version", TWO, ids=str)
@pytest.mark.parametrize("ask_for", [poll, cancel], ids=["Poll", "Cancel"])
def test_a_foreign_correlation_value_is_one_that_does_not_exist(
    client: Client, other: Client, version, ask_for
) -> None:
    with client.session(version) as session, other.session(version) as stranger:
        (correlation,) = submitted(session, ask.create_aes(version))
        answers = [stranger.do(ask_for(value)) for value in (correlation, bytes(20), b"", bytes(5000))]
        for answer in answers:
            assert_refused(answer, version, UNKNOWN)
        assert len({answer.message for answer in answers}) == 1
        outcome(session, correlation).expect_success()


@pytest.mark.parametrize("version", [(1, 0), (1, 4)], ids=str)
def test_in_1x_an_unknown_correlation_value_is_not_found(client: Client, version: Version) -> None:
    with client.session(version) as session:
        assert_refused(session.do(poll(bytes(20))), version, UNKNOWN)


def test_an_answer_that_is_too_large_for_one_poll_is_there_for_the_next(client: Client) -> None:
    with client.session(NEWEST) as session:
        key = session.create_aes()
        (correlation,) = submitted(session, ask.get(key))
        outcome(session, correlation).expect_success()
        small = (integer(Tag.MAXIMUM_RESPONSE_SIZE, 200),)
        assert_refused(session.do(poll(correlation), fields=small), NEWEST, frozenset({Reason.RESPONSE_TOO_LARGE}))
        session.do(poll(correlation)).expect_success()


# --- What the store keeps


def rows(server: RunningServer, statement: str, **values: object) -> list[tuple[object, ...]]:
    engine = create_engine(server.url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(statement), values)]
    engine.dispose()
    return found


def test_what_was_asked_is_on_record_under_one_correlation_value(client: Client, server: RunningServer) -> None:
    with client.session(NEWEST) as session:
        own = text_item(Tag.CLIENT_CORRELATION_VALUE, "mine")
        asked = ask.one(NEWEST, ask.create_aes(NEWEST), fields=(own, indicator(MANDATORY)))
        response = session.connection.exchange(asked)
        value = response.node.get(Tag.RESPONSE_HEADER, Tag.SERVER_CORRELATION_VALUE)
        assert response.result.correlation is not None
        outcome(session, response.result.correlation)
    found = rows(
        server, "SELECT operation, outcome FROM audit WHERE correlation = :value ORDER BY sequence", value=value
    )
    assert found == [("Create", "submitted"), ("Create", "succeeded")]


def test_the_request_is_not_kept_once_it_is_answered(client: Client, server: RunningServer) -> None:
    """It may have held a key, which Destroy would not erase."""
    with client.session(NEWEST) as session:
        (correlation,) = submitted(session, ask.register_opaque(NEWEST, bytes(50_000)))
        outcome(session, correlation).expect_success()
    ((size,),) = rows(server, "SELECT length(request) FROM jobs WHERE correlation_value = :v", v=correlation)
    assert isinstance(size, int)
    assert size < 200


# --- What was released

RELEASING = [Operation.GET, Operation.EXPORT]


@pytest.mark.parametrize("releasing", RELEASING, ids=["Get", "Export"])
def test_an_answer_that_is_kept_has_no_key_in_it(client: Client, server: RunningServer, releasing: int) -> None:
    """A key of 4,000 bytes would be longer than all else that is kept."""
    with client.session(NEWEST) as session:
        big = session.do(ask.register_secret(NEWEST, bytes(4000))).unique_identifier
        (correlation,) = submitted(session, Request(releasing, ask.identifier(big)))
        outcome(session, correlation).expect_success()
    kept = "SELECT length(request), length(response) FROM jobs WHERE correlation_value = :v"
    ((request, response),) = rows(server, kept, v=correlation)
    assert isinstance(request, int)
    assert isinstance(response, int)
    assert request + response < 1000


def test_a_key_that_is_destroyed_is_polled_no_more(client: Client) -> None:
    with client.session(NEWEST) as session:
        key = session.create_aes()
        (correlation,) = submitted(session, ask.get(key))
        assert outcome(session, correlation) == session.do(ask.get(key))
        session.do(ask.destroy(key)).expect_success()
        gone = session.do(poll(correlation))
        assert (gone.operation, gone.status, gone.reason) == (Operation.GET, OPERATION_FAILED, Reason.OBJECT_DESTROYED)
        assert gone.payload is None


def test_of_a_destroyed_object_an_export_is_polled_without_the_key(client: Client) -> None:
    with client.session(NEWEST) as session:
        key = session.create_aes()
        (correlation,) = submitted(session, Request(Operation.EXPORT, ask.identifier(key)))
        assert outcome(session, correlation).get(Tag.SYMMETRIC_KEY) is not None
        session.do(ask.destroy(key)).expect_success()
        assert session.do(poll(correlation)).expect_success().get(Tag.SYMMETRIC_KEY) is None


def test_a_key_that_is_destroyed_by_the_same_request_is_never_answered(client: Client) -> None:
    with client.session(NEWEST) as session:
        key = session.create_aes()
        values = submitted(session, ask.get(key), ask.destroy(key))
        got, destroyed = [outcome(session, value) for value in values]
        assert (got.status, got.reason, destroyed.status) == (OPERATION_FAILED, Reason.OBJECT_DESTROYED, SUCCESS)


def test_each_release_is_on_record(client: Client, server: RunningServer) -> None:
    with client.session(NEWEST) as session:
        key = session.create_aes()
        (correlation,) = submitted(session, ask.get(key))
        outcome(session, correlation).expect_success()
        session.do(ask.destroy(key)).expect_success()
        session.do(poll(correlation))
    found = rows(
        server, "SELECT operation, outcome FROM audit WHERE unique_identifier = :key ORDER BY sequence", key=key
    )
    assert found == [
        ("Create", "succeeded"),
        ("Get", "succeeded"),
        ("Get", "succeeded"),
        ("Destroy", "succeeded"),
        ("Get", "failed"),
    ]


def test_a_release_that_was_too_large_to_answer_is_on_record_as_refused(client: Client, server: RunningServer) -> None:
    with client.session(NEWEST) as session:
        key = session.create_aes()
        (correlation,) = submitted(session, ask.get(key))
        outcome(session, correlation).expect_success()
        small = (integer(Tag.MAXIMUM_RESPONSE_SIZE, 200),)
        session.do(poll(correlation), fields=small)
    found = rows(
        server, "SELECT operation, outcome FROM audit WHERE unique_identifier = :key ORDER BY sequence", key=key
    )
    assert found[-2:] == [("Get", "succeeded"), ("Get", "failed")]


# --- Killed, stopped, revoked


def test_no_job_is_lost_or_done_twice_by_kill_9(make_server: MakeServer) -> None:
    server = make_server("--workers", "2")
    server.start()
    client, group, values = server.add_client("client"), a_group(), list[bytes]()
    for _ in range(4):
        with client.session(NEWEST) as session:
            values += submitted(
                session, key_pair(NEWEST, group), key_pair(NEWEST, group), ask.create_aes(NEWEST, group)
            )
            values += submitted(session, ask.create_aes(NEWEST, group))
        server.kill()
        server.start()
    with client.session(NEWEST) as session:
        results = [outcome(session, value).expect_success() for value in values]
        made = {result.get(tag) for result in results for tag in IDENTIFIERS} - {None}
        assert set(session.located(group)) == made
        assert len(made) == 4 * 6
    assert server.stop() == 0
    assert server.command("check", str(server.data)).returncode == 0


IDENTIFIERS = (Tag.UNIQUE_IDENTIFIER, Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)


def test_a_stop_leaves_nothing_undone_for_good_and_a_revoked_owner_nothing_done(fresh_server: RunningServer) -> None:
    server, group = fresh_server, a_group()
    good, bad = server.add_client("good"), server.add_client("bad")
    with good.session(NEWEST) as kept, bad.session(NEWEST) as revoked:
        # One thread of a worker generates key pairs: these wait for each other, and are not begun when the server ends.
        slow = [key_pair(NEWEST, group, bits=3072)] * 4
        good_value = submitted(kept, *slow)[-1]
        bad_values = submitted(revoked, *slow[:2], ask.create_aes(NEWEST, group))
        assert kept.do(poll(good_value)).status == OPERATION_PENDING
        server.kill()
    server.revoke_client("bad")
    server.start()
    with good.session(NEWEST) as session:
        outcome(session, good_value).expect_success()
        made = session.located(group)
        assert len(made) == 8
    deadline = time.monotonic() + WITHIN_S
    stages = "SELECT count(*) FROM jobs WHERE owner = 'bad' AND response IS NULL"
    while rows(server, stages) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    again = server.add_client("bad")
    with again.session(NEWEST) as session:
        for value in bad_values:
            answer = outcome(session, value)
            assert answer.status == OPERATION_FAILED
            assert answer.reason == Reason.AUTHENTICATION_NOT_SUCCESSFUL
        assert session.located(group) == []
    assert server.command("check", str(server.data)).returncode == 0


def test_answers_are_forgotten_after_a_day(fresh_server: RunningServer) -> None:
    client = fresh_server.add_client("client")
    with client.session(NEWEST) as session:
        values = [submitted(session, ask.create_aes(NEWEST))[0] for _ in range(2)]
        for value in values:
            outcome(session, value).expect_success()
    assert fresh_server.stop() == 0
    engine = create_engine(fresh_server.url)
    with engine.begin() as connection:
        aged = text("UPDATE jobs SET submitted_at = submitted_at - 86500 WHERE correlation_value = :value")
        connection.execute(aged, {"value": values[0]})
    engine.dispose()
    fresh_server.start()
    with client.session(NEWEST) as session:
        deadline = time.monotonic() + WITHIN_S
        while rows(fresh_server, "SELECT count(*) FROM jobs") != [(1,)]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert_refused(session.do(poll(values[0])), NEWEST, UNKNOWN)
        assert session.do(poll(values[1])).status == SUCCESS
    os.kill(fresh_server.pid, signal.SIGTERM)
    assert fresh_server.wait() == 0
