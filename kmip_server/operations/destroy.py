"""Destroy: an object's key material is gone for good, its attributes stay (KMIP 2.1 s6.1.15)."""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.lifecycle import Event
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.operations.sharing import withdraw
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.tags import Tag


@payload
class DestroyRequest(Payload):
    """Which object to destroy."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)


@payload
class DestroyResponse(Payload):
    """The object that is destroyed now."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(Operation.DESTROY, request=DestroyRequest, response=DestroyResponse, changes=True)
def destroy(call: Call, request: DestroyRequest) -> DestroyResponse:
    """Transitions 2, 7 and 9 of s4.57: the sealed material and its data key are erased."""
    target = call.target(request.unique_identifier)
    if target.destroyed:
        raise KmipError(
            ResultReason.OBJECT_DESTROYED,
            "the object with this Unique Identifier (420094) is destroyed already (KMIP 2.1 s4.57)",
        )
    if withdraw(call, target, "its owner has destroyed it"):
        call.notify("key-destroyed", target.unique_identifier)
        return DestroyResponse(unique_identifier=target.unique_identifier)
    target.transition(Event.DESTROY)
    target.set(Tag.DESTROY_DATE, call.now)
    call.change(target, erased=True)
    call.notify("key-destroyed", target.unique_identifier)
    return DestroyResponse(unique_identifier=target.unique_identifier)
