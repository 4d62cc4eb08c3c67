"""How payloads carry attributes: TemplateAttribute and Attribute in 1.x, Attributes structures since 2.0.

In Python it is one form: a tuple of AttributeValue, or one of them; references to attributes are AttributeReference.
In 1.x an attribute goes by its name, and a custom attribute "x-NAME" is the vendor attribute NAME of vendor "x"
(KMIP 2.1 s4.60); since 2.0 an attribute goes by its tag. The attributes of negotiated keys have names of their own
(`dscc_attributes.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, Slot, declare
from kmip_server.messages.kinds import ANY, INTEGER, TEXT, Kind, Primitive, StructureKind, name_of, wrong_type
from kmip_server.messages.structures import VendorAttribute
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.attributes import ATTRIBUTES, BY_NAME, Attribute
from kmip_server.objects.dscc_attributes import (
    CLIENTS_VENDOR,
    SERVERS_VENDOR,
    canonical,
    canonical_reference,
    canonical_value,
    custom_name,
)
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumeration import Enumeration
from kmip_server.ttlv.enumerations import ResultReason
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.memory import remembered, weight
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_0, ProtocolVersion

_REMEMBERED: Final = 4096
_SMALL: Final = 512
"""Attributes are remembered up to this many bytes."""
_TAG: Final = Primitive(Type.ENUMERATION)

CUSTOM_VENDORS: Final = (CLIENTS_VENDOR, SERVERS_VENDOR)
"""The vendors whose attributes are the custom attributes of 1.x: the client's and the server's."""


class AttributeReference(NamedTuple):
    """An attribute by its tag; a vendor attribute by its vendor and name too (KMIP 2.1 s5.5)."""

    tag: Tag
    vendor: str = ""
    name: str = ""

    def __str__(self) -> str:
        return self.tag.title if self.tag is not Tag.ATTRIBUTE else f"{self.vendor}-{self.name}"

    @property
    def named(self) -> str:
        """With the number of the tag, for messages: "Name (420053)"."""
        return f"{self} ({self.tag:06X})"


def reference_to(attribute: AttributeValue) -> AttributeReference:
    """The reference that names an attribute."""
    if attribute.tag is Tag.ATTRIBUTE:
        return AttributeReference(Tag.ATTRIBUTE, attribute.value.vendor_identification, attribute.value.attribute_name)
    return AttributeReference(attribute.tag)


# One attribute on the wire. -------------------------------------------------------------------------------------------


def _row_named(name: str, version: ProtocolVersion) -> Attribute:
    row = BY_NAME.get(name)
    if row is None or not row.known_in(version):
        raise KmipError(ResultReason.INVALID_ATTRIBUTE, f"KMIP {version} has no Attribute Name (42000A) {name[:80]!r}")
    return row


def _custom(name: str) -> tuple[str, str] | None:
    vendor, dash, rest = name.partition("-")
    return (vendor, rest) if dash and rest and vendor in CUSTOM_VENDORS else None


@remembered(_REMEMBERED, lambda arguments, _: weight(arguments[0]) <= _SMALL)
def read_named(item: Item, version: ProtocolVersion, partial: bool = False) -> AttributeValue:
    """A 1.x Attribute structure: name, index, value (KMIP 1.4 s2.1.1). A `partial` value is one to compare with."""
    if item.type != Type.STRUCTURE:
        raise wrong_type(item, Type.STRUCTURE)
    parts = list(item.value)
    if not parts or parts[0].tag != Tag.ATTRIBUTE_NAME or parts[0].type != Type.TEXT_STRING:
        raise KmipError(ResultReason.INVALID_MESSAGE, "an Attribute (420008) starts with an Attribute Name (42000A)")
    name = parts.pop(0).value
    index = None
    if parts and parts[0].tag == Tag.ATTRIBUTE_INDEX:
        if parts[0].type != Type.INTEGER:
            raise wrong_type(parts[0], Type.INTEGER)
        index = parts.pop(0).value
        if index < 0:
            raise KmipError(ResultReason.INVALID_FIELD, "an Attribute Index (420009) is not negative")
    if len(parts) != 1 or parts[0].tag != Tag.ATTRIBUTE_VALUE:
        raise KmipError(ResultReason.INVALID_MESSAGE, "an Attribute (420008) ends with one Attribute Value (42000B)")
    value: Item = parts[0]
    custom = _custom(name)
    if custom is not None:
        vendor, own = canonical(*custom)
        vendor_attribute = VendorAttribute(vendor_identification=vendor, attribute_name=own, attribute_value=value)
        return AttributeValue(Tag.ATTRIBUTE, vendor_attribute, index)
    row = _row_named(name, version)
    kind = _kind(row, partial)
    return AttributeValue(row.tag, kind.read(Item(row.tag, value.type, value.value), version), index)


def write_named(attribute: AttributeValue, version: ProtocolVersion) -> bytes | None:
    """A 1.x Attribute structure, or None if that version cannot say it."""
    tag, value, index = attribute
    if tag is Tag.ATTRIBUTE:
        custom = custom_name(value.vendor_identification, value.attribute_name)
        if custom is None:
            return None
        name = custom
        content = ANY.write(Tag.ATTRIBUTE_VALUE, value.attribute_value, version)
    else:
        row = ATTRIBUTES[tag]
        if not _sayable(row, value, version):
            return None
        name, content = row.name, row.kind.write(Tag.ATTRIBUTE_VALUE, value, version)
    place = INTEGER.write(Tag.ATTRIBUTE_INDEX, index, version) if index else b""
    return binary.structure(Tag.ATTRIBUTE, TEXT.write(Tag.ATTRIBUTE_NAME, name, version) + place + content)


@remembered(_REMEMBERED, lambda arguments, _: weight(arguments[0]) <= _SMALL)
def read_tagged(item: Item, version: ProtocolVersion, partial: bool = False) -> AttributeValue:
    """An attribute under its own tag, as since 2.0. A `partial` value is one to compare with."""
    try:
        row = ATTRIBUTES[Tag(item.tag)]
    except ValueError:
        raise KmipError(ResultReason.UNKNOWN_TAG, f"tag {item.tag:06X} is unknown") from None
    except KeyError:
        raise KmipError(ResultReason.INVALID_ATTRIBUTE, f"{name_of(item.tag)} is not an attribute") from None
    if not row.known_in(version):
        raise KmipError(ResultReason.INVALID_ATTRIBUTE, f"KMIP {version} has no attribute {name_of(row.tag)}")
    value = _kind(row, partial).read(item, version)
    return AttributeValue(row.tag, canonical_value(value) if row.tag is Tag.ATTRIBUTE else value)


def _kind(row: Attribute, partial: bool) -> Kind:
    return replace(row.kind, partial=True) if partial and isinstance(row.kind, StructureKind) else row.kind


def write_tagged(attribute: AttributeValue, version: ProtocolVersion) -> bytes | None:
    """An attribute under its own tag, or None if that version cannot say it."""
    row = ATTRIBUTES[attribute.tag]
    if not _sayable(row, attribute.value, version):
        return None
    return row.kind.write(row.tag, attribute.value, version)


def _sayable(row: Attribute, value: Any, version: ProtocolVersion) -> bool:
    parts = vars(value).values() if isinstance(value, Payload) else (value,)
    return row.known_in(version) and all(part.known_in(version) for part in parts if isinstance(part, Enumeration))


# Structures and lists of attributes. ----------------------------------------------------------------------------------


def read_template(item: Item, version: ProtocolVersion, *, partial: bool = False) -> tuple[AttributeValue, ...]:
    """A 1.x TemplateAttribute (KMIP 1.4 s2.1.8). Templates are deprecated, and none exist here to be named."""
    if item.type != Type.STRUCTURE:
        raise wrong_type(item, Type.STRUCTURE)
    for child in item.value:
        if child.tag == Tag.NAME:
            raise KmipError(ResultReason.ITEM_NOT_FOUND, f"{name_of(item.tag)} names a Template that does not exist")
        if child.tag != Tag.ATTRIBUTE:
            raise KmipError(
                ResultReason.INVALID_MESSAGE, f"{name_of(child.tag)} does not belong in {name_of(item.tag)}"
            )
    return tuple([read_named(child, version, partial) for child in item.value])


def read_attributes(item: Item, version: ProtocolVersion, *, partial: bool = False) -> tuple[AttributeValue, ...]:
    """An Attributes structure, as since 2.0 (KMIP 2.1 s5.1)."""
    if item.type != Type.STRUCTURE:
        raise wrong_type(item, Type.STRUCTURE)
    return tuple([read_tagged(child, version, partial) for child in item.value])


def _named(attributes: Iterable[AttributeValue], version: ProtocolVersion) -> bytes:
    return b"".join([part for attribute in attributes if (part := _written_named(attribute, version)) is not None])


def _tagged(attributes: Iterable[AttributeValue], version: ProtocolVersion) -> bytes:
    return b"".join([part for attribute in attributes if (part := write_tagged(attribute, version)) is not None])


_written_named = remembered(_REMEMBERED, lambda _, written: len(written or b"") <= _SMALL)(write_named)
"""As write_named: most values are the same in many objects."""


@dataclass(frozen=True, slots=True)
class TemplateField:
    """A structure of attributes in a request: a TemplateAttribute in 1.x, Attributes since 2.0."""

    template: Tag
    attributes: Tag
    required: bool

    def slots(self, name: str, version: ProtocolVersion) -> Sequence[Slot]:
        """See Field."""
        if version >= V2_0:
            tag, read, write = self.attributes, read_attributes, _tagged
        else:
            tag, read, write = self.template, read_template, _named
        return (
            Slot(
                name,
                tag,
                self.required,
                False,
                lambda items: read(items[0], version),
                lambda values: binary.structure(tag, write(values, version)) if values or self.required else b"",
            ),
        )


@dataclass(frozen=True, slots=True)
class AttributeListField:
    """A list of attributes in the payload itself: Attributes one by one in 1.x, one structure since 2.0.

    A `required` structure is there even if it is empty.
    """

    required: bool

    def slots(self, name: str, version: ProtocolVersion) -> Sequence[Slot]:
        """See Field."""
        if version >= V2_0:
            return TemplateField(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES, self.required).slots(name, version)
        return (
            Slot(
                name,
                Tag.ATTRIBUTE,
                False,
                True,
                lambda items: tuple([read_named(item, version) for item in items]),
                lambda values: _named(values, version),
            ),
        )


@dataclass(frozen=True, slots=True)
class OneAttributeField:
    """One attribute: an Attribute in 1.x; since 2.0 in a `wrapper` (New or Current Attribute), or nowhere."""

    wrapper: Tag | None
    required: bool
    in_1x: bool = True

    def slots(self, name: str, version: ProtocolVersion) -> Sequence[Slot]:
        """See Field."""
        if version < V2_0:
            return (
                (
                    Slot(
                        name,
                        Tag.ATTRIBUTE,
                        self.required,
                        False,
                        lambda items: read_named(items[0], version),
                        lambda value: _named((value,), version),
                    ),
                )
                if self.in_1x
                else ()
            )
        wrapper = self.wrapper
        if wrapper is None:
            return ()
        return (
            Slot(
                name,
                wrapper,
                self.required,
                False,
                lambda items: _only(read_attributes(items[0], version), wrapper),
                lambda value: binary.structure(wrapper, _tagged((value,), version)),
            ),
        )


def _only(attributes: tuple[AttributeValue, ...], wrapper: Tag) -> AttributeValue:
    if len(attributes) != 1:
        raise KmipError(ResultReason.INVALID_MESSAGE, f"{name_of(wrapper)} holds exactly one attribute")
    return attributes[0]


@dataclass(frozen=True, slots=True)
class ReferencesField:
    """References to attributes: Attribute Names in 1.x, Attribute References since 2.0."""

    many: bool
    required: bool = False

    def slots(self, name: str, version: ProtocolVersion) -> Sequence[Slot]:
        """See Field."""
        tag = Tag.ATTRIBUTE_REFERENCE if version >= V2_0 else Tag.ATTRIBUTE_NAME
        read, write = (_read_reference, _write_reference) if version >= V2_0 else (_read_name, _write_name)
        if self.many:
            return (
                Slot(
                    name,
                    tag,
                    self.required,
                    True,
                    lambda items: tuple([read(item, version) for item in items]),
                    lambda values: b"".join([write(value, version) for value in values]),
                ),
            )
        return (
            Slot(
                name,
                tag,
                self.required,
                False,
                lambda items: read(items[0], version),
                lambda value: write(value, version),
            ),
        )


def _read_name(item: Item, version: ProtocolVersion) -> AttributeReference:
    if item.type != Type.TEXT_STRING:
        raise wrong_type(item, Type.TEXT_STRING)
    custom = _custom(item.value)
    if custom is not None:
        return AttributeReference(Tag.ATTRIBUTE, *canonical_reference(*custom))
    return AttributeReference(_row_named(item.value, version).tag)


def _write_name(reference: AttributeReference, version: ProtocolVersion) -> bytes:
    if reference.tag is Tag.ATTRIBUTE:
        name = custom_name(reference.vendor, reference.name)
    else:
        row = ATTRIBUTES[reference.tag]
        name = row.name if row.known_in(version) else None
    return b"" if name is None else TEXT.write(Tag.ATTRIBUTE_NAME, name, version)


def _read_reference(item: Item, version: ProtocolVersion) -> AttributeReference:
    if item.type == Type.ENUMERATION:
        row = ATTRIBUTES.get(item.value)
        if row is None or not row.known_in(version):
            raise KmipError(
                ResultReason.INVALID_ATTRIBUTE, f"Attribute Reference: {name_of(item.value)} is no attribute"
            )
        return AttributeReference(row.tag)
    if item.type != Type.STRUCTURE:
        raise wrong_type(item, Type.ENUMERATION, Type.STRUCTURE)
    named = VendorAttribute.decode(item.value, version)
    if named.attribute_value is not None:
        raise KmipError(ResultReason.INVALID_MESSAGE, "an Attribute Reference (42013B) holds no Attribute Value")
    return AttributeReference(Tag.ATTRIBUTE, *canonical_reference(named.vendor_identification, named.attribute_name))


def _write_reference(reference: AttributeReference, version: ProtocolVersion) -> bytes:
    if reference.tag is not Tag.ATTRIBUTE:
        known = ATTRIBUTES[reference.tag].known_in(version)
        return _TAG.write(Tag.ATTRIBUTE_REFERENCE, int(reference.tag), version) if known else b""
    named = VendorAttribute(vendor_identification=reference.vendor, attribute_name=reference.name)
    return binary.structure(Tag.ATTRIBUTE_REFERENCE, named.encode(version))


# How these fields are written in a declaration. -----------------------------------------------------------------------


def template(in_1x: Tag = Tag.TEMPLATE_ATTRIBUTE, since_2: Tag = Tag.ATTRIBUTES, *, required: bool = False) -> Any:
    """The attributes a request wants its object to have."""
    return declare(TemplateField(in_1x, since_2, required), default=())


def attribute_list(*, required: bool = False) -> Any:
    """A list of attributes in a payload."""
    return declare(AttributeListField(required), default=())


def one_attribute(since_2: Tag | None, *, required: bool = False, in_1x: bool = True) -> Any:
    """One attribute in a payload; `since_2` is the structure that holds it since 2.0, or None if it is not there."""
    return declare(OneAttributeField(since_2, required, in_1x), required=required)


def references(*, required: bool = False) -> Any:
    """References to attributes."""
    return declare(ReferencesField(True, required), default=())


def reference(*, required: bool = False) -> Any:
    """A reference to one attribute."""
    return declare(ReferencesField(False, required), required=required)
