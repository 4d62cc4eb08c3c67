"""Import: an object with all its attributes, as another server exported it (KMIP 2.1 s6.1.25, KMIP 1.4 s4.41).

Attributes that otherwise only the server sets are taken as they are given. Not taken are those that the value itself
determines, which must agree with it, and those that say how this server keeps the object.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, boolean, enumeration, payload, text
from kmip_server.messages.kinds import name_of
from kmip_server.messages.structures import Digest, UsageLimits
from kmip_server.objects.attribute_fields import attribute_list
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.attributes import ATTRIBUTES, SetBy
from kmip_server.objects.key_block import TYPE_OF, Certificate, ObjectStructure, OpaqueObject, managed_object
from kmip_server.objects.lifecycle import DESTROYED
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import is_shared
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_bounds, check_template, linked, new_object
from kmip_server.operations.inheritance import no_looser
from kmip_server.operations.registration import Examined, encapsulated, examine, unwrapped
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import KeyWrapType, LinkType, ObjectType, Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_4, V2_0

_MAXIMUM_IDENTIFIER: Final = 128
_KEPT_HERE: Final = frozenset(
    {
        Tag.UNIQUE_IDENTIFIER,
        Tag.OBJECT_TYPE,
        Tag.DIGEST,
        Tag.KEY_VALUE_PRESENT,
        Tag.LEASE_TIME,
        Tag.SHORT_UNIQUE_IDENTIFIER,
        Tag.PROTECTION_STORAGE_MASK,
    }
)
"""What this server says itself about the object, whatever the server before it said."""


@payload
class ImportRequest(Payload):
    """The object, its Unique Identifier and its attributes."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    object_type: ObjectType | None = enumeration(Tag.OBJECT_TYPE, ObjectType, since=V2_0)
    replace_existing: bool | None = boolean(Tag.REPLACE_EXISTING, since=V1_4)
    key_wrap_type: KeyWrapType | None = enumeration(Tag.KEY_WRAP_TYPE, KeyWrapType, since=V1_4)
    attributes: tuple[AttributeValue, ...] = attribute_list()
    managed_object: ObjectStructure | None = managed_object()


