"""Set Attribute: an attribute is added, or its one value is changed (KMIP 2.1 s6.1.51)."""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.attribute_fields import one_attribute, reference_to
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.changes import check_add, check_modify, instances_of
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.attribute_changes import add, change, checked
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.tags import Tag


@payload
class SetAttributeRequest(Payload):
    """Which object, and the value that its attribute gets."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    new_attribute: AttributeValue = one_attribute(Tag.NEW_ATTRIBUTE, required=True)


@payload
class SetAttributeResponse(Payload):
    """The object."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(Operation.SET_ATTRIBUTE, request=SetAttributeRequest, response=SetAttributeResponse, changes=True)
def set_attribute(call: Call, request: SetAttributeRequest) -> SetAttributeResponse:
    """One instance at most: with several, Modify Attribute says which one is meant (s6.1.51)."""
    target = call.target(request.unique_identifier)
    set_value(call, target, call.batch.resolved(request.new_attribute))
    return SetAttributeResponse(unique_identifier=target.unique_identifier)


def set_value(call: Call, target: ManagedObject, new: AttributeValue) -> None:
    """Add an attribute, or change its only instance. Raises Multi Valued Attribute, and what its rules raise."""
    reference = reference_to(new)
    instances = instances_of(target.attributes, reference)
    if len(instances) > 1:
        raise KmipError(ResultReason.MULTI_VALUED_ATTRIBUTE, f"the object has several of {reference.named}")
    if not instances:
        check_add(target.attributes, reference)
        add(call, target, new.tag, checked(call, target, new))
    else:
        check_modify(target.attributes, reference, call.now, ResultReason.READ_ONLY_ATTRIBUTE)
        change(call, target, new.tag, instances[0], checked(call, target, new, instances[0]))
