"""Modify Attribute (KMIP 2.1 s6.1.34): which value changes, when, and for whom."""

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
    extractable,
    process_start,
    protect_stop,
    sensitive,
    usage_limits,
)
from support.engine import EngineClient, EngineHarness, MakeEngine
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request, one_attribute
from support.wire import Result, Version, enumeration, structure

from policy.operation_policies import parse_policies

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))


def create(client: EngineClient, *more: Attribute, active: bool = False) -> str:
    key = client.do(ask.create_aes(client.version, *more)).unique_identifier
    if active:
        client.do(ask.activate(key)).expect_success()
    return key


def modify(client: EngineClient, key: str | None, attribute: Attribute, index: int | None = None) -> Result:
    return client.do(
        Request(Operation.MODIFY_ATTRIBUTE, ask.identifier(key) + one_attribute(client.version, attribute, index))
    )


def replace(client: EngineClient, key: str, current: Attribute, new: Attribute) -> Result:
    """Modify the instance that has a value now, as since 2.0."""
    fields = structure(Tag.CURRENT_ATTRIBUTE, current.item) + structure(Tag.NEW_ATTRIBUTE, new.item)
    return client.do(Request(Operation.MODIFY_ATTRIBUTE, ask.identifier(key) + fields))


def wrong_state(version: Version) -> Reason:
    return Reason.WRONG_KEY_LIFECYCLE_STATE if version >= (2, 0) else Reason.PERMISSION_DENIED


@pytest.mark.parametrize("version", [(1, 0), (1, 4), (2, 0), (2, 1)])
def test_an_existing_value_is_changed(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.name("old"))
    engine.now += 5
    assert modify(client, key, ask.name("new")).unique_identifier == key
    found = attributes_of(engine, key)
    assert [node.get(Tag.NAME_VALUE) for node in found.all(Tag.NAME)] == ["new"]
    assert found.get(Tag.LAST_CHANGE_DATE) == engine.now
    assert client.do(ask.locate(version, ask.name("new"))).unique_identifier == key
    assert client.do(ask.locate(version, ask.name("old"))).get(Tag.UNIQUE_IDENTIFIER) is None


def test_the_answer_in_1_x_has_the_new_value_since_2_0_the_identifier_alone(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key = create(client, ask.contact_information("old"))
    assert modify(client, key, ask.contact_information("new")).get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_VALUE) == "new"
    since_2_0 = modify(engine.client((2, 1)), key, ask.contact_information("newer"))
    assert since_2_0.payload is not None
    assert [node.tag for node in since_2_0.payload.value] == [Tag.UNIQUE_IDENTIFIER]


# Which instance. ------------------------------------------------------------------------------------------------------


def test_in_1_x_the_index_names_the_instance_and_0_is_assumed(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key = create(client, ask.object_group("a"), ask.object_group("b"))
    second = modify(client, key, ask.object_group("B"), 1)
    assert second.expect_success().get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_INDEX) == 1
    modify(client, key, ask.object_group("A")).expect_success()
    assert [node.value for node in attributes_of(engine, key).all(Tag.OBJECT_GROUP)] == ["A", "B"]
    assert modify(client, key, ask.object_group("C"), 2).reason == Reason.ITEM_NOT_FOUND


