"""What Locate compares objects with: reading it, the part that the storage can answer, and whether an object matches.

KMIP 2.1 s6.1.28. Rules, by what the attribute is:

1. A date matches its equal, or, given twice, everything between the two, both included. An object without the date has
   the largest possible date.
2. A Cryptographic Usage Mask matches a mask that has all its bits.
3. Usage Limits match limits that are as large or larger.
4. A structure matches if the fields that are given are equal. Anything else matches its equal, to the last character.
5. An attribute with several instances matches by any of them. All that is asked for must match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Final

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, Slot, declare
from kmip_server.messages.kinds import DATE_TIME, StructureKind, name_of
from kmip_server.messages.structures import UsageLimits
from kmip_server.objects.attribute_fields import AttributeListField, read_attributes, read_named, read_template
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.attributes import ATTRIBUTES
from kmip_server.storage.port import Range
from kmip_server.ttlv.enumerations import ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_0, ProtocolVersion

LARGEST_DATE: Final = (1 << 63) - 1
"""The largest possible Date-Time: the same as an undefined one."""

_DATES: Final = frozenset(tag for tag, row in ATTRIBUTES.items() if row.kind is DATE_TIME)
_ALWAYS_DATED: Final = frozenset({Tag.INITIAL_DATE, Tag.LAST_CHANGE_DATE})
_MOST_ENTRIES: Final = 4
"""Index entries that one statement looks for; the rest of a long question is compared here."""

Patterns = dict[Tag, tuple[Any, ...]]
"""What is asked for, by attribute: one value, or several."""


def gather(wanted: Iterable[AttributeValue]) -> Patterns:
    """What a request asks for, by attribute. Raises Invalid Field for a date that is given more than twice."""
    patterns: Patterns = {}
    for attribute in wanted:
        patterns[attribute.tag] = (*patterns.get(attribute.tag, ()), attribute.value)
    for tag in patterns.keys() & _DATES:
        if len(patterns[tag]) > 2:
            raise KmipError(ResultReason.INVALID_FIELD, f"{name_of(tag)}: one date, or two for a range, and not more")
    return patterns


# Whether an object matches. -------------------------------------------------------------------------------------------


def matches(attributes: AttributeSet, patterns: Patterns) -> bool:
    """Whether an object with these attributes is one that is asked for."""
    return all(_COMPARE.get(tag, _has_each)(attributes.all(tag), wanted) for tag, wanted in patterns.items())


def _has_each(values: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    return all(any(_equals(value, pattern) for value in values) for pattern in wanted)


def _equals(value: Any, pattern: Any) -> bool:
    if not isinstance(pattern, Payload):
        return bool(value == pattern)
    return all(_holds(getattr(value, name), part) for name, part in vars(pattern).items() if part is not None)


def _holds(value: Any, part: Any) -> bool:
    """Whether a field has what is asked for; of one that may be repeated, each value that is given."""
    return set(part) <= set(value) if type(part) is tuple else bool(value == part)


def _between(values: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    return bool(min(wanted) <= (values[0] if values else LARGEST_DATE) <= max(wanted))


def _has_bits(values: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    mask, bits = values[0] if values else 0, reduce(or_, wanted)
    return bool(mask & bits == bits)


def _leaves(values: tuple[UsageLimits, ...], wanted: tuple[UsageLimits, ...]) -> bool:
    return bool(values) and all(
        (pattern.usage_limits_unit in (None, limits.usage_limits_unit))
        and (pattern.usage_limits_total or 0) <= limits.usage_limits_total
        and (pattern.usage_limits_count or 0) <= (limits.usage_limits_count or 0)
        for limits in values
        for pattern in wanted
    )


_COMPARE: Final[dict[Tag, Callable[[tuple[Any, ...], tuple[Any, ...]], bool]]] = {
    **dict.fromkeys(_DATES, _between),
    Tag.CRYPTOGRAPHIC_USAGE_MASK: _has_bits,
    Tag.USAGE_LIMITS: _leaves,
}


# The part that the storage can answer. --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A question in the storage's terms (see port.Search), and the `rest` that its answers are to be compared with."""

    columns: dict[str, int | str | bool | Range]
    mask: int
    index: tuple[tuple[int, str], ...]
    rest: Patterns


def narrow(patterns: Patterns) -> Narrowed:
    """As much of a question as the storage can answer; the rest is empty if its answer is exact."""
    columns: dict[str, int | str | bool | Range] = {}
    mask = 0
    index: list[tuple[int, str]] = []
    rest: Patterns = {}
    for tag, wanted in patterns.items():
        row = ATTRIBUTES[tag]
        if tag is Tag.CRYPTOGRAPHIC_USAGE_MASK:
            mask = reduce(or_, wanted)
        elif tag in _DATES and row.column is not None and (max(wanted) < LARGEST_DATE or tag in _ALWAYS_DATED):
            columns[row.column] = Range(min(wanted), max(wanted))
        elif tag not in _DATES and row.column is not None:
            columns[row.column] = wanted[0]
            if any(value != wanted[0] for value in wanted):
                rest[tag] = wanted
        else:
            keys = [key for value in wanted if row.index is not None and (key := row.index(value)) is not None]
            index += [(int(tag), key) for key in keys]
            if len(keys) < len(wanted) or isinstance(row.kind, StructureKind) or len(index) > _MOST_ENTRIES:
                rest[tag] = wanted
    return Narrowed(columns, mask, tuple(index[:_MOST_ENTRIES]), rest)


# Reading it. ----------------------------------------------------------------------------------------------------------


class PatternsField:
    """Locate's attributes, to compare objects with; their structures may lack fields (s6.1.28).

    In 1.x they are Attributes one by one, or all in one Template-Attribute, as some clients have them.
    """

    _whole: Final = AttributeListField(required=False)

    def slots(self, name: str, version: ProtocolVersion) -> Sequence[Slot]:
        """See Field. They are written as any list of attributes."""
        (whole,) = self._whole.slots(name, version)
        if version >= V2_0:
            return (whole._replace(read=lambda items: read_attributes(items[0], version, partial=True)),)
        return (
            whole._replace(read=lambda items: tuple([read_named(item, version, True) for item in items])),
            Slot(
                name,
                Tag.TEMPLATE_ATTRIBUTE,
                False,
                False,
                lambda items: read_template(items[0], version, partial=True),
                lambda values: b"",
            ),
        )


def patterns() -> Any:
    """The attributes that a search is for."""
    return declare(PatternsField(), default=())
