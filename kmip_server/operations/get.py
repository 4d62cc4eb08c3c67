"""Get: the object itself, in the format and the wrapping that the client wants (KMIP 2.1 s6.1.19, KMIP 1.4 s4.11)."""

from __future__ import annotations

from kmip_server.messages.fields import Payload, enumeration, payload, secret_payload, text
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.operations.release import ReleaseRequest, release, released_object
from kmip_server.ttlv.enumerations import ObjectType, Operation
from kmip_server.ttlv.item import Item
from kmip_server.ttlv.tags import Tag


@payload
class GetRequest(ReleaseRequest):
    """Which object, and in which form."""


@secret_payload
class GetResponse(Payload):
    """The object."""

    object_type: ObjectType = enumeration(Tag.OBJECT_TYPE, ObjectType, required=True)
    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    managed_object: Item | None = released_object()


@operation(Operation.GET, request=GetRequest, response=GetResponse, audited=True, releases=True)
def get(call: Call, request: GetRequest) -> GetResponse:
    """The object is not Fresh any more once its value has left (s4.24)."""
    target = call.target(request.unique_identifier)
    value = release(call, target, request)
    if target.first(Tag.FRESH):
        target.set(Tag.FRESH, False)
        call.save(target)
    return GetResponse(object_type=target.object_type, unique_identifier=target.unique_identifier, managed_object=value)
