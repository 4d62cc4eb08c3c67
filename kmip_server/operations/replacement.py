"""Replacing a key by a new one: what Re-key and Re-key Key Pair share (KMIP 2.1 s6.1.46, s6.1.47, tables 303 to 309).

The replacement takes over the attributes and the names of the key that it replaces, belongs to the same owner, and is
never less protected. A key is replaced once: the Replacement Object Link leads to one object.
"""

from __future__ import annotations

from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.kinds import name_of
from kmip_server.messages.structures import Identifier
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.attributes import ATTRIBUTES, SetBy
from kmip_server.objects.dscc_attributes import PROVENANCE, without_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_bounds, check_template, linked
from kmip_server.operations.inheritance import no_looser
from kmip_server.operations.key_pairs import merged
from kmip_server.storage.port import Unit
from kmip_server.ttlv.enumerations import LinkType, ObjectType, ResultReason
from kmip_server.ttlv.tags import Tag

_DATES: Final = (Tag.ACTIVATION_DATE, Tag.PROCESS_START_DATE, Tag.PROTECT_STOP_DATE, Tag.DEACTIVATION_DATE)
_ITS_OWN: Final = frozenset(
    {Tag.LINK, Tag.FRESH, Tag.ORIGINAL_CREATION_DATE, Tag.RANDOM_NUMBER_GENERATOR, Tag.KEY_VALUE_LOCATION}
)
"""What a replacement does not copy, of the attributes that a client may set."""

_DESCRIBED: Final = frozenset({Tag.CRYPTOGRAPHIC_ALGORITHM, Tag.CRYPTOGRAPHIC_LENGTH})
"""What it does copy, of the attributes that only the server sets."""


def check_replaceable(call: Call, existing: ManagedObject, object_type: ObjectType) -> None:
    """Raises Invalid Object Type, Key Value Not Present, or Permission Denied (KMIP 1.4 s11.5)."""
    if existing.object_type is not object_type:
        raise KmipError(
            ResultReason.INVALID_OBJECT_TYPE,
            f"{call.spec.operation.title} replaces no object of the Object Type (420057) {existing.object_type.title}",
        )
    if existing.destroyed:
        raise KmipError(
            ResultReason.PERMISSION_DENIED,
            "the key with this Unique Identifier (420094) is destroyed, and is not replaced (KMIP 2.1 s4.57)",
        )
    if existing.first(Tag.KEY_VALUE_PRESENT) is False:
        raise KmipError(
            ResultReason.KEY_VALUE_NOT_PRESENT, "the Key Value (420045) is not on this server (KMIP 2.1 s4.28)"
        )
    if replacement_of(call.unit, existing) is not None:
        raise KmipError(
            ResultReason.PERMISSION_DENIED, "the key has a Replacement Object Link (42004A) already: Re-key that one"
        )


def replacement_of(unit: Unit, existing: ManagedObject) -> ManagedObject | None:
    """The object that replaces this one, if there is one: both say so. A client's own Link says nothing."""
    return _mutual(unit, existing, LinkType.REPLACEMENT_OBJECT_LINK, LinkType.REPLACED_OBJECT_LINK)


def replaced_by(unit: Unit, replacement: ManagedObject) -> ManagedObject | None:
    """The object that this one replaces, if there is one: both say so."""
    return _mutual(unit, replacement, LinkType.REPLACED_OBJECT_LINK, LinkType.REPLACEMENT_OBJECT_LINK)


def _mutual(unit: Unit, one: ManagedObject, there: LinkType, back: LinkType) -> ManagedObject | None:
    for identifier in _linked_to(one, there):
        row = unit.get(str(identifier))
        other = None if row is None else ManagedObject.of(row)
        if other is not None and one.unique_identifier in _linked_to(other, back):
            return other
    return None


def _linked_to(one: ManagedObject, link_type: LinkType) -> list[Identifier]:
    return [link.linked_object_identifier for link in one.attributes.all(Tag.LINK) if link.link_type is link_type]


