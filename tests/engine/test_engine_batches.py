"""Batches over the wire (KMIP 2.1 s8.3, s9.5 to s9.8, s9.19; KMIP 1.4 s6.12 to s6.15): Stop, Continue, Undo, order."""

from __future__ import annotations

from itertools import count

import pytest
from support import requests as ask
from support.attributes import allocate, usage_limits
from support.bad import INVALID_MESSAGE, assert_refused
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.server import Client
from support.wire import (
    OPERATION_FAILED,
    OPERATION_UNDONE,
    SUCCESS,
    VERSIONS,
    Result,
    Version,
    batch_item,
    boolean,
    enumeration,
    header,
    integer,
    message,
    octets,
    structure,
)

CONTINUE, STOP, UNDO = 1, 2, 3
BOTH: list[Version] = [(1, 4), (2, 1)]
NOTHING = "there is no such object"
IN_CLEAR = ask.parameters(ask.CBC, padding=1)
_numbers = count()


def option(value: int) -> tuple[bytes, ...]:
    return (enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, value),)


def a_name() -> ask.Attribute:
    return ask.name(f"batch {next(_numbers)}")


def contact(session: Session, key: str) -> object:
    """An object's Contact Information, as a client of 2.1 sees it."""
    newest = Session(session.connection, (2, 1))
    asked = ask.get_attributes((2, 1), key, ("Contact Information", Tag.CONTACT_INFORMATION))
    return newest.do(asked).get(Tag.ATTRIBUTES, Tag.CONTACT_INFORMATION)


def state(session: Session, key: str) -> object:
    newest = Session(session.connection, (2, 1))
    return newest.do(ask.get_attributes((2, 1), key, ("State", Tag.STATE))).get(Tag.ATTRIBUTES, Tag.STATE)


def tags(result: Result) -> list[int]:
    """The fields of a Response Payload."""
    assert result.payload is not None
    return [node.tag for node in result.payload.value]


def usage_left(session: Session, key: str) -> object:
    newest = Session(session.connection, (2, 1))
    asked = ask.get_attributes((2, 1), key, ("Usage Limits", Tag.USAGE_LIMITS))
    return newest.do(asked).get(Tag.ATTRIBUTES, Tag.USAGE_LIMITS, Tag.USAGE_LIMITS_COUNT)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("fields", [(), option(STOP)], ids=["unspecified", "Stop"])
