"""Add Attribute (KMIP 2.1 s6.1.2): what a client may add to an object, and what stays as it is."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import (
    NEVER_CHANGED,
    attributes_of,
    custom,
    custom_text,
    custom_values,
    usages,
)
from support.engine import EngineClient, EngineHarness, MakeEngine
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request, one_attribute
from support.wire import Result, Version, enumeration, integer, octets, structure, text

from policy.operation_policies import parse_policies

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))


def create(client: EngineClient, *more: Attribute, active: bool = False, **how: int) -> str:
    key = client.do(ask.create_aes(client.version, *more, **how)).unique_identifier
    if active:
        client.do(ask.activate(key)).expect_success()
    return key


def add(client: EngineClient, key: str | None, attribute: Attribute) -> Result:
    return client.do(ask.add_attribute(client.version, key, attribute))


@pytest.mark.parametrize("version", [(1, 0), (1, 4), (2, 0), (2, 1)])
def test_an_added_attribute_is_there(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    engine.now += 5
    assert add(client, key, ask.contact_information("Alice")).unique_identifier == key
    found = attributes_of(engine, key)
    assert found.get(Tag.CONTACT_INFORMATION) == "Alice"
    assert found.get(Tag.LAST_CHANGE_DATE) == engine.now


def test_the_answer_in_1_x_has_the_attribute_and_its_index_since_2_0_the_identifier_alone(
    engine: EngineHarness,
) -> None:
    client = engine.client((1, 4))
    key = create(client)
    first, second = add(client, key, ask.object_group("a")), add(client, key, ask.object_group("b"))
    assert first.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_NAME) == "Object Group"
    assert first.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_INDEX) is None
    assert second.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_INDEX) == 1
    assert second.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_VALUE) == "b"
    since_2_0 = add(engine.client((2, 1)), key, ask.object_group("c"))
    assert since_2_0.payload is not None
    assert [node.tag for node in since_2_0.payload.value] == [Tag.UNIQUE_IDENTIFIER]


def test_instances_of_different_custom_attributes_are_counted_apart(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key = create(client)
    indices = [
        add(client, key, custom_text((1, 4), name, value)).get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_INDEX)
        for name, value in (("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("b", "2"))
    ]
    assert indices == [None, None, 1, None, 1]
    listed = client.do(ask.get_attributes((1, 4), key, ("x-a", 0), ("x-b", 0))).expect_success()
    assert listed.payload is not None
    assert [
        (node.get(Tag.ATTRIBUTE_NAME), node.get(Tag.ATTRIBUTE_INDEX), node.get(Tag.ATTRIBUTE_VALUE))
        for node in listed.payload.all(Tag.ATTRIBUTE)
    ] == [("x-a", None, "1"), ("x-b", None, "1"), ("x-a", 1, "2"), ("x-b", 1, "2")]


@pytest.mark.parametrize("version", BOTH)
def test_a_multi_instance_attribute_gets_one_more_and_the_others_stay(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.name("first"))
    add(client, key, ask.name("second")).expect_success()
    names = [node.get(Tag.NAME_VALUE) for node in attributes_of(engine, key).all(Tag.NAME)]
    assert names == ["first", "second"]


@pytest.mark.parametrize("version", BOTH)
def test_a_single_instance_attribute_that_exists_is_not_changed(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.contact_information("Alice"))
    expected = Reason.ATTRIBUTE_SINGLE_VALUED if version >= (2, 0) else Reason.ILLEGAL_OPERATION
    assert add(client, key, ask.contact_information("Mallory")).reason == expected
    assert attributes_of(engine, key).get(Tag.CONTACT_INFORMATION) == "Alice"


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("attribute", NEVER_CHANGED, ids=lambda attribute: attribute.name)
def test_read_only_attributes_are_not_added(engine: EngineHarness, version: Version, attribute: Attribute) -> None:
    client = engine.client(version)
    key = create(client)
    before = engine.row(key)
    expected = Reason.READ_ONLY_ATTRIBUTE if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert add(client, key, attribute).reason == expected
    assert engine.row(key) == before


@pytest.mark.parametrize("version", BOTH)
def test_an_opaque_object_gets_no_usage_mask_later(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    data = client.do(ask.register_opaque(version, b"data")).unique_identifier
    expected = Reason.READ_ONLY_ATTRIBUTE if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert add(client, data, usages(0x0C)).reason == expected


@pytest.mark.parametrize("version", BOTH)
def test_an_attribute_that_the_object_type_cannot_have_is_refused(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    curve = structure(Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS, integer(Tag.QLENGTH, 256))
    result = add(client, create(client), Attribute("Cryptographic Domain Parameters", curve))
    assert result.reason == (Reason.INVALID_ATTRIBUTE if version >= (2, 0) else Reason.PERMISSION_DENIED)


@pytest.mark.parametrize("version", BOTH)
def test_a_name_is_unique_among_the_owner_s_objects(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key, other = create(client, ask.name("mine")), create(client, ask.name("taken"))
    expected = Reason.NON_UNIQUE_NAME_ATTRIBUTE if version >= (2, 0) else Reason.ILLEGAL_OPERATION
    assert add(client, key, ask.name("taken")).reason == expected
    assert add(client, key, ask.name("mine")).reason == expected
    assert len(attributes_of(engine, key).all(Tag.NAME)) == len(attributes_of(engine, other).all(Tag.NAME)) == 1


def test_a_name_that_somebody_else_has_is_free(engine: EngineHarness) -> None:
    create(engine.client((2, 1), "bob"), ask.name("key of the month"))
    client = engine.client((2, 1))
    add(client, create(client), ask.name("key of the month")).expect_success()


GIVEN = """{"team": {"groups": {"ops": {"SYMMETRIC_KEY": {"ADD_ATTRIBUTE": "ALLOW_ALL", "LOCATE": "ALLOW_ALL"}}},
                     "preset": {"SYMMETRIC_KEY": {"ADD_ATTRIBUTE": "ALLOW_OWNER", "GET_ATTRIBUTES": "ALLOW_OWNER"}}},
            "open": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL", "GET_ATTRIBUTES": "ALLOW_ALL"}}}"""


def test_a_name_given_by_another_is_unique_among_the_owner_s_objects(make_engine: MakeEngine) -> None:
    engine = make_engine(policies=parse_policies(GIVEN, "test"))
    alice, oscar = engine.client((1, 4)), engine.client((1, 4), "oscar", "ops")
    create(alice, ask.name("taken"))
    create(oscar, ask.name("free"))
    key = create(alice, ask.operation_policy_name("team"))
    assert add(oscar, key, ask.name("taken")).reason == Reason.ILLEGAL_OPERATION
    add(oscar, key, ask.name("free")).expect_success()


def test_an_operation_policy_may_be_given_once_and_by_the_owner(make_engine: MakeEngine) -> None:
    engine = make_engine(policies=parse_policies(GIVEN, "test"))
    alice, oscar = engine.client((1, 4)), engine.client((1, 4), "oscar", "ops")
    key = create(alice)
    assert add(oscar, key, ask.operation_policy_name("team")).reason == Reason.ITEM_NOT_FOUND
    add(alice, key, ask.operation_policy_name("team")).expect_success()
    assert add(oscar, key, ask.operation_policy_name("open")).reason == Reason.PERMISSION_DENIED
    assert add(alice, key, ask.operation_policy_name("open")).reason == Reason.PERMISSION_DENIED
    row = engine.row(key)
    assert row is not None
    assert row.operation_policy == "team"
    assert add(alice, create(alice), ask.operation_policy_name("no such policy")).reason == Reason.INVALID_FIELD


@pytest.mark.parametrize("version", BOTH)
def test_a_link_leads_to_an_object_that_exists_and_that_the_client_sees(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    key, target = create(client), create(client)
    foreign = create(engine.client(version, "bob"))
    add(client, key, ask.link(target)).expect_success()
    hidden, absent = add(client, key, ask.link(foreign)), add(client, key, ask.link("no such object"))
    assert (hidden.reason, hidden.message) == (absent.reason, absent.message)
    assert hidden.reason == Reason.INVALID_FIELD
    assert len(attributes_of(engine, key).all(Tag.LINK)) == 1


def test_a_link_to_an_earlier_item_of_the_batch_is_a_link_to_its_object(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    placeholder = enumeration(Tag.LINKED_OBJECT_IDENTIFIER, 1)
    link = Attribute("Link", structure(Tag.LINK, enumeration(Tag.LINK_TYPE, 0x106), placeholder))
    made, added = client.batch(ask.create_aes((2, 1)), ask.add_attribute((2, 1), key, link)).results
    added.expect_success()
    assert attributes_of(engine, key).get(Tag.LINK, Tag.LINKED_OBJECT_IDENTIFIER) == made.unique_identifier


def test_a_link_that_a_new_object_is_made_with_is_one_to_the_object_too(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    by_operation = enumeration(Tag.LINKED_OBJECT_IDENTIFIER, 3)
    link = Attribute("Link", structure(Tag.LINK, enumeration(Tag.LINK_TYPE, 0x106), by_operation))
    first, second = client.batch(ask.create_aes((2, 1)), ask.create_aes((2, 1), link)).results
    found = attributes_of(engine, second.unique_identifier)
    assert found.get(Tag.LINK, Tag.LINKED_OBJECT_IDENTIFIER) == first.unique_identifier
    located = client.batch(ask.locate((2, 1), maximum=1, offset=1), ask.locate((2, 1), placeholder_link())).results[1]
    assert located.unique_identifier == second.unique_identifier


def placeholder_link() -> Attribute:
    """A Link to the object that an earlier item of the batch found."""
    return Attribute("Link", structure(Tag.LINK, enumeration(Tag.LINKED_OBJECT_IDENTIFIER, 1)))


@pytest.mark.parametrize("version", BOTH)
def test_custom_attributes_of_any_type_are_kept_as_they_are(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    value = Tag.ATTRIBUTE_VALUE
    for name, item in (("int", integer(value, 7)), ("bytes", octets(value, b"\0")), ("text", text(value, ""))):
        add(client, key, custom(version, name, item)).expect_success()
    assert custom_values(engine, key) == [("x", "int", 7), ("x", "bytes", b"\0"), ("x", "text", "")]


@pytest.mark.parametrize("version", BOTH)
def test_the_server_s_own_custom_attributes_are_not_added_by_clients(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    expected = Reason.READ_ONLY_ATTRIBUTE if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert add(client, key, custom_text(version, "owner", "mallory", "y")).reason == expected
    assert custom_values(engine, key) == []


@pytest.mark.parametrize("vendor", ["", "a b", "ä", "x-", "a/b", "a" + chr(0)])
def test_a_vendor_identification_has_letters_digits_underscores_and_periods(engine: EngineHarness, vendor: str) -> None:
    client = engine.client((2, 1))
    result = add(client, create(client), custom_text((2, 1), "name", "value", vendor))
    assert result.reason == Reason.INVALID_FIELD


def test_a_custom_attribute_of_1_x_starts_with_x_or_y(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    assert add(client, create(client), Attribute("z-mine", text(Tag.ATTRIBUTE_VALUE, "v"))).reason in (
        Reason.PERMISSION_DENIED,
        Reason.INVALID_FIELD,
    )


def test_an_attribute_index_is_not_given_by_the_client(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    asked = one_attribute((1, 4), ask.object_group("g"), 0)
    result = client.do(Request(Operation.ADD_ATTRIBUTE, ask.identifier(create(client)) + asked))
    assert result.reason == Reason.INVALID_FIELD


# Who, and in a batch. -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_the_object_of_another_is_not_there_to_be_changed(engine: EngineHarness, version: Version) -> None:
    key = create(engine.client(version))
    mallory = engine.client(version, "mallory")
    foreign, absent = add(mallory, key, ask.name("x")), add(mallory, "no such object", ask.name("x"))
    assert (foreign.reason, foreign.message) == (absent.reason, absent.message)
    assert foreign.reason == (Reason.OBJECT_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND)


@pytest.mark.parametrize("version", BOTH)
def test_several_attributes_are_added_in_one_batch_through_the_id_placeholder(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    wanted = [("Product_Version", "8.0"), ("Vendor", "VMware"), ("Product", "VMware vSphere")]
    made, *added = client.batch(
        ask.create_aes(version),
        *[ask.add_attribute(version, None, custom_text(version, name, value)) for name, value in wanted],
    ).results
    assert all(result.ok for result in added)
    assert custom_values(engine, made.unique_identifier) == [("x", *pair) for pair in wanted]


def test_an_added_attribute_finds_the_object(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key = create(client)
    add(client, key, custom_text((1, 4), "Product", "disk")).expect_success()
    located = client.do(ask.locate((1, 4), custom_text((1, 4), "Product", "disk")))
    assert located.unique_identifier == key


def test_an_attribute_of_a_later_version_is_refused(engine: EngineHarness) -> None:
    client = engine.client((1, 0))
    comment = Attribute("Comment", text(Tag.COMMENT, "x"))
    assert add(client, create(client), comment).reason in (Reason.INVALID_FIELD, Reason.PERMISSION_DENIED)
