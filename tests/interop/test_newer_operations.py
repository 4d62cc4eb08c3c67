"""What a client is told that asks for an operation of a version newer than the one it speaks."""

from __future__ import annotations

import pytest
from conftest import Connect
from support import requests as ask
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.wire import Version, batch_item, enumeration, message

CONTINUE = enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 1)
NEWER: tuple[tuple[Version, Operation], ...] = (
    ((1, 0), Operation.DISCOVER_VERSIONS),
    ((1, 0), Operation.RE_KEY_KEY_PAIR),
    ((1, 1), Operation.ENCRYPT),
    ((1, 3), Operation.EXPORT),
    ((1, 4), Operation.SET_ATTRIBUTE),
    ((2, 0), Operation.PING),
)


@pytest.mark.parametrize(("version", "operation"), NEWER, ids=str)
def test_an_operation_of_a_newer_version_is_not_supported(
    connect: Connect, version: Version, operation: Operation
) -> None:
    client = connect(version)
    good, query = ask.query(1), Request(operation, b"")
    items = [
        batch_item(each.operation, each.payload, identifier=identifier)
        for each, identifier in ((good, b"one"), (query, b"two"), (good, b"three"))
    ]
    before, refused, after = client.send(message(version, *items, fields=(CONTINUE,))).results
    assert (before.ok, after.ok) == (True, True)
    assert (refused.reason, refused.identifier) == (Reason.OPERATION_NOT_SUPPORTED, b"two")
    # The operation's number means nothing in this version, and is not in the answer either.
    assert refused.operation is None
    assert before.payload is not None
    assert operation not in {node.value for node in before.payload.all(Tag.OPERATION)}
