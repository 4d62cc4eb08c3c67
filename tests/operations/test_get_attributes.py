"""Get Attributes (KMIP 2.1 s6.1.20): what an object has, of what the client asks for."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import attributes_of, custom_text
from support.engine import EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.wire import Result, Version, structure, text

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))
STATE, NAME = ("State", Tag.STATE), ("Name", Tag.NAME)


def titles(result: Result) -> list[str]:
    """The names of the attributes in an answer of 1.x."""
    payload = result.expect_success().payload
    assert payload is not None
    return [node.get(Tag.ATTRIBUTE_NAME) for node in payload.all(Tag.ATTRIBUTE)]


@pytest.mark.parametrize("version", [(1, 0), (1, 4), (2, 0), (2, 1)])
def test_only_the_attributes_that_are_asked_for_are_returned(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version, ask.name("disk"))).unique_identifier
    result = client.do(ask.get_attributes(version, key, STATE))
    assert result.unique_identifier == key
    if version < (2, 0):
        assert titles(result) == ["State"]
        assert result.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_VALUE) == ask.PRE_ACTIVE
    else:
        assert result.get(Tag.ATTRIBUTES, Tag.STATE) == ask.PRE_ACTIVE
        assert result.get(Tag.ATTRIBUTES, Tag.NAME) is None


@pytest.mark.parametrize("version", BOTH)
def test_an_attribute_without_a_value_is_not_in_the_answer(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version)).unique_identifier
    payload = client.do(ask.get_attributes(version, key, NAME)).expect_success().payload
    assert payload is not None
    assert payload.value[0].tag == Tag.UNIQUE_IDENTIFIER
    assert not [node for node in payload.walk() if node.tag in (Tag.NAME, Tag.ATTRIBUTE_VALUE)]


@pytest.mark.parametrize("version", BOTH)
def test_all_instances_are_returned(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version, ask.name("a"), ask.name("b"))).unique_identifier
    payload = client.do(ask.get_attributes(version, key, NAME)).expect_success().payload
    assert payload is not None
    assert [node.value for node in payload.walk() if node.tag == Tag.NAME_VALUE] == ["a", "b"]


def test_a_new_key_has_what_the_standard_says_it_always_has(engine: EngineHarness) -> None:
    key = engine.client((2, 1)).do(ask.create_aes((2, 1))).unique_identifier
    found = attributes_of(engine, key)
    assert found.get(Tag.INITIAL_DATE) == found.get(Tag.ORIGINAL_CREATION_DATE) == engine.now
    assert found.get(Tag.STATE) == ask.PRE_ACTIVE
    assert (found.get(Tag.SENSITIVE), found.get(Tag.ALWAYS_SENSITIVE)) == (False, False)
    assert (found.get(Tag.EXTRACTABLE), found.get(Tag.NEVER_EXTRACTABLE)) == (True, False)
    assert found.get(Tag.FRESH) is True
    assert found.get(Tag.LEASE_TIME) == 3600
    assert found.get(Tag.DIGEST, Tag.DIGEST_VALUE) is not None
    assert found.find(Tag.RANDOM_NUMBER_GENERATOR) is not None
    assert found.find(Tag.DEACTIVATION_DATE) is None


def test_a_version_never_sees_an_attribute_that_it_does_not_have(engine: EngineHarness) -> None:
    key = engine.client((2, 1)).do(ask.create_aes((2, 1))).unique_identifier
    for version, later in (
        ((1, 0), {"Fresh", "Original Creation Date", "Sensitive", "Random Number Generator"}),
        ((1, 2), {"Sensitive", "Random Number Generator"}),
        ((1, 3), {"Sensitive"}),
    ):
        assert not later & set(titles(engine.client(version).do(ask.get_attributes(version, key))))


def test_a_vendor_attribute_is_asked_for_by_vendor_and_name(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    vendors = [custom_text((2, 1), "a", "1", "acme"), custom_text((2, 1), "b", "2", "acme")]
    key = client.do(ask.create_aes((2, 1), *vendors)).unique_identifier
    named = text(Tag.VENDOR_IDENTIFICATION, "acme") + text(Tag.ATTRIBUTE_NAME, "b")
    fields = ask.identifier(key) + structure(Tag.ATTRIBUTE_REFERENCE, named)
    payload = client.do(Request(Operation.GET_ATTRIBUTES, fields)).expect_success().payload
    assert payload is not None
    assert [node.value for node in payload.walk() if node.tag == Tag.ATTRIBUTE_VALUE] == ["2"]


def test_the_same_attribute_name_is_not_asked_for_twice(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    key = client.do(ask.create_aes((1, 4))).unique_identifier
    assert client.do(ask.get_attributes((1, 4), key, STATE, STATE)).reason == Reason.INVALID_MESSAGE


@pytest.mark.parametrize("version", BOTH)
def test_what_is_no_attribute_is_refused(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version)).unique_identifier
    expected = Reason.INVALID_ATTRIBUTE if version >= (2, 0) else Reason.INVALID_FIELD
    assert client.do(ask.get_attributes(version, key, ("Nonsense", Tag.BATCH_COUNT))).reason == expected


def test_a_state_is_what_time_has_made_of_it(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = client.do(ask.create_aes((2, 1), ask.activation_date(engine.now + 5))).unique_identifier
    engine.now += 5
    assert client.do(ask.get_attributes((2, 1), key, STATE)).get(Tag.ATTRIBUTES, Tag.STATE) == ask.ACTIVE
    row = engine.row(key)
    assert row is not None
    assert row.state == ask.ACTIVE


@pytest.mark.parametrize("version", BOTH)
def test_the_object_of_another_has_no_attributes(engine: EngineHarness, version: Version) -> None:
    key = engine.client(version).do(ask.create_aes(version)).unique_identifier
    mallory = engine.client(version, "mallory")
    foreign = mallory.do(ask.get_attributes(version, key))
    absent = mallory.do(ask.get_attributes(version, "no such object"))
    assert (foreign.reason, foreign.message) == (absent.reason, absent.message)
    assert foreign.reason == (Reason.OBJECT_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND)
