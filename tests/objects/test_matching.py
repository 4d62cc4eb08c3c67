"""What Locate's attributes match (KMIP 2.1 s6.1.28), and which part of the question the storage can answer."""

from __future__ import annotations

from typing import Any

import pytest

from kmip_server.errors import KmipError
from kmip_server.messages.structures import CryptographicParameters, Link, Name, UsageLimits, VendorAttribute
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.attributes import ATTRIBUTES
from kmip_server.objects.matching import LARGEST_DATE, gather, matches, narrow
from kmip_server.storage.port import Range
from kmip_server.ttlv.enumerations import (
    BlockCipherMode,
    HashingAlgorithm,
    LinkType,
    NameType,
    ObjectType,
    ResultReason,
    State,
    UsageLimitsUnit,
)
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag

Pair = tuple[Tag, Any]


def has(*values: Pair) -> AttributeSet:
    return AttributeSet.of([AttributeValue(tag, value) for tag, value in values])


def asked(*values: Pair) -> dict[Tag, tuple[Any, ...]]:
    return gather([AttributeValue(tag, value) for tag, value in values])


def name(value: str | None, kind: NameType | None = NameType.UNINTERPRETED_TEXT_STRING) -> Name:
    return Name(name_value=value, name_type=kind)  # type: ignore[arg-type]


def limits(total: int | None = None, count: int | None = None, unit: UsageLimitsUnit | None = None) -> UsageLimits:
    return UsageLimits(usage_limits_total=total, usage_limits_count=count, usage_limits_unit=unit)  # type: ignore[arg-type]


def vendor(named: str, value: Item | None, of: str = "x") -> VendorAttribute:
    return VendorAttribute(vendor_identification=of, attribute_name=named, attribute_value=value)


def value(kind: Type, content: Any) -> Item:
    return Item(Tag.ATTRIBUTE_VALUE, kind, content)


KEY = has(
    (Tag.OBJECT_TYPE, ObjectType.SYMMETRIC_KEY),
    (Tag.STATE, State.ACTIVE),
    (Tag.NAME, name("a")),
    (Tag.NAME, name("b", NameType.URI)),
    (Tag.CRYPTOGRAPHIC_USAGE_MASK, 0b1100),
    (Tag.INITIAL_DATE, 100),
    (Tag.ACTIVATION_DATE, 200),
    (Tag.USAGE_LIMITS, limits(100, 50, UsageLimitsUnit.BYTE)),
    (Tag.LINK, Link(link_type=LinkType.NEXT_LINK, linked_object_identifier="n")),
    (Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters(block_cipher_mode=BlockCipherMode.CBC)),
    (Tag.ATTRIBUTE, vendor("v", value(Type.INTEGER, 1))),
    (Tag.SENSITIVE, False),
    (Tag.COMMENT, "words"),
)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ((), True),
        (((Tag.STATE, State.ACTIVE),), True),
        (((Tag.STATE, State.PRE_ACTIVE),), False),
        (((Tag.STATE, State.ACTIVE), (Tag.COMMENT, "other")), False),
        (((Tag.COMMENT, "words"),), True),
        (((Tag.COMMENT, "words "),), False),
        (((Tag.COMMENT, "WORDS"),), False),
        (((Tag.DESCRIPTION, "words"),), False),
        (((Tag.SENSITIVE, False),), True),
        (((Tag.EXTRACTABLE, False),), False),
        # Names: any instance, in part or as a whole.
        (((Tag.NAME, name("a")),), True),
        (((Tag.NAME, name("b")),), False),
        (((Tag.NAME, name("b", None)),), True),
        (((Tag.NAME, name(None, NameType.URI)),), True),
        (((Tag.NAME, name("a", None)), (Tag.NAME, name("b", None))), True),
        (((Tag.NAME, name("a", None)), (Tag.NAME, name("c", None))), False),
        (((Tag.NAME, name(None, None)),), True),
        # Links and parameters.
        (((Tag.LINK, Link(link_type=None, linked_object_identifier="n")),), True),  # type: ignore[arg-type]
        (((Tag.LINK, Link(link_type=LinkType.NEXT_LINK, linked_object_identifier="m")),), False),
        (((Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters()),), True),
        (((Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters(hashing_algorithm=HashingAlgorithm.SHA_1)),), False),
        # Masks.
        (((Tag.CRYPTOGRAPHIC_USAGE_MASK, 0b1000),), True),
        (((Tag.CRYPTOGRAPHIC_USAGE_MASK, 0b1100),), True),
        (((Tag.CRYPTOGRAPHIC_USAGE_MASK, 0b1101),), False),
        (((Tag.CRYPTOGRAPHIC_USAGE_MASK, 0b1000), (Tag.CRYPTOGRAPHIC_USAGE_MASK, 1)), False),
        (((Tag.CRYPTOGRAPHIC_USAGE_MASK, 0),), True),
        # Dates.
        (((Tag.INITIAL_DATE, 100),), True),
        (((Tag.INITIAL_DATE, 99),), False),
        (((Tag.INITIAL_DATE, 100), (Tag.INITIAL_DATE, 200)), True),
        (((Tag.INITIAL_DATE, 101), (Tag.INITIAL_DATE, 200)), False),
        (((Tag.INITIAL_DATE, 0), (Tag.INITIAL_DATE, 100)), True),
        (((Tag.INITIAL_DATE, 100), (Tag.INITIAL_DATE, 0)), True),
        (((Tag.ACTIVATION_DATE, LARGEST_DATE),), False),
        (((Tag.DEACTIVATION_DATE, LARGEST_DATE),), True),
        (((Tag.DEACTIVATION_DATE, 5), (Tag.DEACTIVATION_DATE, LARGEST_DATE)), True),
        (((Tag.DEACTIVATION_DATE, 5), (Tag.DEACTIVATION_DATE, LARGEST_DATE - 1)), False),
        # Usage Limits.
        (((Tag.USAGE_LIMITS, limits(100)),), True),
        (((Tag.USAGE_LIMITS, limits(101)),), False),
        (((Tag.USAGE_LIMITS, limits(1, 50)),), True),
        (((Tag.USAGE_LIMITS, limits(1, 51)),), False),
        (((Tag.USAGE_LIMITS, limits(1, 1, UsageLimitsUnit.BYTE)),), True),
        (((Tag.USAGE_LIMITS, limits(1, 1, UsageLimitsUnit.OBJECT)),), False),
        (((Tag.USAGE_LIMITS, limits()),), True),
        # Vendor attributes.
        (((Tag.ATTRIBUTE, vendor("v", value(Type.INTEGER, 1))),), True),
        (((Tag.ATTRIBUTE, vendor("v", value(Type.LONG_INTEGER, 1))),), False),
        (((Tag.ATTRIBUTE, vendor("v", value(Type.BOOLEAN, True))),), False),
        (((Tag.ATTRIBUTE, vendor("v", value(Type.INTEGER, 2))),), False),
        (((Tag.ATTRIBUTE, vendor("w", value(Type.INTEGER, 1))),), False),
        (((Tag.ATTRIBUTE, vendor("v", value(Type.INTEGER, 1), "y")),), False),
        (((Tag.ATTRIBUTE, vendor("v", None)),), True),
    ],
)
def test_an_object_matches_what_it_has(pairs: tuple[Pair, ...], expected: bool) -> None:
    assert matches(KEY, asked(*pairs)) is expected


