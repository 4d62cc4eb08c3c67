"""Making a managed object: the client's attributes are checked, the server's own are added (KMIP 2.1 s4).

Used by every operation that results in a new object: Create, Create Key Pair, Register, Derive Key, Re-key, Import.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

from kmip_server.cryptography.algorithms import is_legacy
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload
from kmip_server.messages.kinds import DATE_TIME, name_of
from kmip_server.messages.structures import (
    ApplicationSpecificInformation,
    Digest,
    Link,
    Name,
    RNGParameters,
    UsageLimits,
    VendorAttribute,
)
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.attributes import ATTRIBUTES, SetBy
from kmip_server.objects.changes import check_dates
from kmip_server.objects.dscc_attributes import SERVERS_VENDOR, check_asked
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.storage.port import Search
from kmip_server.ttlv.enumerations import (
    CryptographicAlgorithm,
    HashingAlgorithm,
    KeyFormatType,
    LinkType,
    ObjectType,
    Operation,
    ProtectionStorageMask,
    ResultReason,
    RNGAlgorithm,
    State,
)
from kmip_server.ttlv.memory import remembered
from kmip_server.ttlv.tags import Tag
from policy.operation_policies import DEFAULT

SERVER_RNG: Final = RNGParameters(rng_algorithm=RNGAlgorithm.UNSPECIFIED)
"""The random number generator that made the server's keys (s4.46): the system's, whose design we do not vouch for."""

_DESCRIBED: Final = frozenset(
    {
        Tag.CRYPTOGRAPHIC_ALGORITHM,
        Tag.CRYPTOGRAPHIC_LENGTH,
        Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS,
        Tag.OBJECT_TYPE,
        Tag.CERTIFICATE_TYPE,
        Tag.KEY_FORMAT_TYPE,
        Tag.OPAQUE_DATA_TYPE,
        Tag.DIGITAL_SIGNATURE_ALGORITHM,
        Tag.CERTIFICATE_LENGTH,
    }
)
"""Attributes that the server sets and a client may state: they must agree with the object."""

_MAXIMUM_TEXT: Final = 4096
_SMALL: Final = 2048
"""Templates are remembered up to this many bytes."""
FIRST_DATE: Final = -62_135_596_800
LAST_DATE: Final = 253_402_300_799
"""Years have four digits in XML and JSON (RFC 3339), and a date that is moved (Re-key) must stay one."""
_DATES: Final = frozenset(tag for tag, row in ATTRIBUTES.items() if row.kind is DATE_TIME)
_VENDOR: Final = re.compile(r"[A-Za-z0-9_.]+")


def check_template(call: Call, object_type: ObjectType, wanted: Iterable[AttributeValue]) -> AttributeSet:
    """The client's attributes for a new object, each allowed by its row. Raises KmipError (s6.1.8.1).

    Attribute Read Only for what only the server sets; Attribute Single Valued for a second instance; Invalid Attribute
    for one that this object type cannot have; Non Unique Name Attribute for a Name in use.
    """
    resolved = [call.batch.resolved(attribute) for attribute in wanted]
    named = tuple([attribute for attribute in resolved if attribute.tag is Tag.NAME])
    others = tuple([attribute for attribute in resolved if attribute.tag is not Tag.NAME])
    most = call.services.limits.attribute_instances
    attributes = _well_formed(others, object_type, most)
    if named:
        attributes = attributes.joined(_well_formed(named, object_type, most))
    if Tag.ATTRIBUTE in attributes:
        check_asked(attributes, object_type, call.spec.operation)
    for tag, check in _CHECKS_IN_CALL.items():
        for value in attributes.all(tag):
            check(call, value, None)
    return attributes


@remembered(512, lambda _, checked: len(checked.to_bytes()) <= _SMALL)
def _well_formed(wanted: tuple[AttributeValue, ...], object_type: ObjectType, most: int) -> AttributeSet:
    """The attributes for a new object, as far as they can be checked by themselves.

    Remembered, since clients ask for the same again and again, but for the Name.
    """
    attributes = AttributeSet.of(wanted)
    for tag in attributes.tags:
        row, values = ATTRIBUTES[tag], attributes.all(tag)
        if row.set_by is SetBy.SERVER and tag not in _DESCRIBED:
            raise KmipError(
                ResultReason.ATTRIBUTE_READ_ONLY, f"{name_of(row.tag)} is set by the server alone (KMIP 2.1 s4)"
            )
        if len(values) > 1 and not row.multiple:
            raise KmipError(ResultReason.ATTRIBUTE_SINGLE_VALUED, f"{name_of(row.tag)} has one value only")
        if len(values) > most:
            raise KmipError(ResultReason.SERVER_LIMIT_EXCEEDED, f"too many instances of {name_of(row.tag)}")
        if object_type not in row.objects:
            raise KmipError(ResultReason.INVALID_ATTRIBUTE, f"a {object_type.title} has no {name_of(row.tag)}")
        for value in values:
            _check_alone(tag, value)
    return attributes


def check_value(call: Call, tag: Tag, value: Any, holder: ManagedObject | None = None) -> None:
    """Check one attribute value that a client gives to a new object, or to the `holder`; it may keep its own Name."""
    _check_alone(tag, value)
    check = _CHECKS_IN_CALL.get(tag)
    if check is not None:
        check(call, value, holder)


def _check_alone(tag: Tag, value: Any) -> None:
    check_bounds(tag, value)
    check = _CHECKS_ALONE.get(tag)
    if check is not None:
        check(value)


def check_bounds(tag: Tag, value: Any) -> None:
    """Refuse text that is too long, and a date that no calendar has. Raises Server Limit Exceeded, Invalid Field."""
    if tag in _DATES and not FIRST_DATE <= value <= LAST_DATE:
        raise KmipError(ResultReason.INVALID_FIELD, f"{name_of(tag)} is not in the years 1 to 9999")
    if isinstance(value, Payload):
        longest = max([len(part) for part in vars(value).values() if isinstance(part, str)], default=0)
    else:
        longest = len(value) if isinstance(value, str) else 0
    if longest > _MAXIMUM_TEXT:
        raise KmipError(
            ResultReason.SERVER_LIMIT_EXCEEDED, f"{name_of(tag)} is longer than the {_MAXIMUM_TEXT} characters allowed"
        )


_TYPES: Final = frozenset({object_type.title for object_type in ObjectType} | {"X.509 Certificate"})
"""Names that PyKMIP gives to objects whose user gives none. They name a type, so many objects may have them."""


def _check_name(call: Call, name: Name, holder: ManagedObject | None) -> None:
    if not name.name_value:
        raise KmipError(ResultReason.INVALID_ATTRIBUTE_VALUE, "a Name Value (420055) is not empty")
    if name.name_value in _TYPES:
        return
    owner, own = (call.caller.name, None) if holder is None else (holder.owner, holder.unique_identifier)
    if all(other == own for other in call.unit.indexed(owner, Tag.NAME, name.name_value)):
        return
    # What is destroyed keeps its Name, which Locate does not find: the next object may have it.
    alive = Search(owner=owner, index=((int(Tag.NAME), name.name_value),), archived=True)
    if any(row.unique_identifier != own for row in call.unit.search(alive)):
        raise KmipError(
            ResultReason.NON_UNIQUE_NAME_ATTRIBUTE, "another object of yours has this Name (420053) already"
        )


def _check_policy(call: Call, policy: str, _: ManagedObject | None) -> None:
    if policy not in call.ruling.operation_policies:
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE, "there is no policy with this Operation Policy Name (42005D)"
        )


def _check_application(value: ApplicationSpecificInformation) -> None:
    if value.application_data is None:
        raise KmipError(
            ResultReason.APPLICATION_NAMESPACE_NOT_SUPPORTED,
            "this server makes no Application Data for any namespace; give Application Data (420002)",
        )


def _check_limits(limits: UsageLimits) -> None:
    if limits.usage_limits_total < 0:
        raise KmipError(ResultReason.INVALID_ATTRIBUTE_VALUE, "Usage Limits Total (420097) is not negative")


def _check_length(length: int) -> None:
    if length <= 0:
        raise KmipError(ResultReason.INVALID_ATTRIBUTE_VALUE, "Cryptographic Length (42002A) is above 0")


def _check_vendor_attribute(value: VendorAttribute) -> None:
    if value.vendor_identification == SERVERS_VENDOR:
        raise KmipError(
            ResultReason.ATTRIBUTE_READ_ONLY, 'Vendor Identification (42009D) "y" is the server\'s (KMIP 2.1 s4.60)'
        )
    if value.attribute_value is None:
        raise KmipError(ResultReason.INVALID_MESSAGE, "a vendor attribute has an Attribute Value (42000B)")
    if not _VENDOR.fullmatch(value.vendor_identification) or not value.attribute_name:
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            "a Vendor Identification (42009D) has letters, digits, underscores, periods; no name is empty",
        )


def _check_link(call: Call, link: Link, _: ManagedObject | None) -> None:
    """A link leads to an object that the caller can see. Raises Invalid Attribute Value."""
    try:
        call.object(call.batch.identifier(link.linked_object_identifier), Operation.GET_ATTRIBUTES)
    except KmipError:
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            "a Link (42004A) leads to an object that exists and that you may see (KMIP 2.1 s4.31)",
        ) from None


_CHECKS_ALONE: Final[dict[Tag, Callable[[Any], None]]] = {
    Tag.APPLICATION_SPECIFIC_INFORMATION: _check_application,
    Tag.USAGE_LIMITS: _check_limits,
    Tag.CRYPTOGRAPHIC_LENGTH: _check_length,
    Tag.ATTRIBUTE: _check_vendor_attribute,
}
_CHECKS_IN_CALL: Final[dict[Tag, Callable[[Call, Any, ManagedObject | None], None]]] = {
    Tag.NAME: _check_name,
    Tag.OPERATION_POLICY_NAME: _check_policy,
    Tag.LINK: _check_link,
}
"""What a value of the client's must be, beside its size: by itself, and among what else there is.

