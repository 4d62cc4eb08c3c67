"""B37 to B50: request headers that are wrong, or ask for what cannot be. Nothing of such a message is carried out."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

import pytest
from support import requests as ask
from support.bad import INVALID_FIELD, INVALID_MESSAGE, LIMIT, UNKNOWN_ENUMERATION, assert_alive, assert_refused
from support.numbers import Operation, Reason, Tag
from support.server import Client
from support.wire import (
    OPERATION_FAILED,
    OPERATION_PENDING,
    OPERATION_UNDONE,
    Version,
    batch_item,
    boolean,
    credential,
    date_time,
    enumeration,
    header,
    integer,
    message,
    octets,
    protocol_version,
    structure,
    text,
)
from support.wire import (
    VERSIONS as SPOKEN,
)

VERSIONS: list[Version] = [(1, 2), (2, 1)]
UNDO = 3
_numbers = count()


def a_name() -> ask.Attribute:
    return ask.name(f"bad header {next(_numbers)} {time.monotonic_ns()}")


def bare(*fields: bytes, items: tuple[bytes, ...] = ()) -> bytes:
    """A message whose header has exactly these fields."""
    return structure(Tag.REQUEST_MESSAGE, structure(Tag.REQUEST_HEADER, *fields), *items)


def discover() -> bytes:
    return batch_item(Operation.DISCOVER_VERSIONS)


ONE = integer(Tag.BATCH_COUNT, 1)
REFUSED: dict[str, tuple[Callable[[Version], bytes], frozenset[Reason]]] = {
    "B37 no version": (lambda _: bare(ONE, items=(discover(),)), INVALID_MESSAGE),
    "B37 half a version": (
        lambda v: bare(
            structure(Tag.PROTOCOL_VERSION, integer(Tag.PROTOCOL_VERSION_MAJOR, v[0])), ONE, items=(discover(),)
        ),
        INVALID_MESSAGE,
    ),
    **{
        f"B38 version {major}.{minor}": (
            lambda _, version=(major, minor): message(version, discover()),  # type: ignore[misc]
            frozenset({Reason.UNSUPPORTED_PROTOCOL_VERSION}),
        )
        for major, minor in ((9, 9), (-1, 0), (2, 99), (0, 0), (1, -1), (2**31 - 1, 0))
    },
    "B39 version twice": (
        lambda v: bare(protocol_version(v), protocol_version(v), ONE, items=(discover(),)),
        INVALID_MESSAGE,
    ),
    "B40 no batch count": (lambda v: bare(protocol_version(v), items=(discover(),)), INVALID_MESSAGE),
    **{
        f"B40 batch count {number}": (
            lambda v, number=number: bare(  # type: ignore[misc]
                protocol_version(v), integer(Tag.BATCH_COUNT, number), items=(discover(),)
            ),
            INVALID_MESSAGE,
        )
        for number in (0, -1, 2, 2**31 - 1, -(2**31))
    },
    "B40 no items and a count of 0": (
        lambda v: bare(protocol_version(v), integer(Tag.BATCH_COUNT, 0)),
        INVALID_MESSAGE,
    ),
    "B42 101 items": (lambda v: ask.batch(v, *[ask.discover_versions()] * 101), LIMIT),
    "B43 version after the batch count": (
        lambda v: bare(ONE, protocol_version(v), items=(discover(),)),
        INVALID_MESSAGE,
    ),
    "B43 options out of order": (
        lambda v: bare(
            protocol_version(v),
            boolean(Tag.BATCH_ORDER_OPTION, True),
            integer(Tag.MAXIMUM_RESPONSE_SIZE, 10_000),
            ONE,
            items=(discover(),),
        ),
        INVALID_MESSAGE,
    ),
    "B43 items before the header": (
        lambda v: structure(Tag.REQUEST_MESSAGE, discover(), header(v, 1)),
        INVALID_MESSAGE,
    ),
    "B43 two headers": (
        lambda v: structure(Tag.REQUEST_MESSAGE, header(v, 1), header(v, 1), discover()),
        INVALID_MESSAGE,
    ),
    "B44 batch count twice": (lambda v: bare(protocol_version(v), ONE, ONE, items=(discover(),)), INVALID_MESSAGE),
    "B44 maximum response size twice": (
        lambda v: message(v, discover(), fields=(integer(Tag.MAXIMUM_RESPONSE_SIZE, 9999),) * 2),
        INVALID_MESSAGE,
    ),
    "B47 Asynchronous Indicator of the other major version": (
        lambda v: message(
            v,
            discover(),
            fields=(
                enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1) if v < (2, 0) else boolean(Tag.ASYNCHRONOUS_INDICATOR, True),
            ),
        ),
        INVALID_MESSAGE,
    ),
    "B48 no credential": (
        lambda v: message(v, discover(), fields=(structure(Tag.AUTHENTICATION),)),
        INVALID_MESSAGE,
    ),
    "B48 unknown user": (
        lambda v: message(v, discover(), fields=(credential("nobody", "nothing"),)),
        frozenset({Reason.AUTHENTICATION_NOT_SUCCESSFUL}),
    ),
    "B48 empty user and password": (
        lambda v: message(v, discover(), fields=(credential("", ""),)),
        frozenset({Reason.AUTHENTICATION_NOT_SUCCESSFUL}),
    ),
    "B48 unknown credential type": (
        lambda v: message(
            v,
            discover(),
            fields=(
                structure(
                    Tag.AUTHENTICATION,
                    structure(Tag.CREDENTIAL, enumeration(Tag.CREDENTIAL_TYPE, 0x77), structure(Tag.CREDENTIAL_VALUE)),
                ),
            ),
        ),
        UNKNOWN_ENUMERATION,
    ),
    "B49 attestation of garbage": (
        lambda v: message(v, discover(), fields=(attestation(),)),
        frozenset({Reason.ATTESTATION_FAILED}),
    ),
}


def attestation() -> bytes:
    """An Attestation credential with a nonce that nobody gave out."""
    value = structure(
        Tag.CREDENTIAL_VALUE,
        structure(Tag.NONCE, octets(Tag.NONCE_ID, b"\xff" * 8), octets(Tag.NONCE_VALUE, b"\x00" * 64)),
        enumeration(Tag.ATTESTATION_TYPE, 1),
        octets(Tag.ATTESTATION_MEASUREMENT, b"garbage"),
    )
    return structure(Tag.AUTHENTICATION, structure(Tag.CREDENTIAL, enumeration(Tag.CREDENTIAL_TYPE, 3), value))


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize(("build", "reasons"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_header_fails_the_whole_message(
    client: Client, build: Callable[[Version], bytes], reasons: frozenset[Reason], version: Version
) -> None:
    with client.connect() as connection:
        response = connection.exchange(build(version))
        assert_refused(response.result, response.version, reasons)
        assert response.version in SPOKEN
        connection.exchange(message(version, discover())).result.expect_success()
    assert_alive(client)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("number", [2, 0, 100])
def test_b41_nothing_is_carried_out_when_the_batch_count_is_wrong(
    client: Client, version: Version, number: int
) -> None:
    wanted = a_name()
    made = ask.create_aes(version, wanted)
    with client.session(version) as session:
        bent = bare(
            protocol_version(version),
            integer(Tag.BATCH_COUNT, number),
            items=(batch_item(made.operation, made.payload, identifier=b"1"),),
        )
        response = session.connection.exchange(bent)
        assert_refused(response.result, version, INVALID_MESSAGE)
        assert session.located(wanted) == []


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("size", [0, 1, 64, 150, -1, -(2**31)])
def test_b45_a_response_that_may_not_be_sent_leaves_no_effect(client: Client, version: Version, size: int) -> None:
    wanted = a_name()
    with client.session(version) as session:
        result = session.do(ask.create_aes(version, wanted), fields=(integer(Tag.MAXIMUM_RESPONSE_SIZE, size),))
        assert_refused(result, version, frozenset({Reason.RESPONSE_TOO_LARGE}))
        assert session.located(wanted) == []


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("size", [150, 250])
def test_b45_a_key_that_may_not_be_sent_is_not_destroyed(client: Client, version: Version, size: int) -> None:
    with client.session(version) as session:
        key = session.create_aes()
        limit = (integer(Tag.MAXIMUM_RESPONSE_SIZE, size),)
        response = session.batch(ask.get(key), ask.destroy(key), fields=limit)
        assert_refused(response.results[0], version, frozenset({Reason.RESPONSE_TOO_LARGE}))
        session.do(ask.get(key)).expect_success()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b45_no_successful_response_is_larger_than_asked_for(client: Client, version: Version) -> None:
    with client.session(version) as session:
        asked = ask.get(session.create_aes())
        session.connection.send(ask.one(version, asked))
        whole = len(session.connection.receive())
        for size in (whole - 1, whole - 8, whole // 2):
            refused = session.do(asked, fields=(integer(Tag.MAXIMUM_RESPONSE_SIZE, size),))
            assert_refused(refused, version, frozenset({Reason.RESPONSE_TOO_LARGE}))
        session.do(asked, fields=(integer(Tag.MAXIMUM_RESPONSE_SIZE, whole + 64),)).expect_success()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("off", [-3600, 3600, -(1 << 40), 1 << 40])
def test_b46_a_time_stamp_is_looked_at_when_the_policy_says_so(impatient: Client, version: Version, off: int) -> None:
    with impatient.session(version) as session:
        stamped = (date_time(Tag.TIME_STAMP, int(time.time()) + off),)
        assert_refused(session.do(ask.discover_versions(), fields=stamped), version, INVALID_FIELD)
        stamped = (date_time(Tag.TIME_STAMP, int(time.time())),)
        session.do(ask.discover_versions(), fields=stamped).expect_success()


@pytest.mark.parametrize("off", [-3600, 3600])
def test_b46_a_time_stamp_is_not_looked_at_by_default(client: Client, off: int) -> None:
    with client.session((2, 1)) as session:
        stamped = (date_time(Tag.TIME_STAMP, int(time.time()) + off),)
        session.do(ask.discover_versions(), fields=stamped).expect_success()


@pytest.mark.parametrize("version", [(2, 0), (2, 1)], ids=str)
def test_b47_mandatory_asynchrony_is_granted_to_every_operation_but_poll(client: Client, version: Version) -> None:
    """ "The server SHALL process all batch items in the request asynchronously" (KMIP 2.1 s11.3)."""
    mandatory = (enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1),)
    with client.session(version) as session:
        key = session.create_aes()
        for asked in (
            ask.discover_versions(),
            ask.query(1),
            ask.create_aes(version),
            ask.get(key),
            ask.locate(version),
        ):
            pending = session.do(asked, fields=mandatory)
            assert (pending.status, pending.payload) == (OPERATION_PENDING, None)
            assert pending.correlation is not None
            poll = ask.Request(Operation.POLL, octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, pending.correlation))
            while (polled := session.do(poll, fields=mandatory)).status == OPERATION_PENDING:
                time.sleep(0.01)
            assert polled.expect_success().operation == asked.operation


@pytest.mark.parametrize("value", [0, 4, 0x77, 0x80000001])
def test_b47_an_unknown_asynchronous_indicator_is_refused(client: Client, value: int) -> None:
    with client.session((2, 1)) as session:
        result = session.do(ask.discover_versions(), fields=(enumeration(Tag.ASYNCHRONOUS_INDICATOR, value),))
        assert_refused(result, (2, 1), UNKNOWN_ENUMERATION)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b48_every_credential_must_be_satisfied(client: Client, version: Version) -> None:
    one = credential("nobody", "nothing")[8:]
    both = structure(Tag.AUTHENTICATION, one, one)
    with client.session(version) as session:
        result = session.do(ask.discover_versions(), fields=(both,))
        assert_refused(result, version, frozenset({Reason.AUTHENTICATION_NOT_SUCCESSFUL}))


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b50_undo_takes_back_what_came_before_the_failure(client: Client, version: Version) -> None:
    wanted = a_name()
    with client.session(version) as session:
        response = session.batch(
            ask.create_aes(version, wanted),
            ask.get("there is no such object"),
            fields=(enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, UNDO),),
        )
        assert [result.status for result in response.results] == [OPERATION_UNDONE, OPERATION_FAILED]
        assert session.located(wanted) == []


@pytest.mark.parametrize("value", [0, 4, 0x7FFFFFFF])
@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b50_an_unknown_continuation_option_is_refused_before_the_first_item(
    client: Client, version: Version, value: int
) -> None:
    wanted = a_name()
    with client.session(version) as session:
        option = (enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, value),)
        result = session.do(ask.create_aes(version, wanted), fields=option)
        assert_refused(result, version, UNKNOWN_ENUMERATION)
        assert session.located(wanted) == []


def test_a_correlation_value_of_a_later_version_is_refused(client: Client) -> None:
    with client.session((1, 2)) as session:
        result = session.do(ask.discover_versions(), fields=(text(Tag.CLIENT_CORRELATION_VALUE, "x"),))
        assert_refused(result, (1, 2), INVALID_MESSAGE)
