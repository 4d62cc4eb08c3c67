"""Add Attribute: an object gets an attribute, or one more instance of it (KMIP 2.1 s6.1.2)."""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.attribute_fields import one_attribute, reference_to
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.changes import check_add
from kmip_server.operations.attribute_changes import add, checked
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.tags import Tag


@payload
class AddAttributeRequest(Payload):
    """Which object, and the attribute to add."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    new_attribute: AttributeValue = one_attribute(Tag.NEW_ATTRIBUTE, required=True)


@payload
class AddAttributeResponse(Payload):
    """The object, and in 1.x the attribute as it is now, with its index."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    attribute: AttributeValue = one_attribute(None, required=True)


@operation(Operation.ADD_ATTRIBUTE, request=AddAttributeRequest, response=AddAttributeResponse, changes=True)
def add_attribute(call: Call, request: AddAttributeRequest) -> AddAttributeResponse:
    """What the object has already stays as it is (s6.1.2). The index is the server's to give (KMIP 1.4 s4.14)."""
    target = call.target(request.unique_identifier)
    new = call.batch.resolved(request.new_attribute)
    if new.attribute_index is not None:
        raise KmipError(ResultReason.INVALID_FIELD, "Add Attribute has no Attribute Index (420009)")
    check_add(target.attributes, reference_to(new))
    added = add(call, target, new.tag, checked(call, target, new))
    return AddAttributeResponse(unique_identifier=target.unique_identifier, attribute=added)
