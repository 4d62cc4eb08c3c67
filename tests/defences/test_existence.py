"""T-EXIST: a client of another tenant cannot tell whether an object exists. Nothing is compared but bytes.

That Import tells that an identifier is taken is decided in docs/decisions/what-others-see.md (d05 has its test). How
long an answer takes is not measured, as docs/security-model.md says: on a shared machine it would
show nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import keys
from support import requests as ask
from support.defences import (
    ABOUT_AN_OBJECT,
    IN_CBC,
    NOBODYS,
    OBJECT_NOT_FOUND,
    VERSION,
    aes,
    attributes_of,
    derived,
    refused,
    set_attribute,
)
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.wire import Node, boolean, enumeration, integer, octets, read_response, structure, text

from kmip_server.operations import load_all
from kmip_server.operations.registry import REGISTRY

VARIES = frozenset({Tag.TIME_STAMP, Tag.SERVER_CORRELATION_VALUE})


def without_times(node: Node) -> object:
    """An answer without what is different in every answer."""
    if isinstance(node.value, tuple):
        return node.tag, [without_times(child) for child in node.value]
    return node.tag, node.type, None if node.tag in VARIES else node.value


def answer(session: Session, asked: Request) -> object:
    """All that the peer gets: how many bytes, and what they say."""
    session.connection.send(ask.one(VERSION, asked))
    data = session.connection.receive()
    return len(data), without_times(read_response(data).node)


def test_every_operation_about_an_object_is_asked_here() -> None:
    load_all()
    named = {operation.value for operation, spec in REGISTRY.items() if spec.names_object}
    assert named == {operation.value for operation in ABOUT_AN_OBJECT}


@pytest.mark.parametrize("operation", ABOUT_AN_OBJECT, ids=lambda operation: operation.name.lower())
@pytest.mark.parametrize("state", ["active", "archived", "destroyed"])
def test_a_foreign_object_is_answered_like_none(
    owner: Session, stranger: Session, operation: Operation, state: str
) -> None:
    key = aes(owner, active=state == "active")
    if state != "active":
        owner.do(ABOUT_AN_OBJECT[Operation.ARCHIVE if state == "archived" else Operation.DESTROY](key)).expect_success()
    asked = ABOUT_AN_OBJECT[operation]
    refused(stranger, asked(key), OBJECT_NOT_FOUND[operation])
    assert answer(stranger, asked(key)) == answer(stranger, asked(NOBODYS))


SECOND: dict[str, Callable[[str, str], Request]] = {
    "wrapping key": lambda own, key: keys.get_as(own, specification=keys.wrapping_specification(key)),
    "derivation data": lambda own, key: derived(own, key, data=None),
    "link": lambda own, key: ask.add_attribute(VERSION, own, ask.link(key)),
    "link set": lambda own, key: set_attribute(own, ask.link(key)),
    "link of a new key": lambda _, key: ask.create_aes(VERSION, ask.link(key)),
    "unwrapping key": lambda _, key: Request(
        Operation.IMPORT,
        ask.identifier("unwrapped by what is not mine")
        + enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
        + enumeration(Tag.KEY_WRAP_TYPE, keys.NOT_WRAPPED)
        + ask.attributes(VERSION, ask.usage_mask(ask.ENCRYPT))
        + structure(Tag.SYMMETRIC_KEY, keys.wrapped_block(bytes(40), keys.wrapping_data(key))),
    ),
}
"""Requests that name one more object."""


@pytest.mark.parametrize("asked", SECOND.values(), ids=SECOND.keys())
def test_a_foreign_object_in_the_second_place_is_none_either(
    owner: Session, stranger: Session, asked: Callable[[str, str], Request]
) -> None:
    theirs, own = aes(owner, mask=0x3F | keys.DERIVE), aes(stranger, mask=0x3F | keys.DERIVE)
    before = attributes_of(owner, theirs)
    assert answer(stranger, asked(own, theirs)) == answer(stranger, asked(own, NOBODYS))
    assert attributes_of(owner, theirs) == before


def test_locate_neither_names_nor_counts_what_is_foreign(owner: Session, stranger: Session) -> None:
    name, group = ask.name("d02 disk"), ask.object_group("d02 array")
    key = aes(owner, name, group)
    by_identifier = ask.Attribute("Unique Identifier", text(Tag.UNIQUE_IDENTIFIER, key))
    for given in (name, group, by_identifier):
        assert owner.located(given) == [key]
        for more in (b"", integer(Tag.OFFSET_ITEMS, 0), integer(Tag.STORAGE_STATUS_MASK, 7)):
            asked = Request(Operation.LOCATE, more + ask.attributes(VERSION, given))
            found = stranger.do(asked).expect_success()
            assert (found.get(Tag.LOCATED_ITEMS), found.get(Tag.UNIQUE_IDENTIFIER)) == (0, None)
    absent = ask.name("d02 no such name")
    assert answer(stranger, ask.locate(VERSION, name)) == answer(stranger, ask.locate(VERSION, absent))


def test_a_name_that_another_tenant_uses_is_free(owner: Session, stranger: Session) -> None:
    name = ask.name("d06 in both tenants")
    aes(owner, name)
    refused(owner, ask.create_aes(VERSION, name), Reason.NON_UNIQUE_NAME_ATTRIBUTE)
    own = stranger.do(ask.create_aes(VERSION, name)).unique_identifier
    assert stranger.located(name) == [own]
    registered = ask.name("d06 registered in both tenants")
    for session in (owner, stranger):
        session.do(ask.register_key(VERSION, bytes(32), registered)).expect_success()


@pytest.mark.parametrize("operation", [Operation.POLL, Operation.CANCEL])
def test_a_foreign_asynchronous_operation_is_none(owner: Session, stranger: Session, operation: Operation) -> None:
    pending = owner.do(ask.create_aes(VERSION), fields=(enumeration(Tag.ASYNCHRONOUS_INDICATOR, 1),))
    assert pending.correlation is not None
    foreign, absent = (
        Request(operation, octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, value))
        for value in (pending.correlation, bytes(len(pending.correlation)))
    )
    refused(stranger, foreign, Reason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE)
    assert answer(stranger, foreign) == answer(stranger, absent)


def test_a_foreign_stream_is_none(owner: Session, stranger: Session) -> None:
    theirs, own = aes(owner), aes(stranger)
    begun = ask.encrypt(theirs, bytes(16), IN_CBC)
    begun = Request(begun.operation, begun.payload + boolean(Tag.INIT_INDICATOR, True))
    correlation = owner.do(begun).expect_success().get(Tag.CORRELATION_VALUE)

    def go_on(value: bytes) -> Request:
        return Request(
            Operation.ENCRYPT, ask.identifier(own) + octets(Tag.DATA, bytes(16)) + octets(Tag.CORRELATION_VALUE, value)
        )

    refused(stranger, go_on(correlation), Reason.INVALID_CORRELATION_VALUE)
    assert answer(stranger, go_on(correlation)) == answer(stranger, go_on(bytes(len(correlation))))
