"""Locate (KMIP 2.1 s6.1.28): which objects match what is asked for."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import custom, dated
from support.engine import EngineHarness
from support.locating import create, find, found
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request, in_1x
from support.wire import (
    Version,
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

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))
LARGEST = (1 << 63) - 1


# Which objects match. -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(1, 0), (1, 2), (1, 4), (2, 0), (2, 1)])
def test_if_no_attribute_is_specified_any_object_matches(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = {create(client), create(client)}
    assert set(find(client)) == made


@pytest.mark.parametrize("version", BOTH)
def test_if_no_objects_match_the_response_payload_has_no_identifier(engine: EngineHarness, version: Version) -> None:
    assert find(engine.client(version), ask.name("nothing")) == []


@pytest.mark.parametrize("version", BOTH)
def test_returned_objects_match_all_of_the_attributes(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    wanted = create(client, ask.name("a"), ask.object_group("g"))
    create(client, ask.name("b"), ask.object_group("g"))
    create(client, ask.name("c"))
    assert find(client, ask.name("a"), ask.object_group("g")) == [wanted]
    assert find(client, ask.name("b"), ask.name("a")) == []


@pytest.mark.parametrize("version", BOTH)
def test_every_name_of_an_object_finds_it(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.name("first"), ask.name("second"))
    assert find(client, ask.name("second")) == [key]
    assert find(client, ask.name("first"), ask.name("second")) == [key]


@pytest.mark.parametrize("version", BOTH)
def test_all_of_the_fields_of_a_structure_are_not_required(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    text_name, uri_name = create(client, ask.name("one", 1)), create(client, ask.name("two", 2))

    def part(*fields: bytes) -> Attribute:
        return Attribute("Name", structure(Tag.NAME, *fields))

    assert find(client, part(text(Tag.NAME_VALUE, "two"))) == [uri_name]
    assert find(client, part(enumeration(Tag.NAME_TYPE, 1))) == [text_name]
    assert find(client, part()) == [uri_name, text_name]
    assert find(client, ask.name("two", 1)) == []


def test_a_link_matches_by_the_linked_object_alone_whatever_its_type(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    target = create(client)
    linking = create(client, ask.link(target, 0x10A))
    part = Attribute("Link", structure(Tag.LINK, text(Tag.LINKED_OBJECT_IDENTIFIER, target)))
    assert find(client, part) == [linking]
    assert find(client, ask.link(target, 0x10B)) == []
    assert find(client, Attribute("Link", structure(Tag.LINK, enumeration(Tag.LINK_TYPE, 0x10A)))) == [linking]


def test_application_specific_information_matches_both_fields(engine: EngineHarness) -> None:
    client = engine.client((1, 4))

    def information(namespace: str, data: str | None = None) -> Attribute:
        fields = text(Tag.APPLICATION_NAMESPACE, namespace), b"" if data is None else text(Tag.APPLICATION_DATA, data)
        return Attribute("Application Specific Information", structure(Tag.APPLICATION_SPECIFIC_INFORMATION, *fields))

    one, two = create(client, information("ssl", "one")), create(client, information("ssl", "two"))
    assert find(client, information("ssl", "one")) == [one]
    assert find(client, information("ssl")) == [two, one]
    assert find(client, information("ssl", "three")) == []


def test_a_mask_matches_an_object_that_has_all_its_bits_and_may_have_more(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    both, one = create(client, mask=0x0C), create(client, mask=0x04)
    assert find(client, ask.usage_mask(0x0C)) == [both]
    assert find(client, ask.usage_mask(0x04)) == [one, both]
    assert find(client, ask.usage_mask(0x04), ask.usage_mask(0x08)) == [both]
    assert find(client, ask.usage_mask(0)) == [one, both]


@pytest.mark.parametrize("version", BOTH)
def test_usage_limits_match_limits_that_are_equal_or_larger(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)

    def limits(*fields: bytes) -> Attribute:
        return Attribute("Usage Limits", structure(Tag.USAGE_LIMITS, *fields))

    total, unit = long_integer(Tag.USAGE_LIMITS_TOTAL, 100), enumeration(Tag.USAGE_LIMITS_UNIT, 1)
    key = create(client, limits(total, unit))
    create(client)
    assert find(client, limits(long_integer(Tag.USAGE_LIMITS_TOTAL, 100))) == [key]
    assert find(client, limits(long_integer(Tag.USAGE_LIMITS_TOTAL, 101))) == []
    assert find(client, limits(long_integer(Tag.USAGE_LIMITS_COUNT, 99))) == [key]
    assert find(client, limits(long_integer(Tag.USAGE_LIMITS_COUNT, 101))) == []
    assert (
        find(client, limits(total, long_integer(Tag.USAGE_LIMITS_COUNT, 1), enumeration(Tag.USAGE_LIMITS_UNIT, 2)))
        == []
    )


@pytest.mark.parametrize("version", BOTH)
def test_a_single_date_matches_its_equal_and_two_dates_are_a_range_with_its_limits(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    early, late = engine.now + 100, engine.now + 200
    first, second = create(client, ask.activation_date(early)), create(client, ask.activation_date(late))
    create(client)

    def at(moment: int) -> Attribute:
        return ask.activation_date(moment)

    assert find(client, at(early)) == [first]
    assert find(client, at(early + 1)) == []
    assert find(client, at(early), at(late)) == [second, first]
    assert find(client, at(early + 1), at(late)) == [second]
    assert find(client, at(late), at(early)) == [second, first]
    assert find(client, at(0), at(early)) == [first]


@pytest.mark.parametrize("version", BOTH)
def test_the_largest_possible_date_is_an_undefined_one(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    dated_key, undated = create(client, ask.activation_date(engine.now + 5)), create(client)
    assert find(client, ask.activation_date(LARGEST)) == [undated]
    assert find(client, ask.activation_date(engine.now), ask.activation_date(LARGEST)) == [undated, dated_key]
    assert find(client, ask.activation_date(engine.now + 6), ask.activation_date(LARGEST)) == [undated]


def test_a_date_without_a_column_of_its_own_is_searched_by_as_well(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key = create(client)
    at = dated("Original Creation Date", Tag.ORIGINAL_CREATION_DATE, engine.now)
    assert find(client, at) == [key]
    assert find(client, dated("Original Creation Date", Tag.ORIGINAL_CREATION_DATE, engine.now + 1)) == []


def test_a_date_is_given_at_most_twice(engine: EngineHarness) -> None:
    dates = [ask.activation_date(moment) for moment in (1, 2, 3)]
    assert engine.client().do(ask.locate((2, 1), *dates)).reason == Reason.INVALID_FIELD


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("moment", [-(1 << 63), -1, 0, LARGEST - 1])
def test_any_date_may_be_asked_for(engine: EngineHarness, version: Version, moment: int) -> None:
    client = engine.client(version)
    create(client)
    assert find(client, dated("Initial Date", Tag.INITIAL_DATE, moment)) == []


@pytest.mark.parametrize("version", BOTH)
def test_custom_attributes_of_any_type_are_found(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    value = Tag.ATTRIBUTE_VALUE
    forms = {
        "text": (text(value, "a"), text(value, "b")),
        "integer": (integer(value, 7), integer(value, 8)),
        "long": (long_integer(value, 7), long_integer(value, 8)),
        "enumeration": (enumeration(value, 7), enumeration(value, 8)),
        "boolean": (boolean(value, True), boolean(value, False)),
        "bytes": (octets(value, b"a"), octets(value, b"b")),
        "date": (date_time(value, 7), date_time(value, 8)),
        "interval": (interval(value, 7), interval(value, 8)),
        "structure": (structure(value, integer(Tag.BATCH_COUNT, 1)), structure(value, integer(Tag.BATCH_COUNT, 2))),
    }
    keys = {name: create(client, custom(version, name, has)) for name, (has, _) in forms.items()}
    for name, (has, other) in forms.items():
        assert find(client, custom(version, name, has)) == [keys[name]], name
        assert find(client, custom(version, name, other)) == [], name
    assert find(client, custom(version, "integer", long_integer(value, 7))) == []


def test_a_custom_attribute_of_1_x_is_the_vendor_attribute_of_vendor_x(engine: EngineHarness) -> None:
    key = create(engine.client((1, 0)), custom((1, 0), "Product", text(Tag.ATTRIBUTE_VALUE, "disk")))
    assert find(engine.client((2, 1)), custom((2, 1), "Product", text(Tag.ATTRIBUTE_VALUE, "disk"))) == [key]


def test_a_vendor_attribute_without_a_value_finds_every_object_that_has_it(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, custom((2, 1), "Product", text(Tag.ATTRIBUTE_VALUE, "disk"), "acme"))
    assert find(client, custom((2, 1), "Product", b"", "acme")) == [key]
    assert find(client, custom((2, 1), "Product", b"", "other")) == []


@pytest.mark.parametrize("version", BOTH)
def test_object_type_algorithm_length_and_identifier_are_searched_by(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    small, large = create(client, bits=128), create(client, bits=256)
    secret = client.do(ask.register_secret(version, b"secret")).unique_identifier
    assert find(client, ask.object_type(ask.SECRET_DATA)) == [secret]
    assert find(client, ask.object_type(ask.SYMMETRIC_KEY)) == [large, small]
    assert find(client, ask.algorithm(ask.AES), ask.length(128)) == [small]
    assert find(client, Attribute("Unique Identifier", text(Tag.UNIQUE_IDENTIFIER, large))) == [large]
    assert find(client, ask.object_type(ask.SECRET_DATA), ask.object_type(ask.SYMMETRIC_KEY)) == []


def test_attributes_that_the_server_only_keeps_are_searched_by(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    result = client.do(ask.get_attributes((2, 1), key)).expect_success()
    assert result.payload is not None
    attributes = result.payload.find(Tag.ATTRIBUTES)
    assert attributes is not None
    for tag, builder in (
        (Tag.SHORT_UNIQUE_IDENTIFIER, octets),
        (Tag.LEASE_TIME, interval),
        (Tag.SENSITIVE, boolean),
        (Tag.KEY_FORMAT_TYPE, enumeration),
        (Tag.FRESH, boolean),
        (Tag.PROTECTION_STORAGE_MASK, integer),
    ):
        assert find(client, Attribute("", builder(tag, attributes.get(tag)))) == [key], tag


def test_an_identifier_is_found_as_it_is_and_never_by_something_like_it(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    for like in (key.upper(), key + " ", key + "\0", "{" + key + "}", key[:-1], "", "%", "*", key[:8] + "%"):
        assert find(client, Attribute("", text(Tag.UNIQUE_IDENTIFIER, like))) == [], like


def test_an_attribute_that_the_version_does_not_have_is_refused(engine: EngineHarness) -> None:
    comment = Attribute("Comment", text(Tag.COMMENT, "x"))
    assert engine.client((1, 3)).do(ask.locate((1, 3), comment)).reason == Reason.INVALID_FIELD
    policy = Attribute("", text(Tag.OPERATION_POLICY_NAME, "default"))
    assert engine.client((2, 1)).do(ask.locate((2, 1), policy)).reason == Reason.INVALID_ATTRIBUTE


def test_a_filter_inside_a_template_attribute_is_understood(engine: EngineHarness) -> None:
    client = engine.client((1, 0))
    key = create(client, ask.name("disk"))
    create(client, ask.name("other"))
    template = structure(Tag.TEMPLATE_ATTRIBUTE, in_1x(ask.name("disk")))
    assert found(client.do(Request(Operation.LOCATE, template))) == [key]


def test_an_attribute_index_in_the_request_is_ignored(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key = create(client, ask.name("disk"))
    assert found(client.do(Request(Operation.LOCATE, in_1x(ask.name("disk"), 5)))) == [key]


def test_a_question_of_hundreds_of_attributes_is_answered(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, *[ask.object_group(f"group {number}") for number in range(200)])
    create(client, *[ask.object_group(f"group {number}") for number in range(199)])
    assert find(client, *[ask.object_group(f"group {number}") for number in range(200)]) == [key]
    assert find(client, *[ask.object_group(f"other {number}") for number in range(1000)]) == []


# States. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_a_search_by_state_finds_what_time_has_made_of_an_object(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.activation_date(engine.now + 10))
    assert find(client, ask.state(ask.PRE_ACTIVE)) == [key]
    engine.now += 10
    assert find(client, ask.state(ask.PRE_ACTIVE)) == []
    assert find(client, ask.state(ask.ACTIVE)) == [key]


def test_more_objects_than_one_step_takes_become_active_together(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    keys = [create(client, ask.activation_date(engine.now + 10)) for _ in range(205)]
    engine.now += 10
    assert sorted(find(client, ask.state(ask.ACTIVE))) == sorted(keys)
