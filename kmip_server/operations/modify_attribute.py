"""Modify Attribute: an attribute that an object has gets another value (KMIP 2.1 s6.1.34)."""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.attribute_fields import one_attribute, reference_to
from kmip_server.objects.attribute_set import AttributeValue, Instance
from kmip_server.objects.changes import check_modify
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.attribute_changes import change, checked, find, find_index, find_value
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_0


@payload
class ModifyAttributeRequest(Payload):
    """Which object, which of the attribute's instances (since 2.0 by its value), and the new value."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    current_attribute: AttributeValue | None = one_attribute(Tag.CURRENT_ATTRIBUTE, in_1x=False)
    new_attribute: AttributeValue = one_attribute(Tag.NEW_ATTRIBUTE, required=True)


@payload
class ModifyAttributeResponse(Payload):
    """The object, and in 1.x the attribute as it is now."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    attribute: AttributeValue = one_attribute(None, required=True)


@operation(Operation.MODIFY_ATTRIBUTE, request=ModifyAttributeRequest, response=ModifyAttributeResponse, changes=True)
def modify_attribute(call: Call, request: ModifyAttributeRequest) -> ModifyAttributeResponse:
    """Only the instance that is meant changes (s6.1.34)."""
    target = call.target(request.unique_identifier)
    new = call.batch.resolved(request.new_attribute)
    reference = reference_to(new)
    check_modify(target.attributes, reference, call.now, ResultReason.ATTRIBUTE_READ_ONLY)
    old = _meant(call, target, request)
    changed = change(call, target, new.tag, old, checked(call, target, new, old))
    return ModifyAttributeResponse(unique_identifier=target.unique_identifier, attribute=changed)


def _meant(call: Call, target: ManagedObject, request: ModifyAttributeRequest) -> Instance:
    """The instance to change: by index in 1.x, 0 unless given; since 2.0 by its value, unless it is the only one."""
    new, current = request.new_attribute, request.current_attribute
    reference = reference_to(new)
    if call.version < V2_0:
        return find_index(target, reference, new.attribute_index or 0)
    if current is None:
        instances = find(target, reference)
        if len(instances) > 1:
            raise KmipError(
                ResultReason.ATTRIBUTE_INSTANCE_NOT_FOUND,
                f"the object has several of {reference.named}; name one as Current Attribute (42013C)",
            )
        return instances[0]
    if reference_to(current) != reference:
        raise KmipError(
            ResultReason.INVALID_FIELD, "Current Attribute (42013C) and New Attribute are not the same attribute"
        )
    return find_value(call, target, current)
