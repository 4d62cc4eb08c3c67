"""The XML encoding of TTLV (KMIP 2.1 s10.2.3, KMIP Additional Message Encodings s5).

An item is an element named after its tag with the attributes `type` and `value`; a Structure has no `type` and holds
its children; a tag of no published version is an element TTLV with the attribute `tag`. Decoding refuses document
types, entities and processing instructions, and checks the limits as it reads, before it keeps anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from xml.parsers import expat

from kmip_server.ttlv import text
from kmip_server.ttlv.enumeration_of import mask_of, name_of_tag
from kmip_server.ttlv.item import CodecError, Item, Limits, Type

_ATTRIBUTES: Final = frozenset({"tag", "type", "name", "value", "xmlns"})
_ENCODINGS: Final = frozenset({"utf-8", "us-ascii"})
_NAMESPACES: Final = re.compile(r"urn:oasis:tc:kmip:[A-Za-z0-9.:-]*")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)


def decode(data: bytes, limits: Limits | None = None) -> Item:
    """Decode exactly one item. Raises CodecError on anything malformed, forbidden, or beyond the limits."""
    limits = limits or Limits()
    if len(data) > limits.message_bytes:
        raise CodecError(f"a message of {len(data)} bytes is larger than the {limits.message_bytes} allowed")
    try:
        document = data.decode("utf-8")
    except UnicodeDecodeError:
        raise CodecError("the encoding is not UTF-8") from None
    if "\0" in document:
        raise CodecError("the encoding is not UTF-8")
    return _Reader(limits).read(document)


class _Reader:
    """Receives the parser's events and builds the tree from them, within the limits."""

    def __init__(self, limits: Limits) -> None:
        self._depth = limits.depth
        self._nodes = limits.nodes
        self._open: list[tuple[int, list[Item] | None]] = [(0, [])]
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._refuse("a document type")
        parser.EntityDeclHandler = self._refuse("an entity")
        parser.ProcessingInstructionHandler = self._refuse("a processing instruction")
        parser.ExternalEntityRefHandler = self._refuse("an external entity")
        parser.SkippedEntityHandler = self._refuse("an entity")
        self._parser = parser

    def read(self, document: str) -> Item:
        try:
            self._parser.Parse(document, True)
        except expat.ExpatError as error:
            raise CodecError(f"not well-formed XML at line {error.lineno}: {expat.ErrorString(error.code)}") from None
        except CodecError as error:
            raise CodecError(f"{error}, at line {self._parser.CurrentLineNumber}") from None
        items = self._open[0][1]
        assert items is not None
        return items[0]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        siblings = self._open[-1][1]
        if siblings is None:
            raise CodecError("only a Structure has elements in it")
        self._nodes -= 1
        if self._nodes < 0:
            raise CodecError("too many items in one message")
        if not attributes.keys() <= _ATTRIBUTES:
            raise CodecError("an element has the attributes type and value, and nothing else")
        if not _NAMESPACES.fullmatch(attributes.get("xmlns", "urn:oasis:tc:kmip:xmlns")):
            raise CodecError("the namespace is not KMIP's")
        tag = _tag_of(name, attributes.get("tag"))
        kind = text.TYPE_OF_NAME.get(attributes.get("type", "Structure"))
        value = attributes.get("value")
        if kind is None:
            raise CodecError("the attribute type is not the name of a type")
        if kind == Type.STRUCTURE:
            if value is not None:
                raise CodecError("a Structure has no value")
            if len(self._open) > self._depth:
                raise CodecError("nested too deeply")
            self._open.append((tag, []))
            return
        if value is None:
            raise CodecError("an item that is no Structure has a value")
        siblings.append(Item(tag, kind, _READ[kind](text.meaning_of(tag, siblings, len(siblings)), value)))
        self._open.append((tag, None))

    def _end(self, _name: str) -> None:
        tag, children = self._open.pop()
        if children is not None:
            siblings = self._open[-1][1]
            assert siblings is not None
            siblings.append(Item(tag, int(Type.STRUCTURE), tuple(children)))

    def _text(self, characters: str) -> None:
        if characters.strip(" \t\r\n"):
            raise CodecError("values are in attributes; there is text between elements")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise CodecError("the encoding is not UTF-8")

    @staticmethod
    def _refuse(what: str) -> Callable[..., Any]:
        def handler(*_: object) -> None:
            raise CodecError(f"{what} is not allowed in a message")

        return handler