The attributes not named here may have any value.
"""


def new_object(
    call: Call,
    object_type: ObjectType,
    template: AttributeSet,
    *,
    facts: dict[int, Any],
    digest: Digest | None,
    generated: bool,
    unique_identifier: str | None = None,
) -> ManagedObject:
    """A new object: the template's attributes, the facts read off its value, and what the server sets (s4).

    `facts` are single-valued attributes that the value itself determines, such as its Cryptographic Length.
    """
    check_dates(template)
    stated = template.first_values()
    limits = stated.get(Tag.USAGE_LIMITS)
    if limits is not None:
        facts = facts | {Tag.USAGE_LIMITS: replace(limits, usage_limits_count=limits.usage_limits_total)}
    for tag, wanted in stated.items():
        if tag not in _DESCRIBED:
            continue
        value = object_type if tag == Tag.OBJECT_TYPE else facts.get(tag)
        if value is not None and wanted != value:
            raise KmipError(
                ResultReason.INVALID_ATTRIBUTE_VALUE, f"{name_of(tag)} is {value!s} and not what the request states"
            )
    if stated.get(Tag.QUANTUM_SAFE) and not _quantum_safe(object_type, facts):
        raise KmipError(ResultReason.GENERAL_FAILURE, "no such object is Quantum Safe (420147) (KMIP 2.1 s4.45)")
    common = _common(
        object_type,
        stated.get(Tag.OPERATION_POLICY_NAME) or DEFAULT,
        call.now,
        call.services.lease_seconds,
        _Flags(
            stated.get(Tag.FRESH) is not False,
            bool(stated.get(Tag.SENSITIVE)),
            stated.get(Tag.EXTRACTABLE) is not False,
            generated,
        ),
        tuple(facts.items()) if generated else (),
    )
    identifier = unique_identifier or call.new_identifier()
    own: dict[int, Any] = {
        Tag.UNIQUE_IDENTIFIER: identifier,
        Tag.SHORT_UNIQUE_IDENTIFIER: hashlib.sha256(identifier.encode()).digest(),
        **({} if generated else facts),
    }
    if digest is not None:
        own[Tag.DIGEST] = digest
    made = ManagedObject(call.caller.name, template.joined(common, AttributeSet.single(own)))
    made.settle(call.now)
    return made


class _Flags(NamedTuple):
    fresh: bool
    sensitive: bool
    extractable: bool
    generated: bool


@lru_cache(maxsize=256)
def _common(
    object_type: ObjectType,
    policy: str,
    now: int,
    lease_seconds: int,
    flags: _Flags,
    facts: tuple[tuple[int, Any], ...],
) -> AttributeSet:
    """What the server sets that many objects of the same second have in common; for generated keys, facts, too."""
    fresh, sensitive, extractable, generated = flags
    values: dict[int, Any] = {
        Tag.OBJECT_TYPE: object_type,
        Tag.OPERATION_POLICY_NAME: policy,
        Tag.INITIAL_DATE: now,
        Tag.LAST_CHANGE_DATE: now,
        Tag.STATE: State.PRE_ACTIVE,
        Tag.LEASE_TIME: lease_seconds,
        Tag.FRESH: fresh,
        Tag.SENSITIVE: sensitive,
        Tag.ALWAYS_SENSITIVE: sensitive,
        Tag.EXTRACTABLE: extractable,
        Tag.NEVER_EXTRACTABLE: not extractable,
        Tag.PROTECTION_STORAGE_MASK: int(ProtectionStorageMask.SOFTWARE),
    }
    if generated:
        values |= {Tag.ORIGINAL_CREATION_DATE: now, Tag.RANDOM_NUMBER_GENERATOR: SERVER_RNG, **dict(facts)}
    return AttributeSet.single(values)


_QUANTUM_SAFE_BITS: Final = 256
_QUANTUM_SAFE_TYPES: Final = frozenset({ObjectType.SYMMETRIC_KEY, ObjectType.SECRET_DATA, ObjectType.OPAQUE_OBJECT})


def _quantum_safe(object_type: ObjectType, facts: dict[int, Any]) -> bool:
    """Whether an object stays safe from quantum computers: no key of RSA or curves, and no short symmetric key."""
    length = facts.get(Tag.CRYPTOGRAPHIC_LENGTH, _QUANTUM_SAFE_BITS)
    return object_type in _QUANTUM_SAFE_TYPES and length >= _QUANTUM_SAFE_BITS


def digest_of(value: bytes, key_format_type: KeyFormatType | None) -> Digest:
    """The SHA-256 Digest of key material, a certificate or opaque data (s4.21)."""
    return Digest(
        hashing_algorithm=HashingAlgorithm.SHA_256,
        digest_value=hashlib.sha256(value).digest(),
        key_format_type=key_format_type,
    )


def linked(made: ManagedObject, link_type: LinkType, other: str) -> None:
    """Link an object to another, replacing a link of the same type (s4.31)."""
    attributes = made.attributes
    for instance in attributes.instances(Tag.LINK):
        if instance.value.link_type is link_type:
            attributes = attributes.without(Tag.LINK, instance)
    made.attributes = attributes.with_added(Tag.LINK, Link(link_type=link_type, linked_object_identifier=other))


def refuse_legacy(call: Call, algorithm: CryptographicAlgorithm) -> None:
    """Refuse an algorithm of old clients unless the server's policy allows them."""
    if is_legacy(algorithm) and not call.services.legacy_algorithms:
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            f"{algorithm.title} is a legacy Cryptographic Algorithm (420028): this server's policy allows none",
        )
