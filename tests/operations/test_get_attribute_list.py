"""Get Attribute List (KMIP 2.1 s6.1.21): which attributes an object has."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import custom_text
from support.engine import EngineClient, EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.wire import Version

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))


def create(client: EngineClient, *more: Attribute) -> str:
    return client.do(ask.create_aes(client.version, *more)).unique_identifier


def attribute_list(key: str | None) -> Request:
    return Request(Operation.GET_ATTRIBUTE_LIST, ask.identifier(key))


def names(client: EngineClient, key: str) -> list[str]:
    payload = client.do(attribute_list(key)).expect_success().payload
    assert payload is not None
    return [node.value for node in payload.all(Tag.ATTRIBUTE_NAME)]


@pytest.mark.parametrize("version", [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4)])
def test_in_1_x_the_list_has_the_names_that_the_version_knows(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.name("disk"), custom_text(version, "Product", "disk"))
    found = names(client, key)
    assert len(found) == len(set(found))
    assert {"Unique Identifier", "Object Type", "State", "Name", "Initial Date", "x-Product"} <= set(found)
    assert ("Fresh" in found) == (version >= (1, 1))
    assert ("Original Creation Date" in found) == (version >= (1, 2))
    assert ("Random Number Generator" in found) == (version >= (1, 3))
    assert ("Sensitive" in found) == (version >= (1, 4))
    assert "Key Format Type" not in found


def test_since_2_0_the_list_has_references(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.name("disk"), custom_text((2, 1), "Product", "disk", "acme"))
    payload = client.do(attribute_list(key)).expect_success().payload
    assert payload is not None
    references = payload.all(Tag.ATTRIBUTE_REFERENCE)
    tags = [node.value for node in references if isinstance(node.value, int)]
    assert {Tag.UNIQUE_IDENTIFIER, Tag.STATE, Tag.NAME, Tag.KEY_FORMAT_TYPE, Tag.SHORT_UNIQUE_IDENTIFIER} <= set(tags)
    assert Tag.OPERATION_POLICY_NAME not in tags
    (vendor,) = [node for node in references if not isinstance(node.value, int)]
    assert (vendor.get(Tag.VENDOR_IDENTIFICATION), vendor.get(Tag.ATTRIBUTE_NAME)) == ("acme", "Product")


@pytest.mark.parametrize("version", BOTH)
def test_an_attribute_with_several_instances_is_listed_once(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    vendors = [custom_text(version, "n", value) for value in ("1", "2")]
    key = create(client, ask.name("a"), ask.name("b"), *vendors)
    payload = client.do(attribute_list(key)).expect_success().payload
    assert payload is not None
    listed = [node.value for node in payload.value if node.tag != Tag.UNIQUE_IDENTIFIER]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("version", BOTH)
def test_what_is_listed_can_be_asked_for(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.name("a"))
    payload = client.do(attribute_list(key)).expect_success().payload
    assert payload is not None
    listed = [node.value for node in payload.value if node.tag != Tag.UNIQUE_IDENTIFIER]
    for value in listed:
        wanted = (value, 0) if version < (2, 0) else ("", value)
        answer = client.do(ask.get_attributes(version, key, wanted)).expect_success()
        assert answer.payload is not None
        assert len(answer.payload.value) > 1, value


@pytest.mark.parametrize("version", BOTH)
def test_the_object_of_another_has_no_list(engine: EngineHarness, version: Version) -> None:
    key = create(engine.client(version))
    mallory = engine.client(version, "mallory")
    foreign, absent = mallory.do(attribute_list(key)), mallory.do(attribute_list("no such object"))
    assert (foreign.reason, foreign.message) == (absent.reason, absent.message)
    assert foreign.reason == (Reason.OBJECT_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND)


def test_the_list_of_the_id_placeholder(engine: EngineHarness) -> None:
    made, listed = engine.client((1, 4)).batch(ask.create_aes((1, 4)), attribute_list(None)).results
    assert listed.unique_identifier == made.unique_identifier
