"""The attributes of one object, in one form for all versions: for each tag, its instances with their indices.

An AttributeSet is immutable: a change makes a new one, so that a set can be shared and kept as long as its row's
version. Attribute indices are a matter of 1.x: an instance keeps its index for life (KMIP 1.4 s2.1.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from kmip_server.objects.attributes import ATTRIBUTES
from kmip_server.ttlv import binary
from kmip_server.ttlv.item import Item, Limits, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import STORAGE_VERSION

_STORAGE_LIMITS: Final = Limits(message_bytes=1 << 26, depth=32, nodes=1 << 20)
_REMEMBERED: Final = 8192


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
    """All attributes of an object."""

    instances: dict[Tag, tuple[Instance, ...]]

    @classmethod
    def of(cls, values: Iterable[AttributeValue]) -> AttributeSet:
        """A set of these values, indexed in their order."""
        found: dict[Tag, list[Instance]] = {}
        for attribute in values:
            row = found.setdefault(attribute.tag, [])
            row.append(Instance(len(row), attribute.value))
        return cls({tag: tuple(row) for tag, row in found.items()})

    def __contains__(self, tag: Tag) -> bool:
        return tag in self.instances

    def __iter__(self) -> Iterator[AttributeValue]:
        for tag, row in self.instances.items():
            for instance in row:
                yield AttributeValue(tag, instance.value, instance.attribute_index)

    def first(self, tag: Tag) -> Any:
        """The value of the first instance, or None."""
        row = self.instances.get(tag)
        return row[0].value if row else None

    def all(self, tag: Tag) -> tuple[Any, ...]:
        """The values of all instances."""
        return tuple([instance.value for instance in self.instances.get(tag, ())])

    def with_value(self, tag: Tag, value: Any) -> AttributeSet:
        """A set in which the attribute has this one value, or none at all if it is None."""
        return self._with(tag, () if value is None else (Instance(0, value),))

    def with_added(self, tag: Tag, value: Any) -> AttributeSet:
        """A set with one more instance, at the next index."""
        row = self.instances.get(tag, ())
        return self._with(tag, (*row, Instance(row[-1].attribute_index + 1 if row else 0, value)))

    def with_replaced(self, tag: Tag, index: int, value: Any) -> AttributeSet:
        """A set in which the instance with this index has another value."""
        row = self.instances.get(tag, ())
        return self._with(tag, tuple([Instance(index, value) if old.attribute_index == index else old for old in row]))

    def without(self, tag: Tag, index: int | None = None) -> AttributeSet:
        """A set without the instance with this index, or without the attribute."""
        row = self.instances.get(tag, ())
        return self._with(tag, () if index is None else tuple([old for old in row if old.attribute_index != index]))

    def _with(self, tag: Tag, row: tuple[Instance, ...]) -> AttributeSet:
        instances = dict(self.instances)
        if row:
            instances[tag] = row
        else:
            instances.pop(tag, None)
        return AttributeSet(instances)

    def to_bytes(self) -> bytes:
        """The set as the storage keeps it: items in TTLV, wrapped with their index where it is not their place."""
        return b"".join(
            [
                _stored(tag, instance.value, None if place == instance.attribute_index else instance.attribute_index)
                for tag, row in self.instances.items()
                for place, instance in enumerate(row)
            ]
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> AttributeSet:
        """The set that `to_bytes` wrote."""
        instances: dict[Tag, tuple[Instance, ...]] = {}
        for part in binary.split(data):
            tag, value, index = _restored(part)
            row = instances.get(tag, ())
            instances[tag] = (*row, Instance(len(row) if index is None else index, value))
        return cls(instances)


@lru_cache(maxsize=_REMEMBERED)
def _stored(tag: Tag, value: Any, index: int | None) -> bytes:
    """One instance as the storage keeps it. Most values are the same in many objects, and so is what they become."""
    item = ATTRIBUTES[tag].kind.write(tag, value, STORAGE_VERSION)
    if index is not None:
        item = Item(Tag.CURRENT_ATTRIBUTE, Type.STRUCTURE, (Item(Tag.ATTRIBUTE_INDEX, Type.INTEGER, index), item))
    return binary.encode(item)


@lru_cache(maxsize=_REMEMBERED)
def _restored(part: bytes) -> AttributeValue:
    """The instance that `_stored` wrote; its index is None where it is its place."""
    item, index = binary.decode(part, _STORAGE_LIMITS), None
    if item.tag == Tag.CURRENT_ATTRIBUTE:
        index, item = item.value[0].value, item.value[1]
    tag = Tag(item.tag)
    return AttributeValue(tag, ATTRIBUTES[tag].kind.read(item, STORAGE_VERSION), index)
