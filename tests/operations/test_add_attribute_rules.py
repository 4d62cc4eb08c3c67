"""Add Attribute (KMIP 2.1 s6.1.2): the dates that do something, and the limits of what is added."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import (
    attributes_of,
    custom,
    custom_text,
    deactivation,
    extractable,
    process_start,
    protect_stop,
    sensitive,
    usage_limits,
)
from support.engine import EngineClient, EngineHarness, MakeEngine
from support.numbers import Reason, Tag
from support.requests import Attribute
from support.wire import Result, Version, octets

from kmip_server.operations.services import OperationLimits
from policy.operation_policies import parse_policies

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))


def create(client: EngineClient, *more: Attribute, active: bool = False, **how: int) -> str:
    key = client.do(ask.create_aes(client.version, *more, **how)).unique_identifier
    if active:
        client.do(ask.activate(key)).expect_success()
    return key


def add(client: EngineClient, key: str | None, attribute: Attribute) -> Result:
    return client.do(ask.add_attribute(client.version, key, attribute))


# Dates. ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_an_activation_date_that_has_come_activates(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    past, future = create(client), create(client)
    add(client, past, ask.activation_date(engine.now)).expect_success()
    add(client, future, ask.activation_date(engine.now + 1)).expect_success()
    stored = engine.row(past)
    assert stored is not None
    assert stored.state == ask.ACTIVE
    assert attributes_of(engine, past).get(Tag.STATE) == ask.ACTIVE
    assert attributes_of(engine, future).get(Tag.STATE) == ask.PRE_ACTIVE
    engine.now += 1
    assert attributes_of(engine, future).get(Tag.STATE) == ask.ACTIVE


@pytest.mark.parametrize("version", BOTH)
def test_a_deactivation_date_that_has_come_deactivates(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, active=True)
    add(client, key, deactivation(engine.now - 1)).expect_success()
    assert attributes_of(engine, key).get(Tag.STATE) == ask.DEACTIVATED


@pytest.mark.parametrize("version", BOTH)
def test_dates_are_added_only_in_the_states_that_they_are_for(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    client.do(ask.revoke(key, ask.KEY_COMPROMISE)).expect_success()
    expected = Reason.WRONG_KEY_LIFECYCLE_STATE if version >= (2, 0) else Reason.PERMISSION_DENIED
    for attribute in (ask.activation_date(1), deactivation(1), process_start(1), protect_stop(1)):
        assert add(client, key, attribute).reason == expected
    add(client, key, custom_text(version, "note", "kept")).expect_success()


@pytest.mark.parametrize("version", BOTH)
def test_process_start_does_not_precede_activation_and_protect_stop_is_not_after_deactivation(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    key = create(client, ask.activation_date(engine.now + 10), deactivation(engine.now + 20))
    assert add(client, key, process_start(engine.now + 9)).reason == Reason.INVALID_FIELD
    assert add(client, key, protect_stop(engine.now + 21)).reason == Reason.INVALID_FIELD
    add(client, key, process_start(engine.now + 10)).expect_success()
    add(client, key, protect_stop(engine.now + 20)).expect_success()


RIGHTS = """{"clerk": {"groups": {"clerks": {"SYMMETRIC_KEY": {"ADD_ATTRIBUTE": "ALLOW_ALL",
                                                              "MODIFY_ATTRIBUTE": "ALLOW_ALL"}}},
                       "preset": {"SYMMETRIC_KEY": {"GET_ATTRIBUTES": "ALLOW_OWNER", "ACTIVATE": "ALLOW_OWNER"}}}}"""


def test_a_date_that_activates_needs_the_permission_to_activate(make_engine: MakeEngine) -> None:
    engine = make_engine(policies=parse_policies(RIGHTS, "test"))
    key = create(engine.client((1, 4)), ask.operation_policy_name("clerk"))
    clerk = engine.client((1, 4), "clara", "clerks")
    add(clerk, key, ask.contact_information("Clara")).expect_success()
    for moment in (engine.now - 5, engine.now + 5):
        assert add(clerk, key, ask.activation_date(moment)).reason == Reason.PERMISSION_DENIED
        assert add(clerk, key, deactivation(moment)).reason == Reason.PERMISSION_DENIED
    assert attributes_of(engine, key).get(Tag.STATE) == ask.PRE_ACTIVE


# Limits. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_usage_limits_start_with_all_units_whatever_count_the_client_gives(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    key = create(client)
    add(client, key, usage_limits(100, count=1_000_000)).expect_success()
    limits = attributes_of(engine, key).find(Tag.USAGE_LIMITS)
    assert limits is not None
    assert (limits.get(Tag.USAGE_LIMITS_TOTAL), limits.get(Tag.USAGE_LIMITS_COUNT)) == (100, 100)


@pytest.mark.parametrize("version", BOTH)
def test_sensitive_and_extractable_exist_always_and_are_not_added(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    expected = Reason.ATTRIBUTE_SINGLE_VALUED if version >= (2, 0) else Reason.ILLEGAL_OPERATION
    assert add(client, key, sensitive(True)).reason == expected
    assert add(client, key, extractable(False)).reason == expected


@pytest.mark.parametrize("version", BOTH)
def test_the_number_of_instances_is_limited(make_engine: MakeEngine, version: Version) -> None:
    engine = make_engine(limits=OperationLimits(attribute_instances=3))
    client = engine.client(version)
    key = create(client)
    for number in range(3):
        add(client, key, ask.object_group(f"group {number}")).expect_success()
    expected = Reason.SERVER_LIMIT_EXCEEDED if version >= (2, 0) else Reason.INDEX_OUT_OF_BOUNDS
    assert add(client, key, ask.object_group("one more")).reason == expected


def test_the_size_of_all_attributes_is_limited(make_engine: MakeEngine) -> None:
    engine = make_engine(limits=OperationLimits(attribute_bytes=4096))
    client = engine.client((2, 1))
    key = create(client)
    assert add(client, key, custom((2, 1), "big", octets(Tag.ATTRIBUTE_VALUE, bytes(4096)))).reason == (
        Reason.SERVER_LIMIT_EXCEEDED
    )
    assert add(client, key, ask.name("x" * 5000)).reason == Reason.SERVER_LIMIT_EXCEEDED
    add(client, key, custom((2, 1), "small", octets(Tag.ATTRIBUTE_VALUE, bytes(1024)))).expect_success()
