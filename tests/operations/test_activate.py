"""Activate (KMIP 2.1 s6.1.1): from Pre-Active to Active, now."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import attributes_of
from support.engine import EngineHarness
from support.numbers import Reason, Tag
from support.wire import Version, enumeration, integer

BOTH: tuple[Version, ...] = ((1, 0), (1, 4), (2, 1))


@pytest.mark.parametrize("version", BOTH)
def test_a_pre_active_object_becomes_active_now(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version, ask.activation_date(engine.now + 1000))).unique_identifier
    engine.now += 5
    assert client.do(ask.activate(key)).unique_identifier == key
    found = attributes_of(engine, key)
    assert found.get(Tag.STATE) == ask.ACTIVE
    assert found.get(Tag.ACTIVATION_DATE) == found.get(Tag.LAST_CHANGE_DATE) == engine.now


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("state", [ask.ACTIVE, ask.DEACTIVATED, ask.COMPROMISED, ask.DESTROYED])
def test_an_object_in_another_state_is_not_activated(engine: EngineHarness, version: Version, state: int) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version)).unique_identifier
    steps = {
        ask.ACTIVE: [ask.activate(key)],
        ask.DEACTIVATED: [ask.activate(key), ask.revoke(key)],
        ask.COMPROMISED: [ask.revoke(key, ask.KEY_COMPROMISE)],
        ask.DESTROYED: [ask.destroy(key)],
    }
    for step in steps[state]:
        client.do(step).expect_success()
    before = engine.row(key)
    expected = Reason.WRONG_KEY_LIFECYCLE_STATE if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert client.do(ask.activate(key)).reason == expected
    assert engine.row(key) == before


@pytest.mark.parametrize("version", BOTH)
def test_the_object_of_another_is_not_there_to_be_activated(engine: EngineHarness, version: Version) -> None:
    key = engine.client(version).do(ask.create_aes(version)).unique_identifier
    mallory = engine.client(version, "mallory")
    variants = (key, "no such object", key.upper() + "x", key + " ", key + "\0", "{" + key + "}", "", "x" * 65536)
    answers = {(result.reason, result.message) for result in [mallory.do(ask.activate(name)) for name in variants]}
    assert len(answers) == 1
    assert answers.pop()[0] == (Reason.OBJECT_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND)
    assert attributes_of(engine, key).get(Tag.STATE) == ask.PRE_ACTIVE


def test_activate_uses_the_id_placeholder_and_a_failed_item_leaves_none(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    made, active = client.batch(ask.create_aes((1, 4)), ask.activate()).results
    assert active.unique_identifier == made.unique_identifier
    go_on = enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 1)
    refused, nothing = client.batch(ask.create_aes((1, 4), bits=127), ask.activate(), fields=(go_on,)).results
    assert not refused.ok
    assert nothing.reason == Reason.ITEM_NOT_FOUND


def test_an_answer_that_does_not_fit_leaves_the_object_as_it_was(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = client.do(ask.create_aes((2, 1))).unique_identifier
    before = engine.row(key)
    result = client.do(ask.activate(key), fields=(integer(Tag.MAXIMUM_RESPONSE_SIZE, 100),))
    assert result.reason == Reason.RESPONSE_TOO_LARGE
    assert engine.row(key) == before
