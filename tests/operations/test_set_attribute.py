"""Set Attribute (KMIP 2.1 s6.1.51): one instance is created or modified."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import (
    NEVER_CHANGED,
    attributes_of,
    custom_text,
    custom_values,
    deactivation,
    extractable,
    process_start,
    sensitive,
    usage_limits,
)
from support.engine import EngineClient, EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.wire import Result, Version, structure

SINCE_2_0: tuple[Version, ...] = ((2, 0), (2, 1))


def create(client: EngineClient, *more: Attribute) -> str:
    return client.do(ask.create_aes(client.version, *more)).unique_identifier


def put(client: EngineClient, key: str | None, attribute: Attribute) -> Result:
    new = structure(Tag.NEW_ATTRIBUTE, attribute.item)
    return client.do(Request(Operation.SET_ATTRIBUTE, ask.identifier(key) + new))


@pytest.mark.parametrize("version", SINCE_2_0)
def test_an_attribute_without_instances_gets_one(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    result = put(client, key, ask.name("disk"))
    assert result.unique_identifier == key
    assert attributes_of(engine, key).get(Tag.NAME, Tag.NAME_VALUE) == "disk"


@pytest.mark.parametrize("version", SINCE_2_0)
def test_exactly_one_instance_is_modified(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.name("old"), ask.contact_information("old"))
    put(client, key, ask.name("new")).expect_success()
    put(client, key, ask.contact_information("new")).expect_success()
    found = attributes_of(engine, key)
    assert [node.get(Tag.NAME_VALUE) for node in found.all(Tag.NAME)] == ["new"]
    assert found.get(Tag.CONTACT_INFORMATION) == "new"


def test_with_more_than_one_instance_an_error_is_raised(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.object_group("a"), ask.object_group("b"))
    assert put(client, key, ask.object_group("c")).reason == Reason.MULTI_VALUED_ATTRIBUTE


def test_a_vendor_attribute_is_told_from_others_by_its_name(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, custom_text((2, 1), "a", "1"))
    put(client, key, custom_text((2, 1), "b", "1")).expect_success()
    put(client, key, custom_text((2, 1), "a", "2")).expect_success()
    assert custom_values(engine, key) == [("x", "a", "2"), ("x", "b", "1")]


@pytest.mark.parametrize("attribute", NEVER_CHANGED, ids=lambda attribute: attribute.name)
def test_read_only_attributes_are_not_set(engine: EngineHarness, attribute: Attribute) -> None:
    client = engine.client((2, 1))
    key = create(client)
    before = engine.row(key)
    assert put(client, key, attribute).reason == Reason.READ_ONLY_ATTRIBUTE
    assert engine.row(key) == before


def test_the_server_s_own_attributes_are_not_set(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    assert put(client, create(client), custom_text((2, 1), "a", "1", "y")).reason == Reason.READ_ONLY_ATTRIBUTE


def test_a_name_in_use_is_not_taken(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    create(client, ask.name("taken"))
    assert put(client, create(client), ask.name("taken")).reason == Reason.NON_UNIQUE_NAME_ATTRIBUTE


def test_sensitive_and_extractable_are_only_tightened(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    put(client, key, sensitive(True)).expect_success()
    put(client, key, extractable(False)).expect_success()
    assert put(client, key, sensitive(False)).reason == Reason.PERMISSION_DENIED
    assert put(client, key, extractable(True)).reason == Reason.PERMISSION_DENIED


def test_an_activation_date_that_has_come_activates_and_then_stays(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    put(client, key, ask.activation_date(engine.now)).expect_success()
    assert attributes_of(engine, key).get(Tag.STATE) == ask.ACTIVE
    assert put(client, key, ask.activation_date(engine.now + 5)).reason == Reason.WRONG_KEY_LIFECYCLE_STATE


def test_a_value_that_another_date_rules_out_is_refused(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.activation_date(engine.now + 10))
    assert put(client, key, process_start(engine.now)).reason == Reason.INVALID_ATTRIBUTE_VALUE


def test_a_deactivation_date_that_has_come_deactivates(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    client.do(ask.activate(key)).expect_success()
    put(client, key, deactivation(engine.now)).expect_success()
    assert attributes_of(engine, key).get(Tag.STATE) == ask.DEACTIVATED


def test_usage_limits_start_with_all_units(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    put(client, key, usage_limits(10, count=1)).expect_success()
    assert attributes_of(engine, key).get(Tag.USAGE_LIMITS, Tag.USAGE_LIMITS_COUNT) == 10


def test_the_object_of_another_is_not_there_to_be_changed(engine: EngineHarness) -> None:
    key = create(engine.client((2, 1)))
    mallory = engine.client((2, 1), "mallory")
    foreign, absent = put(mallory, key, ask.name("x")), put(mallory, "no such object", ask.name("x"))
    assert (foreign.reason, foreign.message) == (absent.reason, absent.message)
    assert foreign.reason == Reason.OBJECT_NOT_FOUND


@pytest.mark.parametrize("operation", [Operation.SET_ATTRIBUTE, Operation.ADJUST_ATTRIBUTE])
def test_the_operation_does_not_exist_before_2_0(engine: EngineHarness, operation: Operation) -> None:
    client = engine.client((1, 4))
    assert not client.do(Request(operation, ask.identifier(create(client)))).ok


def test_set_attribute_uses_the_id_placeholder(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    new = Request(Operation.SET_ATTRIBUTE, structure(Tag.NEW_ATTRIBUTE, ask.name("disk").item))
    made, changed = client.batch(ask.create_aes((2, 1)), new).results
    assert changed.unique_identifier == made.unique_identifier
