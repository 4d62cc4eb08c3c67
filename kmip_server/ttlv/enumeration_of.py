"""Which enumeration or bit mask the value of a tag belongs to, and the names of tags and values in text encodings.

Derived where the standard gives the tag and its enumeration one name; `_EXCEPTIONS` holds the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kmip_server.ttlv import enumerations
from kmip_server.ttlv.enumeration import Enumeration, Mask
from kmip_server.ttlv.tags import Tag

_TAG_OF_NAME: Final[Mapping[str, Tag]] = {tag.encoded_name: tag for tag in Tag}
_TAG_OF_TITLE: Final[Mapping[str, Tag]] = {tag.title: tag for tag in Tag}
_NAME_OF_TAG: Final[Mapping[int, str]] = {int(tag): tag.encoded_name for tag in Tag}

_EXCEPTIONS: Final[dict[int, type[Enumeration]]] = {
    # The value is an Item Tag.
    Tag.ATTRIBUTE_REFERENCE: Tag,
    Tag.TAG: Tag,
    Tag.EXTENSION_PARENT_STRUCTURE_TAG: Tag,
    # The value belongs to an enumeration of another name.
    Tag.MASK_GENERATOR_HASHING_ALGORITHM: enumerations.HashingAlgorithm,
    Tag.EXTENSION_TYPE: enumerations.ItemType,
    Tag.DATA: enumerations.DataEnumeration,
    # An identifier may be given by its role in the batch (KMIP 2.1 s11.60).
    Tag.LINKED_OBJECT_IDENTIFIER: enumerations.UniqueIdentifier,
    Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER: enumerations.UniqueIdentifier,
    Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER: enumerations.UniqueIdentifier,
    Tag.REPLACED_UNIQUE_IDENTIFIER: enumerations.UniqueIdentifier,
}


def _derived() -> dict[int, type[Enumeration]]:
    table: dict[int, type[Enumeration]] = {}
    for name, kind in vars(enumerations).items():
        tag = _TAG_OF_NAME.get(name)
        if tag is not None and isinstance(kind, type) and issubclass(kind, Enumeration):
            table[tag] = kind
    return table


_ENUMERATION_OF: Final[Mapping[int, type[Enumeration]]] = _derived() | _EXCEPTIONS
_VALUE_OF_NAME: Final[Mapping[type[Enumeration], Mapping[str, int]]] = {
    kind: {member.encoded_name: int(member) for member in kind} for kind in set(_ENUMERATION_OF.values())
}
_NAME_OF_VALUE: Final[Mapping[type[Enumeration], Mapping[int, str]]] = {
    kind: {int(member): member.encoded_name for member in kind} for kind in set(_ENUMERATION_OF.values())
}


def enumeration_of(tag: int) -> type[Enumeration] | None:
    """The enumeration whose values items with this tag hold, or None."""
    kind = _ENUMERATION_OF.get(tag)
    return None if kind is None or issubclass(kind, Mask) else kind


def mask_of(tag: int) -> type[Mask] | None:
    """The bit mask whose bits items with this tag hold, or None."""
    kind = _ENUMERATION_OF.get(tag)
    return kind if kind is not None and issubclass(kind, Mask) else None


def tag_named(name: str) -> Tag | None:
    """The tag with this normalised name ("CryptographicLength"), or None."""
    return _TAG_OF_NAME.get(name)


def tag_titled(title: str) -> Tag | None:
    """The tag with this title ("Cryptographic Length"): what an Attribute Name of KMIP 1.x names; or None."""
    return _TAG_OF_TITLE.get(title)


def name_of_tag(tag: int) -> str | None:
    """The normalised name of a tag, or None for a tag of no published version."""
    return _NAME_OF_TAG.get(tag)


def value_named(kind: type[Enumeration], name: str) -> int | None:
    """The number of the enumeration's value with this normalised name, or None."""
    return _VALUE_OF_NAME[kind].get(name)


def name_of_value(kind: type[Enumeration], value: int) -> str | None:
    """The normalised name of a value of the enumeration, or None."""
    return _NAME_OF_VALUE[kind].get(value)
