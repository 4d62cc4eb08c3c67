"""B51 to B57: batch items that are wrong in themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

import pytest
from support import requests as ask
from support.bad import INVALID_MESSAGE, NOT_FOUND, assert_alive, assert_refused
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.server import Client
from support.wire import (
    Version,
    batch_item,
    boolean,
    enumeration,
    message,
    octets,
    structure,
    text,
)

VERSIONS: list[Version] = [(1, 2), (2, 1)]
_numbers = count()
Bytes = Callable[[Version], bytes]


def a_name() -> ask.Attribute:
    return ask.name(f"bad item {next(_numbers)} {time.monotonic_ns()}")


def item(*fields: bytes) -> Bytes:
    """A message of one batch item with exactly these fields."""
    return lambda version: message(version, structure(Tag.BATCH_ITEM, *fields))


def critical_extension(critical: bool = True) -> bytes:
    return structure(
        Tag.MESSAGE_EXTENSION,
        text(Tag.VENDOR_IDENTIFICATION, "nobody knows"),
        boolean(Tag.CRITICALITY_INDICATOR, critical),
        structure(Tag.VENDOR_EXTENSION, text(Tag.DATA, "x")),
    )


OPERATION = enumeration(Tag.OPERATION, Operation.DISCOVER_VERSIONS)
PAYLOAD = structure(Tag.REQUEST_PAYLOAD)
UNKNOWN_OPERATION = frozenset({Reason.OPERATION_NOT_SUPPORTED})

REFUSED: dict[str, tuple[Bytes, frozenset[Reason]]] = {
    "B51 no operation": (item(PAYLOAD), INVALID_MESSAGE),
    "B51 operation 0": (item(enumeration(Tag.OPERATION, 0), PAYLOAD), UNKNOWN_OPERATION),
    "B51 operation FF": (item(enumeration(Tag.OPERATION, 0xFF), PAYLOAD), UNKNOWN_OPERATION),
    "B51 a vendor's operation": (item(enumeration(Tag.OPERATION, 0x80000001), PAYLOAD), UNKNOWN_OPERATION),
    "B51 Notify, which is the server's": (
        item(enumeration(Tag.OPERATION, Operation.NOTIFY), PAYLOAD),
        UNKNOWN_OPERATION,
    ),
    "B51 Put, which is the server's": (item(enumeration(Tag.OPERATION, Operation.PUT), PAYLOAD), UNKNOWN_OPERATION),
    "B51 operation twice": (item(OPERATION, OPERATION, PAYLOAD), INVALID_MESSAGE),
    "B52 no payload": (item(OPERATION), INVALID_MESSAGE),
    "B52 response payload": (item(OPERATION, structure(Tag.RESPONSE_PAYLOAD)), INVALID_MESSAGE),
    "B52 payload is a Byte String": (item(OPERATION, octets(Tag.REQUEST_PAYLOAD, b"")), INVALID_MESSAGE),
    "B52 payload twice": (item(OPERATION, PAYLOAD, PAYLOAD), INVALID_MESSAGE),
    "B53 payload of Create for Get": (
        lambda v: message(v, batch_item(Operation.GET, ask.create_aes(v).payload)),
        INVALID_MESSAGE,
    ),
    "B53 payload of Get for Create": (
        lambda v: message(v, batch_item(Operation.CREATE, ask.get("x").payload)),
        INVALID_MESSAGE,
    ),
    "B54 no identifiers among several": (
        lambda v: message(v, batch_item(Operation.DISCOVER_VERSIONS), batch_item(Operation.DISCOVER_VERSIONS)),
        INVALID_MESSAGE,
    ),
    "B54 one identifier missing": (
        lambda v: message(
            v, batch_item(Operation.DISCOVER_VERSIONS, identifier=b"1"), batch_item(Operation.DISCOVER_VERSIONS)
        ),
        INVALID_MESSAGE,
    ),
    "B54 identifier twice": (
        lambda v: message(v, *[batch_item(Operation.DISCOVER_VERSIONS, identifier=b"1")] * 2),
        INVALID_MESSAGE,
    ),
    "B54 identifier is a Text String": (
        lambda v: message(v, structure(Tag.BATCH_ITEM, OPERATION, text(Tag.UNIQUE_BATCH_ITEM_ID, "1"), PAYLOAD)),
        INVALID_MESSAGE,
    ),
    "B55 critical extension": (
        lambda v: message(v, batch_item(Operation.DISCOVER_VERSIONS, extension=critical_extension())),
        frozenset({Reason.UNKNOWN_MESSAGE_EXTENSION}),
    ),
    "B57 attributes of the other major version": (
        lambda v: message(
            v,
            batch_item(
                Operation.CREATE,
                enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY),
                ask.attributes((1, 2) if v >= (2, 0) else (2, 0), ask.algorithm(ask.AES), ask.length(256)),
            ),
        ),
        INVALID_MESSAGE,
    ),
}


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize(("build", "reasons"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_batch_item_is_refused_and_the_connection_lives_on(
    client: Client, build: Bytes, reasons: frozenset[Reason], version: Version
) -> None:
    with client.session(version) as session:
        response = session.connection.exchange(build(version))
        for result in response.results:
            assert_refused(result, response.version, reasons)
        session.do(ask.discover_versions()).expect_success()
    assert_alive(client)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b54_a_long_batch_item_identifier_comes_back_as_it_is(client: Client, version: Version) -> None:
    identifier = bytes(range(256)) * 3500
    with client.connect() as connection:
        asked = message(version, batch_item(Operation.DISCOVER_VERSIONS, identifier=identifier))
        assert connection.exchange(asked).result.expect_success().identifier == identifier


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b55_a_critical_extension_of_the_last_item_rejects_the_entire_message(client: Client, version: Version) -> None:
    wanted = a_name()
    made = ask.create_aes(version, wanted)
    with client.session(version) as session:
        response = session.connection.exchange(
            message(
                version,
                batch_item(made.operation, made.payload, identifier=b"1"),
                batch_item(Operation.DISCOVER_VERSIONS, identifier=b"2", extension=critical_extension()),
            )
        )
        for result in response.results:
            assert_refused(result, version, frozenset({Reason.UNKNOWN_MESSAGE_EXTENSION}))
        assert session.located(wanted) == []


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b55_an_extension_that_is_not_critical_is_ignored(client: Client, version: Version) -> None:
    """The negative control."""
    extended = batch_item(Operation.DISCOVER_VERSIONS, extension=critical_extension(critical=False))
    with client.connect() as connection:
        connection.exchange(message(version, extended)).result.expect_success()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize(
    "asked", [ask.get(), ask.activate(), ask.destroy(), ask.revoke()], ids=lambda r: r.operation.name
)
def test_b56_an_empty_id_placeholder_names_no_object(client: Client, version: Version, asked: ask.Request) -> None:
    with client.session(version) as session:
        assert_refused(session.do(asked), version, NOT_FOUND)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b56_a_locate_of_several_objects_leaves_no_placeholder(client: Client, version: Version) -> None:
    group = ask.object_group(f"several {time.monotonic_ns()}")
    with client.session(version) as session:
        keys = {session.create_aes(group) for _ in range(2)}
        response = session.batch(ask.locate(version, group), ask.destroy())
        response.results[0].expect_success()
        assert_refused(response.results[1], version, NOT_FOUND)
        assert set(session.located(group)) == keys
        for key in keys:
            session.do(ask.get(key)).expect_success()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b56_a_failed_item_leaves_no_placeholder(client: Client, version: Version) -> None:
    continue_ = (enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 1),)
    with client.session(version) as session:
        response = session.batch(
            ask.create(version, ask.algorithm(ask.AES), ask.length(-1), ask.usage_mask(12)),
            ask.get(),
            fields=continue_,
        )
        assert_refused(response.results[1], version, NOT_FOUND)


def test_b57_the_one_exception_is_a_template_attribute_in_re_key_of_2_0(client: Client) -> None:
    """PyKMIP sends it (docs/decisions/strictness.md); 2.1, which PyKMIP does not speak, refuses it."""
    for version, reasons in (((2, 0), None), ((2, 1), INVALID_MESSAGE)):
        with client.session(version) as session:
            key = session.create_aes()
            asked = Request(Operation.RE_KEY, text(Tag.UNIQUE_IDENTIFIER, key) + ask.attributes((1, 2)))
            result = session.do(asked)
            assert result.ok if reasons is None else result.reason in reasons
