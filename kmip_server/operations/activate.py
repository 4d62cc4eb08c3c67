"""Activate: an object goes from Pre-Active to Active (KMIP 2.1 s6.1.1)."""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.lifecycle import Event
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import ObjectType, Operation, ResultReason
from kmip_server.ttlv.tags import Tag


@payload
class ActivateRequest(Payload):
    """Which object to activate."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)


@payload
class ActivateResponse(Payload):
    """The object that is Active now."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(Operation.ACTIVATE, request=ActivateRequest, response=ActivateResponse, changes=True)
def activate(call: Call, request: ActivateRequest) -> ActivateResponse:
    """Transition 4 of s4.57; the Activation Date becomes now, and so does an earlier Process Start Date (s4.40)."""
    target = call.target(request.unique_identifier)
    if target.object_type is ObjectType.OPAQUE_OBJECT:
        raise KmipError(
            ResultReason.INVALID_OBJECT_TYPE, "an Opaque Object (42005B) is used for nothing that is activated"
        )
    target.transition(Event.ACTIVATE)
    target.set(Tag.ACTIVATION_DATE, call.now)
    start = target.first(Tag.PROCESS_START_DATE)
    if start is not None and start < call.now:
        target.set(Tag.PROCESS_START_DATE, call.now)
    call.change(target)
    return ActivateResponse(unique_identifier=target.unique_identifier)
