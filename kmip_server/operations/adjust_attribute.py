"""Adjust Attribute: a number, a date or a flag is incremented, decremented or negated (KMIP 2.1 s6.1.3, s11.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, enumeration, item, payload, plain, text
from kmip_server.messages.kinds import Primitive
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.attribute_fields import AttributeReference, reference
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.attributes import ATTRIBUTES
from kmip_server.objects.changes import check_add, check_modify, instances_of
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.operations.set_attribute import set_value
from kmip_server.ttlv.enumerations import AdjustmentType, Operation, ResultReason
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag

_RANGES: Final = {
    Type.INTEGER: (-(1 << 31), (1 << 31) - 1),
    Type.LONG_INTEGER: (-(1 << 63), (1 << 63) - 1),
    Type.BIG_INTEGER: (-(1 << 4095), (1 << 4095) - 1),
    Type.INTERVAL: (0, (1 << 32) - 1),
    Type.DATE_TIME: (-(1 << 63), (1 << 63) - 1),
    Type.DATE_TIME_EXTENDED: (-(1 << 63), (1 << 63) - 1),
}
"""What can be incremented, and what it may become; a Big Integer has 4096 bits at most here."""

_NEGATED: Final = frozenset({Type.INTEGER, Type.LONG_INTEGER, Type.BIG_INTEGER})
_ABSENT: Final[dict[int, int | bool]] = {
    Type.INTEGER: 0,
    Type.LONG_INTEGER: 0,
    Type.BIG_INTEGER: 0,
    Type.INTERVAL: 0,
    Type.BOOLEAN: False,
}
"""The previous value of an attribute that the object does not have; a date has none (s6.1.3)."""


@payload
class AdjustAttributeRequest(Payload):
    """Which object, which attribute, and what becomes of its value."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    attribute_reference: AttributeReference = reference(required=True)
    adjustment_type: AdjustmentType = enumeration(Tag.ADJUSTMENT_TYPE, AdjustmentType, required=True)
    adjustment_value: Item | None = item(Tag.ADJUSTMENT_VALUE)


@payload
class AdjustAttributeResponse(Payload):
    """The object."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(Operation.ADJUST_ATTRIBUTE, request=AdjustAttributeRequest, response=AdjustAttributeResponse, changes=True)
def adjust_attribute(call: Call, request: AdjustAttributeRequest) -> AdjustAttributeResponse:
    """The new value is held to all the rules of Set Attribute."""
    target = call.target(request.unique_identifier)
    set_value(call, target, _adjusted(call, target, request))
    return AdjustAttributeResponse(unique_identifier=target.unique_identifier)


def _adjusted(call: Call, target: ManagedObject, request: AdjustAttributeRequest) -> AttributeValue:
    asked = request.attribute_reference
    instances = instances_of(target.attributes, asked)
    if instances:
        check_modify(target.attributes, asked, call.now, ResultReason.READ_ONLY_ATTRIBUTE)
    else:
        check_add(target.attributes, asked)
    if len(instances) > 1:
        raise KmipError(ResultReason.MULTI_VALUED_ATTRIBUTE, f"the object has several of {asked.named}")
    value = instances[0].value if instances else None
    if asked.tag is Tag.ATTRIBUTE:
        if value is None:
            raise KmipError(ResultReason.ITEM_NOT_FOUND, f"the object has no {asked.named}, and its type is not known")
        old = value.attribute_value
        new = Item(old.tag, old.type, _result(old.type, old.value, request))
        return AttributeValue(asked.tag, replace(value, attribute_value=new))
    kind = ATTRIBUTES[asked.tag].kind
    if not isinstance(kind, Primitive) or (kind.type not in _RANGES and kind.type is not Type.BOOLEAN):
        raise _not_adjustable(asked)
    if value is None:
        if kind.type not in _ABSENT:
            raise KmipError(ResultReason.ITEM_NOT_FOUND, f"the object has no {asked.named} to adjust")
        value = _ABSENT[kind.type]
    return AttributeValue(asked.tag, _result(kind.type, value, request))


def _result(kind: int, value: Any, request: AdjustAttributeRequest) -> int | bool:
    """The adjusted value of a type. Raises Invalid Data Type, Numeric Range."""
    if request.adjustment_type is AdjustmentType.NEGATE:
        if kind == Type.BOOLEAN:
            return not value
        if kind not in _NEGATED:
            raise _not_adjustable(request.attribute_reference)
        result = -value
    else:
        if kind not in _RANGES:
            raise _not_adjustable(request.attribute_reference)
        amount = _amount(kind, request.adjustment_value)
        result = value + amount if request.adjustment_type is AdjustmentType.INCREMENT else value - amount
    low, high = _RANGES[Type(kind)]
    if not low <= result <= high:
        raise KmipError(
            ResultReason.NUMERIC_RANGE, f"{request.attribute_reference.named} would leave the range of its type"
        )
    return int(result)


def _amount(kind: int, given: Item | None) -> int:
    """How much to add: 1 unless given, as a number or as the attribute's own type (s11.1)."""
    if given is None:
        return 1
    if given.type not in (Type.INTEGER, Type.LONG_INTEGER, Type.BIG_INTEGER, Type.INTERVAL, kind):
        raise KmipError(ResultReason.INVALID_DATA_TYPE, "Adjustment Value (420162) is a number")
    return int(given.value)


def _not_adjustable(asked: AttributeReference) -> KmipError:
    return KmipError(
        ResultReason.INVALID_DATA_TYPE, f"{asked.named} has a type that is not adjusted like this (KMIP 2.1 s11.1)"
    )
