"""The attributes of one object, in one form for all versions: for each tag, its instances with their indices.

An AttributeSet is immutable: a change makes a new one, so that a set can be shared and kept as long as its row's
version. It holds its attributes as they are stored, encoded, and decodes a value when somebody asks for it: most
requests ask for few. Attribute indices are a matter of 1.x: an instance keeps its index for life (KMIP 1.4 s2.1.1).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from kmip_server.messages.kinds import INTEGER
from kmip_server.objects.attributes import ATTRIBUTES
from kmip_server.ttlv import binary
from kmip_server.ttlv.item import Limits
from kmip_server.ttlv.memory import remembered
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import STORAGE_VERSION

_STORAGE_LIMITS: Final = Limits(message_bytes=1 << 26, depth=32, nodes=1 << 20)
_MOST_REMEMBERED: Final = 4096
_SMALL: Final = 512
"""Instances are remembered up to this many bytes."""
_UNSHARED: Final = frozenset({Tag.UNIQUE_IDENTIFIER, Tag.SHORT_UNIQUE_IDENTIFIER, Tag.DIGEST})
"""What no two objects have in common."""
_TAGS: Final = {int(tag): tag for tag in ATTRIBUTES}
_WRAPPED_TAG: Final = slice(24, 27)
"""Where the tag of an instance is that is wrapped with its index: behind two headers and the index."""


class AttributeValue(NamedTuple):
    """One attribute instance on its own, as messages carry it. Index None: not given."""

    tag: Tag
    value: Any
    attribute_index: int | None = None


class Instance(NamedTuple):
    """One instance within a set."""

    attribute_index: int
    value: Any


@dataclass(frozen=True, slots=True)
class AttributeSet:
    """All attributes of an object: by tag, the encoded instances in their order."""

    parts: dict[int, tuple[bytes, ...]]

    @classmethod
    def of(cls, values: Iterable[AttributeValue]) -> AttributeSet:
        """A set of these values, indexed in their order."""
        parts: dict[int, tuple[bytes, ...]] = {}
        counted: dict[Any, int] = {}
        for tag, value, _ in values:
            run, place = _run(tag, value), len(parts.get(tag, ()))
            index = counted[run] = counted.get(run, -1) + 1
            parts[tag] = (*parts.get(tag, ()), _stored(tag, value, None if index == place else index))
        return cls(parts)

    @classmethod
    def single(cls, values: Mapping[int, Any]) -> AttributeSet:
        """A set in which each attribute has one value."""
        return cls(
            {
                tag: (_encoded(tag, value, None) if tag in _UNSHARED else _stored(tag, value, None),)
                for tag, value in values.items()
            }
        )

    def __contains__(self, tag: Tag) -> bool:
        return tag in self.parts

    def __iter__(self) -> Iterator[AttributeValue]:
        for row in self.parts.values():
            for place, part in enumerate(row):
                attribute = _restored(part)
                if place and attribute.attribute_index is None:
                    attribute = attribute._replace(attribute_index=place)
                yield attribute

    @property
    def tags(self) -> list[Tag]:
        """The attributes that the object has."""
        return [_TAGS[tag] for tag in self.parts]

    def first(self, tag: int) -> Any:
        """The value of the first instance, or None."""
        row = self.parts.get(tag)
        if row is None:
            return None
        known = _remembered.get(row[0])
        return (known or _restored(row[0]))[1]

    def first_values(self) -> dict[int, Any]:
        """The values of the first instances of all attributes."""
        return {tag: (_remembered.get(row[0]) or _restored(row[0]))[1] for tag, row in self.parts.items()}

    def firsts(self, names: Mapping[int, str]) -> dict[str, Any]:
        """The values of the first instances of those attributes that have a name here, by it."""
        return {
            names[tag]: (_remembered.get(row[0]) or _restored(row[0]))[1]
            for tag, row in self.parts.items()
            if tag in names
        }

    def all(self, tag: int) -> tuple[Any, ...]:
        """The values of all instances."""
        return tuple([_restored(part)[1] for part in self.parts.get(tag, ())])

    def instances(self, tag: Tag) -> tuple[Instance, ...]:
        """All instances with their indices, in order."""
        found = []
        for place, part in enumerate(self.parts.get(tag, ())):
            _, value, index = _restored(part)
            found.append(Instance(place if index is None else index, value))
        return tuple(found)

    def with_value(self, tag: Tag, value: Any) -> AttributeSet:
        """A set in which the attribute has this one value, or none at all if it is None."""
        return self.with_instances(tag, () if value is None else (Instance(0, value),))

    def with_added(self, tag: Tag, *values: Any) -> AttributeSet:
        """A set with more instances, each at the next index."""
        last: dict[Any, int] = {}
        for index, other in self.instances(tag):
            run = _run(tag, other)
            last[run] = max(last.get(run, -1), index)
        row = list(self.parts.get(tag, ()))
        for value in values:
            run = _run(tag, value)
            index = last[run] = last.get(run, -1) + 1
            row.append(_stored(tag, value, None if index == len(row) else index))
        return AttributeSet({**self.parts, tag: tuple(row)}) if row else self

    def with_replaced(self, tag: Tag, replaced: Instance, value: Any) -> AttributeSet:
        """A set in which one instance has another value."""
        new = Instance(replaced.attribute_index, value)
        return self.with_instances(tag, [new if old == replaced else old for old in self.instances(tag)])

    def without(self, tag: Tag, removed: Instance | None = None) -> AttributeSet:
        """A set without one instance, or without the attribute."""
        return self.with_instances(
            tag, () if removed is None else [old for old in self.instances(tag) if old != removed]
        )

    def only(self, tags: Collection[int]) -> AttributeSet:
        """A set of those attributes that are among these."""
        return AttributeSet({tag: row for tag, row in self.parts.items() if tag in tags})

    def joined(self, *others: AttributeSet) -> AttributeSet:
        """A set with the attributes of all; where several have one, the last one's."""
        parts = dict(self.parts)
        for other in others:
            parts.update(other.parts)
        return AttributeSet(parts)

    def with_instances(self, tag: Tag, row: Iterable[Instance]) -> AttributeSet:
        """A set in which the attribute has these instances, or none."""
        encoded = tuple(
            [_stored(tag, value, None if place == index else index) for place, (index, value) in enumerate(row)]
        )
        parts = dict(self.parts)
        if encoded:
            parts[tag] = encoded
        else:
            parts.pop(tag, None)
        return AttributeSet(parts)

    def to_bytes(self) -> bytes:
        """The set as the storage keeps it: items in TTLV, wrapped with their index where it is not their place."""
        return b"".join([part for row in self.parts.values() for part in row])

    @classmethod
    def from_bytes(cls, data: bytes) -> AttributeSet:
        """The set that `to_bytes` wrote."""
        parts: dict[int, tuple[bytes, ...]] = {}
        for tag, part in binary.split(data):
            if tag == Tag.CURRENT_ATTRIBUTE:
                tag = int.from_bytes(part[_WRAPPED_TAG])
            parts[tag] = (*parts[tag], part) if tag in parts else (part,)
        return cls(parts)


