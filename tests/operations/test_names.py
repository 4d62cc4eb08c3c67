"""Names (KMIP 2.1 s4.32): unique among the objects that one owner has, and what that does not mean."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.wire import VERSIONS, Result, Version

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS, ids=str)
NAME = ask.name("a key")


def create(client: EngineClient) -> Result:
    return client.do(ask.create_aes(client.version, NAME))


def located(client: EngineClient) -> list[str]:
    found = client.do(ask.locate(client.version, NAME)).expect_success().payload
    assert found is not None
    return [node.value for node in found.all(Tag.UNIQUE_IDENTIFIER)]


@EVERY_VERSION
def test_two_objects_of_one_owner_do_not_have_the_same_name(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    first = create(client).unique_identifier
    expected = Reason.NON_UNIQUE_NAME_ATTRIBUTE if version >= (2, 0) else Reason.INVALID_FIELD
    assert create(client).reason == expected
    client.do(Request(Operation.ARCHIVE, ask.identifier(first))).expect_success()
    assert create(client).reason == expected
    assert create(engine.client(version, "bob")).ok


@EVERY_VERSION
def test_a_name_that_locate_does_not_find_because_its_object_is_destroyed_may_be_given_again(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    for _ in range(3):
        key = create(client).unique_identifier
        assert located(client) == [key]
        client.do(ask.destroy(key)).expect_success()
        assert located(client) == []


def test_a_name_is_free_for_a_later_item_of_the_batch_that_destroys_its_object(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client).unique_identifier
    made = ask.create_aes((2, 1), NAME)
    results = client.batch(made, ask.destroy(key), made, fields=()).results
    assert [result.ok for result in results] == [False]
    results = client.batch(ask.destroy(key), made, made).results
    assert [result.ok for result in results] == [True, True, False]
    assert results[2].reason == Reason.NON_UNIQUE_NAME_ATTRIBUTE


@EVERY_VERSION
@pytest.mark.parametrize("name", ["Symmetric Key", "Secret Data", "Opaque Object", "Certificate", "X.509 Certificate"])
def test_the_name_of_a_type_names_no_object(engine: EngineHarness, version: Version, name: str) -> None:
    """PyKMIP gives it to objects whose user gave none."""
    client = engine.client(version)
    made = {client.do(ask.create_aes(version, ask.name(name))).unique_identifier for _ in range(2)}
    found = client.do(ask.locate(version, ask.name(name))).expect_success().payload
    assert found is not None
    assert {node.value for node in found.all(Tag.UNIQUE_IDENTIFIER)} == made
