"""What a request header asks for, over the wire: Maximum Response Size, Message Extensions, Time Stamp, Correlation
Values and Authentication (KMIP 2.1 s8.2, s9.4, s9.9 to s9.13; KMIP 1.4 s6).
"""

from __future__ import annotations

import re
import time
from itertools import count

import pytest
from sqlalchemy import create_engine
from sqlalchemy import text as sql
from support import requests as ask
from support.bad import INVALID_FIELD, assert_refused
from support.numbers import Operation, Reason, Tag
from support.requests import Session
from support.server import Client, RunningServer
from support.wire import (
    VERSIONS,
    Connection,
    Version,
    batch_item,
    boolean,
    credential,
    date_time,
    enumeration,
    integer,
    message,
    octets,
    read_response,
    request,
    structure,
    text,
)

BOTH: list[Version] = [(1, 4), (2, 1)]
WITH_CORRELATION: list[Version] = [(1, 4), (2, 0), (2, 1)]
TOO_LARGE = frozenset({Reason.RESPONSE_TOO_LARGE})
REFUSED = frozenset({Reason.AUTHENTICATION_NOT_SUCCESSFUL})
CONTINUE = enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 1)
PASSWORD = "correct horse battery"
_numbers = count()


def a_name() -> ask.Attribute:
    return ask.name(f"header {next(_numbers)}")


def at_most(size: int) -> bytes:
    return integer(Tag.MAXIMUM_RESPONSE_SIZE, size)


def size_of_answer(connection: Connection, asked: bytes) -> int:
    connection.send(asked)
    answer = connection.receive()
    assert all(result.ok for result in read_response(answer).results)
    return len(answer)


# --- Maximum Response Size (s9.12)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_response_of_just_the_size_allowed_is_sent_and_one_byte_less_is_too_small(
    client: Client, version: Version
) -> None:
    with client.session(version) as session:
        key = session.create_aes()
        size = size_of_answer(session.connection, ask.one(version, ask.get(key)))
        session.do(ask.get(key), fields=(at_most(size),)).expect_success()
        assert_refused(session.do(ask.get(key), fields=(at_most(size - 1),)), version, TOO_LARGE)


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_what_is_too_large_to_be_told_is_not_done(client: Client, version: Version) -> None:
    name = a_name()
    with client.session(version) as session:
        size = size_of_answer(session.connection, ask.one(version, ask.create_aes(version)))
        asked = ask.create_aes(version, name)
        assert_refused(session.do(asked, fields=(at_most(size - 1),)), version, TOO_LARGE)
        assert session.located(name) == []
        session.do(asked, fields=(at_most(size),)).expect_success()
        assert len(session.located(name)) == 1


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_a_key_pair_that_cannot_be_told_is_not_made(client: Client, version: Version) -> None:
    group = ask.object_group(f"pair {next(_numbers)}")
    asked = ask.create_key_pair(version, [ask.algorithm(ask.RSA), ask.length(2048), group], 1, 2)
    with client.session(version) as session:
        assert_refused(session.do(asked, fields=(at_most(200),)), version, TOO_LARGE)
        assert session.located(group) == []


@pytest.mark.parametrize("going_on", [False, True], ids=["Stop", "Continue"])
@pytest.mark.parametrize("version", BOTH, ids=str)
def test_a_batch_has_one_size_for_all_its_answers(client: Client, version: Version, going_on: bool) -> None:
    """Room is kept for the failure of what follows: with a success in it, no answer is larger than allowed."""
    with client.session(version) as session:
        key = session.create_aes()
        gets = [ask.get(key)] * 4
        whole = size_of_answer(session.connection, ask.batch(version, *gets, ask.create_aes(version)))
        successes = set()
        for size in range(400, whole + 400, 200):
            name = a_name()
            fields = (at_most(size), CONTINUE) if going_on else (at_most(size),)
            session.connection.send(ask.batch(version, *gets, ask.create_aes(version, name), fields=fields))
            answer = session.connection.receive()
            results = read_response(answer).results
            good = [result for result in results if result.ok]
            assert len(answer) <= size or not good, (size, len(answer))
            made = [result.unique_identifier for result in good if result.operation == Operation.CREATE]
            assert session.located(name) == made
            successes.add(len(good))
        assert {0, 5} < successes


def test_a_placeholder_is_not_left_by_what_was_too_large(client: Client) -> None:
    version = (2, 1)
    with client.session(version) as session:
        response = session.batch(ask.register_opaque(version, bytes(8)), ask.get(), fields=(at_most(300), CONTINUE))
        assert not any(result.ok for result in response.results)