def test_stop_keeps_what_came_before_and_begins_nothing_after(
    client: Client, version: Version, fields: tuple[bytes, ...]
) -> None:
    first, last = a_name(), a_name()
    with client.session(version) as session:
        response = session.batch(
            ask.create_aes(version, first), ask.get(NOTHING), ask.create_aes(version, last), fields=fields
        )
        assert [result.status for result in response.results] == [SUCCESS, OPERATION_FAILED]
        assert session.located(first) == [response.results[0].unique_identifier]
        assert session.located(last) == []


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_continue_keeps_what_came_before_and_goes_on(client: Client, version: Version) -> None:
    first, last = a_name(), a_name()
    with client.session(version) as session:
        response = session.batch(
            ask.create_aes(version, first),
            ask.get(NOTHING),
            ask.create_aes(version, last),
            ask.destroy(NOTHING),
            fields=option(CONTINUE),
        )
        assert [result.status for result in response.results] == [SUCCESS, OPERATION_FAILED, SUCCESS, OPERATION_FAILED]
        assert session.located(first) == [response.results[0].unique_identifier]
        assert session.located(last) == [response.results[2].unique_identifier]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_undo_takes_everything_back_and_says_of_which_objects(client: Client, version: Version) -> None:
    made = a_name()
    with client.session(version) as session:
        kept = session.create_aes()
        response = session.batch(
            ask.create_aes(version, made), ask.get(kept), ask.get(NOTHING), ask.destroy(kept), fields=option(UNDO)
        )
        undone, read, failed = response.results
        assert [undone.status, read.status, failed.status] == [OPERATION_UNDONE, OPERATION_UNDONE, OPERATION_FAILED]
        assert failed.reason == (Reason.ITEM_NOT_FOUND if version < (2, 0) else Reason.OBJECT_NOT_FOUND)
        identifier = undone.get(Tag.UNIQUE_IDENTIFIER)
        assert identifier
        assert tags(read) == [Tag.OBJECT_TYPE, Tag.UNIQUE_IDENTIFIER]
        assert read.get(Tag.UNIQUE_IDENTIFIER) == kept
        assert session.located(made) == []
        assert not session.do(ask.get(identifier)).ok
        session.do(ask.get(kept)).expect_success()


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_undo_takes_back_a_destroy_and_the_key_is_still_the_same(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes()
        material = session.key_material(key)
        response = session.batch(ask.destroy(key), ask.get(key), fields=option(UNDO))
        assert [result.status for result in response.results] == [OPERATION_UNDONE, OPERATION_FAILED]
        assert session.key_material(key) == material
        assert state(session, key) == ask.PRE_ACTIVE


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_undo_takes_back_an_activation_and_a_revocation(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes()
        session.batch(ask.activate(key), ask.get(NOTHING), fields=option(UNDO))
        assert state(session, key) == ask.PRE_ACTIVE
        session.do(ask.activate(key)).expect_success()
        session.batch(ask.revoke(key), ask.get(NOTHING), fields=option(UNDO))
        assert state(session, key) == ask.ACTIVE
        session.do(ask.encrypt(key, bytes(16), IN_CLEAR, bytes(16))).expect_success()


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_undo_takes_back_changes_of_attributes(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key, other = session.create_aes(ask.contact_information("before")), session.create_aes()
        added, group = a_name(), ask.object_group(f"undone {next(_numbers)}")
        session.batch(
            ask.modify_attribute(version, key, ask.contact_information("after")),
            ask.add_attribute(version, other, added),
            ask.add_attribute(version, other, group),
            ask.get(NOTHING),
            fields=option(UNDO),
        )
        assert contact(session, key) == "before"
        assert session.located(added) == session.located(group) == []
        session.create_aes(added)


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_undo_gives_back_what_was_spent_of_usage_limits(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes(usage_limits(64), active=True)
        encrypt = ask.encrypt(key, bytes(16), IN_CLEAR, bytes(16))
        response = session.batch(encrypt, allocate(key, 16), ask.get(NOTHING), fields=option(UNDO))
        assert [result.status for result in response.results] == [OPERATION_UNDONE, OPERATION_UNDONE, OPERATION_FAILED]
        assert usage_left(session, key) == 64
        session.do(encrypt).expect_success()
        assert usage_left(session, key) == 48


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_what_undo_gives_back_was_of_no_use(client: Client, version: Version) -> None:
    """An undone use of a key is not counted, and its IV is free again: so its output does not leave (s9.6)."""
    with client.session(version) as session:
        key = session.create_aes(usage_limits(64), active=True)
        asked = {
            "encrypt": ask.encrypt(key, bytes(16), ask.parameters(ask.GCM), bytes(12)),
            "decrypt": ask.decrypt(key, bytes(16), IN_CLEAR, bytes(16)),
            "random bytes": Request(Operation.RNG_RETRIEVE, integer(Tag.DATA_LENGTH, 16)),
            "allocation": allocate(key, 16),
        }
        response = session.batch(*asked.values(), ask.get(key), ask.get(NOTHING), fields=option(UNDO))
        for result in response.results[:-1]:
            assert result.status == OPERATION_UNDONE
            assert set(tags(result)) <= {Tag.UNIQUE_IDENTIFIER, Tag.OBJECT_TYPE}
        assert usage_left(session, key) == 64
        session.do(asked["encrypt"]).expect_success()
        assert_refused(session.do(asked["encrypt"]), version, frozenset({Reason.BAD_CRYPTOGRAPHIC_PARAMETERS}))


def part(key: str, more: bytes, *, last: bool = False) -> Request:
    """A part of an Encrypt in several; `more` is how to begin it, or its Correlation Value."""
    return Request(
        Operation.ENCRYPT,
        ask.identifier(key) + more + (boolean(Tag.FINAL_INDICATOR, True) if last else b""),
    )


def correlation(result: Result) -> bytes:
    return octets(Tag.CORRELATION_VALUE, result.expect_success().get(Tag.CORRELATION_VALUE))


@pytest.mark.parametrize("version", BOTH, ids=str)
def test_undo_ends_an_operation_in_parts_that_it_began_or_continued(client: Client, version: Version) -> None:
    begin = IN_CLEAR + octets(Tag.DATA, bytes(16)) + octets(Tag.IV_COUNTER_NONCE, bytes(16))
    with client.session(version) as session:
        key = session.create_aes(active=True)
        first = part(key, begin + boolean(Tag.INIT_INDICATOR, True))
        begun = session.batch(first, ask.get(NOTHING), fields=option(UNDO)).results[0]
        assert tags(begun) == [Tag.UNIQUE_IDENTIFIER]
        value = correlation(session.do(first))
        second = part(key, octets(Tag.DATA, bytes(16)) + value)
        session.batch(second, ask.get(NOTHING), fields=option(UNDO))
        assert_refused(session.do(second), version, frozenset({Reason.INVALID_CORRELATION_VALUE}))


def test_a_part_whose_answer_is_refused_ends_its_operation(client: Client) -> None:
    """What it protected was not counted: it must not be part of what comes out later."""
    version, room = (2, 1), (integer(Tag.MAXIMUM_RESPONSE_SIZE, 256),)
    begin = IN_CLEAR + octets(Tag.DATA, bytes(16)) + octets(Tag.IV_COUNTER_NONCE, bytes(16))
    with client.session(version) as session:
        key = session.create_aes(active=True)
        value = correlation(session.do(part(key, begin + boolean(Tag.INIT_INDICATOR, True))))
        much = part(key, octets(Tag.DATA, bytes(512)) + value)
        assert session.do(much, fields=room).reason == Reason.RESPONSE_TOO_LARGE
        assert session.do(part(key, value, last=True)).reason == Reason.INVALID_CORRELATION_VALUE


def test_undo_takes_back_a_batch_in_which_a_search_saw_what_was_made(client: Client) -> None:
    """A search sends what is pending to the database: that must be taken back from there, too."""
    made, version = a_name(), (2, 1)
    with client.session(version) as session:
        response = session.batch(
            ask.create_aes(version, made), ask.locate(version, made), ask.get(NOTHING), fields=option(UNDO)
        )
        created, located, _ = response.results
        assert located.get(Tag.UNIQUE_IDENTIFIER) == created.get(Tag.UNIQUE_IDENTIFIER)
        assert session.located(made) == []


def test_undo_keeps_a_batch_without_a_failure(client: Client) -> None:
    made, version = a_name(), (2, 1)
    with client.session(version) as session:
        response = session.batch(ask.create_aes(version, made), ask.activate(), fields=option(UNDO))
        assert [result.status for result in response.results] == [SUCCESS, SUCCESS]
        assert session.located(made, ask.state(ask.ACTIVE)) == [response.results[0].unique_identifier]


def test_an_undone_batch_leaves_a_store_in_order(client: Client) -> None:
    """Undone is on record beside done: `check` counts on the records to explain every object."""
    version = (2, 1)
    with client.session(version) as session:
        key = session.create_aes()
        session.batch(ask.destroy(key), ask.create_aes(version), ask.get(NOTHING), fields=option(UNDO))
        session.do(ask.create_key_pair(version, [ask.algorithm(ask.RSA), ask.length(2048)], 1, 2)).expect_success()
        assert not session.do(ask.get(NOTHING)).ok
    assert client.server.command("check", str(client.server.data)).stdout == "Everything is in order\n"


@pytest.mark.parametrize("ordered", [None, True, False])
@pytest.mark.parametrize("version", BOTH, ids=str)
def test_items_are_carried_out_and_answered_in_their_order(
    client: Client, version: Version, ordered: bool | None
) -> None:
    """The order is kept whatever Batch Order Option says: a server may choose any order where it does not matter."""
    fields = () if ordered is None else (boolean(Tag.BATCH_ORDER_OPTION, ordered),)
    with client.session(version) as session:
        key = session.create_aes()
        response = session.batch(
            ask.activate(key),
            ask.encrypt(key, bytes(16), IN_CLEAR, bytes(16)),
            ask.revoke(key),
            ask.destroy(key),
            ask.get(key),
            fields=fields,
        )
        assert [result.ok for result in response.results] == [True, True, True, True, False]
        operations = [Operation.ACTIVATE, Operation.ENCRYPT, Operation.REVOKE, Operation.DESTROY, Operation.GET]
        assert [result.operation for result in response.results] == operations
        assert [result.identifier for result in response.results] == [n.to_bytes(4, "big") for n in range(1, 6)]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_batch_of_a_hundred_items_is_answered_item_by_item(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes()
        response = session.batch(*[ask.get(key)] * 100)
        assert [result.ok for result in response.results] == [True] * 100


def test_a_batch_is_one_transaction_seen_as_a_whole_or_not_at_all(client: Client) -> None:
    version = (2, 1)
    group = ask.object_group(f"whole {next(_numbers)}")
    with client.session(version) as writer, client.session(version) as reader:
        for turn in range(1, 6):
            writer.connection.send(ask.batch(version, *[ask.create_aes(version, group)] * 10))
            seen = len(reader.located(group))
            assert seen in ((turn - 1) * 10, turn * 10)
            writer.connection.receive()


# --- Unique Batch Item IDs (s8.3) ------------------------------------------------------------------------------------


def create(version: Version, name: ask.Attribute, identifier: bytes | None) -> bytes:
    asked = ask.create_aes(version, name)
    return batch_item(asked.operation, asked.payload, identifier=identifier)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize(
    "identifiers",
    [(None, None), (b"1", None), (None, b"1"), (b"same", b"same"), (b"", b"")],
    ids=["none", "second missing", "first missing", "equal", "both empty"],
)
def test_several_items_need_identifiers_that_differ(
    client: Client, version: Version, identifiers: tuple[bytes | None, bytes | None]
) -> None:
    names = a_name(), a_name()
    with client.session(version) as session:
        items = [create(version, name, identifier) for name, identifier in zip(names, identifiers, strict=True)]
        response = session.connection.exchange(message(version, *items))
        for result in response.results:
            assert_refused(result, version, INVALID_MESSAGE)
        assert [session.located(name) for name in names] == [[], []]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("identifier", [None, b"", b"7", bytes(64)], ids=["none", "empty", "short", "long"])
def test_one_item_is_answered_with_the_identifier_it_came_with(
    client: Client, version: Version, identifier: bytes | None
) -> None:
    with client.connect() as connection:
        found = batch_item(Operation.DISCOVER_VERSIONS, identifier=identifier)
        missing = batch_item(Operation.GET, ask.identifier(NOTHING), identifier=identifier)
        if version > (1, 0):
            assert connection.exchange(message(version, found)).result.identifier == identifier
        assert connection.exchange(message(version, missing)).result.identifier == identifier


@pytest.mark.parametrize("version", BOTH, ids=str)
@pytest.mark.parametrize("number", [1, 3], ids=["too few", "too many"])
def test_a_batch_count_that_does_not_count_the_items_fails_the_message(
    client: Client, version: Version, number: int
) -> None:
    names = a_name(), a_name()
    with client.session(version) as session:
        items = [create(version, name, str(place).encode()) for place, name in enumerate(names)]
        bent = structure(Tag.REQUEST_MESSAGE, header(version, number), *items)
        for result in session.connection.exchange(bent).results:
            assert_refused(result, version, INVALID_MESSAGE)
        assert [session.located(name) for name in names] == [[], []]


def test_an_operation_that_does_not_exist_fails_its_item_alone(client: Client) -> None:
    version = (2, 1)
    with client.session(version) as session:
        response = session.batch(
            ask.discover_versions(), Request(Operation.CERTIFY, b""), ask.discover_versions(), fields=option(CONTINUE)
        )
        assert [result.status for result in response.results] == [SUCCESS, OPERATION_FAILED, SUCCESS]
        assert response.results[1].reason == Reason.OPERATION_NOT_SUPPORTED
