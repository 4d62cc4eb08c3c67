"""Objects whose row was changed behind the server: nobody gets their key, and nobody else suffers from it."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.numbers import Reason, Tag
from support.wire import date_time

from kmip_server.storage.check import check


def create(client: EngineClient, *more: ask.Attribute) -> str:
    return client.do(ask.create_aes(client.version, *more)).unique_identifier


def edit(engine: EngineHarness, key: str, change: str) -> None:
    """Change an object's row behind the server."""
    with engine.store.database.writing() as connection:
        connection.execute(text(f"UPDATE objects SET {change} WHERE unique_identifier = :key"), {"key": key})


def version(engine: EngineHarness, key: str) -> int:
    row = engine.row(key)
    assert row is not None
    return row.version


@pytest.fixture
def client(engine: EngineHarness) -> EngineClient:
    return engine.client((2, 1))


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize("change", ["version = version + 1", "version = 1", "wrapped_key = NULL", "owner = 'alice '"])
def test_an_edited_row_is_refused_and_found_by_check(
    engine: EngineHarness, client: EngineClient, change: str, served: bool
) -> None:
    key = create(client, ask.name("one"))
    client.do(ask.activate(key)).expect_success()
    if served:
        client.do(ask.get(key)).expect_success()
    assert check(engine.store) == []
    edit(engine, key, change)
    owner = engine.client((2, 1), "alice " if "owner" in change else "alice")
    before = engine.row(key)
    for asked in (ask.get(key), ask.revoke(key), ask.modify_attribute((2, 1), key, ask.name("two"))):
        assert owner.do(asked).reason == Reason.GENERAL_FAILURE
    assert engine.row(key) == before
    assert [finding for finding in check(engine.store) if f"object {key}: its key material does not open" in finding]


@pytest.mark.parametrize("deactivates", [False, True])
def test_an_object_whose_seal_is_broken_is_destroyed_all_the_same(
    engine: EngineHarness, client: EngineClient, deactivates: bool
) -> None:
    """Also one that time has deactivated, which is not stored before."""
    activation = ask.activation_date(engine.now + 5)
    deactivation = ask.Attribute("Deactivation Date", date_time(Tag.DEACTIVATION_DATE, engine.now + 6))
    key = create(client, *([activation, deactivation] if deactivates else []))
    edit(engine, key, "version = 9")
    engine.now += 20
    assert client.do(ask.destroy(key)).unique_identifier == key
    row = engine.row(key)
    assert row is not None
    assert (row.state, row.material_id, row.wrapped_key) == (ask.DESTROYED, None, None)
    assert check(engine.store) == []


def test_time_goes_on_for_an_object_whose_seal_is_broken(engine: EngineHarness, client: EngineClient) -> None:
    key = create(client, ask.activation_date(engine.now + 5))
    edit(engine, key, "version = 9")
    engine.now += 10
    attributes = client.do(ask.get_attributes((2, 1), key)).expect_success()
    assert attributes.get(Tag.ATTRIBUTES, Tag.STATE) == ask.ACTIVE
    assert client.do(ask.get(key)).reason == Reason.GENERAL_FAILURE
    assert version(engine, key) == 9


def test_a_search_by_state_finds_the_others(
    engine: EngineHarness, client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmip_server.operations.locate._DUE_AT_ONCE", 2)
    keys = [create(client, ask.activation_date(engine.now + 5 + number)) for number in range(8)]
    for key in keys[:3] + keys[5:6]:
        edit(engine, key, "version = 9")
    engine.now += 20
    found = client.do(ask.locate((2, 1), ask.state(ask.ACTIVE))).expect_success().payload
    assert found is not None
    assert sorted(node.value for node in found.all(Tag.UNIQUE_IDENTIFIER)) == sorted(keys[3:5] + keys[6:])
    assert [version(engine, key) for key in keys] == [9, 9, 9, 2, 2, 9, 2, 2]
