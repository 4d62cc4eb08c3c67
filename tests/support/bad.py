"""What bad input must lead to: the Result Reason of the version in which the answer is given, or a closed connection.

Reasons are named as KMIP 2.x knows them. A 1.x peer is answered with a reason of its own version (KMIP 1.4 s11).
"""

from __future__ import annotations

import re

from support.numbers import Reason
from support.server import Client
from support.wire import OPERATION_FAILED, Connection, PeerClosedError, Response, Result, Version, read_response

CODEC_ERROR = frozenset({Reason.CODEC_ERROR})
INVALID_MESSAGE = frozenset({Reason.INVALID_MESSAGE})
INVALID_FIELD = frozenset({Reason.INVALID_FIELD})
INVALID_VALUE = frozenset({Reason.INVALID_ATTRIBUTE_VALUE})
UNKNOWN_ENUMERATION = frozenset({Reason.UNKNOWN_ENUMERATION})
LIMIT = frozenset({Reason.SERVER_LIMIT_EXCEEDED})
NOT_FOUND = frozenset({Reason.OBJECT_NOT_FOUND})

_SINCE_2_0 = range(Reason.INVALID_TICKET, Reason.DUPLICATE_PROCESS_REQUEST + 1)
_IN_1X: dict[Reason, frozenset[Reason]] = {
    Reason.CODEC_ERROR: frozenset({Reason.INVALID_MESSAGE}),
    Reason.UNSUPPORTED_PROTOCOL_VERSION: frozenset({Reason.INVALID_MESSAGE}),
    Reason.UNKNOWN_MESSAGE_EXTENSION: frozenset({Reason.FEATURE_NOT_SUPPORTED}),
    Reason.OBJECT_NOT_FOUND: frozenset({Reason.ITEM_NOT_FOUND}),
    Reason.WRAPPING_OBJECT_NOT_FOUND: frozenset({Reason.ITEM_NOT_FOUND}),
    Reason.INVALID_CORRELATION_VALUE: frozenset({Reason.ITEM_NOT_FOUND}),
    Reason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE: frozenset({Reason.ITEM_NOT_FOUND}),
    Reason.SERVER_LIMIT_EXCEEDED: frozenset({Reason.INVALID_FIELD, Reason.INDEX_OUT_OF_BOUNDS}),
    Reason.ATTRIBUTE_SINGLE_VALUED: frozenset({Reason.INVALID_FIELD, Reason.ILLEGAL_OPERATION}),
    Reason.ATTRIBUTE_READ_ONLY: frozenset({Reason.PERMISSION_DENIED}),
    Reason.READ_ONLY_ATTRIBUTE: frozenset({Reason.PERMISSION_DENIED}),
    Reason.MISSING_INITIALIZATION_VECTOR: frozenset({Reason.INVALID_MESSAGE}),
    Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK: frozenset({Reason.PERMISSION_DENIED}),
    Reason.ILLEGAL_OBJECT_TYPE: frozenset({Reason.ILLEGAL_OPERATION}),
    Reason.INVALID_OBJECT_TYPE: frozenset({Reason.ILLEGAL_OPERATION, Reason.INVALID_FIELD}),
    Reason.WRONG_KEY_LIFECYCLE_STATE: frozenset({Reason.PERMISSION_DENIED}),
    Reason.BAD_CRYPTOGRAPHIC_PARAMETERS: frozenset({Reason.INVALID_FIELD}),
}
_OTHERWISE_IN_1X = frozenset({Reason.INVALID_FIELD})

# Nothing of the server's inside: paths, Python's own words, SQL.
_INSIDE = re.compile(
    r"Traceback|\.py\b|(?<!\w)/\w+/\w+|sqlite|sqlalchemy|\bSELECT\b|\bobject at 0x|Error\(", re.IGNORECASE
)


def reasons_in(version: Version, wanted: frozenset[Reason]) -> frozenset[Reason]:
    """The reasons that stand for these in a version."""
    if version >= (2, 0):
        return wanted
    allowed: set[Reason] = set()
    for reason in wanted:
        allowed |= _IN_1X.get(reason, _OTHERWISE_IN_1X) if reason in _SINCE_2_0 else {reason}
    return frozenset(allowed)


def assert_refused(result: Result, version: Version, wanted: frozenset[Reason]) -> None:
    """The batch item failed for this reason, and its message tells the peer nothing of the inside.

    Bad input has one outcome: `wanted` is one reason, of which 1.x may have more than one translation.
    """
    assert len(wanted) == 1, f"one outcome, and not one of {sorted(reason.name for reason in wanted)}"
    assert result.status == OPERATION_FAILED, result
    allowed = reasons_in(version, wanted)
    assert result.reason in allowed, f"{result}; allowed: {sorted(reason.name for reason in allowed)}"
    assert result.payload is None, result
    assert_says_nothing_of_the_inside(result)


def assert_says_nothing_of_the_inside(result: Result) -> None:
    message = result.message or ""
    assert len(message) <= 300, message
    assert not _INSIDE.search(message), message
    assert message.isprintable(), repr(message)


def assert_alive(client: Client) -> None:
    """The server answers a good request on a new connection."""
    from support.requests import discover_versions

    with client.session() as session:
        session.do(discover_versions()).expect_success()


def assert_closed(connection: Connection) -> None:
    """Nothing more comes, and the connection ends."""
    try:
        data = connection.receive()
    except PeerClosedError:
        return
    raise AssertionError(f"an answer instead of the end: {data.hex()}")


def answers_until_closed(connection: Connection) -> list[Response]:
    """Every response until the server closes the connection."""
    responses = []
    while True:
        try:
            data = connection.receive()
        except PeerClosedError:
            return responses
        responses.append(read_response(data))
