"""Adjust Attribute (KMIP 2.1 s6.1.3, s11.1): numbers, dates and flags are incremented, decremented and negated."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import attributes_of, custom, custom_values, extractable, sensitive
from support.engine import EngineClient, EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.wire import (
    Result,
    Version,
    big_integer,
    boolean,
    date_time,
    enumeration,
    integer,
    interval,
    long_integer,
    octets,
    structure,
    text,
)

INCREMENT, DECREMENT, NEGATE = 1, 2, 3
SINCE_2_0: tuple[Version, ...] = ((2, 0), (2, 1))
VALUE = Tag.ATTRIBUTE_VALUE


def create(client: EngineClient, *more: Attribute) -> str:
    return client.do(ask.create_aes(client.version, *more)).unique_identifier


def adjust(client: EngineClient, key: str, tag: int, kind: int, amount: bytes = b"") -> Result:
    fields = enumeration(Tag.ATTRIBUTE_REFERENCE, tag), enumeration(Tag.ADJUSTMENT_TYPE, kind), amount
    return client.do(Request(Operation.ADJUST_ATTRIBUTE, ask.identifier(key) + b"".join(fields)))


def adjust_custom(client: EngineClient, key: str, kind: int, amount: bytes = b"", vendor: str = "x") -> Result:
    named = text(Tag.VENDOR_IDENTIFICATION, vendor) + text(Tag.ATTRIBUTE_NAME, "n")
    fields = structure(Tag.ATTRIBUTE_REFERENCE, named), enumeration(Tag.ADJUSTMENT_TYPE, kind), amount
    return client.do(Request(Operation.ADJUST_ATTRIBUTE, ask.identifier(key) + b"".join(fields)))


def amount(value: int) -> bytes:
    return integer(Tag.ADJUSTMENT_VALUE, value)


@pytest.mark.parametrize("version", SINCE_2_0)
@pytest.mark.parametrize(
    ("item", "kind", "by", "expected"),
    [
        (integer(VALUE, 5), INCREMENT, b"", 6),
        (integer(VALUE, 5), DECREMENT, b"", 4),
        (integer(VALUE, 5), INCREMENT, amount(10), 15),
        (integer(VALUE, 5), DECREMENT, amount(10), -5),
        (integer(VALUE, 5), INCREMENT, amount(-10), -5),
        (integer(VALUE, 5), NEGATE, b"", -5),
        (long_integer(VALUE, 1 << 40), INCREMENT, long_integer(Tag.ADJUSTMENT_VALUE, 1 << 40), 1 << 41),
        (long_integer(VALUE, 5), NEGATE, b"", -5),
        (big_integer(VALUE, 1 << 100), DECREMENT, big_integer(Tag.ADJUSTMENT_VALUE, 1 << 99), 1 << 99),
        (big_integer(VALUE, 5), NEGATE, b"", -5),
        (interval(VALUE, 5), INCREMENT, interval(Tag.ADJUSTMENT_VALUE, 5), 10),
        (date_time(VALUE, 1000), INCREMENT, b"", 1001),
        (date_time(VALUE, 1000), DECREMENT, interval(Tag.ADJUSTMENT_VALUE, 100), 900),
        (boolean(VALUE, False), NEGATE, b"", True),
        (boolean(VALUE, True), NEGATE, b"", False),
    ],
)
def test_a_value_is_adjusted(
    engine: EngineHarness, version: Version, item: bytes, kind: int, by: bytes, expected: int | bool
) -> None:
    client = engine.client(version)
    key = create(client, custom(version, "n", item))
    assert adjust_custom(client, key, kind, by).unique_identifier == key
    assert custom_values(engine, key) == [("x", "n", expected)]


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (integer(VALUE, (1 << 31) - 1), INCREMENT),
        (integer(VALUE, -(1 << 31)), DECREMENT),
        (integer(VALUE, -(1 << 31)), NEGATE),
        (long_integer(VALUE, (1 << 63) - 1), INCREMENT),
        (long_integer(VALUE, -(1 << 63)), NEGATE),
        (big_integer(VALUE, (1 << 4095) - 1), INCREMENT),
        (interval(VALUE, (1 << 32) - 1), INCREMENT),
        (interval(VALUE, 0), DECREMENT),
        (date_time(VALUE, (1 << 63) - 1), INCREMENT),
        (date_time(VALUE, -(1 << 63)), DECREMENT),
    ],
)
def test_a_result_outside_the_range_of_its_type_is_refused(engine: EngineHarness, item: bytes, kind: int) -> None:
    client = engine.client((2, 1))
    key = create(client, custom((2, 1), "n", item))
    before = engine.row(key)
    assert adjust_custom(client, key, kind).reason == Reason.NUMERIC_RANGE
    assert engine.row(key) == before


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (text(VALUE, "5"), INCREMENT),
        (octets(VALUE, b"5"), NEGATE),
        (enumeration(VALUE, 5), INCREMENT),
        (boolean(VALUE, True), INCREMENT),
        (interval(VALUE, 5), NEGATE),
        (date_time(VALUE, 5), NEGATE),
        (structure(VALUE, integer(Tag.BATCH_COUNT, 1)), INCREMENT),
    ],
)
def test_a_type_that_the_adjustment_does_not_apply_to_is_refused(engine: EngineHarness, item: bytes, kind: int) -> None:
    client = engine.client((2, 1))
    key = create(client, custom((2, 1), "n", item))
    assert adjust_custom(client, key, kind).reason == Reason.INVALID_DATA_TYPE


@pytest.mark.parametrize("by", [text(Tag.ADJUSTMENT_VALUE, "1"), boolean(Tag.ADJUSTMENT_VALUE, True)])
def test_an_adjustment_value_is_a_number(engine: EngineHarness, by: bytes) -> None:
    client = engine.client((2, 1))
    key = create(client, custom((2, 1), "n", integer(VALUE, 1)))
    assert adjust_custom(client, key, INCREMENT, by).reason == Reason.INVALID_DATA_TYPE


def test_names_and_groups_are_not_adjusted(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.name("a"), ask.object_group("g"))
    for tag in (Tag.NAME, Tag.OBJECT_GROUP, Tag.CONTACT_INFORMATION):
        assert adjust(client, key, tag, INCREMENT).reason == Reason.INVALID_DATA_TYPE


def test_the_previous_value_of_an_absent_number_is_0_and_of_an_absent_flag_false(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    adjust(client, key, Tag.PROTECTION_PERIOD, INCREMENT, amount(60)).expect_success()
    adjust(client, key, Tag.QUANTUM_SAFE, NEGATE).expect_success()
    found = attributes_of(engine, key)
    assert found.get(Tag.PROTECTION_PERIOD) == 60
    assert found.get(Tag.QUANTUM_SAFE) is True


def test_an_absent_date_or_vendor_attribute_is_not_found(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    assert adjust(client, key, Tag.ACTIVATION_DATE, INCREMENT).reason == Reason.ITEM_NOT_FOUND
    assert adjust_custom(client, key, INCREMENT).reason == Reason.ITEM_NOT_FOUND


def test_a_date_that_is_adjusted_into_the_past_takes_effect(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.activation_date(engine.now + 60))
    adjust(client, key, Tag.ACTIVATION_DATE, DECREMENT, amount(60)).expect_success()
    assert attributes_of(engine, key).get(Tag.STATE) == ask.ACTIVE
    assert adjust(client, key, Tag.ACTIVATION_DATE, INCREMENT).reason == Reason.WRONG_KEY_LIFECYCLE_STATE


def test_sensitive_and_extractable_are_negated_one_way_only(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    loose, tight = create(client), create(client, sensitive(True), extractable(False))
    for tag in (Tag.SENSITIVE, Tag.EXTRACTABLE):
        adjust(client, loose, tag, NEGATE).expect_success()
        assert adjust(client, loose, tag, NEGATE).reason == Reason.PERMISSION_DENIED
        assert adjust(client, tight, tag, NEGATE).reason == Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    "tag",
    [
        Tag.STATE,
        Tag.CRYPTOGRAPHIC_LENGTH,
        Tag.CRYPTOGRAPHIC_USAGE_MASK,
        Tag.INITIAL_DATE,
        Tag.LEASE_TIME,
        Tag.FRESH,
        Tag.ALWAYS_SENSITIVE,
        Tag.DESTROY_DATE,
    ],
)
def test_read_only_attributes_are_not_adjusted(engine: EngineHarness, tag: Tag) -> None:
    client = engine.client((2, 1))
    key = create(client)
    before = engine.row(key)
    assert adjust(client, key, tag, INCREMENT).reason == Reason.READ_ONLY_ATTRIBUTE
    assert engine.row(key) == before


def test_the_server_s_own_attributes_are_not_adjusted(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    assert adjust_custom(client, create(client), INCREMENT, vendor="y").reason == Reason.READ_ONLY_ATTRIBUTE


def test_with_more_than_one_instance_an_error_is_raised(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, *[custom((2, 1), "n", integer(VALUE, number)) for number in (1, 2)])
    assert adjust_custom(client, key, INCREMENT).reason == Reason.MULTI_VALUED_ATTRIBUTE


def test_a_tag_that_is_no_attribute_is_unsupported(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    assert adjust(client, create(client), Tag.BATCH_COUNT, INCREMENT).reason == Reason.UNSUPPORTED_ATTRIBUTE


def test_the_object_of_another_is_an_item_that_is_not_found(engine: EngineHarness) -> None:
    key = create(engine.client((2, 1)), custom((2, 1), "n", integer(VALUE, 1)))
    mallory = engine.client((2, 1), "mallory")
    foreign, absent = adjust_custom(mallory, key, INCREMENT), adjust_custom(mallory, "no such object", INCREMENT)
    assert (foreign.reason, foreign.message) == (absent.reason, absent.message)
    assert foreign.reason == Reason.ITEM_NOT_FOUND


def test_adjustment_type_and_reference_are_required(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    reference = enumeration(Tag.ATTRIBUTE_REFERENCE, Tag.PROTECTION_PERIOD)
    kind = enumeration(Tag.ADJUSTMENT_TYPE, INCREMENT)
    for fields in (reference, kind):
        result = client.do(Request(Operation.ADJUST_ATTRIBUTE, ask.identifier(key) + fields))
        assert result.reason == Reason.INVALID_MESSAGE
    assert adjust(client, key, Tag.PROTECTION_PERIOD, 4).reason == Reason.UNKNOWN_ENUMERATION
