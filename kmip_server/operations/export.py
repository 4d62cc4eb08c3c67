"""Export: an object together with all its attributes (KMIP 2.1 s6.1.18, KMIP 1.4 s4.40)."""

from __future__ import annotations

from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, enumeration, payload, secret_payload, text
from kmip_server.objects.attribute_fields import attribute_list
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.operations.release import ReleaseRequest, release, released_object
from kmip_server.ttlv.enumerations import ObjectType, Operation, ResultReason
from kmip_server.ttlv.item import Item
from kmip_server.ttlv.tags import Tag


@payload
class ExportRequest(ReleaseRequest):
    """Which object, and in which form."""


@secret_payload
class ExportResponse(Payload):
    """The object with its attributes; without its value if it is destroyed."""

    object_type: ObjectType = enumeration(Tag.OBJECT_TYPE, ObjectType, required=True)
    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    attributes: tuple[AttributeValue, ...] = attribute_list()
    managed_object: Item | None = released_object()


_NOT_EXPORTED: Final = frozenset({ResultReason.SENSITIVE, ResultReason.NOT_EXTRACTABLE})


@operation(
    Operation.EXPORT,
    request=ExportRequest,
    response=ExportResponse,
    audited=True,
    sets_placeholder=True,
    releases=True,
)
def export(call: Call, request: ExportRequest) -> ExportResponse:
    """The value goes out as in Get; of a destroyed object there are the attributes alone (s6.1.18)."""
    target = call.target(request.unique_identifier)
    try:
        value = None if target.destroyed else release(call, target, request)
    except KmipError as error:
        if error.reason not in _NOT_EXPORTED:
            raise
        # Export's table has no reason of its own for these two (s6.1.18.1).
        raise KmipError(ResultReason.PERMISSION_DENIED, error.message) from None
    return ExportResponse(
        object_type=target.object_type,
        unique_identifier=target.unique_identifier,
        attributes=tuple(target.attributes),
        managed_object=value,
    )