def replacement_template(
    call: Call, existing: ManagedObject, wanted: tuple[AttributeValue, ...], offset: int | None
) -> AttributeSet:
    """The attributes of the replacement: those that the client wants before those that it takes over.

    `offset` is in seconds. Raises Invalid Message and Invalid Field for dates (KMIP 1.4 s11.5), Invalid Field for a
    wider Cryptographic Usage Mask.
    """
    wanted = tuple([attribute for attribute in wanted if not _has(existing, attribute)])
    check_template(call, existing.object_type, wanted)
    if offset is not None and any(attribute.tag in _DATES for attribute in wanted):
        raise KmipError(ResultReason.INVALID_MESSAGE, "an Offset (420058) and dates are not given together")
    taken = [
        AttributeValue(attribute.tag, attribute.value)
        for attribute in existing.attributes
        if attribute.tag in _DESCRIBED
        or (ATTRIBUTES[attribute.tag].set_by is not SetBy.SERVER and attribute.tag not in _ITS_OWN)
    ]
    template = AttributeSet.of(merged(taken, [AttributeValue(tag, value) for tag, value, _ in wanted]))
    if Tag.ATTRIBUTE in template:
        template = without_dscc(template, PROVENANCE)
    if offset is not None:
        template = _shifted(template, existing, call.now + offset)
    mask = template.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or 0
    if mask & ~(existing.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or 0):
        raise KmipError(
            ResultReason.INVALID_FIELD, "a replacement has no wider Cryptographic Usage Mask (42002C) than its key"
        )
    return no_looser(template, [existing])


def _has(existing: ManagedObject, attribute: AttributeValue) -> bool:
    """Whether the replacement takes this over anyway: a client may name the Name of the key that it replaces."""
    return attribute.tag is Tag.NAME and attribute.value in existing.attributes.all(Tag.NAME)


def _shifted(template: AttributeSet, existing: ManagedObject, activation: int) -> AttributeSet:
    """The dates moved so that the replacement is activated then (tables 303 and 308)."""
    before = existing.first(Tag.ACTIVATION_DATE)
    for tag in _DATES[1:]:
        date = existing.first(tag)
        if date is None:
            continue
        if before is None:
            raise KmipError(
                ResultReason.INVALID_FIELD,
                f"an Offset (420058) does not move {name_of(tag)}: the key has no Activation Date",
            )
        check_bounds(tag, date + activation - before)
        template = template.with_value(tag, date + activation - before)
    return template.with_value(Tag.ACTIVATION_DATE, activation)


def take_over(call: Call, existing: ManagedObject, replacement: ManagedObject) -> None:
    """Make one key the replacement of another, which gives its names away, and is stored so; that is told (s6.1.46)."""
    link_replacement(existing, replacement)
    hand_over(existing, replacement, call.now)
    call.change(existing)
    call.notify("key-replaced", replacement.unique_identifier, existing.unique_identifier)


def link_replacement(existing: ManagedObject, replacement: ManagedObject) -> None:
    """Link a key and its replacement: no other will replace it. It has its names still, until `hand_over`."""
    replacement.owner = existing.owner
    linked(replacement, LinkType.REPLACED_OBJECT_LINK, existing.unique_identifier)
    linked(existing, LinkType.REPLACEMENT_OBJECT_LINK, replacement.unique_identifier)


def unlink_replacement(existing: ManagedObject, replacement: str) -> None:
    """A key is not replaced by this one after all."""
    for instance in existing.attributes.instances(Tag.LINK):
        link = instance.value
        if link.link_type is LinkType.REPLACEMENT_OBJECT_LINK and str(link.linked_object_identifier) == replacement:
            existing.attributes = existing.attributes.without(Tag.LINK, instance)


def hand_over(existing: ManagedObject, replacement: ManagedObject, now: int) -> None:
    """Have a replacement take the names of its key, unless it has its own, and be the latest one (s4.48 to s4.53)."""
    if Tag.NAME not in replacement.attributes:
        replacement.attributes = replacement.attributes.joined(
            AttributeSet.of([AttributeValue(Tag.NAME, name) for name in existing.attributes.all(Tag.NAME)])
        )
    existing.set(Tag.NAME, None)
    replacement.set(Tag.ROTATE_GENERATION, (existing.first(Tag.ROTATE_GENERATION) or 0) + 1)
    replacement.set(Tag.ROTATE_DATE, now)
    replacement.set(Tag.ROTATE_LATEST, True)
    existing.set(Tag.ROTATE_LATEST, False)


def has_taken_over(replacement: ManagedObject) -> bool:
    """Whether a replacement has the names of its key already."""
    return Tag.ROTATE_LATEST in replacement.attributes


def without_names_of(existing: ManagedObject, template: AttributeSet) -> AttributeSet:
    """A template without the names of a key that keeps them for now."""
    same = template.all(Tag.NAME) == existing.attributes.all(Tag.NAME)
    return template.without(Tag.NAME) if same else template
