"""The attributes of one object: instances, indices that stay for life (KMIP 1.4 s2.1.1), and the stored form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmip_server.messages.structures import Name, UsageLimits, VendorAttribute
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue, Instance
from kmip_server.ttlv.enumerations import NameType, State, UsageLimitsUnit
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag


def name(value: str) -> Name:
    return Name(name_value=value, name_type=NameType.UNINTERPRETED_TEXT_STRING)


def vendor(named: str, value: int, of: str = "x") -> VendorAttribute:
    item = Item(Tag.ATTRIBUTE_VALUE, Type.INTEGER, value)
    return VendorAttribute(vendor_identification=of, attribute_name=named, attribute_value=item)


def made(*values: tuple[Tag, Any]) -> AttributeSet:
    return AttributeSet.of([AttributeValue(tag, value) for tag, value in values])


GROUPS = made(*[(Tag.OBJECT_GROUP, group) for group in "abc"])


def test_instances_are_indexed_in_their_order_from_0() -> None:
    assert GROUPS.instances(Tag.OBJECT_GROUP) == (Instance(0, "a"), Instance(1, "b"), Instance(2, "c"))
    assert GROUPS.first(Tag.OBJECT_GROUP) == "a"
    assert GROUPS.all(Tag.OBJECT_GROUP) == ("a", "b", "c")


def test_an_attribute_that_is_not_there_has_no_value() -> None:
    assert Tag.NAME not in GROUPS
    assert GROUPS.first(Tag.NAME) is None
    assert GROUPS.all(Tag.NAME) == ()
    assert GROUPS.instances(Tag.NAME) == ()


def test_an_index_does_not_change_when_others_are_added_or_deleted() -> None:
    fewer = GROUPS.without(Tag.OBJECT_GROUP, Instance(0, "a"))
    assert fewer.instances(Tag.OBJECT_GROUP) == (Instance(1, "b"), Instance(2, "c"))
    more = fewer.with_added(Tag.OBJECT_GROUP, "d")
    assert more.instances(Tag.OBJECT_GROUP) == (Instance(1, "b"), Instance(2, "c"), Instance(3, "d"))


def test_a_replaced_instance_keeps_its_index_and_its_place() -> None:
    changed = GROUPS.with_replaced(Tag.OBJECT_GROUP, Instance(1, "b"), "B")
    assert changed.instances(Tag.OBJECT_GROUP) == (Instance(0, "a"), Instance(1, "B"), Instance(2, "c"))


def test_an_attribute_without_instances_is_gone() -> None:
    gone = GROUPS
    for instance in GROUPS.instances(Tag.OBJECT_GROUP):
        gone = gone.without(Tag.OBJECT_GROUP, instance)
    assert Tag.OBJECT_GROUP not in gone
    assert Tag.OBJECT_GROUP not in GROUPS.without(Tag.OBJECT_GROUP)
    assert Tag.OBJECT_GROUP not in GROUPS.with_value(Tag.OBJECT_GROUP, None)


def test_a_change_makes_a_new_set() -> None:
    GROUPS.with_added(Tag.OBJECT_GROUP, "d")
    GROUPS.with_value(Tag.STATE, State.ACTIVE)
    GROUPS.without(Tag.OBJECT_GROUP)
    assert list(GROUPS.all(Tag.OBJECT_GROUP)) == ["a", "b", "c"]
    assert Tag.STATE not in GROUPS


def test_vendor_attributes_are_counted_by_vendor_and_name() -> None:
    attributes = made(
        (Tag.ATTRIBUTE, vendor("a", 1)),
        (Tag.ATTRIBUTE, vendor("b", 1)),
        (Tag.ATTRIBUTE, vendor("a", 2)),
        (Tag.ATTRIBUTE, vendor("a", 1, "other")),
    )
    assert [index for index, _ in attributes.instances(Tag.ATTRIBUTE)] == [0, 0, 1, 0]
    attributes = attributes.with_added(Tag.ATTRIBUTE, vendor("b", 2)).without(
        Tag.ATTRIBUTE, Instance(0, vendor("a", 1))
    )
    assert attributes.instances(Tag.ATTRIBUTE) == (
        Instance(0, vendor("b", 1)),
        Instance(1, vendor("a", 2)),
        Instance(0, vendor("a", 1, "other")),
        Instance(1, vendor("b", 2)),
    )
    assert AttributeSet.from_bytes(attributes.to_bytes()).instances(Tag.ATTRIBUTE) == (
        attributes.instances(Tag.ATTRIBUTE)
    )


def test_going_through_a_set_names_each_instance_with_an_index_above_0() -> None:
    seen = [(tag, value, index or 0) for tag, value, index in GROUPS.without(Tag.OBJECT_GROUP, Instance(0, "a"))]
    assert seen == [(Tag.OBJECT_GROUP, "b", 1), (Tag.OBJECT_GROUP, "c", 2)]


def test_sets_are_joined_and_the_other_s_attributes_win() -> None:
    joined = made((Tag.OBJECT_GROUP, "mine"), (Tag.COMMENT, "kept")).joined(GROUPS)
    assert joined.all(Tag.OBJECT_GROUP) == ("a", "b", "c")
    assert joined.first(Tag.COMMENT) == "kept"


_VALUES = st.one_of(
    st.tuples(st.just(Tag.NAME), st.text(max_size=20).map(name)),
    st.tuples(st.just(Tag.OBJECT_GROUP), st.text(max_size=20)),
    st.tuples(
        st.just(Tag.ATTRIBUTE), st.builds(vendor, st.sampled_from("abc"), st.integers(-9, 9), st.sampled_from("xy"))
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_VALUES, max_size=12), st.lists(st.tuples(_VALUES, st.booleans(), st.integers(0, 20)), max_size=8))
def test_what_is_stored_comes_back(
    values: list[tuple[Tag, Any]], changes: list[tuple[tuple[Tag, Any], bool, int]]
) -> None:
    attributes = made(*values)
    for (tag, value), add, place in changes:
        present = attributes.instances(tag)
        if add or not present:
            attributes = attributes.with_added(tag, value)
        else:
            attributes = attributes.without(tag, present[place % len(present)])
        indices = [
            (str(value)[: str(value).find("attribute_value")] if tag is Tag.ATTRIBUTE else "", index)
            for index, value in attributes.instances(tag)
        ]
        assert len(indices) == len(set(indices))
    back = AttributeSet.from_bytes(attributes.to_bytes())
    for tag in (Tag.NAME, Tag.OBJECT_GROUP, Tag.ATTRIBUTE):
        assert back.instances(tag) == attributes.instances(tag)
    assert back.to_bytes() == attributes.to_bytes()


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (Tag.STATE, State.DESTROYED_COMPROMISED),
        (Tag.INITIAL_DATE, -1),
        (Tag.SENSITIVE, False),
        (Tag.LEASE_TIME, 3600),
        (Tag.CRYPTOGRAPHIC_USAGE_MASK, 0xFFFFFF),
        (Tag.OPERATION_POLICY_NAME, "default"),
        (Tag.SHORT_UNIQUE_IDENTIFIER, bytes(32)),
        (
            Tag.USAGE_LIMITS,
            UsageLimits(usage_limits_total=5, usage_limits_count=4, usage_limits_unit=UsageLimitsUnit.BYTE),
        ),
    ],
)
def test_a_value_of_any_version_is_stored(tag: Tag, value: Any) -> None:
    stored = AttributeSet.from_bytes(AttributeSet({}).with_value(tag, value).to_bytes())
    assert stored.first(tag) == value
    assert type(stored.first(tag)) is type(value)
