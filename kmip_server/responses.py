"""Response messages and their batch items, made from what happened (KMIP 2.1 s8.4 to s8.6)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.citations import cited
from kmip_server.messages.headers import (
    BatchItemError,
    ExplainedError,
    ProtocolVersionStructure,
    RequestBatchItem,
    RequestMessage,
    ResponseBatchItem,
    ResponseHeader,
    ResponseMessage,
    version_of,
)
from kmip_server.messages.reasons import reason_in
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import Operation, ResultStatus
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import SUPPORTED_VERSIONS, V1_0, ProtocolVersion

_VERSIONS: Final = {
    version: ProtocolVersionStructure(protocol_version_major=version.major, protocol_version_minor=version.minor)
    for version in SUPPORTED_VERSIONS
}


def respond(
    version: ProtocolVersion, items: tuple[ResponseBatchItem, ...], now: int, correlation: str | None = None
) -> ResponseMessage:
    """A response message. `now` is POSIX seconds, `correlation` the Server Correlation Value."""
    make_header = _plain_header if correlation is None else _header
    return ResponseMessage(version, make_header(version, len(items), now, correlation), items)


def _header(version: ProtocolVersion, count: int, now: int, correlation: str | None) -> ResponseHeader:
    return ResponseHeader(
        protocol_version=_VERSIONS[version],
        time_stamp=now,
        server_correlation_value=correlation,
        batch_count=count,
    )


_plain_header = lru_cache(maxsize=64)(_header)
"""For a second the header is the same for all, unless it has a Server Correlation Value."""


def refusal(error: KmipError, message: Item | None, now: int) -> ResponseMessage:
    """The answer to a request that fails as a whole: one batch item without an operation (KMIP 1.4 s11.1)."""
    version = answerable_version(message)
    return respond(version, (failure(error, version, None),), now)


def all_failed(request: RequestMessage, error: KmipError, now: int) -> ResponseMessage:
    """The answer to a request of which no batch item was carried out, each for the same reason."""
    version = request.version
    items = tuple([failure(error, version, item) for item in request.items])
    return respond(version, items, now, request.correlation)


def failure(
    error: KmipError, version: ProtocolVersion, item: RequestBatchItem | BatchItemError | None
) -> ResponseBatchItem:
    """A batch item that failed, with the reason as the peer's version knows it (s9.18)."""
    operation: Operation | None = item.operation if isinstance(item, RequestBatchItem) else None
    payload = None
    if isinstance(error, ExplainedError):
        payload = Item(Tag.RESPONSE_PAYLOAD, Type.STRUCTURE, error.payload.encode(version))
    return ResponseBatchItem(
        operation=operation,
        unique_batch_item_id=item.unique_batch_item_id if item is not None else None,
        result_status=ResultStatus.OPERATION_FAILED,
        result_reason=reason_in(version, operation, error.reason),
        result_message=cited(error.message, version, operation),
        response_payload=payload,
    )


_LEFT_OF_UNDONE: Final = frozenset(
    {
        Tag.OBJECT_TYPE,
        Tag.UNIQUE_IDENTIFIER,
        Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER,
        Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER,
    }
)
"""What an undone item still answers: which objects it was about."""


def undone(item: ResponseBatchItem) -> ResponseBatchItem:
    """A batch item that had succeeded and was undone; a failed one stays failed (s9.6, s9.19).

    What it had computed or read is not answered: the use of the key that it cost, and the IV that it took, were given
    back (docs/decisions).
    """
    if item.result_status is ResultStatus.OPERATION_FAILED:
        return item
    payload = item.response_payload
    if payload is not None:
        fields = binary.split(binary.encode(payload)[binary.HEADER_BYTES :])
        payload = payload._replace(value=b"".join([field for tag, field in fields if tag in _LEFT_OF_UNDONE]))
    return replace(
        item,
        result_status=ResultStatus.OPERATION_UNDONE,
        asynchronous_correlation_value=None,
        response_payload=payload,
    )


def answerable_version(message: Item | None) -> ProtocolVersion:
    """The version to answer in: the request's, or the nearest that this server speaks, or 1.0 if there is none."""
    if message is None:
        return V1_0
    try:
        wanted = version_of(message)
    except KmipError:
        return V1_0
    return max((version for version in SUPPORTED_VERSIONS if version <= wanted), default=V1_0)
