"""The attributes of keys that are negotiated with another site: one row each, and every rule about them is here.

They are vendor attributes of the vendor "DSCC" (KMIP 2.1 s4.60), and in 1.x custom attributes: "x-DSCC-Peer" for what
the client asks for, "y-DSCC-KeyId" for what the server says about the key's origin. All of them are Text Strings, since
clients of 1.x read no other custom attribute. The vendors "x" and "y" of 2.x with such a name mean the same.

1. What a client asks for it says when it creates a Symmetric Key, and never later.
2. What the server says is the server's alone.
3. Each has one value, and one of Peer and Group is named at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from kmip_server.errors import KmipError
from kmip_server.messages.structures import VendorAttribute
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.attributes import SetBy
from kmip_server.ttlv.enumerations import ObjectType, Operation, ResultReason
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.memory import remembered
from kmip_server.ttlv.tags import Tag
from policy.sharing import HYBRIDS, MOST_PATHS, PURPOSES, Asked, is_name, paths_of

VENDOR: Final = "DSCC"
CLIENTS_VENDOR: Final = "x"
"""The vendor of 1.x whose attributes clients make."""
SERVERS_VENDOR: Final = "y"
"""The vendor of 1.x whose attributes only the server makes and changes (s4.60)."""
_PREFIX: Final = f"{VENDOR}-"
_LONGEST: Final = 1024
_MOST_REMEMBERED: Final = 1024
_SMALL: Final = 4096
"""What vendor attributes say is remembered for those that take up to so many bytes."""


class DsccAttribute(NamedTuple):
    """One row: who sets it, what it means, which values it may have, and those in words."""

    name: str
    set_by: SetBy
    meaning: str
    fits: Callable[[str], bool]
    values: str


def _asked(name: str, meaning: str, fits: Callable[[str], bool], values: str) -> DsccAttribute:
    return DsccAttribute(name, SetBy.CLIENT, meaning, fits, values)


def _said(name: str, meaning: str) -> DsccAttribute:
    return DsccAttribute(name, SetBy.SERVER, meaning, _prints, f"prints, and has 1 to {_LONGEST} characters")


def _prints(value: str) -> bool:
    return value.isprintable() and 0 < len(value) <= _LONGEST


_NAME: Final = "has 1 to 64 characters, none of which is a control character"

ROWS: Final = {
    row.name: row
    for row in (
        _asked("Peer", "the device with which the key is negotiated", is_name, _NAME),
        _asked("Group", "the group of devices that have the key", is_name, _NAME),
        _asked("Purpose", "what the key is for", PURPOSES.__contains__, f"is one of {', '.join(PURPOSES)}"),
        _asked("Policy", "the policy of the nodes under which it is negotiated", is_name, _NAME),
        _asked(
            "Paths",
            "how many nodes have to take part, and of how many",
            lambda value: paths_of(value) is not None,
            f'is k/n such as "2/3", with k <= n <= {MOST_PATHS}',
        ),
        _asked(
            "Hybrid", "the key encapsulation that is mixed in", HYBRIDS.__contains__, f"is one of {', '.join(HYBRIDS)}"
        ),
        _said("KeyId", "what both sites call the key"),
        _said("SessionId", "the exchange in which it was made"),
        _said("Epoch", "which key of the two sites it is"),
        _said("ChainIndex", "how far the chain had gone from which it comes"),
        _said("PolicyDigest", "the policy of the nodes that it was made under"),
        _said("PathsUsed", "the nodes whose shares it rests on"),
        _said("ConfirmedAt", "when both sites knew that they have the same key"),
        _said("Trust", 'what its secrecy rests on: "3 paths, pure"'),
        _said("Initiator", "the device that asked for it"),
        _said("Gateway", "the device of this site that has it"),
        _said("Members", "the devices that have it, if it is a group's"),
        _said("Requester", "the client that asked for it there, if it is delivered by ETSI GS QKD 014"),
        _said("Revocation", "who revoked it, and how many nodes know"),
    )
}
"""Every DSCC attribute by its name."""

PROVENANCE: Final = tuple([row.name for row in ROWS.values() if row.set_by is SetBy.SERVER])
"""The names of what the server says about a key's origin."""
ASKED: Final = frozenset(row.name for row in ROWS.values() if row.set_by is SetBy.CLIENT)
"""The names of what a client asks for."""


