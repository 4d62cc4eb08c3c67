"""Delete Attribute (KMIP 2.1 s6.1.13): what a client may delete, and which instances go."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import (
    NEVER_CHANGED,
    allocate,
    attributes_of,
    custom_text,
    custom_values,
    deactivation,
    process_start,
    protect_stop,
    sensitive,
    usage_limits,
)
from support.engine import EngineClient, EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.wire import Result, Version, enumeration, integer, structure, text

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))


def create(client: EngineClient, *more: Attribute, active: bool = False) -> str:
    key = client.do(ask.create_aes(client.version, *more)).unique_identifier
    if active:
        client.do(ask.activate(key)).expect_success()
    return key


def delete(client: EngineClient, key: str | None, attribute: Attribute, index: int | None = None) -> Result:
    """Delete by name and index in 1.x, by reference to the attribute's tag, or vendor and name, since 2.0."""
    if client.version < (2, 0):
        fields = text(Tag.ATTRIBUTE_NAME, attribute.name)
        fields += b"" if index is None else integer(Tag.ATTRIBUTE_INDEX, index)
    elif (tag := int.from_bytes(attribute.item[:3], "big")) == Tag.ATTRIBUTE:
        vendor, _, name = attribute.name.partition("-")
        named = text(Tag.VENDOR_IDENTIFICATION, vendor) + text(Tag.ATTRIBUTE_NAME, name)
        fields = structure(Tag.ATTRIBUTE_REFERENCE, named)
    else:
        fields = enumeration(Tag.ATTRIBUTE_REFERENCE, tag)
    return client.do(Request(Operation.DELETE_ATTRIBUTE, ask.identifier(key) + fields))


def delete_value(client: EngineClient, key: str, attribute: Attribute) -> Result:
    """Delete the instance that has this value, as since 2.0."""
    current = structure(Tag.CURRENT_ATTRIBUTE, attribute.item)
    return client.do(Request(Operation.DELETE_ATTRIBUTE, ask.identifier(key) + current))


@pytest.mark.parametrize("version", [(1, 0), (1, 4), (2, 0), (2, 1)])
def test_a_deleted_attribute_is_gone(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.name("disk"), ask.contact_information("Alice"))
    engine.now += 5
    for attribute in (ask.name("disk"), ask.contact_information("Alice")):
        assert delete(client, key, attribute).unique_identifier == key
    found = attributes_of(engine, key)
    assert found.find(Tag.NAME) is None
    assert found.find(Tag.CONTACT_INFORMATION) is None
    assert found.get(Tag.LAST_CHANGE_DATE) == engine.now
    assert client.do(ask.locate(version, ask.name("disk"))).get(Tag.UNIQUE_IDENTIFIER) is None
    create(client, ask.name("disk"))


def test_the_answer_in_1_x_has_the_deleted_attribute_since_2_0_the_identifier_alone(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key = create(client, ask.object_group("a"), ask.object_group("b"), ask.object_group("c"))
    first = delete(client, key, ask.object_group(""))
    assert first.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_VALUE) == "a"
    assert first.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_INDEX) is None
    third = delete(client, key, ask.object_group(""), 2)
    assert third.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_VALUE) == "c"
    assert third.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_INDEX) == 2
    since_2_0 = delete(engine.client((2, 1)), key, ask.object_group(""))
    assert since_2_0.payload is not None
    assert [node.tag for node in since_2_0.payload.value] == [Tag.UNIQUE_IDENTIFIER]


def test_in_1_x_the_index_of_an_instance_does_not_change_when_others_are_deleted(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key = create(client, *[ask.object_group(name) for name in "abc"])
    delete(client, key, ask.object_group("")).expect_success()
    assert delete(client, key, ask.object_group("")).reason == Reason.ITEM_NOT_FOUND
    assert delete(client, key, ask.object_group(""), 1).get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_VALUE) == "b"
    added = client.do(ask.add_attribute((1, 4), key, ask.object_group("d"))).expect_success()
    assert added.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_INDEX) == 3
    listed = client.do(ask.get_attributes((1, 4), key, ("Object Group", 0))).expect_success()
    assert listed.payload is not None
    assert [node.get(Tag.ATTRIBUTE_INDEX) for node in listed.payload.all(Tag.ATTRIBUTE)] == [2, 3]