def _tag_of(name: str, tag: str | None) -> int:
    if name == "TTLV":
        if tag is None:
            raise CodecError("an element TTLV has the attribute tag")
        return text.tag_of(tag)
    if tag is not None:
        raise CodecError("only an element TTLV has the attribute tag")
    return text.tag_of(name)


def _read_integer(meaning: int, value: str) -> int:
    if mask_of(meaning) is not None and value[:1].isalpha():
        return text.mask_value(meaning, value.split(" "))
    return text.number(value, text.INTEGER_RANGE)


_BOOLEANS: Final = {"true": True, "false": False, "0x0000000000000001": True, "0x0000000000000000": False}


def _read_boolean(_meaning: int, value: str) -> bool:
    if value not in _BOOLEANS:
        raise CodecError("a Boolean is true or false")
    return _BOOLEANS[value]


_READ: Final[dict[int, Callable[[int, str], Any]]] = {
    Type.INTEGER: _read_integer,
    Type.LONG_INTEGER: lambda _, value: text.number(value, text.LONG_RANGE),
    Type.BIG_INTEGER: lambda _, value: text.big_integer_value(value),
    Type.ENUMERATION: text.enumeration_value,
    Type.BOOLEAN: _read_boolean,
    Type.TEXT_STRING: lambda _, value: value,
    Type.BYTE_STRING: lambda _, value: text.octets(value),
    Type.DATE_TIME: lambda _, value: text.date_value(value),
    Type.INTERVAL: lambda _, value: text.number(value, text.UNSIGNED_RANGE),
    Type.DATE_TIME_EXTENDED: lambda _, value: text.date_value(value, extended=True),
}


def encode(item: Item) -> bytes:
    """Encode one item, children included. Raises CodecError for text with characters that XML does not have."""
    parts: list[str] = []
    _append(item, int(item.tag), parts)
    return "".join(parts).encode("utf-8")


def _append(item: Item, meaning: int, parts: list[str]) -> None:
    tag, kind, value = item
    name = name_of_tag(tag)
    opening = f"<{name}" if name else f'<TTLV tag="0x{tag:06X}"'
    if kind != Type.STRUCTURE:
        parts.append(f'{opening} type="{text.TYPE_NAME[kind]}" value="{_WRITE[kind](meaning, value)}"/>')
    elif not value:
        parts.append(f"{opening}/>")
    else:
        parts.append(f"{opening}>")
        for place, child in enumerate(value):
            _append(child, text.meaning_of(child.tag, value, place), parts)
        parts.append(f"</{name or 'TTLV'}>")


def _write_text(_meaning: int, value: str) -> str:
    if _NOT_XML.search(value):
        raise CodecError("a Text String has a character that XML does not have")
    return value.translate(_ESCAPES)


def _write_extended(_meaning: int, value: int) -> str:
    return text.date_text(*divmod(value, 1_000_000)) or text.hexadecimal(value, 16)


_WRITE: Final[dict[int, Callable[[int, Any], str]]] = {
    Type.INTEGER: lambda meaning, value: text.mask_text(meaning, value, " ") or str(value),
    Type.LONG_INTEGER: lambda _, value: str(value),
    Type.BIG_INTEGER: lambda _, value: text.big_integer_text(value),
    Type.ENUMERATION: text.enumeration_text,
    Type.BOOLEAN: lambda _, value: "true" if value else "false",
    Type.TEXT_STRING: _write_text,
    Type.BYTE_STRING: lambda _, value: value.hex().upper(),
    Type.DATE_TIME: lambda _, value: text.date_text(value) or text.hexadecimal(value, 16),
    Type.INTERVAL: lambda _, value: str(value),
    Type.DATE_TIME_EXTENDED: _write_extended,
}
