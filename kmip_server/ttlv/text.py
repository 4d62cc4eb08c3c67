"""How values are written as text: what the XML encoding, the JSON encoding and the printed tree share.

KMIP Additional Message Encodings. Numbers in hexadecimal have the full width of their type and are two's complement;
dates are ISO 8601 with a time zone, or hexadecimal where ISO 8601 has no year for them. Reading is strict: CodecError
on anything else, with no values in its message.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from calendar import timegm
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from kmip_server.ttlv.enumeration_of import (
    enumeration_of,
    mask_of,
    name_of_tag,
    name_of_value,
    tag_named,
    tag_titled,
    value_named,
)
from kmip_server.ttlv.item import CodecError, Item, Type
from kmip_server.ttlv.tags import Tag

TYPE_NAME: Final[dict[int, str]] = {
    Type.STRUCTURE: "Structure",
    Type.INTEGER: "Integer",
    Type.LONG_INTEGER: "LongInteger",
    Type.BIG_INTEGER: "BigInteger",
    Type.ENUMERATION: "Enumeration",
    Type.BOOLEAN: "Boolean",
    Type.TEXT_STRING: "TextString",
    Type.BYTE_STRING: "ByteString",
    Type.DATE_TIME: "DateTime",
    Type.INTERVAL: "Interval",
    Type.DATE_TIME_EXTENDED: "DateTimeExtended",
}
TYPE_OF_NAME: Final[dict[str, int]] = {name: int(kind) for kind, name in TYPE_NAME.items()}

INTEGER_RANGE: Final = range(-(1 << 31), 1 << 31)
UNSIGNED_RANGE: Final = range(1 << 32)
LONG_RANGE: Final = range(-(1 << 63), 1 << 63)

_DECIMAL: Final = re.compile(r"-?[0-9]{1,20}")
_HEX: Final = re.compile(r"0x[0-9A-Fa-f]{1,16}")
_DATE: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_BEFORE_ATTRIBUTE_VALUE: Final = 2
"""An Attribute Value follows its Attribute Name and perhaps an Attribute Index or a Vendor Identification."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO_SECONDS: Final = range(-62_135_596_800, 253_402_300_800)
"""The seconds that have a year of four digits: years 1 to 9999."""


def tag_text(tag: int) -> str:
    """A tag's normalised name, or 0x and six hexadecimal digits."""
    return name_of_tag(tag) or f"0x{tag:06X}"


def tag_of(text: str) -> int:
    """The tag with this normalised name or hexadecimal number."""
    named = tag_named(text)
    if named is not None:
        return int(named)
    if _HEX.fullmatch(text) and len(text) == 8:
        return int(text, 16)
    raise CodecError("a tag is the name of a tag of the standard, or 0x and 6 hexadecimal digits")


def meaning_of(tag: int, siblings: Sequence[Item], place: int) -> int:
    """The tag whose enumeration or mask a value belongs to, given the items before its place in its structure.

    That is its own tag, except for an Attribute Value of KMIP 1.x, whose Attribute Name decides (KMIP 1.4 s2.1.1).
    """
    if tag != Tag.ATTRIBUTE_VALUE:
        return tag
    titled = None
    for item in siblings[max(0, place - _BEFORE_ATTRIBUTE_VALUE) : place]:
        if item.tag == Tag.VENDOR_IDENTIFICATION:
            return tag
        if item.tag == Tag.ATTRIBUTE_NAME and item.type == Type.TEXT_STRING:
            titled = tag_titled(item.value)
    return tag if titled is None else int(titled)


def number(text: str, allowed: range) -> int:
    """A number in decimal, or in hexadecimal two's complement, within the allowed range of a 32- or 64-bit type."""
    if _DECIMAL.fullmatch(text):
        value = int(text)
    elif _HEX.fullmatch(text):
        value = int(text, 16)
        patterns = allowed.stop - allowed.start
        if allowed.stop <= value < patterns:
            value -= patterns
    else:
        raise CodecError("a number is decimal, or 0x and hexadecimal digits")
    return within(value, allowed)


def within(value: int, allowed: range) -> int:
    """The value, if it fits its type."""
    if value not in allowed:
        raise CodecError("a number is too large for its type")
    return value


