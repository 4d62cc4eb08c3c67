"""What Add, Modify, Delete, Set and Adjust Attribute have in common: checking a value, and storing the change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from kmip_server.errors import KmipError
from kmip_server.messages.kinds import name_of
from kmip_server.messages.structures import UsageLimits
from kmip_server.objects.attribute_fields import AttributeReference, reference_to
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue, Instance
from kmip_server.objects.attributes import ATTRIBUTES
from kmip_server.objects.changes import DATES_IN_ORDER, check_dates, check_new_value, instances_of
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import is_shared
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_value
from kmip_server.operations.obligations import BOUNDED, check_within
from kmip_server.ttlv.enumerations import ObjectType, Operation, ResultReason
from kmip_server.ttlv.tags import Tag

_NEEDS: Final = {Tag.ACTIVATION_DATE: Operation.ACTIVATE, Tag.DEACTIVATION_DATE: Operation.REVOKE}
"""Dates that do what an operation does, sooner or later: changing them needs the permission for it."""
_PAIR: Final = frozenset({ObjectType.PUBLIC_KEY, ObjectType.PRIVATE_KEY})


def checked(call: Call, target: ManagedObject, attribute: AttributeValue, old: Instance | None = None) -> Any:
    """The value to store for one that a client gives in place of `old`, or as a new one. Raises KmipError."""
    tag, value = attribute.tag, attribute.value
    if tag is Tag.NAME and any(
        instance.value.name_value == value.name_value
        for instance in target.attributes.instances(Tag.NAME)
        if instance != old
    ):
        raise KmipError(
            ResultReason.NON_UNIQUE_NAME_ATTRIBUTE, "the object has this Name (420053) already (KMIP 2.1 s4.32)"
        )
    check_value(call, tag, value, target)
    check_new_value(target.attributes, tag, value)
    return replace(value, usage_limits_count=value.usage_limits_total) if tag is Tag.USAGE_LIMITS else value


def add(call: Call, target: ManagedObject, tag: Tag, value: Any) -> AttributeValue:
    """Add an instance, and store the object. Raises Server Limit Exceeded, and what `store` raises."""
    attributes = target.attributes
    if not ATTRIBUTES[tag].multiple:
        store(call, target, attributes.with_value(tag, value), tag)
        return AttributeValue(tag, value)
    most = call.services.limits.attribute_instances
    if len(attributes.instances(tag)) >= most:
        raise KmipError(ResultReason.SERVER_LIMIT_EXCEEDED, f"an object has at most {most} of {name_of(tag)} here")
    store(call, target, attributes.with_added(tag, value), tag)
    last = target.attributes.instances(tag)[-1]
    return AttributeValue(tag, last.value, last.attribute_index)


def change(call: Call, target: ManagedObject, tag: Tag, old: Instance, value: Any) -> AttributeValue:
    """Give an instance another value, and store the object. Raises what `store` raises."""
    store(call, target, target.attributes.with_replaced(tag, old, value), tag)
    return AttributeValue(tag, value, old.attribute_index)


def _maker(target: ManagedObject) -> Operation:
    """The operation that makes objects like this."""
    if Tag.ORIGINAL_CREATION_DATE not in target.attributes:
        return Operation.REGISTER
    return Operation.CREATE_KEY_PAIR if target.object_type in _PAIR else Operation.CREATE


def store(call: Call, target: ManagedObject, attributes: AttributeSet, tag: Tag) -> None:
    """Store the object with its attributes changed; a date that has come takes effect at once (s4.57).

    Raises Permission Denied, Invalid Attribute Value, Server Limit Exceeded.
    """
    needed = _NEEDS.get(tag)
    if needed is not None and target.row is not None and not call.decide(needed, target.row).allowed:
        raise KmipError(
            ResultReason.PERMISSION_DENIED, f"to change {name_of(tag)} you need the permission to {needed.title}"
        )
    if tag in DATES_IN_ORDER:
        check_dates(attributes)
    if tag in _GRANTED and is_shared(target.attributes):
        _check_granted(tag, target.first(tag), attributes.first(tag))
    if tag in BOUNDED and target.row is not None:
        # What the policy required when the object was made holds for as long as there is a policy that requires it.
        check_within(attributes, call.restrict(_maker(target), target.row).obligations, call.now)
    size, most = len(attributes.to_bytes()), call.services.limits.attribute_bytes
    if size > most and size > len(target.attributes.to_bytes()):
        raise KmipError(
            ResultReason.SERVER_LIMIT_EXCEEDED, f"an object's Attributes (420125) have at most {most} bytes here"
        )
    target.attributes = attributes
    target.settle(call.now)
    call.change(target)


def _is_later(before: int, after: int | None) -> bool:
    return after is not None and after > before


def _allows_more(before: UsageLimits, after: UsageLimits | None) -> bool:
    return (
        after is None
        or after.usage_limits_unit is not before.usage_limits_unit
        or after.usage_limits_total > before.usage_limits_total
    )


_GRANTED: Final[Mapping[Tag, Callable[[Any, Any], bool]]] = {
    Tag.DEACTIVATION_DATE: _is_later,
    Tag.USAGE_LIMITS: _allows_more,
}
"""What nodes may have granted a shared key for, and whether a new value goes beyond the one before."""


def _check_granted(tag: Tag, before: Any, after: Any) -> None:
    if before is not None and _GRANTED[tag](before, after):
        raise KmipError(
            ResultReason.PERMISSION_DENIED,
            f"the {name_of(tag)} of a key that other sites have is not loosened: Re-key it instead",
        )


def find(target: ManagedObject, reference: AttributeReference) -> tuple[Instance, ...]:
    """The instances of an attribute. Raises Attribute Not Found if there are none."""
    instances = instances_of(target.attributes, reference)
    if not instances:
        raise KmipError(ResultReason.ATTRIBUTE_NOT_FOUND, f"the object has no {reference.named}; Add Attribute adds it")
    return instances


def find_value(call: Call, target: ManagedObject, current: AttributeValue) -> Instance:
    """The instance with this value. Raises Attribute Not Found, Attribute Instance Not Found."""
    reference, wanted = reference_to(current), call.batch.resolved(current).value
    for instance in find(target, reference):
        if instance.value == wanted:
            return instance
    raise KmipError(ResultReason.ATTRIBUTE_INSTANCE_NOT_FOUND, f"no {reference.named} of the object has this value")


def find_index(target: ManagedObject, reference: AttributeReference, index: int) -> Instance:
    """The instance with this index. Raises Attribute Not Found, Attribute Instance Not Found."""
    for instance in find(target, reference):
        if instance.attribute_index == index:
            return instance
    raise KmipError(ResultReason.ATTRIBUTE_INSTANCE_NOT_FOUND, f"no {reference.named} of the object has index {index}")