def test_in_1_x_a_custom_attribute_has_indices_of_its_own(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    one, two = custom_text((1, 4), "a", "1"), custom_text((1, 4), "b", "1")
    key = create(client, one, two)
    delete(client, key, two).expect_success()
    assert custom_values(engine, key) == [("x", "a", "1")]


def test_since_2_0_a_reference_deletes_all_instances_of_that_attribute_alone(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    groups = [ask.object_group("a"), ask.object_group("b")]
    vendors = [custom_text((2, 1), name, value) for name, value in (("a", "1"), ("b", "1"), ("a", "2"))]
    key = create(client, *groups, *vendors)
    delete(client, key, groups[0]).expect_success()
    assert attributes_of(engine, key).find(Tag.OBJECT_GROUP) is None
    delete(client, key, vendors[0]).expect_success()
    assert custom_values(engine, key) == [("x", "b", "1")]


def test_since_2_0_a_current_attribute_deletes_the_instance_with_its_value(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.object_group("a"), ask.object_group("b"))
    delete_value(client, key, ask.object_group("a")).expect_success()
    assert [node.value for node in attributes_of(engine, key).all(Tag.OBJECT_GROUP)] == ["b"]
    assert delete_value(client, key, ask.object_group("a")).reason == Reason.ATTRIBUTE_INSTANCE_NOT_FOUND


@pytest.mark.parametrize("version", BOTH)
def test_an_attribute_that_the_object_does_not_have_is_not_found(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    expected = Reason.ATTRIBUTE_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND
    for attribute in (ask.name(""), ask.contact_information(""), custom_text(version, "x", "")):
        assert delete(client, key, attribute).reason == expected


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    "attribute",
    [*NEVER_CHANGED, ask.activation_date(1), deactivation(1), process_start(1), protect_stop(1), sensitive(True)],
    ids=lambda attribute: attribute.name,
)
def test_read_only_and_required_attributes_are_not_deleted(
    engine: EngineHarness, version: Version, attribute: Attribute
) -> None:
    client = engine.client(version)
    key = create(client, ask.activation_date(engine.now - 1), deactivation(engine.now + 50))
    before = engine.row(key)
    expected = Reason.ATTRIBUTE_READ_ONLY if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert delete(client, key, attribute).reason == expected
    assert engine.row(key) == before


@pytest.mark.parametrize("version", BOTH)
def test_the_server_s_own_custom_attributes_are_not_deleted(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    expected = Reason.ATTRIBUTE_READ_ONLY if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert delete(client, create(client), custom_text(version, "any", "", "y")).reason == expected


@pytest.mark.parametrize("version", BOTH)
def test_usage_limits_are_deleted_only_before_they_are_used(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    unused, used = create(client, usage_limits(10)), create(client, usage_limits(10), active=True)
    client.do(allocate(used, 1)).expect_success()
    delete(client, unused, usage_limits(10)).expect_success()
    expected = Reason.ATTRIBUTE_READ_ONLY if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert delete(client, used, usage_limits(10)).reason == expected


@pytest.mark.parametrize("version", BOTH)
def test_a_request_names_an_attribute(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    asked = Request(Operation.DELETE_ATTRIBUTE, ask.identifier(create(client)))
    assert client.do(asked).reason == Reason.INVALID_MESSAGE


def test_a_name_that_no_attribute_has_is_refused(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    asked = ask.identifier(create(client)) + text(Tag.ATTRIBUTE_NAME, "Nonsense")
    assert client.do(Request(Operation.DELETE_ATTRIBUTE, asked)).reason == Reason.INVALID_FIELD


@pytest.mark.parametrize("version", BOTH)
def test_the_object_of_another_is_not_there_to_be_changed(engine: EngineHarness, version: Version) -> None:
    key = create(engine.client(version), ask.name("mine"))
    mallory = engine.client(version, "mallory")
    foreign, absent = delete(mallory, key, ask.name("")), delete(mallory, "no such object", ask.name(""))
    assert (foreign.reason, foreign.message) == (absent.reason, absent.message)
    assert attributes_of(engine, key).find(Tag.NAME) is not None
