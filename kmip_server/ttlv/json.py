"""The JSON encoding of TTLV (KMIP 2.1 s10.2.2, KMIP Additional Message Encodings s4).

An item is an object with `tag`, `type` (left out for a Structure) and `value`; the value of a Structure is an array.
Numbers that a reader with floating point would change are hexadecimal strings. Decoding checks size, depth and number
of items on the text, before anything is parsed, and refuses repeated names, fractions, and numbers without a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecodeError, JSONDecoder, dumps
from typing import Any, Final, NoReturn

from kmip_server.ttlv import text
from kmip_server.ttlv.enumeration_of import mask_of
from kmip_server.ttlv.item import CodecError, Item, Limits, Type

EXACT: Final = 1 << 53
"""Whole numbers up to here survive a reader that holds numbers in floating point (RFC 8259 s6)."""

_MEMBERS: Final = frozenset({"tag", "type", "name", "value"})
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}"]', re.DOTALL)
_STRINGS_PER_ITEM: Final = 2 * len(_MEMBERS)


def decode(data: bytes, limits: Limits | None = None) -> Item:
    """Decode exactly one item. Raises CodecError on anything malformed, forbidden, or beyond the limits."""
    limits = limits or Limits()
    if len(data) > limits.message_bytes:
        raise CodecError(f"a message of {len(data)} bytes is larger than the {limits.message_bytes} allowed")
    try:
        document = data.decode("utf-8")
    except UnicodeDecodeError:
        raise CodecError("the encoding is not UTF-8") from None
    _check(document, limits)
    try:
        value = _DECODER.decode(document)
    except JSONDecodeError as error:
        raise CodecError(f"not JSON at line {error.lineno}, column {error.colno}") from None
    return _item(value, [])


def _check(document: str, limits: Limits) -> None:
    """Count brackets and strings before anything is parsed: the parser recurses, and builds what it reads."""
    depth = strings = 0
    brackets = {"{": 0, "[": 0}
    for match in _TOKEN.finditer(document):
        mark = document[match.start()]
        if mark == '"':
            if match.end() == match.start() + 1:
                raise CodecError("a string has no end")
            strings += 1
            if strings > limits.nodes * _STRINGS_PER_ITEM:
                raise CodecError("too many strings in one message")
        elif mark in brackets:
            depth += 1
            brackets[mark] += 1
            if depth > 2 * limits.depth + 1:
                raise CodecError("nested too deeply")
            if brackets[mark] > limits.nodes:
                raise CodecError("too many items in one message")
        else:
            depth -= 1


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise CodecError("an object has the same name twice")
    if not members.keys() <= _MEMBERS:
        raise CodecError("an item has the names tag, type and value, and nothing else")
    return members


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise CodecError("a number is too large for its type")
    return int(digits)


def _refuse(_token: str) -> NoReturn:
    raise CodecError("a number is a whole number")


_DECODER: Final = JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer, parse_float=_refuse, parse_constant=_refuse)


def _item(value: Any, before: list[Item]) -> Item:
    if not isinstance(value, dict):
        raise CodecError("an item is an object")
    name = value.get("tag")
    if not isinstance(name, str):
        raise CodecError("an item has a tag, which is a string")
    tag = text.tag_of(name)
    type_name = value.get("type", "Structure")
    kind = text.TYPE_OF_NAME.get(type_name) if isinstance(type_name, str) else None
    if kind is None:
        raise CodecError(f"tag {tag:06X}: the type is not the name of a type")
    if "value" not in value:
        raise CodecError(f"tag {tag:06X}: an item has a value")
    content = value["value"]
    if kind == Type.STRUCTURE:
        if not isinstance(content, list):
            raise CodecError(f"tag {tag:06X}: the value of a Structure is an array")
        children: list[Item] = []
        for child in content:
            children.append(_item(child, children))
        return Item(tag, kind, tuple(children))
    try:
        return Item(tag, kind, _READ[kind](text.meaning_of(tag, before, len(before)), content))
    except CodecError as error:
        raise CodecError(f"tag {tag:06X}: {error}") from None


def _string(content: Any) -> str:
    if not isinstance(content, str):
        raise CodecError("the value is not a string")
    return content


def _number(content: Any, allowed: range) -> int:
    if isinstance(content, int) and not isinstance(content, bool):
        return text.within(content, allowed)
    return text.number(_string(content), allowed)


def _read_integer(meaning: int, content: Any) -> int:
    if mask_of(meaning) is not None and isinstance(content, str) and content[:1].isalpha():
        return text.mask_value(meaning, content.split("|"))
    return _number(content, text.INTEGER_RANGE)


def _read_big_integer(_meaning: int, content: Any) -> int:
    if isinstance(content, int) and not isinstance(content, bool):
        return content
    return text.big_integer_value(_string(content))


def _read_enumeration(meaning: int, content: Any) -> int:
    if isinstance(content, int) and not isinstance(content, bool):
        return text.within(content, text.UNSIGNED_RANGE)
    return text.enumeration_value(meaning, _string(content))


_BOOLEANS: Final = {"0x0000000000000001": True, "0x0000000000000000": False}


def _read_boolean(_meaning: int, content: Any) -> bool:
    if isinstance(content, bool):
        return content
    if isinstance(content, str) and content in _BOOLEANS:
        return _BOOLEANS[content]
    raise CodecError("a Boolean is true or false")


def _read_text(_meaning: int, content: Any) -> str:
    value = _string(content)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise CodecError("a Text String has half of a character") from None
    return value


_READ: Final[dict[int, Callable[[int, Any], Any]]] = {
    Type.INTEGER: _read_integer,
    Type.LONG_INTEGER: lambda _, content: _number(content, text.LONG_RANGE),
    Type.BIG_INTEGER: _read_big_integer,
    Type.ENUMERATION: _read_enumeration,
    Type.BOOLEAN: _read_boolean,
    Type.TEXT_STRING: _read_text,
    Type.BYTE_STRING: lambda _, content: text.octets(_string(content)),
    Type.DATE_TIME: lambda _, content: text.date_value(_string(content)),
    Type.INTERVAL: lambda _, content: _number(content, text.UNSIGNED_RANGE),
    Type.DATE_TIME_EXTENDED: lambda _, content: text.date_value(_string(content), extended=True),
}


def encode(item: Item) -> bytes:
    """Encode one item, children included."""
    return dumps(_value_of(item, int(item.tag)), ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _value_of(item: Item, meaning: int) -> dict[str, Any]:
    tag, kind, value = item
    if kind == Type.STRUCTURE:
        children = [_value_of(child, text.meaning_of(child.tag, value, place)) for place, child in enumerate(value)]
        return {"tag": text.tag_text(tag), "value": children}
    return {"tag": text.tag_text(tag), "type": text.TYPE_NAME[kind], "value": _WRITE[kind](meaning, value)}


def _write_long(_meaning: int, value: int) -> int | str:
    return value if -EXACT <= value <= EXACT else text.hexadecimal(value, 16)


_WRITE: Final[dict[int, Callable[[int, Any], Any]]] = {
    Type.INTEGER: lambda meaning, value: text.mask_text(meaning, value, "|") or int(value),
    Type.LONG_INTEGER: _write_long,
    Type.BIG_INTEGER: lambda _, value: "0x" + text.big_integer_text(value),
    Type.ENUMERATION: text.enumeration_text,
    Type.BOOLEAN: lambda _, value: bool(value),
    Type.TEXT_STRING: lambda _, value: value,
    Type.BYTE_STRING: lambda _, value: value.hex().upper(),
    Type.DATE_TIME: lambda _, value: text.date_text(value) or text.hexadecimal(value, 16),
    Type.INTERVAL: lambda _, value: int(value),
    Type.DATE_TIME_EXTENDED: lambda _, value: text.date_text(*divmod(value, 1_000_000)) or text.hexadecimal(value, 16),
}
