"""Revoke (KMIP 2.1 s6.1.44): which reason leads to which state, and from where."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.wire import Node, Version, date_time, enumeration, structure, text

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))
DEACTIVATING = (1, 4, 5, 6, 7)
COMPROMISING = (2, 3)


def attributes(client: EngineClient, key: str) -> Node:
    """The attributes of an object, by their tags."""
    newest = EngineClient(client.harness, (2, 1), client.caller)
    payload = newest.do(ask.get_attributes((2, 1), key)).expect_success().payload
    assert payload is not None
    found = payload.find(Tag.ATTRIBUTES)
    assert found is not None
    return found


def wrong_state(version: Version) -> Reason:
    return Reason.WRONG_KEY_LIFECYCLE_STATE if version >= (2, 0) else Reason.PERMISSION_DENIED


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("code", DEACTIVATING)
def test_any_other_reason_deactivates_an_active_object_now(engine: EngineHarness, version: Version, code: int) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version)).unique_identifier
    client.do(ask.activate(key)).expect_success()
    engine.now += 7
    assert client.do(ask.revoke(key, code)).unique_identifier == key
    found = attributes(client, key)
    assert found.get(Tag.STATE) == ask.DEACTIVATED
    assert found.get(Tag.DEACTIVATION_DATE) == engine.now
    assert found.get(Tag.REVOCATION_REASON, Tag.REVOCATION_REASON_CODE) == code
    assert found.get(Tag.LAST_CHANGE_DATE) == engine.now
    assert found.find(Tag.COMPROMISE_DATE) is None


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("code", COMPROMISING)
def test_a_compromise_takes_an_object_to_compromised(engine: EngineHarness, version: Version, code: int) -> None:
    client = engine.client(version)
    made = engine.now
    key = client.do(ask.create_aes(version)).unique_identifier
    client.do(ask.activate(key)).expect_success()
    engine.now += 7
    client.do(ask.revoke(key, code)).expect_success()
    found = attributes(client, key)
    assert found.get(Tag.STATE) == ask.COMPROMISED
    assert found.get(Tag.COMPROMISE_DATE) == engine.now
    assert found.get(Tag.COMPROMISE_OCCURRENCE_DATE) == made
    assert found.find(Tag.DEACTIVATION_DATE) is None


def test_the_compromise_occurrence_date_is_the_one_in_the_request(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = client.do(ask.create_aes((2, 1))).unique_identifier
    client.do(ask.revoke(key, ask.KEY_COMPROMISE, at=6)).expect_success()
    assert attributes(client, key).get(Tag.COMPROMISE_OCCURRENCE_DATE) == 6


@pytest.mark.parametrize("version", BOTH)
def test_a_compromise_occurrence_date_is_not_given_for_other_reasons(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version)).unique_identifier
    client.do(ask.activate(key)).expect_success()
    assert client.do(ask.revoke(key, ask.CESSATION_OF_OPERATION, at=6)).reason == Reason.INVALID_FIELD
    assert attributes(client, key).get(Tag.STATE) == ask.ACTIVE


@pytest.mark.parametrize("version", BOTH)
def test_an_object_that_is_not_active_is_not_deactivated(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version)).unique_identifier
    assert client.do(ask.revoke(key, ask.UNSPECIFIED)).reason == wrong_state(version)
    client.do(ask.activate(key)).expect_success()
    client.do(ask.revoke(key, ask.UNSPECIFIED)).expect_success()
    assert client.do(ask.revoke(key, ask.UNSPECIFIED)).reason == wrong_state(version)
    client.do(ask.destroy(key)).expect_success()
    assert client.do(ask.revoke(key, ask.UNSPECIFIED)).reason == wrong_state(version)


def test_a_compromised_object_is_not_compromised_again(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = client.do(ask.create_aes((2, 1))).unique_identifier
    client.do(ask.revoke(key, ask.KEY_COMPROMISE)).expect_success()
    assert client.do(ask.revoke(key, ask.KEY_COMPROMISE)).reason == Reason.WRONG_KEY_LIFECYCLE_STATE


def test_a_deactivated_object_becomes_compromised(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = client.do(ask.create_aes((2, 1))).unique_identifier
    client.do(ask.activate(key)).expect_success()
    client.do(ask.revoke(key, ask.UNSPECIFIED)).expect_success()
    client.do(ask.revoke(key, ask.KEY_COMPROMISE)).expect_success()
    assert attributes(client, key).get(Tag.STATE) == ask.COMPROMISED


def test_a_destroyed_object_becomes_destroyed_compromised(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = client.do(ask.create_aes((2, 1))).unique_identifier
    client.do(ask.destroy(key)).expect_success()
    client.do(ask.revoke(key, ask.KEY_COMPROMISE)).expect_success()
    assert attributes(client, key).get(Tag.STATE) == ask.DESTROYED_COMPROMISED


@pytest.mark.parametrize("version", BOTH)
def test_an_opaque_object_is_revoked_as_well(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    data = client.do(ask.register_opaque(version, b"data")).unique_identifier
    client.do(ask.revoke(data, ask.KEY_COMPROMISE)).expect_success()
    assert attributes(client, data).get(Tag.STATE) == ask.COMPROMISED


@pytest.mark.parametrize("version", BOTH)
def test_a_revocation_reason_that_is_not_recognised_is_refused(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version)).unique_identifier
    expected = Reason.UNKNOWN_ENUMERATION if version >= (2, 0) else Reason.INVALID_FIELD
    assert client.do(ask.revoke(key, 8)).reason == expected
    assert client.do(Request(Operation.REVOKE, ask.identifier(key))).reason == Reason.INVALID_MESSAGE


def test_a_revocation_message_is_kept_and_bounded(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = client.do(ask.create_aes((2, 1))).unique_identifier

    def revoke(message: str) -> Request:
        fields = enumeration(Tag.REVOCATION_REASON_CODE, 2), text(Tag.REVOCATION_MESSAGE, message)
        return Request(Operation.REVOKE, ask.identifier(key) + structure(Tag.REVOCATION_REASON, *fields))

    assert client.do(revoke("x" * 5000)).reason == Reason.SERVER_LIMIT_EXCEEDED
    client.do(revoke("Laptop stolen")).expect_success()
    assert attributes(client, key).get(Tag.REVOCATION_REASON, Tag.REVOCATION_MESSAGE) == "Laptop stolen"


@pytest.mark.parametrize("version", BOTH)
def test_revoke_uses_the_id_placeholder(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    created, revoked = client.batch(ask.create_aes(version), ask.revoke(None, ask.KEY_COMPROMISE)).results
    assert revoked.unique_identifier == created.unique_identifier


@pytest.mark.parametrize("version", BOTH)
def test_the_object_of_another_is_not_there_to_be_revoked(engine: EngineHarness, version: Version) -> None:
    key = engine.client(version).do(ask.create_aes(version)).unique_identifier
    mallory = engine.client(version, "mallory")
    expected = Reason.OBJECT_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND
    foreign, absent = mallory.do(ask.revoke(key, 2)), mallory.do(ask.revoke("no such object", 2))
    assert (foreign.reason, foreign.message) == (absent.reason, absent.message) == (expected, foreign.message)
    assert attributes(engine.client(version), key).get(Tag.STATE) == ask.PRE_ACTIVE


def test_a_date_that_has_come_is_settled_before_the_object_is_revoked(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = client.do(ask.create_aes((2, 1), ask.activation_date(engine.now + 5))).unique_identifier
    assert not client.do(ask.revoke(key, ask.UNSPECIFIED)).ok
    engine.now += 5
    client.do(ask.revoke(key, ask.UNSPECIFIED)).expect_success()
    assert attributes(client, key).get(Tag.STATE) == ask.DEACTIVATED


def test_only_the_fields_of_the_request_payload_are_understood(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = client.do(ask.create_aes((2, 1))).unique_identifier
    asked = ask.revoke(key, 2)
    assert not client.do(Request(asked.operation, asked.payload + date_time(Tag.ACTIVATION_DATE, 1))).ok
    assert attributes(client, key).get(Tag.STATE) == ask.PRE_ACTIVE
