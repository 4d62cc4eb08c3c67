"""The kinds of values in declared structures: how one value is read from an item, and how it is written.

Values are written as encoded items. What has to become another encoding than TTLV is expanded from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from kmip_server.errors import KmipError
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumeration import Enumeration, Mask
from kmip_server.ttlv.enumerations import ResultReason
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_1, ProtocolVersion, within

if TYPE_CHECKING:
    from kmip_server.messages.fields import Payload


class Kind(Protocol):
    """How one value looks on the wire."""

    def read(self, item: Item, version: ProtocolVersion) -> Any:
        """The item's value as Python has it; raises KmipError."""

    def write(self, tag: int, value: Any, version: ProtocolVersion) -> bytes:
        """The value as an encoded item with this tag."""


def name_of(tag: int) -> str:
    """A tag's title and number, for messages: "Unique Identifier (420094)"."""
    try:
        return f"{Tag(tag).title} ({tag:06X})"
    except ValueError:
        return f"tag {tag:06X}"


@dataclass(frozen=True, slots=True)
class Primitive:
    """A value of one primitive TTLV type."""

    type: Type

    def read(self, item: Item, version: ProtocolVersion) -> Any:
        """See Kind."""
        if item[1] != self.type:
            raise wrong_type(item, self.type)
        return item[2]

    def write(self, tag: int, value: Any, version: ProtocolVersion) -> bytes:
        """See Kind."""
        return binary.PRIMITIVES[self.type](tag, value)


def wrong_type(item: Item, *expected: Type) -> KmipError:
    """The error for an item of another type than the standard asks for."""
    wanted = " or ".join(kind.name.replace("_", " ").title() for kind in expected)
    return KmipError(ResultReason.INVALID_MESSAGE, f"{name_of(item.tag)} is a {wanted}")


_FIRST_EXTENSION: Final = 0x80000000
_write_integer: Final = binary.PRIMITIVES[Type.INTEGER]
_write_enumeration: Final = binary.PRIMITIVES[Type.ENUMERATION]


@dataclass(frozen=True, slots=True)
class EnumerationKind:
    """A value of an enumeration, gated by the peer's version. An extensible one takes vendors' values as integers."""

    values: type[Enumeration]
    extensible: bool = False

    def read(self, item: Item, version: ProtocolVersion) -> Any:
        """See Kind."""
        if item[1] != Type.ENUMERATION:
            raise wrong_type(item, Type.ENUMERATION)
        if self.extensible and item[2] >= _FIRST_EXTENSION:
            return item[2]
        member = _known_values(self.values, version).get(item[2])
        if member is None:
            raise KmipError(
                ResultReason.UNKNOWN_ENUMERATION, f"{name_of(item.tag)} has no value {item[2]:08X} in KMIP {version}"
            )
        return member

    def write(self, tag: int, value: Any, version: ProtocolVersion) -> bytes:
        """See Kind."""
        return _write_enumeration(tag, int(value))


@cache
def _known_values(values: type[Enumeration], version: ProtocolVersion) -> dict[int, Enumeration]:
    return {int(value): value for value in values if value.known_in(version)}


@dataclass(frozen=True, slots=True)
class MaskKind:
    """A bit mask: an Integer whose bits are the values of a Mask. Undefined bits are refused."""

    bits: type[Mask]

    def read(self, item: Item, version: ProtocolVersion) -> int:
        """See Kind."""
        if item[1] != Type.INTEGER:
            raise wrong_type(item, Type.INTEGER)
        value: int = item[2]
        if value & ~_known_bits(self.bits, version):
            raise KmipError(
                ResultReason.INVALID_ATTRIBUTE_VALUE,
                f"{name_of(item.tag)} has bits that KMIP {version} does not define",
            )
        return value

    def write(self, tag: int, value: int, version: ProtocolVersion) -> bytes:
        """See Kind: bits that the peer's version does not define are not sent."""
        return _write_integer(tag, int(value) & _known_bits(self.bits, version))


@cache
def _known_bits(bits: type[Mask], version: ProtocolVersion) -> int:
    known = 0
    for bit in bits:
        if bit.known_in(version):
            known |= bit
    return known


@dataclass(frozen=True, slots=True)
class StructureKind:
    """A nested declared structure; a `partial` one is what Locate compares with (KMIP 2.1 s6.1.28)."""

    structure: type[Payload]
    partial: bool = False

    def read(self, item: Item, version: ProtocolVersion) -> Any:
        """See Kind."""
        if item[1] != Type.STRUCTURE:
            raise wrong_type(item, Type.STRUCTURE)
        return self.structure.decode(item[2], version, partial=self.partial)

    def write(self, tag: int, value: Payload, version: ProtocolVersion) -> bytes:
        """See Kind."""
        return binary.structure(tag, value.encode(version))


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value that may be of several kinds, told apart by the item's type; each since some version."""

    choices: tuple[tuple[Type, Kind, type, ProtocolVersion], ...]

    def read(self, item: Item, version: ProtocolVersion) -> Any:
        """See Kind."""
        for kind_type, kind, _, since in self.choices:
            if item[1] == kind_type and within(since, V2_1, version):
                return kind.read(item, version)
        raise wrong_type(item, *[choice[0] for choice in self.choices if within(choice[3], V2_1, version)])

    def write(self, tag: int, value: Any, version: ProtocolVersion) -> bytes:
        """See Kind."""
        for _, kind, python_type, since in self.choices:
            if isinstance(value, python_type) and within(since, V2_1, version):
                return kind.write(tag, value, version)
        raise TypeError(f"{name_of(tag)} cannot be a {type(value).__name__} in KMIP {version}")


class ItemKind:
    """Any item, kept as it is: the value is the Item itself (vendor extensions, wrapped key values)."""

    def read(self, item: Item, version: ProtocolVersion) -> Item:
        """See Kind."""
        return item

    def write(self, tag: int, value: Item, version: ProtocolVersion) -> bytes:
        """See Kind."""
        if type(value.value) is bytes and value.type == Type.STRUCTURE:
            return binary.structure(tag, value.value)
        return binary.encode(Item(tag, value.type, value.value))


INTEGER: Final = Primitive(Type.INTEGER)
LONG_INTEGER: Final = Primitive(Type.LONG_INTEGER)
BIG_INTEGER: Final = Primitive(Type.BIG_INTEGER)
BOOLEAN: Final = Primitive(Type.BOOLEAN)
TEXT: Final = Primitive(Type.TEXT_STRING)
BYTES: Final = Primitive(Type.BYTE_STRING)
DATE_TIME: Final = Primitive(Type.DATE_TIME)
DATE_TIME_EXTENDED: Final = Primitive(Type.DATE_TIME_EXTENDED)
INTERVAL: Final = Primitive(Type.INTERVAL)
ANY: Final = ItemKind()