def test_an_object_without_limits_has_none_that_are_large_enough() -> None:
    assert not matches(has((Tag.STATE, State.ACTIVE)), asked((Tag.USAGE_LIMITS, limits(0))))


def test_an_object_without_a_mask_has_no_bits() -> None:
    assert not matches(AttributeSet({}), asked((Tag.CRYPTOGRAPHIC_USAGE_MASK, 1)))


def test_a_date_is_asked_for_at_most_twice() -> None:
    with pytest.raises(KmipError) as refused:
        asked(*[(Tag.INITIAL_DATE, at) for at in (1, 2, 3)])
    assert refused.value.reason is ResultReason.INVALID_FIELD


# What the storage can answer. -----------------------------------------------------------------------------------------


def test_columns_masks_and_texts_are_answered_by_the_storage_alone() -> None:
    narrowed = narrow(
        asked(
            (Tag.OBJECT_TYPE, ObjectType.SYMMETRIC_KEY),
            (Tag.INITIAL_DATE, 9),
            (Tag.ACTIVATION_DATE, 8),
            (Tag.ACTIVATION_DATE, 5),
            (Tag.CRYPTOGRAPHIC_USAGE_MASK, 4),
            (Tag.CRYPTOGRAPHIC_USAGE_MASK, 8),
            (Tag.OBJECT_GROUP, "g"),
        )
    )
    assert narrowed.columns == {
        "object_type": ObjectType.SYMMETRIC_KEY,
        "initial_date": Range(9, 9),
        "activation_date": Range(5, 8),
    }
    assert narrowed.mask == 12
    assert narrowed.index == ((int(Tag.OBJECT_GROUP), "g"),)
    assert narrowed.rest == {}


def test_structures_are_narrowed_by_their_index_and_compared_as_well() -> None:
    for tag, pattern in ((Tag.NAME, name("a")), (Tag.ATTRIBUTE, vendor("v", value(Type.INTEGER, 1)))):
        narrowed = narrow(asked((tag, pattern)))
        assert len(narrowed.index) == 1
        assert narrowed.rest == {tag: (pattern,)}


@pytest.mark.parametrize(
    ("tag", "pattern"),
    [
        (Tag.NAME, name(None, NameType.URI)),
        (Tag.LINK, Link(link_type=LinkType.NEXT_LINK, linked_object_identifier=None)),  # type: ignore[arg-type]
        (Tag.ATTRIBUTE, vendor("v", None)),
        (Tag.USAGE_LIMITS, limits(1)),
        (Tag.ORIGINAL_CREATION_DATE, 5),
        (Tag.SENSITIVE, True),
        (Tag.DEACTIVATION_DATE, LARGEST_DATE),
    ],
)
def test_what_has_no_index_is_compared_row_by_row(tag: Tag, pattern: Any) -> None:
    narrowed = narrow(asked((tag, pattern)))
    assert (narrowed.columns, narrowed.mask, narrowed.index) == ({}, 0, ())
    assert narrowed.rest == {tag: (pattern,)}


def test_contradictions_and_long_questions_are_left_to_the_comparison() -> None:
    contradiction = narrow(asked((Tag.STATE, State.ACTIVE), (Tag.STATE, State.PRE_ACTIVE)))
    assert Tag.STATE in contradiction.rest
    long = narrow(asked(*[(Tag.OBJECT_GROUP, str(number)) for number in range(50)]))
    assert len(long.index) == 4
    assert len(long.rest[Tag.OBJECT_GROUP]) == 50


def test_every_attribute_can_be_asked_for() -> None:
    for tag, row in ATTRIBUTES.items():
        if row.index is None and row.column is None:
            assert narrow({tag: (1,)}).rest == {tag: (1,)}
