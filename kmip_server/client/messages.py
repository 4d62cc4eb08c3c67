"""A client's requests of one operation each, and what it reads in their answers (KMIP 2.1 s8). Pure.

Payloads are those that the server's operations declare, so that both sides read and write them by one declaration.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

from kmip_server.client.errors import ClientError
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload
from kmip_server.messages.headers import (
    ProtocolVersionStructure,
    RequestBatchItem,
    RequestHeader,
    ResponseBatchItem,
    ResponseHeader,
    version_of,
)
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import Operation, ResultReason, ResultStatus
from kmip_server.ttlv.item import CodecError, Item, Limits, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import ProtocolVersion

LIMITS: Final = Limits(message_bytes=1 << 20)
"""Of an answer: a server's mistake costs a client no more than this."""
_LONGEST_MESSAGE: Final = 1000

_Response = TypeVar("_Response", bound=Payload)


class Answer(NamedTuple):
    """What a server answered, and its time then, in POSIX seconds."""

    payload: Item
    at: int


def request(operation: Operation, payload: Payload, version: ProtocolVersion) -> bytes:
    """A Request Message with one Batch Item."""
    header = RequestHeader(
        protocol_version=ProtocolVersionStructure(
            protocol_version_major=version.major, protocol_version_minor=version.minor
        ),
        batch_count=1,
    )
    content = Item(Tag.REQUEST_PAYLOAD, Type.STRUCTURE, payload.encode(version))
    asked = RequestBatchItem(operation=operation, request_payload=content)
    parts = ((Tag.REQUEST_HEADER, header), (Tag.BATCH_ITEM, asked))
    encoded = b"".join([binary.structure(tag, part.encode(version)) for tag, part in parts])
    return binary.structure(Tag.REQUEST_MESSAGE, encoded)


def answer(message: bytes, operation: Operation, version: ProtocolVersion) -> Answer:
    """What a Response Message says of an operation.

    Raises KmipError with the server's Result Reason if it refuses; ClientError if this is no answer to the request.
    """
    try:
        decoded = binary.decode(message, LIMITS)
        if decoded.tag != Tag.RESPONSE_MESSAGE or version_of(decoded) != version:
            raise ClientError(f"the server's answer is no Response Message (42007B) of KMIP {version}")
        first, *rest = decoded.value
        header = ResponseHeader.decode(first.value, version)
        items = [ResponseBatchItem.decode(each.value, version) for each in rest if each.tag == Tag.BATCH_ITEM]
    except (CodecError, KmipError) as error:
        raise ClientError(f"the server's answer cannot be read: {error}") from None
    if len(items) != 1 or len(rest) != 1:
        raise ClientError("the server's answer to one request has one Batch Item (42000F)")
    (found,) = items
    if found.result_status is ResultStatus.OPERATION_FAILED:
        reason = found.result_reason or ResultReason.GENERAL_FAILURE
        raise KmipError(reason, (found.result_message or reason.title)[:_LONGEST_MESSAGE])
    if found.result_status is not ResultStatus.SUCCESS or found.operation is not operation:
        raise ClientError(f"the server does not answer the {operation.title} that it was asked for")
    if found.response_payload is None:
        raise ClientError(f"the server's answer to {operation.title} has no Response Payload (42007C)")
    return Answer(found.response_payload, header.time_stamp)


def read(response: type[_Response], found: Answer, version: ProtocolVersion) -> _Response:
    """The payload of an answer. Raises ClientError if it is another one."""
    try:
        return response.decode(found.payload.value, version)
    except (CodecError, KmipError) as error:
        raise ClientError(f"the server's answer cannot be read: {error}") from None