def test_in_1_x_a_custom_attribute_has_indices_of_its_own(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key = create(client, custom_text((1, 4), "a", "1"), custom_text((1, 4), "b", "1"))
    modify(client, key, custom_text((1, 4), "b", "2")).expect_success()
    assert custom_values(engine, key) == [("x", "a", "1"), ("x", "b", "2")]


def test_since_2_0_the_only_instance_is_meant_if_none_is_named(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.object_group("a"))
    modify(client, key, ask.object_group("A")).expect_success()
    client.do(ask.add_attribute((2, 1), key, ask.object_group("b"))).expect_success()
    assert modify(client, key, ask.object_group("C")).reason == Reason.ATTRIBUTE_INSTANCE_NOT_FOUND


def test_since_2_0_the_current_attribute_names_the_instance(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.object_group("a"), ask.object_group("b"))
    replace(client, key, ask.object_group("b"), ask.object_group("B")).expect_success()
    assert [node.value for node in attributes_of(engine, key).all(Tag.OBJECT_GROUP)] == ["a", "B"]
    absent = replace(client, key, ask.object_group("b"), ask.object_group("C"))
    assert absent.reason == Reason.ATTRIBUTE_INSTANCE_NOT_FOUND
    other = replace(client, key, ask.object_group("a"), ask.contact_information("C"))
    assert other.reason in (Reason.INVALID_FIELD, Reason.ATTRIBUTE_NOT_FOUND)


def test_current_and_new_attribute_are_the_same_attribute(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.object_group("a"), ask.contact_information("C"))
    assert replace(client, key, ask.object_group("a"), ask.contact_information("D")).reason == Reason.INVALID_FIELD
    first, second = custom_text((2, 1), "one", "v"), custom_text((2, 1), "two", "v")
    for attribute in (first, second):
        client.do(ask.add_attribute((2, 1), key, attribute)).expect_success()
    assert replace(client, key, first, custom_text((2, 1), "two", "w")).reason == Reason.INVALID_FIELD


@pytest.mark.parametrize("version", BOTH)
def test_only_existing_attributes_are_changed(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    expected = Reason.ATTRIBUTE_NOT_FOUND if version >= (2, 0) else Reason.INVALID_FIELD
    for attribute in (ask.contact_information("x"), ask.name("x"), custom_text(version, "x", "x")):
        assert modify(client, key, attribute).reason == expected
    assert modify(client, key, ask.activation_date(5)).reason == expected


# What is not changed. -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("attribute", NEVER_CHANGED, ids=lambda attribute: attribute.name)
def test_read_only_attributes_are_not_modified(engine: EngineHarness, version: Version, attribute: Attribute) -> None:
    client = engine.client(version)
    key = create(client)
    before = engine.row(key)
    expected = Reason.ATTRIBUTE_READ_ONLY if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert modify(client, key, attribute).reason == expected
    assert engine.row(key) == before


@pytest.mark.parametrize("version", BOTH)
def test_the_server_s_own_custom_attributes_are_not_modified(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    expected = Reason.ATTRIBUTE_READ_ONLY if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert modify(client, create(client), custom_text(version, "any", "v", "y")).reason == expected


@pytest.mark.parametrize("version", BOTH)
def test_a_name_in_use_is_not_taken(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    create(client, ask.name("taken"))
    key = create(client, ask.name("mine"))
    expected = Reason.NON_UNIQUE_NAME_ATTRIBUTE if version >= (2, 0) else Reason.ILLEGAL_OPERATION
    assert modify(client, key, ask.name("taken")).reason == expected
    modify(client, key, ask.name("mine")).expect_success()
    client.do(ask.add_attribute(version, key, ask.name("second"))).expect_success()
    if version >= (2, 0):
        assert replace(client, key, ask.name("mine"), ask.name("second")).reason == expected
    else:
        assert modify(client, key, ask.name("second"), 0).reason == expected


@pytest.mark.parametrize("version", BOTH)
def test_sensitive_and_extractable_are_only_tightened(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    modify(client, key, sensitive(False)).expect_success()
    modify(client, key, sensitive(True)).expect_success()
    modify(client, key, extractable(False)).expect_success()
    assert modify(client, key, sensitive(False)).reason == Reason.PERMISSION_DENIED
    assert modify(client, key, extractable(True)).reason == Reason.PERMISSION_DENIED
    found = attributes_of(engine, key)
    assert (found.get(Tag.SENSITIVE), found.get(Tag.ALWAYS_SENSITIVE)) == (True, False)
    assert (found.get(Tag.EXTRACTABLE), found.get(Tag.NEVER_EXTRACTABLE)) == (False, False)


# Dates. ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_the_activation_date_is_changed_only_while_pre_active(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.activation_date(engine.now + 10))
    modify(client, key, ask.activation_date(engine.now + 20)).expect_success()
    engine.now += 10
    assert attributes_of(engine, key).get(Tag.STATE) == ask.PRE_ACTIVE
    modify(client, key, ask.activation_date(engine.now)).expect_success()
    assert attributes_of(engine, key).get(Tag.STATE) == ask.ACTIVE
    assert modify(client, key, ask.activation_date(engine.now + 10)).reason == wrong_state(version)


@pytest.mark.parametrize("version", BOTH)
def test_the_deactivation_date_is_changed_until_the_object_is_deactivated(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    key = create(client, deactivation(engine.now + 100), active=True)
    modify(client, key, deactivation(engine.now + 200)).expect_success()
    modify(client, key, deactivation(engine.now - 1)).expect_success()
    assert attributes_of(engine, key).get(Tag.STATE) == ask.DEACTIVATED
    assert modify(client, key, deactivation(engine.now + 100)).reason == wrong_state(version)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("date", [process_start, protect_stop])
def test_a_date_that_is_reached_is_not_changed(engine: EngineHarness, version: Version, date: object) -> None:
    at = process_start if date is process_start else protect_stop
    client = engine.client(version)
    key = create(client, at(engine.now + 10), active=True)
    modify(client, key, at(engine.now + 20)).expect_success()
    engine.now += 20
    assert modify(client, key, at(engine.now + 30)).reason == wrong_state(version)


RIGHTS = """{"clerk": {"groups": {"clerks": {"SYMMETRIC_KEY": {"MODIFY_ATTRIBUTE": "ALLOW_ALL"}}},
                       "preset": {"SYMMETRIC_KEY": {"GET_ATTRIBUTES": "ALLOW_OWNER", "ACTIVATE": "ALLOW_OWNER"}}}}"""


def test_a_date_that_activates_or_deactivates_needs_the_permission_for_it(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(policies=parse_policies(RIGHTS, "test"))
    dates = ask.activation_date(engine.now + 10), deactivation(engine.now + 20)
    key = create(engine.client((1, 4)), ask.operation_policy_name("clerk"), ask.contact_information("old"), *dates)
    clerk = engine.client((1, 4), "clara", "clerks")
    modify(clerk, key, ask.contact_information("new")).expect_success()
    assert modify(clerk, key, ask.activation_date(engine.now)).reason == Reason.PERMISSION_DENIED
    assert modify(clerk, key, deactivation(engine.now + 11)).reason == Reason.PERMISSION_DENIED
    assert attributes_of(engine, key).get(Tag.STATE) == ask.PRE_ACTIVE


# Usage Limits. --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_usage_limits_are_corrected_only_before_they_are_used(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, usage_limits(10), active=True)
    modify(client, key, usage_limits(20, count=1)).expect_success()
    limits = attributes_of(engine, key).find(Tag.USAGE_LIMITS)
    assert limits is not None
    assert (limits.get(Tag.USAGE_LIMITS_TOTAL), limits.get(Tag.USAGE_LIMITS_COUNT)) == (20, 20)
    client.do(allocate(key, 1)).expect_success()
    expected = Reason.ATTRIBUTE_READ_ONLY if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert modify(client, key, usage_limits(1000)).reason == expected


# Who, and in a batch. -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_the_object_of_another_is_not_there_to_be_changed(engine: EngineHarness, version: Version) -> None:
    key = create(engine.client(version), ask.name("mine"))
    mallory = engine.client(version, "mallory")
    foreign, absent = modify(mallory, key, ask.name("x")), modify(mallory, "no such object", ask.name("x"))
    assert (foreign.reason, foreign.message) == (absent.reason, absent.message)
    assert foreign.reason == (Reason.OBJECT_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND)


@pytest.mark.parametrize("version", BOTH)
def test_modify_uses_the_id_placeholder_and_leaves_it(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.name("old"))
    _, changed, got = client.batch(
        ask.locate(version, ask.name("old")), ask.modify_attribute(version, None, ask.name("new")), ask.get()
    ).results
    assert changed.unique_identifier == got.unique_identifier == key


def test_a_change_that_is_undone_leaves_the_old_value(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.name("old"))
    undo = enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 3)
    client.batch(ask.modify_attribute((2, 1), key, ask.name("new")), ask.get("no such object"), fields=(undo,))
    assert attributes_of(engine, key).get(Tag.NAME, Tag.NAME_VALUE) == "old"
