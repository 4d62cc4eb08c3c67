"""Whether a client may add, change or delete an attribute, as the attribute's row and the object's state say.

KMIP 2.1 s4 and the error tables of s6.1.2, s6.1.3, s6.1.13, s6.1.34 and s6.1.51. An attribute that is not the client's
to change is called Attribute Read Only by Modify and Delete Attribute, and Read Only Attribute by Add, Set and Adjust
Attribute. Two rules are this server's own (docs/decisions): Sensitive and Extractable are only ever tightened, and the
Cryptographic Usage Mask is what the object was made with. With whom a key is negotiated, and where it comes from, stays
as it is, too (`dscc_attributes.py`).
"""

from __future__ import annotations

from typing import Any, Final

from kmip_server.errors import KmipError
from kmip_server.messages.kinds import name_of
from kmip_server.objects.attribute_fields import AttributeReference
from kmip_server.objects.attribute_set import AttributeSet, Instance
from kmip_server.objects.attributes import ATTRIBUTES, SetBy, When
from kmip_server.objects.dscc_attributes import VENDOR, check_known, is_fixed
from kmip_server.ttlv.enumerations import ResultReason, State
from kmip_server.ttlv.tags import Tag
from policy.operation_policies import DEFAULT

_AT_CREATION: Final = frozenset({Tag.CRYPTOGRAPHIC_USAGE_MASK, Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS})
"""Attributes that a client gives when it makes an object, and never later."""

_STATES: Final = {
    When.PRE_ACTIVE: frozenset({State.PRE_ACTIVE}),
    When.BEFORE_DEACTIVATED: frozenset({State.PRE_ACTIVE, State.ACTIVE}),
    When.BEFORE_REACHED: frozenset({State.PRE_ACTIVE, State.ACTIVE}),
}

_TIGHTER: Final = {Tag.SENSITIVE: True, Tag.EXTRACTABLE: False}


def instances_of(attributes: AttributeSet, reference: AttributeReference) -> tuple[Instance, ...]:
    """The instances of an attribute; of a vendor attribute, those with its vendor and its name."""
    instances = attributes.instances(reference.tag)
    if reference.tag is not Tag.ATTRIBUTE:
        return instances
    return tuple(
        [
            instance
            for instance in instances
            if (instance.value.vendor_identification, instance.value.attribute_name)
            == (reference.vendor, reference.name)
        ]
    )


def check_add(attributes: AttributeSet, reference: AttributeReference) -> None:
    """Refuse to add an attribute, or one more instance of it.

    Raises Read Only Attribute, Invalid Attribute, Attribute Single Valued, Wrong Key Lifecycle State.
    """
    row = ATTRIBUTES[reference.tag]
    if reference.vendor == VENDOR:
        check_known(reference.name)
    if row.set_by is SetBy.SERVER or is_fixed(reference.vendor, reference.name):
        raise _read_only(ResultReason.READ_ONLY_ATTRIBUTE, reference)
    object_type = attributes.first(Tag.OBJECT_TYPE)
    if object_type not in row.objects:
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE, f"a {object_type.title} has no {name_of(row.tag)} (KMIP 2.1 s4)"
        )
    if row.tag in _AT_CREATION:
        raise _read_only(ResultReason.READ_ONLY_ATTRIBUTE, reference)
    if row.tag in attributes and not row.multiple and not _is_default(attributes, row.tag):
        if row.modify is When.NEVER:
            raise _read_only(ResultReason.READ_ONLY_ATTRIBUTE, reference)
        raise KmipError(
            ResultReason.ATTRIBUTE_SINGLE_VALUED,
            f"{name_of(row.tag)} has one value only, and the object has it already",
        )
    if row.modify is not When.NEVER:
        _check_state(attributes, reference, row.modify)


def check_modify(attributes: AttributeSet, reference: AttributeReference, now: int, read_only: ResultReason) -> None:
    """Refuse to change the value of an attribute. Raises `read_only`, Wrong Key Lifecycle State."""
    row = ATTRIBUTES[reference.tag]
    if row.modify is When.NEVER or is_fixed(reference.vendor, reference.name):
        raise _read_only(read_only, reference)
    _check_state(attributes, reference, row.modify)
    value = attributes.first(row.tag)
    if row.modify is When.BEFORE_REACHED and value is not None and value <= now:
        raise KmipError(ResultReason.WRONG_KEY_LIFECYCLE_STATE, f"{name_of(row.tag)} is reached, and stays as it is")
    if row.modify is When.BEFORE_USE:
        _check_unused(attributes, reference, read_only)


def check_delete(attributes: AttributeSet, reference: AttributeReference) -> None:
    """Refuse to delete an attribute. Raises Attribute Read Only."""
    row = ATTRIBUTES[reference.tag]
    if row.delete is When.NEVER or is_fixed(reference.vendor, reference.name):
        raise _read_only(ResultReason.ATTRIBUTE_READ_ONLY, reference)
    if row.delete is When.BEFORE_USE:
        _check_unused(attributes, reference, ResultReason.ATTRIBUTE_READ_ONLY)


_IN_ORDER: Final = (
    (Tag.ACTIVATION_DATE, Tag.PROCESS_START_DATE, "s4.40"),
    (Tag.PROTECT_STOP_DATE, Tag.DEACTIVATION_DATE, "s4.41"),
)
"""Dates of which the first SHALL NOT be later than the second."""

DATES_IN_ORDER: Final = frozenset(tag for earlier, later, _ in _IN_ORDER for tag in (earlier, later))


def check_dates(attributes: AttributeSet) -> None:
    """Refuse dates that are not in their order, whichever of them is new. Raises Invalid Attribute Value."""
    for earlier, later, section in _IN_ORDER:
        first, second = attributes.first(earlier), attributes.first(later)
        if first is not None and second is not None and first > second:
            raise KmipError(
                ResultReason.INVALID_ATTRIBUTE_VALUE,
                f"{name_of(earlier)} is later than {name_of(later)} (KMIP 2.1 {section})",
            )


def check_new_value(attributes: AttributeSet, tag: Tag, value: Any) -> None:
    """Refuse a value that loosens the object's protection. Raises Permission Denied."""
    if tag in _TIGHTER and value is not _TIGHTER[tag] and attributes.first(tag) is _TIGHTER[tag]:
        raise KmipError(
            ResultReason.PERMISSION_DENIED,
            f"{name_of(tag)} is {_TIGHTER[tag]}, and is not loosened any more",
        )


def _is_default(attributes: AttributeSet, tag: Tag) -> bool:
    """Whether the server supplied the value because the client gave none: then the client may still give one."""
    return tag is Tag.OPERATION_POLICY_NAME and attributes.first(tag) == DEFAULT


def _read_only(reason: ResultReason, reference: AttributeReference) -> KmipError:
    return KmipError(reason, f"{reference.named} is not changed by clients (KMIP 2.1 s4)")


def _check_state(attributes: AttributeSet, reference: AttributeReference, when: When) -> None:
    states, state = _STATES.get(when), attributes.first(Tag.STATE)
    if states is not None and state not in states:
        raise KmipError(
            ResultReason.WRONG_KEY_LIFECYCLE_STATE,
            f"{reference.named} is not changed in the state {state.title} (KMIP 2.1 s4)",
        )


def _check_unused(attributes: AttributeSet, reference: AttributeReference, read_only: ResultReason) -> None:
    limits = attributes.first(Tag.USAGE_LIMITS)
    if limits is not None and limits.usage_limits_count not in (None, limits.usage_limits_total):
        raise KmipError(read_only, f"{reference.named} are in use, and stay as they are (KMIP 2.1 s4.59)")
