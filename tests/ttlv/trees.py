"""Trees to test the codecs with: a hypothesis strategy for any tree, and messages as clients send them."""

from __future__ import annotations

from hypothesis import strategies as st

from kmip_server.ttlv.enumeration_of import enumeration_of, mask_of
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag

KNOWN_TAGS = tuple(int(tag) for tag in Tag)
XML_TEXT = st.text(
    st.characters(
        codec="utf-8",
        exclude_characters="".join(map(chr, [*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])),
    ),
    max_size=40,
)

tags = st.one_of(st.sampled_from(KNOWN_TAGS), st.integers(0, 0xFFFFFF))
signed = {bits: st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (32, 64)}

_leaf_values: dict[int, st.SearchStrategy[object]] = {
    Type.INTEGER: signed[32],
    Type.LONG_INTEGER: signed[64],
    Type.BIG_INTEGER: st.integers(-(1 << 300), 1 << 300),
    Type.ENUMERATION: st.integers(0, (1 << 32) - 1),
    Type.BOOLEAN: st.booleans(),
    Type.TEXT_STRING: XML_TEXT,
    Type.BYTE_STRING: st.binary(max_size=40),
    Type.DATE_TIME: signed[64],
    Type.INTERVAL: st.integers(0, (1 << 32) - 1),
    Type.DATE_TIME_EXTENDED: signed[64],
}


@st.composite
def leaves(draw: st.DrawFn) -> Item:
    """An item that is no Structure; enumerations and masks often have values that have names."""
    tag = draw(tags)
    kind = draw(st.sampled_from(sorted(_leaf_values)))
    names = list(enumeration_of(tag) or mask_of(tag) or ())
    if names and draw(st.booleans()):
        kind = int(Type.INTEGER if mask_of(tag) else Type.ENUMERATION)
        return Item(tag, kind, int(draw(st.sampled_from(sorted(names)))))
    return Item(tag, int(kind), draw(_leaf_values[kind]))


def structure(tag: int, *children: Item) -> Item:
    return Item(int(tag), int(Type.STRUCTURE), children)


@st.composite
def attributes(draw: st.DrawFn) -> Item:
    """An Attribute of KMIP 1.x: its name decides the enumeration of its value."""
    named = draw(st.sampled_from([tag for tag in Tag if enumeration_of(tag) or mask_of(tag)]))
    kind = enumeration_of(named)
    if kind is not None:
        number = draw(st.one_of(st.sampled_from([int(member) for member in kind] or [7]), st.integers(0, 1 << 31)))
        value = Item(int(Tag.ATTRIBUTE_VALUE), int(Type.ENUMERATION), number)
    else:
        value = Item(int(Tag.ATTRIBUTE_VALUE), int(Type.INTEGER), draw(signed[32]))
    name = Item(int(Tag.ATTRIBUTE_NAME), int(Type.TEXT_STRING), named.title)
    index = [Item(int(Tag.ATTRIBUTE_INDEX), int(Type.INTEGER), 0)] if draw(st.booleans()) else []
    return structure(Tag.ATTRIBUTE, name, *index, value)


trees = st.recursive(
    st.one_of(leaves(), attributes()),
    lambda inner: st.builds(lambda tag, children: structure(tag, *children), tags, st.lists(inner, max_size=5)),
    max_leaves=25,
)


def text(tag: int, value: str) -> Item:
    return Item(int(tag), int(Type.TEXT_STRING), value)


def octets(tag: int, value: bytes) -> Item:
    return Item(int(tag), int(Type.BYTE_STRING), value)


def integer(tag: int, value: int) -> Item:
    return Item(int(tag), int(Type.INTEGER), int(value))


def enumeration(tag: int, value: int) -> Item:
    return Item(int(tag), int(Type.ENUMERATION), int(value))


def message(*items: Item) -> Item:
    """A KMIP 1.4 request message with these items in its only payload."""
    return structure(
        Tag.REQUEST_MESSAGE,
        structure(
            Tag.REQUEST_HEADER,
            structure(
                Tag.PROTOCOL_VERSION, integer(Tag.PROTOCOL_VERSION_MAJOR, 1), integer(Tag.PROTOCOL_VERSION_MINOR, 4)
            ),
            integer(Tag.BATCH_COUNT, 1),
        ),
        structure(Tag.BATCH_ITEM, enumeration(Tag.OPERATION, 3), structure(Tag.REQUEST_PAYLOAD, *items)),
    )


REGISTER = message(
    enumeration(Tag.OBJECT_TYPE, 2),
    structure(
        Tag.TEMPLATE_ATTRIBUTE,
        structure(
            Tag.ATTRIBUTE,
            text(Tag.ATTRIBUTE_NAME, "Cryptographic Usage Mask"),
            integer(Tag.ATTRIBUTE_VALUE, 12),
        ),
        structure(
            Tag.ATTRIBUTE,
            text(Tag.ATTRIBUTE_NAME, "Activation Date"),
            Item(int(Tag.ATTRIBUTE_VALUE), int(Type.DATE_TIME), 946_684_800),
        ),
    ),
    structure(
        Tag.SYMMETRIC_KEY,
        structure(
            Tag.KEY_BLOCK,
            enumeration(Tag.KEY_FORMAT_TYPE, 1),
            structure(Tag.KEY_VALUE, octets(Tag.KEY_MATERIAL, bytes(range(32)))),
            enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, 3),
            integer(Tag.CRYPTOGRAPHIC_LENGTH, 256),
        ),
    ),
    Item(int(Tag.P), int(Type.BIG_INTEGER), -(1 << 70)),
    Item(int(Tag.USAGE_LIMITS_TOTAL), int(Type.LONG_INTEGER), 1 << 60),
    Item(int(Tag.LEASE_TIME), int(Type.INTERVAL), 3600),
    Item(int(Tag.FRESH), int(Type.BOOLEAN), True),
    Item(0x540001, int(Type.DATE_TIME_EXTENDED), 1_500_000),
)
"""A message with an item of every type."""
