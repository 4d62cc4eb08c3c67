"""Delete Attribute: an object loses an attribute, or an instance of it (KMIP 2.1 s6.1.13)."""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, integer, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.attribute_fields import AttributeReference, one_attribute, reference, reference_to
from kmip_server.objects.attribute_set import AttributeValue, Instance
from kmip_server.objects.changes import check_delete
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.attribute_changes import find, find_index, find_value, store
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_4, V2_0


@payload
class DeleteAttributeRequest(Payload):
    """Which object; in 1.x the attribute's name and index, since 2.0 one of its values or a reference to them all."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    current_attribute: AttributeValue | None = one_attribute(Tag.CURRENT_ATTRIBUTE, in_1x=False)
    attribute_reference: AttributeReference | None = reference()
    attribute_index: int | None = integer(Tag.ATTRIBUTE_INDEX, until=V1_4)


@payload
class DeleteAttributeResponse(Payload):
    """The object, and in 1.x the attribute that is gone."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    attribute: AttributeValue = one_attribute(None, required=True)


@operation(Operation.DELETE_ATTRIBUTE, request=DeleteAttributeRequest, response=DeleteAttributeResponse, changes=True)
def delete_attribute(call: Call, request: DeleteAttributeRequest) -> DeleteAttributeResponse:
    """In 1.x one instance goes; since 2.0 the one with the Current Attribute's value, or all of them (s6.1.13)."""
    target = call.target(request.unique_identifier)
    current = request.current_attribute
    deleted = request.attribute_reference if current is None else reference_to(current)
    if deleted is None:
        raise KmipError(
            ResultReason.INVALID_MESSAGE, "Delete Attribute has no Attribute Reference (42013B) (KMIP 2.1 s6.1.13)"
        )
    check_delete(target.attributes, deleted)
    gone = _meant(call, target, request, deleted)
    attributes = target.attributes
    for instance in gone:
        attributes = attributes.without(deleted.tag, instance)
    store(call, target, attributes, deleted.tag)
    return DeleteAttributeResponse(
        unique_identifier=target.unique_identifier,
        attribute=AttributeValue(deleted.tag, gone[0].value, gone[0].attribute_index),
    )


def _meant(
    call: Call, target: ManagedObject, request: DeleteAttributeRequest, deleted: AttributeReference
) -> tuple[Instance, ...]:
    if request.current_attribute is not None:
        return (find_value(call, target, request.current_attribute),)
    if call.version >= V2_0:
        return find(target, deleted)
    return (find_index(target, deleted, request.attribute_index or 0),)