@payload
class ImportResponse(Payload):
    """The object that is managed here now."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(
    Operation.IMPORT,
    request=ImportRequest,
    response=ImportResponse,
    changes=True,
    sets_placeholder=True,
    names_object=False,
)
def import_(call: Call, request: ImportRequest) -> ImportResponse:
    """Store the object under its own Unique Identifier, in the place of an existing one if that is asked for."""
    value = _value(call, request)
    object_type = TYPE_OF[type(value)]
    existing = _replaced(call, request)
    supplied = AttributeSet.of(request.attributes + encapsulated(value, request.attributes))
    _check_identity(supplied, request.unique_identifier, object_type)
    template = _template(call, object_type, supplied)
    if existing is not None:
        template = no_looser(template, [existing])
    found = examine(call, value, template)
    made = new_object(
        call,
        object_type,
        template,
        facts=found.facts,
        digest=found.digest,
        generated=False,
        unique_identifier=request.unique_identifier,
    )
    _supply(made, found, supplied)
    if found.wrapped_by is not None:
        linked(made, LinkType.WRAPPING_KEY_LINK, found.wrapped_by)
    if existing is not None:
        made.owner = existing.owner
    made.settle(call.now)
    call.add(made, found.stored)
    return ImportResponse(unique_identifier=made.unique_identifier)


def _value(call: Call, request: ImportRequest) -> ObjectStructure:
    """The object, unwrapped if it is not to be stored wrapped."""
    value = request.managed_object
    if value is None:
        raise KmipError(
            ResultReason.INVALID_MESSAGE,
            "there is no object of the Object Type (420057) in the request (KMIP 2.1 s6.1.25)",
        )
    if request.object_type not in (None, TYPE_OF[type(value)]):
        raise KmipError(
            ResultReason.INVALID_FIELD, f"the object is not of the Object Type (420057) {request.object_type.title}"
        )
    if request.key_wrap_type is KeyWrapType.NOT_WRAPPED and not isinstance(value, Certificate | OpaqueObject):
        value = replace(value, key_block=unwrapped(call, value.key_block))
    return value


def _replaced(call: Call, request: ImportRequest) -> ManagedObject | None:
    """Take the existing object out of its place, if there is one, and the caller may and wants to replace it.

    Raises Object Already Exists; Permission Denied for an object that is none of the caller's business.
    """
    identifier = request.unique_identifier
    proper = identifier.isprintable() and identifier == identifier.strip()
    if not 0 < len(identifier) <= _MAXIMUM_IDENTIFIER or not proper:
        raise KmipError(
            ResultReason.INVALID_FIELD,
            f"a Unique Identifier (420094) has 1 to {_MAXIMUM_IDENTIFIER} printable characters, and no space around it",
        )
    call.touched = identifier
    if call.unit.get(identifier) is None:
        return None
    try:
        existing = call.object(identifier)
    except KmipError as error:
        if error.reason is ResultReason.PERMISSION_DENIED and not request.replace_existing:
            raise _already_exists() from None
        raise KmipError(
            ResultReason.PERMISSION_DENIED, "you may not import under this Unique Identifier (420094)"
        ) from None
    if not request.replace_existing:
        raise _already_exists()
    if is_shared(existing.attributes):
        raise KmipError(
            ResultReason.PERMISSION_DENIED,
            "other sites have the key with this Unique Identifier (420094), too: Re-key replaces it for all of them",
        )
    call.unit.remove(identifier)
    return existing


def _already_exists() -> KmipError:
    return KmipError(
        ResultReason.OBJECT_ALREADY_EXISTS,
        "there is an object with this Unique Identifier (420094); Replace Existing is not set",
    )


def _check_identity(supplied: AttributeSet, unique_identifier: str, object_type: ObjectType) -> None:
    for tag, value in ((Tag.UNIQUE_IDENTIFIER, unique_identifier), (Tag.OBJECT_TYPE, object_type)):
        if supplied.first(tag) not in (None, value):
            raise KmipError(
                ResultReason.INVALID_ATTRIBUTE_VALUE, f"{name_of(tag)} is {value!s}, and not what is supplied"
            )
    if supplied.first(Tag.STATE) in DESTROYED:
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            f"an object in the State (42008D) {supplied.first(Tag.STATE).title} has no value to import",
        )


def _template(call: Call, object_type: ObjectType, supplied: AttributeSet) -> AttributeSet:
    """The supplied attributes, checked but for who sets them. Links may lead to what is imported later (s6.1.25)."""
    for tag in supplied.tags:
        row, values = ATTRIBUTES[tag], supplied.all(tag)
        count = len(values)
        if count > 1 and not row.multiple:
            raise KmipError(ResultReason.ATTRIBUTE_SINGLE_VALUED, f"{name_of(row.tag)} has one value only")
        if count > call.services.limits.attribute_instances:
            raise KmipError(ResultReason.SERVER_LIMIT_EXCEEDED, f"too many instances of {name_of(row.tag)}")
        for value in values:
            check_bounds(tag, value)
    servers = {tag for tag in supplied.tags if ATTRIBUTES[tag].set_by is SetBy.SERVER} - _STATED
    return check_template(
        call, object_type, [attribute for attribute in supplied if attribute.tag not in servers | {Tag.LINK}]
    )


_STATED: Final = frozenset(
    {
        Tag.CRYPTOGRAPHIC_ALGORITHM,
        Tag.CRYPTOGRAPHIC_LENGTH,
        Tag.CERTIFICATE_TYPE,
        Tag.CERTIFICATE_LENGTH,
        Tag.DIGITAL_SIGNATURE_ALGORITHM,
        Tag.OPAQUE_DATA_TYPE,
    }
)
"""What the server sets, and new_object compares with the value."""


def _supply(made: ManagedObject, found: Examined, supplied: AttributeSet) -> None:
    """Give the object the supplied attributes as they are."""
    determined = _KEPT_HERE | found.facts.keys() | {attribute.tag for attribute in found.more}
    strict = {tag: made.first(tag) for tag in (Tag.SENSITIVE, Tag.EXTRACTABLE)}
    made.attributes = made.attributes.joined(
        AttributeSet.of([attribute for attribute in supplied if attribute.tag not in determined])
    )
    for tag, value in strict.items():
        made.set(tag, value)
    made.set(Tag.ALWAYS_SENSITIVE, bool(made.first(Tag.ALWAYS_SENSITIVE)) and strict[Tag.SENSITIVE])
    made.set(Tag.NEVER_EXTRACTABLE, bool(made.first(Tag.NEVER_EXTRACTABLE)) and not strict[Tag.EXTRACTABLE])
    for attribute in found.more:
        made.attributes = made.attributes.with_added(attribute.tag, attribute.value)
    _supply_digest(made, supplied)
    _check_usage_limits(made.first(Tag.USAGE_LIMITS))


def _supply_digest(made: ManagedObject, supplied: AttributeSet) -> None:
    """A supplied Digest must be right; it is kept where the server cannot compute one."""
    own: Digest | None = made.first(Tag.DIGEST)
    if own is None:
        for digest in supplied.all(Tag.DIGEST):
            made.attributes = made.attributes.with_added(Tag.DIGEST, digest)
        return
    for digest in supplied.all(Tag.DIGEST):
        same = (digest.hashing_algorithm, digest.key_format_type) == (own.hashing_algorithm, own.key_format_type)
        if same and digest.digest_value != own.digest_value:
            raise KmipError(ResultReason.INVALID_ATTRIBUTE_VALUE, "the Digest (420034) is not that of the object")


def _check_usage_limits(limits: UsageLimits | None) -> None:
    count = limits.usage_limits_count if limits is not None else None
    if limits is not None and count is not None and not 0 <= count <= limits.usage_limits_total:
        raise KmipError(ResultReason.INVALID_ATTRIBUTE_VALUE, "Usage Limits Count (420096) is between 0 and the Total")