def _run(tag: int, value: Any) -> Any:
    """What instances are counted together: those of an attribute; of a vendor attribute, those of the same name."""
    return (value.vendor_identification, value.attribute_name) if tag == Tag.ATTRIBUTE else tag


_remembered: Final[dict[bytes, AttributeValue]] = {}
"""What encoded instances are. Most values are the same in many objects; the rest go when there are too many."""


def _remember(part: bytes, attribute: AttributeValue) -> AttributeValue:
    if len(part) <= _SMALL:
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[part] = attribute
    return attribute


def _encoded(tag: int, value: Any, index: int | None) -> bytes:
    """One instance as the storage keeps it."""
    known = _TAGS[tag]
    part = ATTRIBUTES[known].kind.write(tag, value, STORAGE_VERSION)
    if index is not None:
        part = binary.structure(
            Tag.CURRENT_ATTRIBUTE, INTEGER.write(Tag.ATTRIBUTE_INDEX, index, STORAGE_VERSION) + part
        )
    _remember(part, AttributeValue(known, value, index))
    return part


_stored = remembered(_MOST_REMEMBERED, lambda _, part: len(part) <= _SMALL)(_encoded)
"""As _encoded: most values are the same in many objects."""


def _restored(part: bytes) -> AttributeValue:
    """The instance that `_stored` wrote; its index is None where it is its place."""
    known = _remembered.get(part)
    if known is not None:
        return known
    item, index = binary.decode(part, _STORAGE_LIMITS), None
    if item.tag == Tag.CURRENT_ATTRIBUTE:
        index, item = item.value[0].value, item.value[1]
    tag = Tag(item.tag)
    return _remember(part, AttributeValue(tag, ATTRIBUTES[tag].kind.read(item, STORAGE_VERSION), index))
