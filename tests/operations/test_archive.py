"""Archive and Recover (KMIP 2.1 s6.1.4, s6.1.42): an archived object is out of reach until it is recovered."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.wire import Version, long_integer

BOTH: tuple[Version, ...] = ((1, 0), (1, 4), (2, 1))


def archive(key: str | None = None) -> Request:
    return Request(Operation.ARCHIVE, ask.identifier(key))


def recover(key: str | None = None) -> Request:
    return Request(Operation.RECOVER, ask.identifier(key))


def create(client: EngineClient) -> str:
    return client.do(ask.create_aes(client.version)).unique_identifier


@pytest.mark.parametrize("version", BOTH)
def test_an_archived_object_has_to_be_recovered_before_anything_else(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    assert client.do(archive(key)).unique_identifier == key
    for asked in (
        ask.get(key),
        ask.get_attributes(version, key),
        Request(Operation.GET_ATTRIBUTE_LIST, ask.identifier(key)),
        ask.add_attribute(version, key, ask.name("x")),
        ask.modify_attribute(version, key, ask.name("x")),
        ask.activate(key),
        ask.revoke(key, ask.KEY_COMPROMISE),
        ask.destroy(key),
        Request(Operation.CHECK, ask.identifier(key)),
        Request(Operation.OBTAIN_LEASE, ask.identifier(key)),
        Request(Operation.GET_USAGE_ALLOCATION, ask.identifier(key) + long_integer(Tag.USAGE_LIMITS_COUNT, 1)),
        archive(key),
    ):
        assert client.do(asked).reason == Reason.OBJECT_ARCHIVED, asked
    assert client.do(recover(key)).unique_identifier == key
    client.do(ask.get(key)).expect_success()


def test_the_archive_date_is_set_by_archive_and_deleted_by_recover(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    engine.now += 5
    client.do(archive(key)).expect_success()
    row = engine.row(key)
    assert row is not None
    assert (row.archived, row.archive_date, row.last_change_date) == (True, engine.now, engine.now)
    engine.now += 5
    client.do(recover(key)).expect_success()
    row = engine.row(key)
    assert row is not None
    assert (row.archived, row.archive_date, row.last_change_date) == (False, None, engine.now)


def test_an_object_that_is_on_line_is_recovered_without_a_change(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client)
    before = engine.row(key)
    engine.now += 5
    client.do(recover(key)).expect_success()
    after = engine.row(key)
    assert before is not None
    assert after is not None
    assert after.version == before.version


@pytest.mark.parametrize("version", BOTH)
def test_a_recovered_object_becomes_the_id_placeholder(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    client.do(archive(key)).expect_success()
    assert client.batch(recover(key), ask.get()).results[1].unique_identifier == key


@pytest.mark.parametrize("version", BOTH)
def test_a_destroyed_object_is_not_archived(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    client.do(ask.destroy(key)).expect_success()
    assert client.do(archive(key)).reason == Reason.PERMISSION_DENIED


def test_time_goes_on_for_an_archived_object(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = client.do(ask.create_aes((2, 1), ask.activation_date(engine.now + 5))).unique_identifier
    client.do(archive(key)).expect_success()
    engine.now += 5
    client.do(recover(key)).expect_success()
    assert client.do(ask.get_attributes((2, 1), key)).get(Tag.ATTRIBUTES, Tag.STATE) == ask.ACTIVE


@pytest.mark.parametrize("version", BOTH)
def test_the_object_of_another_is_neither_archived_nor_recovered(engine: EngineHarness, version: Version) -> None:
    key = create(engine.client(version))
    mallory = engine.client(version, "mallory")
    for asked in (archive, recover):
        foreign, absent = mallory.do(asked(key)), mallory.do(asked("no such object"))
        assert (foreign.reason, foreign.message) == (absent.reason, absent.message)
        assert foreign.reason == (Reason.OBJECT_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND)
    row = engine.row(key)
    assert row is not None
    assert not row.archived
