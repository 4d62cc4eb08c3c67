"""Recover: an archived object is on-line again (KMIP 2.1 s6.1.42)."""

from __future__ import annotations

from kmip_server.messages.fields import Payload, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation
from kmip_server.ttlv.tags import Tag


@payload
class RecoverRequest(Payload):
    """Which object to recover."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)


@payload
class RecoverResponse(Payload):
    """The object that is on-line now."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(
    Operation.RECOVER,
    request=RecoverRequest,
    response=RecoverResponse,
    changes=True,
    archived=True,
    sets_placeholder=True,
)
def recover(call: Call, request: RecoverRequest) -> RecoverResponse:
    """The Archive Date is deleted (s4.5). An object that is on-line already stays as it is."""
    target = call.target(request.unique_identifier)
    if target.archived:
        target.set(Tag.ARCHIVE_DATE, None)
        call.change(target)
    return RecoverResponse(unique_identifier=target.unique_identifier)