# --- Message Extension (s9.13)


def extension(*, critical: bool) -> bytes:
    return structure(
        Tag.MESSAGE_EXTENSION,
        text(Tag.VENDOR_IDENTIFICATION, "somebody"),
        boolean(Tag.CRITICALITY_INDICATOR, critical),
        structure(Tag.VENDOR_EXTENSION, text(0x540001, "of nobody's business")),
    )


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_an_extension_that_is_not_critical_changes_nothing(client: Client, version: Version) -> None:
    name = a_name()
    asked = ask.create_aes(version, name)
    more = extension(critical=False) * 2
    with client.session(version) as session:
        made = session.connection.exchange(message(version, batch_item(asked.operation, asked.payload, extension=more)))
        assert session.located(name) == [made.result.unique_identifier]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_critical_extension_fails_the_message_before_anything_is_done(client: Client, version: Version) -> None:
    name = a_name()
    asked = ask.create_aes(version, name)
    both = extension(critical=False) + extension(critical=True)
    with client.session(version) as session:
        bent = message(version, batch_item(asked.operation, asked.payload, extension=both))
        result = session.connection.exchange(bent).result
        assert_refused(result, version, frozenset({Reason.UNKNOWN_MESSAGE_EXTENSION}))
        assert session.located(name) == []


# --- Time Stamp (s9.20)


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_a_time_stamp_may_be_off_by_what_is_configured(impatient: Client, version: Version) -> None:
    with impatient.session(version) as session:
        for off, good in ((-50, True), (50, True), (-70, False), (70, False)):
            stamp = date_time(Tag.TIME_STAMP, int(time.time()) + off)
            result = session.do(ask.query(1), fields=(stamp,))
            assert result.ok == good, off
            if not good:
                assert_refused(result, version, INVALID_FIELD)
        session.do(ask.query(1)).expect_success()


def test_a_request_with_a_stale_time_stamp_has_no_effect(impatient: Client) -> None:
    name, version = a_name(), (2, 1)
    with impatient.session(version) as session:
        stamp = date_time(Tag.TIME_STAMP, int(time.time()) - 3600)
        assert not session.do(ask.create_aes(version, name), fields=(stamp,)).ok
        assert session.located(name) == []


# --- Correlation Values (s9.9, s9.10)


def correlated(value: str) -> bytes:
    return text(Tag.CLIENT_CORRELATION_VALUE, value)


def server_value(connection: Connection, asked: bytes) -> object:
    node = connection.exchange(asked).node
    assert node.get(Tag.RESPONSE_HEADER, Tag.CLIENT_CORRELATION_VALUE) is None
    return node.get(Tag.RESPONSE_HEADER, Tag.SERVER_CORRELATION_VALUE)


@pytest.mark.parametrize("version", WITH_CORRELATION, ids=str)
def test_who_sends_a_correlation_value_gets_one_that_is_unique(client: Client, version: Version) -> None:
    with client.connect() as connection:
        asked = ask.one(version, ask.discover_versions(), fields=(correlated("mine"),))
        values = {server_value(connection, asked) for _ in range(5)}
        assert len(values) == 5
        assert all(isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value) for value in values)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_who_sends_none_gets_none(client: Client, version: Version) -> None:
    """PyKMIP's client takes no response header with a field that it does not know."""
    with client.connect() as connection:
        assert server_value(connection, ask.one(version, ask.query(1))) is None


def test_an_answer_that_refuses_has_it_too(fresh: Client) -> None:
    with fresh.connect() as connection:
        wrong = ask.one((2, 1), ask.get("nothing"), fields=(correlated("mine"),))
        assert server_value(connection, wrong) is not None
        unsatisfied = (correlated("mine"), credential("nobody", "nothing"))
        assert server_value(connection, ask.one((2, 1), ask.query(1), fields=unsatisfied)) is not None


def logged(server: RunningServer) -> str:
    return server.stderr.read_text(encoding="utf-8")


def test_both_values_stand_in_the_log_together_and_cannot_forge_it(client: Client, server: RunningServer) -> None:
    forged = f"mine {next(_numbers)}\n2030-01-01 [info] forged\x1b[31m\u202e" + "x" * 1000
    with client.connect() as connection:
        value = server_value(connection, ask.one((2, 1), ask.query(1), fields=(correlated(forged),)))
    (line,) = [line for line in logged(server).splitlines() if str(value) in line]
    assert "mine" in line
    assert client.name in line
    assert "x" * 200 not in line
    assert not [line for line in logged(server).splitlines() if line.startswith("2030-01-01")]
    assert "\x1b[31m\u202e" not in logged(server)