def hexadecimal(value: int, digits: int) -> str:
    """0x and the two's complement of a number in so many hexadecimal digits."""
    return f"0x{value & ((1 << 4 * digits) - 1):0{digits}X}"


def enumeration_text(meaning: int, value: int) -> str:
    """The normalised name of an enumeration's value, or 0x and eight hexadecimal digits."""
    kind = enumeration_of(meaning)
    name = None if kind is None else name_of_value(kind, value)
    return name or hexadecimal(value, 8)


def enumeration_value(meaning: int, text: str) -> int:
    """The number of an enumeration's value given by name or in hexadecimal."""
    if _HEX.fullmatch(text):
        return within(int(text, 16), UNSIGNED_RANGE)
    kind = enumeration_of(meaning)
    value = None if kind is None else value_named(kind, text)
    if value is None:
        raise CodecError("an Enumeration is the name of a value that its tag may have, or 0x and hexadecimal digits")
    return value


def mask_text(meaning: int, value: int, separator: str) -> str | None:
    """The names of the bits of a mask; None if the tag has no mask, or not every bit that is set has a name."""
    kind = mask_of(meaning)
    if kind is None or value <= 0:
        return None
    bits = [member for member in kind if value & member]
    if sum(bits) != value:
        return None
    return separator.join(member.encoded_name for member in bits)


def mask_value(meaning: int, names: Iterable[str]) -> int:
    """The mask with these bits, each given by name or in hexadecimal."""
    kind = mask_of(meaning)
    if kind is None:
        raise CodecError("an Integer is a number; only a bit mask has names")
    value = 0
    for name in names:
        bit = int(name, 16) if _HEX.fullmatch(name) else value_named(kind, name)
        if bit is None:
            raise CodecError("a bit mask is names of its bits, or hexadecimal digits after 0x")
        value |= bit
    if value not in UNSIGNED_RANGE:
        raise CodecError("a bit mask has 32 bits")
    return value if value in INTEGER_RANGE else value - (1 << 32)


def big_integer_text(value: int) -> str:
    """A Big Integer's two's complement in hexadecimal, a multiple of 16 digits."""
    size = (value.bit_length() // 64 + 1) * 8
    return value.to_bytes(size, "big", signed=True).hex().upper()


def big_integer_value(text: str) -> int:
    """The Big Integer with this two's complement in hexadecimal, with or without 0x."""
    data = octets(text.removeprefix("0x"))
    if not data or len(data) % 8:
        raise CodecError("a Big Integer is a multiple of 16 hexadecimal digits")
    return int.from_bytes(data, "big", signed=True)


def octets(text: str) -> bytes:
    """The bytes that an even number of hexadecimal digits stands for."""
    try:
        return unhexlify(text)
    except ValueError:
        raise CodecError("a Byte String is an even number of hexadecimal digits") from None


def date_text(seconds: int, microseconds: int | None = None) -> str | None:
    """A point in time as ISO 8601 in UTC; None if ISO 8601 has no year for it."""
    if seconds not in _ISO_SECONDS:
        return None
    moment = _EPOCH + timedelta(seconds=seconds, microseconds=microseconds or 0)
    return moment.isoformat(timespec="seconds" if microseconds is None else "microseconds")


def date_value(text: str, *, extended: bool = False) -> int:
    """POSIX seconds (or microseconds, if extended) of ISO 8601 with a time zone, or of a hexadecimal number."""
    if _HEX.fullmatch(text):
        return number(text, LONG_RANGE)
    match = _DATE.fullmatch(text)
    if match is None:
        raise CodecError("a date is ISO 8601 with seconds and a time zone, or 0x and hexadecimal digits")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = match.groups()[6:]
    try:
        seconds = timegm(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timetuple())
    except ValueError:
        raise CodecError("a date has no such day or time") from None
    if sign:
        if int(zone_hours) > 23 or int(zone_minutes) > 59:
            raise CodecError("a date has no such time zone")
        offset = int(zone_hours) * 3600 + int(zone_minutes) * 60
        seconds += -offset if sign == "+" else offset
    microseconds = int((fraction or "").ljust(6, "0"))
    if extended:
        return seconds * 1_000_000 + microseconds
    if microseconds:
        raise CodecError("a Date-Time has whole seconds; only a Date-Time Extended has a fraction")
    return seconds
