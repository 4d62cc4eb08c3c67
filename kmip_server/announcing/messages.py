"""The messages between the server and a client who listens: a request of one batch item, and what it answers.

The header has none of the fields that are not allowed there (KMIP 1.4 s5.1, s5.2). The Unique Batch Item ID is the
identifier of the message in the outbox: by it a client knows a message that comes twice.
"""

from __future__ import annotations

from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload
from kmip_server.messages.headers import (
    ProtocolVersionStructure,
    RequestBatchItem,
    RequestHeader,
    ResponseBatchItem,
    ResponseHeader,
)
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import Operation, ResultStatus
from kmip_server.ttlv.item import CodecError, Item, Limits, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import ProtocolVersion
from notifying.transport import NotDeliveredError

ANSWER_LIMITS: Final = Limits(message_bytes=1 << 16, depth=8, nodes=200)
"""An answer has no payload: a few hundred bytes, and what extensions a client adds."""


def request(version: ProtocolVersion, operation: Operation, payload: Payload, message_id: str) -> bytes:
    """A Request Message that a server sends, encoded."""
    number = ProtocolVersionStructure(protocol_version_major=version.major, protocol_version_minor=version.minor)
    header = RequestHeader(protocol_version=number, batch_count=1)
    item = RequestBatchItem(
        operation=operation,
        unique_batch_item_id=message_id.encode(),
        request_payload=Item(Tag.REQUEST_PAYLOAD, Type.STRUCTURE, payload.encode(version)),
    )
    return binary.structure(
        Tag.REQUEST_MESSAGE,
        binary.structure(Tag.REQUEST_HEADER, header.encode(version))
        + binary.structure(Tag.BATCH_ITEM, item.encode(version)),
    )


def check_answer(data: bytes, version: ProtocolVersion, operation: Operation, message_id: str) -> None:
    """Raises NotDeliveredError unless an encoded Response Message says that the client has taken what it was sent.

    It quotes nothing of the client's words, which may be anything.
    """
    try:
        header, *items = binary.decode(data, ANSWER_LIMITS).value
        count = ResponseHeader.decode(header.value, version).batch_count
        (answer,) = [ResponseBatchItem.decode(item.value, version) for item in items]
    except (CodecError, KmipError, ValueError, TypeError, AttributeError):
        raise NotDeliveredError(f"the receiver's answer is no Response Message of KMIP {version}") from None
    if answer.result_status is not ResultStatus.SUCCESS:
        reason = "" if answer.result_reason is None else f": {answer.result_reason.title}"
        raise NotDeliveredError(f"the receiver answered {answer.result_status.title}{reason}")
    named = (answer.operation in (None, operation), answer.unique_batch_item_id in (None, message_id.encode()))
    if count != 1 or not all(named):
        raise NotDeliveredError(f"the receiver's answer is not to this {operation.title}")