def test_the_audit_records_of_a_request_have_the_servers_value(client: Client, server: RunningServer) -> None:
    version = (2, 1)
    with client.session(version) as session:
        made = ask.batch(version, ask.create_aes(version), ask.get(), ask.destroy("nothing"), fields=(correlated("c"),))
        value = server_value(session.connection, made)
    engine = create_engine(server.url)
    with engine.connect() as connection:
        found = connection.execute(
            sql("SELECT operation, outcome FROM audit WHERE correlation = :value ORDER BY sequence"), {"value": value}
        ).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [("Create", "succeeded"), ("Get", "succeeded"), ("Destroy", "failed")]


def test_the_size_of_an_answer_counts_its_correlation_value(client: Client) -> None:
    version = (2, 1)
    with client.session(version) as session:
        asked = ask.get(session.create_aes())
        size = size_of_answer(session.connection, ask.one(version, asked, fields=(correlated("c"),)))
        session.do(asked, fields=(at_most(size), correlated("c"))).expect_success()
        assert_refused(session.do(asked, fields=(at_most(size - 1), correlated("c"))), version, TOO_LARGE)


# --- Authentication (s9.4, s9.11)


def add_user(server: RunningServer, name: str, *groups: str) -> None:
    server.add_user(name, PASSWORD, *groups)


def credentials(*given: bytes) -> bytes:
    return structure(Tag.AUTHENTICATION, *given)


def password(name: str, word: str = PASSWORD) -> bytes:
    """A Credential structure, out of the Authentication that holds it."""
    return credential(name, word)[8:]


def other_kind(kind: int, *value: bytes) -> bytes:
    return structure(Tag.CREDENTIAL, enumeration(Tag.CREDENTIAL_TYPE, kind), structure(Tag.CREDENTIAL_VALUE, *value))


@pytest.fixture(scope="module")
def users(server: RunningServer) -> tuple[str, str]:
    names = f"array-{next(_numbers)}", f"tape-{next(_numbers)}"
    for name in names:
        add_user(server, name)
    return names