# Names. ---------------------------------------------------------------------------------------------------------------


def canonical(vendor: str, name: str) -> tuple[str, str]:
    """The vendor and the name under which an attribute is kept that a client calls by these.

    A client's attribute is not called by the server's vendor: "y-DSCC-Peer" is no name of "x-DSCC-Peer".
    """
    own = name.removeprefix(_PREFIX)
    if own == name or vendor not in (CLIENTS_VENDOR, SERVERS_VENDOR):
        return vendor, name
    return (vendor, name) if vendor == SERVERS_VENDOR and own in ASKED else (VENDOR, own)


def canonical_reference(vendor: str, name: str) -> tuple[str, str]:
    """As `canonical`, but for "x-DSCC-KeyId": who asks for it by this name is answered by it (`as_clients_read`)."""
    found = canonical(vendor, name)
    alias = vendor == CLIENTS_VENDOR and found[0] == VENDOR and found[1] not in ASKED
    return (vendor, name) if alias else found


def is_fixed(vendor: str, name: str) -> bool:
    """Whether a vendor attribute is not for clients to add, change and delete, once its object is made."""
    return vendor == SERVERS_VENDOR or canonical(vendor, name)[0] == VENDOR


def canonical_value(value: VendorAttribute) -> VendorAttribute:
    """A vendor attribute under the vendor and the name under which it is kept."""
    vendor, name = value.vendor_identification, value.attribute_name
    # What Locate compares with may lack either.
    if vendor is None or name is None or not name.startswith(_PREFIX):
        return value
    return _vendor_attribute(*canonical(vendor, name), value.attribute_value)


def custom_name(vendor: str, name: str) -> str | None:
    """The name of a vendor attribute in 1.x, or None if it has none there."""
    if vendor in (CLIENTS_VENDOR, SERVERS_VENDOR):
        return f"{vendor}-{name}"
    row = ROWS.get(name) if vendor == VENDOR else None
    if row is None:
        return None
    return f"{CLIENTS_VENDOR if row.set_by is SetBy.CLIENT else SERVERS_VENDOR}-{_PREFIX}{name}"


def as_clients_read(attribute: AttributeValue) -> AttributeValue:
    """The attribute with an "x-" name, for clients of 1.x that read no name with "y-"; others stay as they are."""
    value = attribute.value
    if attribute.tag is not Tag.ATTRIBUTE or value.vendor_identification != VENDOR:
        return attribute
    renamed = _vendor_attribute(CLIENTS_VENDOR, _PREFIX + value.attribute_name, value.attribute_value)
    return AttributeValue(Tag.ATTRIBUTE, renamed, attribute.attribute_index)


def _vendor_attribute(vendor: str, name: str, value: Item | None) -> VendorAttribute:
    return VendorAttribute(vendor_identification=vendor, attribute_name=name, attribute_value=value)


# What clients may give. -----------------------------------------------------------------------------------------------


def check_known(name: str) -> DsccAttribute:
    """The row of a name. Raises Invalid Attribute if there is none."""
    row = ROWS.get(name)
    if row is None:
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE,
            f"an Attribute (420008) of the vendor DSCC is {', '.join(ROWS)}; not {name[:80]!r}",
        )
    return row


def check_asked(attributes: AttributeSet, object_type: ObjectType, operation: Operation) -> None:
    """Refuse what a client may not ask for with its DSCC attributes, if it gives any, for an object to be made.

    Raises Invalid Attribute, Attribute Read Only, Attribute Single Valued, Invalid Attribute Value.
    """
    given: dict[str, str] = {}
    for value in attributes.all(Tag.ATTRIBUTE):
        if not _is_meant(value):
            continue
        row = check_known(_name_of(value))
        if row.set_by is SetBy.SERVER:
            raise KmipError(
                ResultReason.ATTRIBUTE_READ_ONLY,
                f"the Attribute (420008) DSCC-{row.name} is set by the server alone (KMIP 2.1 s4)",
            )
        if operation is not Operation.CREATE or object_type is not ObjectType.SYMMETRIC_KEY:
            raise KmipError(
                ResultReason.INVALID_ATTRIBUTE,
                f"the Attribute (420008) DSCC-{row.name} is for a Symmetric Key that Create makes",
            )
        if row.name in given:
            raise KmipError(
                ResultReason.ATTRIBUTE_SINGLE_VALUED, f"the Attribute (420008) DSCC-{row.name} has one value only"
            )
        given[row.name] = _checked(row, value.attribute_value)
    if "Peer" in given and "Group" in given:
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            "a key is negotiated with a DSCC-Peer or with a DSCC-Group; name one Attribute (420008) of them",
        )


