"""The published cases as data: each file a list of exchanges, with its placeholders kept in place.

A file is a sequence of request and response messages in the XML encoding. A value that starts with $ is a placeholder:
$NOW, $NOW-3600 are times; any other is bound to what the server answers and substituted in later requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from xml.etree import ElementTree

from kmip_server.ttlv import xml
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.text import date_text

OASIS = Path(__file__).parents[3] / "shared" / "vectors" / "oasis"
VERSIONS = ("kmip-1.4", "kmip-2.1")

_TIME = re.compile(r"\$NOW(?:([+-])(\d+))?")
_STAND_IN = {"DateTime": "1970-01-01T00:00:00Z", "TextString": "", "ByteString": ""}


@dataclass(frozen=True)
class Placeholder:
    """A name that stands for a value: bound by a response, substituted in requests."""

    name: str


@dataclass(frozen=True)
class Moment:
    """A time so many seconds from now."""

    offset: int


class UnboundError(Exception):
    """A request needs a value that no response has bound."""


@dataclass(frozen=True)
class Message:
    """A message of a file: its element, and the tree with Placeholders and Moments as values."""

    element: ElementTree.Element
    tree: Item

    @classmethod
    def of(cls, element: ElementTree.Element) -> Self:
        filled = _filled(element, lambda value, kind: _STAND_IN[kind] if value.startswith("$") else value)
        return cls(element, _with_placeholders(element, xml.decode(filled)))

    def placeholders(self) -> list[tuple[str, Item]]:
        """Every placeholder in the message and the item that holds it, in order."""
        return [(item.value.name, item) for item in walk(self.tree) if isinstance(item.value, Placeholder)]

    def substituted(self, bound: Mapping[str, Any], now: int) -> Item:
        """The message with every placeholder replaced. Raises UnboundError for one that is not bound."""

        def value_of(value: str, _kind: str) -> str:
            time = _TIME.fullmatch(value)
            if time:
                return str(date_text(now + _offset(time)))
            if not value.startswith("$"):
                return value
            if value not in bound:
                raise UnboundError(value)
            return bound[value].hex() if isinstance(bound[value], bytes) else str(bound[value])

        return xml.decode(_filled(self.element, value_of))


@dataclass(frozen=True)
class Exchange:
    request: Message
    response: Message


@dataclass(frozen=True)
class Case:
    """One published file."""

    name: str
    exchanges: tuple[Exchange, ...]


def read(path: Path) -> Case:
    """Read a file. Raises AssertionError if its messages are not pairs of request and response."""
    elements = [element for element in ElementTree.parse(path).getroot() if isinstance(element.tag, str)]
    requests, responses = elements[::2], elements[1::2]
    assert all(element.tag == "RequestMessage" for element in requests), path.name
    assert all(element.tag == "ResponseMessage" for element in responses), path.name
    assert len(requests) == len(responses), path.name
    pairs = zip(requests, responses, strict=True)
    return Case(path.stem, tuple(Exchange(Message.of(request), Message.of(response)) for request, response in pairs))


def files() -> dict[str, Path]:
    """The published files by name; none where the folder is absent."""
    return {path.stem: path for version in VERSIONS for path in sorted((OASIS / version).rglob("*.xml"))}


def operations(path: Path) -> set[str]:
    """The names of the operations that a file requests, without reading its values."""
    root = ElementTree.parse(path).getroot()
    return {element.get("value", "") for element in root.findall("RequestMessage/BatchItem/Operation")}


def walk(item: Item) -> list[Item]:
    """The item and everything in it, in order."""
    if item.type != Type.STRUCTURE:
        return [item]
    return [item, *(inner for child in item.value for inner in walk(child))]


def _filled(element: ElementTree.Element, value_of: Any) -> bytes:
    def copy(source: ElementTree.Element) -> ElementTree.Element:
        attributes = dict(source.attrib)
        if "value" in attributes:
            attributes["value"] = value_of(attributes["value"], attributes["type"])
        target = ElementTree.Element(source.tag, attributes)
        target.extend([copy(child) for child in source if isinstance(child.tag, str)])
        return target

    return ElementTree.tostring(copy(element))


def _with_placeholders(element: ElementTree.Element, item: Item) -> Item:
    if item.type == Type.STRUCTURE:
        children = [child for child in element if isinstance(child.tag, str)]
        pairs = zip(children, item.value, strict=True)
        return item._replace(value=tuple(_with_placeholders(child, inner) for child, inner in pairs))
    value = element.get("value", "")
    time = _TIME.fullmatch(value)
    if time:
        return item._replace(value=Moment(_offset(time)))
    return item._replace(value=Placeholder(value)) if value.startswith("$") else item


def _offset(time: re.Match[str]) -> int:
    return int((time[1] or "") + (time[2] or "0"))