@pytest.fixture
def fresh(make_client) -> Client:
    """A client whose failures are its own: after a few of them a caller has to wait."""
    made: Client = make_client("authenticating")
    return made


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_right_password_is_satisfied(client: Client, users: tuple[str, str], version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes()
        session.do(ask.get(key), fields=(credentials(password(users[0])),)).expect_success()


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_a_wrong_password_and_an_unknown_user_are_refused_alike(
    fresh: Client, users: tuple[str, str], version: Version
) -> None:
    name = a_name()
    with fresh.session(version) as session:
        wrong = credentials(password(users[0], "not the password"))
        unknown = credentials(password("nobody", PASSWORD))
        answers = [session.do(ask.create_aes(version, name), fields=(given,)) for given in (wrong, unknown)]
        for answer in answers:
            assert_refused(answer, version, REFUSED)
        assert answers[0].message == answers[1].message
        assert session.located(name) == []


def test_all_items_of_an_unsatisfied_request_are_refused(fresh: Client, users: tuple[str, str]) -> None:
    version = (2, 1)
    with fresh.session(version) as session:
        fields = (credentials(password(users[0], "not the password")), CONTINUE)
        response = session.batch(ask.create_aes(version), ask.query(1), fields=fields)
        assert len(response.results) == 2
        for result in response.results:
            assert_refused(result, version, REFUSED)


def test_several_credentials_must_all_be_satisfied(fresh: Client, users: tuple[str, str]) -> None:
    version = (2, 1)
    first, second = users
    with fresh.session(version) as session:
        both = credentials(password(first), password(second))
        session.do(ask.create_aes(version), fields=(both,)).expect_success()
        one = credentials(password(first), password(second, "not the password"))
        assert_refused(session.do(ask.create_aes(version), fields=(one,)), version, REFUSED)


OTHER_KINDS = {
    "Device": other_kind(2, text(Tag.DEVICE_SERIAL_NUMBER, "SN1"), text(Tag.PASSWORD, PASSWORD)),
    "Attestation": other_kind(
        3,
        structure(Tag.NONCE, octets(Tag.NONCE_ID, b"1"), octets(Tag.NONCE_VALUE, bytes(8))),
        enumeration(Tag.ATTESTATION_TYPE, 1),
    ),
    "One Time Password": other_kind(4, text(Tag.USERNAME, "u"), text(Tag.PASSWORD, PASSWORD)),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a right password"])
def test_a_credential_that_is_not_checked_is_not_satisfied(
    client: Client, users: tuple[str, str], kind: str, beside: bool
) -> None:
    version, given = (2, 1), OTHER_KINDS[kind]
    reasons = frozenset({Reason.ATTESTATION_FAILED}) if kind == "Attestation" else REFUSED
    with client.session(version) as session:
        both = credentials(*((password(users[0]),) if beside else ()), given)
        assert_refused(session.do(ask.create_aes(version), fields=(both,)), version, reasons)


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_query_and_discover_versions_work_without_the_second_factor(
    fresh: Client, server: RunningServer, version: Version
) -> None:
    """A user of the client's own name makes its password a second factor for all else."""
    add_user(server, fresh.name)
    deadline = time.monotonic() + 10
    with fresh.session(version) as session:
        while session.do(ask.create_aes(version)).ok and time.monotonic() < deadline:
            time.sleep(0.02)
        assert_refused(session.do(ask.create_aes(version)), version, REFUSED)
        session.do(ask.query(1)).expect_success()
        session.do(ask.discover_versions()).expect_success()
        session.do(ask.create_aes(version), fields=(credentials(password(fresh.name)),)).expect_success()


def test_the_groups_of_a_user_are_the_callers_for_that_request(
    client: Client, other: Client, server: RunningServer
) -> None:
    server.put_operation_policies({"shared": {"groups": {"auditors": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}})
    add_user(server, "auditor", "auditors")
    with client.session((1, 2)) as mine, other.session((2, 1)) as session:
        key = mine.create_aes(ask.operation_policy_name("shared"))
        assert_refused(session.do(ask.get(key)), (2, 1), frozenset({Reason.OBJECT_NOT_FOUND}))
        given = (credentials(password("auditor")),)
        session.do(ask.get(key), fields=given).expect_success()
        assert_refused(session.do(ask.get(key)), (2, 1), frozenset({Reason.OBJECT_NOT_FOUND}))


def test_a_password_is_never_logged(fresh: Client, server: RunningServer, users: tuple[str, str]) -> None:
    with fresh.connect() as connection:
        given = credentials(password(users[0], "a secret that is wrong"), password(users[1]))
        connection.exchange(request((2, 1), Operation.QUERY, fields=(given,)))
    assert "a secret that is wrong" not in logged(server)
    assert PASSWORD not in logged(server)


def guesses(server: RunningServer, of: Client) -> list[tuple[str, str]]:
    """Outcome and detail of a client's failed authentications that are on record."""
    engine = create_engine(server.url)
    asked = sql("SELECT outcome, detail FROM audit WHERE caller = :name AND operation = 'Authentication'")
    with engine.connect() as connection:
        found = connection.execute(asked, {"name": of.name}).all()
    engine.dispose()
    return [(outcome, detail) for outcome, detail in found]


def test_a_wrong_password_is_on_record_and_in_the_log_without_the_password(
    fresh: Client, server: RunningServer, users: tuple[str, str]
) -> None:
    with fresh.session((2, 1)) as session:
        given = credentials(password(users[0], "a guess that is wrong"))
        assert_refused(session.do(ask.create_aes((2, 1)), fields=(given,)), (2, 1), REFUSED)
    ((outcome, detail),) = guesses(server, fresh)
    assert outcome == "failed"
    assert users[0] in detail
    lines = [line for line in logged(server).splitlines() if "wrong password" in line]
    assert any(fresh.name in line and users[0] in line for line in lines)
    assert "a guess that is wrong" not in detail + "".join(lines)


def test_who_has_to_wait_is_in_the_log_and_adds_no_record(
    fresh: Client, server: RunningServer, users: tuple[str, str]
) -> None:
    wrong = credentials(password(users[0], "not the password"))
    with fresh.session((2, 1)) as session:
        answers = [str(session.do(ask.query(1), fields=(wrong,)).message) for _ in range(9)]
    waiting = [answer for answer in answers if "wait a minute" in answer]
    assert waiting
    assert len(guesses(server, fresh)) == len(answers) - len(waiting)
    lines = [line for line in logged(server).splitlines() if "authentication refused" in line and fresh.name in line]
    assert len(lines) == len(waiting)
    assert all("wait a minute" in line for line in lines)


def test_after_some_failures_a_caller_waits_though_the_password_is_right(fresh: Client, users: tuple[str, str]) -> None:
    with fresh.connect() as connection:
        session = Session(connection, (2, 1))
        for _ in range(6):
            session.do(ask.query(1), fields=(credentials(password(users[0], "not the password")),))
        result = session.do(ask.query(1), fields=(credentials(password(users[0])),))
        assert_refused(result, (2, 1), REFUSED)
        session.do(ask.query(1)).expect_success()