def _is_meant(value: VendorAttribute) -> bool:
    """Whether this is a DSCC attribute, or was to be one: "x-dscc-peer" would be a key of this site alone."""
    vendor = value.vendor_identification
    named_so = vendor == CLIENTS_VENDOR and value.attribute_name.upper().startswith(VENDOR)
    return named_so or vendor.upper() == VENDOR


def _name_of(value: VendorAttribute) -> str:
    """Its name in the table; one that is in none, if it is misspelt."""
    vendor, name = value.vendor_identification, value.attribute_name
    return str(name) if vendor == VENDOR else f"{vendor}-{name}"


def _checked(row: DsccAttribute, value: Item | None) -> str:
    if value is None or value.type != Type.TEXT_STRING or not row.fits(value.value):
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            f"the Attribute Value (42000B) of DSCC-{row.name} is a Text String that {row.values}",
        )
    return str(value.value)


# What an object has. --------------------------------------------------------------------------------------------------


def asked_in(template: AttributeSet) -> Asked | None:
    """What a client asks for in a template that is checked, or None if it has no DSCC attribute."""
    if Tag.ATTRIBUTE not in template:
        return None
    given = dscc_values(template)
    return Asked(**{name.lower(): value for name, value in given.items()}) if given else None


def dscc_values(attributes: AttributeSet) -> Mapping[str, str]:
    """The values of the DSCC attributes that an object has, by their names."""
    return _texts_in(attributes.parts.get(Tag.ATTRIBUTE, ()))


def dscc_value(attributes: AttributeSet, name: str) -> str | None:
    """The value of a DSCC attribute, or None if the object has none of this name."""
    return dscc_values(attributes).get(name)


def with_dscc(attributes: AttributeSet, values: Mapping[str, str]) -> AttributeSet:
    """The attributes with these DSCC attributes in place of what they had of the same names.

    Raises ValueError for a name that is not in the table, and for a value that such an attribute does not have.
    """
    made = [_of_value(name, value) for name, value in values.items()]
    return without_dscc(attributes, values).with_added(Tag.ATTRIBUTE, *made)


@remembered(_MOST_REMEMBERED, lambda arguments, _: len(arguments[1]) <= _LONGEST)
def _of_value(name: str, value: str) -> VendorAttribute:
    """The DSCC attribute of this value: most are the same for all keys that are drawn from one seed."""
    if name not in ROWS or not ROWS[name].fits(value):
        raise ValueError(f"there is no DSCC attribute {name} with such a value")
    return _vendor_attribute(VENDOR, name, Item(Tag.ATTRIBUTE_VALUE, Type.TEXT_STRING, value))


def without_dscc(attributes: AttributeSet, names: Iterable[str]) -> AttributeSet:
    """The attributes without the DSCC attributes of these names."""
    gone = dscc_values(attributes).keys() & frozenset(names)
    if not gone:
        return attributes
    kept = [
        instance
        for instance in attributes.instances(Tag.ATTRIBUTE)
        if instance.value.vendor_identification != VENDOR or instance.value.attribute_name not in gone
    ]
    return attributes.with_instances(Tag.ATTRIBUTE, kept)


@remembered(_MOST_REMEMBERED, lambda arguments, _: sum(map(len, arguments[0])) <= _SMALL)
def _texts_in(parts: tuple[bytes, ...]) -> Mapping[str, str]:
    """Of these vendor attributes as they are stored. They are asked about several times in a request."""
    return {
        value.attribute_name: str(value.attribute_value.value)
        for value in _of_dscc(AttributeSet({Tag.ATTRIBUTE: parts}))
        if value.attribute_value is not None
    }


def _of_dscc(attributes: AttributeSet) -> list[VendorAttribute]:
    return [value for value in attributes.all(Tag.ATTRIBUTE) if value.vendor_identification == VENDOR]
