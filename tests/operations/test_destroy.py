"""Destroy (KMIP 2.1 s6.1.15): the key material is gone, the attributes stay."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.numbers import Reason, Tag
from support.wire import Node, Version, enumeration

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))


def attributes(engine: EngineHarness, key: str) -> Node:
    payload = engine.client((2, 1)).do(ask.get_attributes((2, 1), key)).expect_success().payload
    assert payload is not None
    found = payload.find(Tag.ATTRIBUTES)
    assert found is not None
    return found


def create(client: EngineClient, *more: ask.Attribute) -> str:
    return client.do(ask.create_aes(client.version, *more)).unique_identifier


@pytest.mark.parametrize("version", BOTH)
def test_the_material_is_gone_and_the_attributes_stay(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.name("disk"))
    before = attributes(engine, key)
    assert engine.material(key) is not None
    engine.now += 9
    assert client.do(ask.destroy(key)).unique_identifier == key
    assert engine.material(key) is None
    after = attributes(engine, key)
    assert after.get(Tag.STATE) == ask.DESTROYED
    assert after.get(Tag.DESTROY_DATE) == after.get(Tag.LAST_CHANGE_DATE) == engine.now
    for tag in (Tag.NAME, Tag.DIGEST, Tag.CRYPTOGRAPHIC_LENGTH, Tag.INITIAL_DATE, Tag.UNIQUE_IDENTIFIER):
        assert after.find(tag) == before.find(tag)


def test_nothing_of_the_sealed_material_is_left_in_the_database(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    client.do(ask.destroy(key)).expect_success()
    row = engine.row(key)
    assert row is not None
    assert (row.material_id, row.wrapped_key) == (None, None)
    with engine.store.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM material").scalar_one() == 0


@pytest.mark.parametrize("version", BOTH)
def test_an_active_object_is_not_destroyed(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    client.do(ask.activate(key)).expect_success()
    expected = Reason.WRONG_KEY_LIFECYCLE_STATE if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert client.do(ask.destroy(key)).reason == expected
    assert engine.material(key) is not None


def test_a_deactivated_object_is_destroyed(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    client.do(ask.activate(key)).expect_success()
    client.do(ask.revoke(key)).expect_success()
    client.do(ask.destroy(key)).expect_success()
    assert attributes(engine, key).get(Tag.STATE) == ask.DESTROYED


def test_a_compromised_object_becomes_destroyed_compromised(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    client.do(ask.revoke(key, ask.KEY_COMPROMISE)).expect_success()
    client.do(ask.destroy(key)).expect_success()
    assert attributes(engine, key).get(Tag.STATE) == ask.DESTROYED_COMPROMISED
    assert engine.material(key) is None


@pytest.mark.parametrize("version", BOTH)
def test_an_object_is_destroyed_once(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    client.do(ask.destroy(key)).expect_success()
    expected = Reason.OBJECT_DESTROYED if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert client.do(ask.destroy(key)).reason == expected


@pytest.mark.parametrize("version", BOTH)
def test_a_destroyed_key_is_not_served(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    client.do(ask.get(key)).expect_success()
    client.do(ask.destroy(key)).expect_success()
    result = client.do(ask.get(key))
    assert result.reason == (Reason.OBJECT_DESTROYED if version >= (2, 0) else Reason.ILLEGAL_OPERATION)


def test_a_destroyed_object_has_no_transition_before_it(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.activation_date(engine.now + 5))
    client.do(ask.destroy(key)).expect_success()
    engine.now += 10
    assert attributes(engine, key).get(Tag.STATE) == ask.DESTROYED
    row = engine.row(key)
    assert row is not None
    assert row.next_transition is None


@pytest.mark.parametrize("version", BOTH)
def test_the_object_of_another_is_not_there_to_be_destroyed(engine: EngineHarness, version: Version) -> None:
    key = create(engine.client(version))
    mallory = engine.client(version, "mallory")
    foreign, absent = mallory.do(ask.destroy(key)), mallory.do(ask.destroy("no such object"))
    assert (foreign.reason, foreign.message) == (absent.reason, absent.message)
    assert foreign.reason == (Reason.OBJECT_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND)
    assert engine.material(key) is not None


def test_a_batch_that_is_undone_leaves_the_key_as_it_was(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    undo = enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 3)
    client.batch(ask.destroy(key), ask.get("no such object"), fields=(undo,))
    assert attributes(engine, key).get(Tag.STATE) == ask.PRE_ACTIVE
    client.do(ask.get(key)).expect_success()


def test_destroy_uses_the_id_placeholder(engine: EngineHarness) -> None:
    created, destroyed = engine.client((1, 0)).batch(ask.create_aes((1, 0)), ask.destroy()).results
    assert destroyed.unique_identifier == created.unique_identifier
