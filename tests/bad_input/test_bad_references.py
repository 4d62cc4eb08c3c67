"""B64 to B66 and B71: requests that refer to objects, keys and streams that are not theirs to refer to."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.bad import NOT_FOUND, assert_alive, assert_refused
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.server import Client
from support.wire import Version, boolean, enumeration, octets, structure, text

VERSIONS: list[Version] = [(1, 4), (2, 1)]

STRANGE_IDENTIFIERS = {
    "empty": "",
    "space": " ",
    "star": "*",
    "percent": "%",
    "SQL": "' OR 1=1 --",
    "path": "../../etc/passwd",
    "NUL": "\0",
    "64 KiB": "x" * 65536,
    "number": "1",
    "template": "{0.__class__}%s%n${jndi:x}",
}


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("value", STRANGE_IDENTIFIERS.values(), ids=STRANGE_IDENTIFIERS.keys())
def test_b64_a_strange_identifier_names_no_object(client: Client, version: Version, value: str) -> None:
    with client.session(version) as session:
        session.create_aes()
        for asked in (ask.get(value), ask.destroy(value), ask.get_attributes(version, value), ask.activate(value)):
            assert_refused(session.do(asked), version, NOT_FOUND)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b64_an_identifier_matches_exactly_or_not_at_all(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes()
        alike = [key.upper(), f"{key}\0", f"{key} ", f" {key}", f"{{{key}}}", key.replace("-", ""), f"0{key}", key[:-1]]
        fullwidth = "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in key)
        for value in [other for other in [*alike, fullwidth] if other != key]:
            assert_refused(session.do(ask.get(value)), version, NOT_FOUND)
        session.do(ask.get(key)).expect_success()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b64_anothers_object_answers_as_one_that_does_not_exist(
    client: Client, other: Client, version: Version
) -> None:
    with client.session(version) as mine, other.session(version) as theirs:
        key = mine.create_aes()
        foreign, absent = theirs.do(ask.get(key)), theirs.do(ask.get(key[:-1] + ("0" if key[-1] != "0" else "1")))
        assert_refused(foreign, version, NOT_FOUND)
        assert (foreign.reason, foreign.message) == (absent.reason, absent.message)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b65_links_in_a_circle_do_no_harm(client: Client, version: Version) -> None:
    with client.session(version) as session:
        one, two = session.create_aes(active=True), session.create_aes(active=True)
        for key, to in ((one, one), (one, two), (two, one)):
            session.do(ask.add_attribute(version, key, ask.link(to))).expect_success()
        for key in (one, two):
            session.do(ask.get_attributes(version, key)).expect_success()
            session.do(ask.rekey(key)).expect_success()
            session.do(ask.revoke(key)).expect_success()
            session.do(ask.destroy(key)).expect_success()
    assert_alive(client)


def wrapped_by(key: str, by: str) -> Request:
    specification = structure(
        Tag.KEY_WRAPPING_SPECIFICATION,
        enumeration(Tag.WRAPPING_METHOD, 1),
        structure(
            Tag.ENCRYPTION_KEY_INFORMATION,
            text(Tag.UNIQUE_IDENTIFIER, by),
            structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.BLOCK_CIPHER_MODE, 0x0D)),
        ),
    )
    return Request(Operation.GET, ask.identifier(key) + specification)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b66_a_wrapping_key_that_cannot_wrap_is_refused(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes(active=True)
        for by, reason in (
            (key, Reason.WRAPPING_OBJECT_NOT_FOUND),
            (session.create_aes(active=True), Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK),
            (secret_of(session), Reason.INVALID_OBJECT_TYPE),
            ("there is none", Reason.WRAPPING_OBJECT_NOT_FOUND),
            ("", Reason.WRAPPING_OBJECT_NOT_FOUND),
        ):
            assert_refused(session.do(wrapped_by(key, by)), version, frozenset({reason}))


def secret_of(session: ask.Session) -> str:
    return session.do(ask.register_secret(session.version, b"no wrapping key")).unique_identifier


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b71_a_stream_is_neither_anothers_nor_to_be_resumed_after_its_end(
    client: Client, other: Client, version: Version
) -> None:
    finished = frozenset({Reason.INVALID_CORRELATION_VALUE})
    how = ask.parameters(ask.CBC, padding=3)
    with client.session(version) as session, other.session(version) as theirs:
        key = session.create_aes(active=True)
        foreign = theirs.create_aes(active=True)
        first = session.do(part(key, how, bytes(16), octets(Tag.IV_COUNTER_NONCE, bytes(16)), first=True))
        correlation = octets(Tag.CORRELATION_VALUE, first.expect_success().get(Tag.CORRELATION_VALUE))
        for name, reasons in ((key, NOT_FOUND), (foreign, finished)):
            assert_refused(theirs.do(part(name, b"", bytes(16), correlation)), version, reasons)
        forged = octets(Tag.CORRELATION_VALUE, bytes(16))
        assert_refused(session.do(part(key, b"", bytes(16), forged)), version, finished)
        session.do(part(key, b"", bytes(16), correlation, last=True)).expect_success()
        assert_refused(session.do(part(key, b"", bytes(16), correlation)), version, finished)


def part(key: str, how: bytes, data: bytes, more: bytes, *, first: bool = False, last: bool = False) -> Request:
    """One part of an Encrypt in several."""
    return Request(
        Operation.ENCRYPT,
        ask.identifier(key)
        + how
        + octets(Tag.DATA, data)
        + more
        + (boolean(Tag.INIT_INDICATOR, True) if first else b"")
        + (boolean(Tag.FINAL_INDICATOR, True) if last else b""),
    )
