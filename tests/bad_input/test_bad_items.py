"""B15 to B36: items that are not what TTLV allows, inside a message whose frame is right. The server stays alive."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest
from support import requests as ask
from support.bad import (
    CODEC_ERROR,
    INVALID_FIELD,
    INVALID_MESSAGE,
    LIMIT,
    NOT_FOUND,
    answers_until_closed,
    assert_alive,
    assert_refused,
)
from support.numbers import Operation, Reason, Tag
from support.server import Client, RunningServer
from support.wire import (
    BIG_INTEGER,
    BOOLEAN,
    BYTE_STRING,
    DATE_TIME,
    DATE_TIME_EXTENDED,
    ENUMERATION,
    INTEGER,
    INTERVAL,
    LONG_INTEGER,
    STRUCTURE,
    TEXT_STRING,
    Version,
    batch_item,
    boolean,
    date_time,
    integer,
    interval,
    message,
    raw,
    request,
    structure,
    text,
)

VERSIONS: list[Version] = [(1, 2), (2, 1)]
Bytes = Callable[[Version], bytes]


def with_item(item: bytes) -> Bytes:
    """A Get whose payload is this item."""
    return lambda version: request(version, Operation.GET, item)


def with_extension(content: bytes) -> Bytes:
    """Discover Versions with a vendor extension that is not critical, and may hold anything that is TTLV."""
    extension = structure(
        Tag.MESSAGE_EXTENSION,
        text(Tag.VENDOR_IDENTIFICATION, "tests"),
        boolean(Tag.CRITICALITY_INDICATOR, False),
        structure(Tag.VENDOR_EXTENSION, content),
    )
    return lambda version: message(version, batch_item(Operation.DISCOVER_VERSIONS, extension=extension))


def nested(levels: int) -> bytes:
    """Structures within structures, without recursion here either."""
    inner = b""
    for _ in range(levels):
        inner = raw(Tag.VENDOR_EXTENSION, STRUCTURE, len(inner), inner)
    return inner


UID = Tag.UNIQUE_IDENTIFIER

MALFORMED: dict[str, Bytes] = {
    "B15 child longer than its parent": with_item(raw(UID, TEXT_STRING, 4096, b"12345678")),
    "B15 length 0xFFFFFFFF": with_item(raw(UID, TEXT_STRING, 0xFFFFFFFF, b"12345678")),
    "B15 header cut short": with_item(raw(UID, TEXT_STRING, 8, b"12345678") + b"\x42\x00\x94"),
    "B16 child ends inside its padding": with_item(raw(UID, TEXT_STRING, 5, b"abcde") + b"\0"),
    "B18 padding is not zero": with_item(raw(UID, TEXT_STRING, 5, b"abcde\0\0\1")),
    "B19 Integer of 8 bytes": with_extension(raw(Tag.DATA, INTEGER, 8, bytes(8))),
    "B19 Integer of 0 bytes": with_extension(raw(Tag.DATA, INTEGER, 0, b"")),
    "B19 Enumeration of 8 bytes": with_extension(raw(Tag.DATA, ENUMERATION, 8, bytes(8))),
    "B19 Interval of 8 bytes": with_extension(raw(Tag.DATA, INTERVAL, 8, bytes(8))),
    "B20 Long Integer of 4 bytes": with_extension(raw(Tag.DATA, LONG_INTEGER, 4, bytes(8))),
    "B20 Date-Time of 4 bytes": with_extension(raw(Tag.DATA, DATE_TIME, 4, bytes(8))),
    "B20 Boolean of 4 bytes": with_extension(raw(Tag.DATA, BOOLEAN, 4, bytes(8))),
    "B20 Date-Time Extended of 16 bytes": with_extension(raw(Tag.DATA, DATE_TIME_EXTENDED, 16, bytes(16))),
    "B21 nested 33 deep": with_extension(nested(33)),
    "B22 nested 10,000 deep": with_extension(nested(10_000)),
    "B23 100,000 empty children": with_extension(raw(Tag.DATA, STRUCTURE, 0, b"") * 100_000),
    "B25 Boolean of 2": with_extension(raw(Tag.DATA, BOOLEAN, 8, struct.pack(">Q", 2))),
    "B25 Boolean of all ones": with_extension(raw(Tag.DATA, BOOLEAN, 8, b"\xff" * 8)),
    "B26 Big Integer of 0 bytes": with_extension(raw(Tag.DATA, BIG_INTEGER, 0, b"")),
    "B26 Big Integer of 12 bytes": with_extension(raw(Tag.DATA, BIG_INTEGER, 12, bytes(16))),
    **{
        f"B27 type {kind:02X}": with_extension(raw(Tag.DATA, kind, 8, bytes(8)))
        for kind in (0x00, 0x0C, 0x0D, 0x7F, 0x80, 0xFF)
    },
    "B32 stray continuation byte": with_item(raw(UID, TEXT_STRING, 8, b"abc\x80defg")),
    "B32 overlong slash": with_item(raw(UID, TEXT_STRING, 8, b"abc\xc0\xafdef")),
    "B32 surrogate": with_item(raw(UID, TEXT_STRING, 8, b"ab\xed\xa0\x80def")),
    "B32 above U+10FFFF": with_item(raw(UID, TEXT_STRING, 8, b"ab\xf4\x90\x80\x80de")),
}


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("build", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_ttlv_is_a_codec_error_and_closes_the_connection(
    client: Client, build: Bytes, version: Version
) -> None:
    with client.connect() as connection:
        connection.send(build(version))
        (response,) = answers_until_closed(connection)
        assert_refused(response.result, response.version, CODEC_ERROR)
    assert_alive(client)


@pytest.mark.parametrize("levels", [20])
def test_b21_nesting_within_the_limit_is_no_error(client: Client, levels: int) -> None:
    """The negative control of the depth limit."""
    with client.connect() as connection:
        connection.exchange(with_extension(nested(levels))((2, 1))).result.expect_success()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b17_padding_counted_in_the_length_makes_another_identifier(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes().encode()
        assert len(key) % 8, "the identifier needs padding for this test"
        whole = key + bytes(-len(key) % 8)
        result = session.connection.exchange(with_item(raw(UID, TEXT_STRING, len(whole), whole))(version)).result
        assert_refused(result, version, NOT_FOUND)
        session.do(ask.get(key.decode())).expect_success()


REFUSED: dict[str, tuple[Bytes, frozenset[Reason]]] = {
    "B24 empty request header": (
        lambda _: structure(Tag.REQUEST_MESSAGE, structure(Tag.REQUEST_HEADER)),
        INVALID_MESSAGE,
    ),
    "B24 empty batch item": (lambda v: message(v, structure(Tag.BATCH_ITEM)), INVALID_MESSAGE),
    "B24 empty Name": (
        lambda v: ask.one(v, ask.create_aes(v, ask.Attribute("Name", structure(Tag.NAME)))),
        INVALID_MESSAGE,
    ),
    "B26 Big Integer of 512 KiB": (
        with_item(raw(Tag.MODULUS, BIG_INTEGER, 1 << 19, b"\x7f" * (1 << 19))),
        INVALID_MESSAGE,
    ),
    "B28 identifier as Boolean": (with_item(boolean(UID, True)), INVALID_MESSAGE),
    "B28 identifier as Byte String": (with_item(raw(UID, BYTE_STRING, 8, b"12345678")), INVALID_MESSAGE),
    "B29 tag without a meaning": (with_item(integer(0x42FFFE, 1)), frozenset({Reason.UNKNOWN_TAG})),
    "B30 vendor's tag": (with_item(integer(0x540001, 1)), frozenset({Reason.UNKNOWN_TAG})),
    "B31 tag 000000": (with_item(integer(0x000000, 1)), frozenset({Reason.UNKNOWN_TAG})),
    "B31 tag FFFFFF": (with_item(integer(0xFFFFFF, 1)), frozenset({Reason.UNKNOWN_TAG})),
    "B34 Name of 1,000,000 characters": (
        lambda v: ask.one(v, ask.create_aes(v, ask.name("x" * 1_000_000))),
        LIMIT,
    ),
}


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize(("build", "reasons"), REFUSED.values(), ids=REFUSED.keys())
def test_well_formed_nonsense_is_refused(
    client: Client, build: Bytes, reasons: frozenset[Reason], version: Version
) -> None:
    with client.connect() as connection:
        response = connection.exchange(build(version))
        assert_refused(response.result, response.version, reasons)
    assert_alive(client)


STRANGE_TEXTS = {
    "NUL": "before\0after",
    "line breaks": "before\r\nlevel=info msg=forged\nafter",
    "ANSI": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "right-to-left override": "user\u202egnp.exe",
    "zero width": "pay\u200bload\ufeff",
    "markup": "<script>alert(1)</script>'\";--",
    "astral": "\U0001f511\U0010ffff",
}


@pytest.mark.parametrize("value", STRANGE_TEXTS.values(), ids=STRANGE_TEXTS.keys())
@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b33_strange_text_is_stored_as_it_is_and_never_logged_raw(
    server: RunningServer, client: Client, value: str, version: Version
) -> None:
    name = f"{value} {time.monotonic_ns()}"
    with client.session(version) as session:
        key = session.create_aes(ask.name(name))
        assert session.located(ask.name(name)) == [key]
        result = session.do(ask.get_attributes(version, key, ("Name", Tag.NAME))).expect_success()
        assert result.payload is not None
        assert name in [node.value for node in result.payload.walk()]
        session.do(ask.get(name))
    logged = server.stderr.read_bytes()
    for raw_form in (b"\0", b"\x1b[31mred", b"\nlevel=info msg=forged", "\u202e".encode(), "\u200b".encode()):
        assert raw_form not in logged, raw_form


DATES = {"least": -(1 << 63), "greatest": (1 << 63) - 1, "year 1,000,000,000": 31_556_952 * 10**9}


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("at", DATES.values(), ids=DATES.keys())
def test_b35_a_date_that_no_calendar_has_is_refused(client: Client, at: int, version: Version) -> None:
    date = ask.Attribute("Activation Date", date_time(Tag.ACTIVATION_DATE, at))
    with client.session(version) as session:
        key = session.create_aes()
        assert_refused(session.do(ask.create_aes(version, date)), version, INVALID_FIELD)
        assert_refused(session.do(ask.add_attribute(version, key, date)), version, INVALID_FIELD)
    assert_alive(client)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("at", [-62_135_596_800, -1, 0, 2**31, 253_402_300_799])
def test_b35_the_first_and_the_last_date_of_the_calendar_are_kept_exactly(
    client: Client, at: int, version: Version
) -> None:
    date = ask.Attribute("Deactivation Date", date_time(Tag.DEACTIVATION_DATE, at))
    with client.session(version) as session:
        key = session.create_aes(date)
        asked = ask.get_attributes(version, key, ("Deactivation Date", Tag.DEACTIVATION_DATE))
        kept = session.do(asked).expect_success().payload
        assert kept is not None
        assert at in [node.value for node in kept.walk()]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("at", [-(2**63), 2**63 - 1])
def test_b35_a_search_takes_any_date(client: Client, at: int, version: Version) -> None:
    """The largest date means no date (KMIP 2.1 s6.1.28), and a range may be open."""
    wanted = ask.name(f"searched {at} {version}"), ask.object_group(f"searched {at} {version}")
    dates = [ask.Attribute("Initial Date", date_time(Tag.INITIAL_DATE, one)) for one in (at, 1)]
    with client.session(version) as session:
        key = session.create_aes(*wanted)
        assert session.located(wanted[1], *dates) == ([key] if at > 0 else [])


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b36_an_interval_of_136_years_is_counted_exactly(client: Client, version: Version) -> None:
    """It is as long as an Interval can be, and no section forbids it (docs/decisions/strictness.md)."""
    with client.session(version) as session:
        for active in (True, False):
            key = session.create_aes(active=active)
            asked = ask.Request(Operation.RE_KEY, ask.identifier(key) + interval(Tag.OFFSET, 0xFFFFFFFF))
            new = session.do(asked).expect_success().unique_identifier
            assert date_of(session, new, "Activation Date") == date_of(session, new, "Initial Date") + 0xFFFFFFFF
            session.do(ask.get(key)).expect_success()
    assert_alive(client)


def date_of(session: ask.Session, key: str, name: str) -> int:
    tag = Tag[name.upper().replace(" ", "_")]
    found = session.do(ask.get_attributes(session.version, key, (name, tag))).expect_success().payload
    assert found is not None
    date: int = next(node.value for node in found.walk() if node.type == DATE_TIME)
    return date


def test_the_good_request_of_these_tests_is_good_too(client: Client) -> None:
    """The negative control: the same builders, unbent."""
    with client.session((2, 1)) as session:
        key = session.create_aes()
        session.connection.exchange(with_item(text(UID, key))((2, 1))).result.expect_success()
        session.connection.exchange(with_extension(integer(Tag.DATA, 1))((2, 1))).result.expect_success()
