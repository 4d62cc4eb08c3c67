"""Using a key (KMIP 2.1 s4.17, s4.40, s4.41, s4.57, s4.59): when, for what and how often the server does it."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import attributes_of, process_start, protect_stop, usage_limits
from support.engine import EngineClient, EngineHarness, MakeEngine
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.wire import Result, Version, enumeration, octets, structure

from policy.operation_policies import parse_policies

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))
ENCRYPT, DECRYPT, MAC_GENERATE, MAC_VERIFY = 0x04, 0x08, 0x80, 0x100
EVERYTHING = ENCRYPT | DECRYPT | MAC_GENERATE | MAC_VERIFY
UNRESTRICTED = 0x200000
HMAC = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, ask.HMAC_SHA256))
IN_CLEAR = ask.parameters(ask.CBC, padding=1)

PROTECTING = (Operation.ENCRYPT, Operation.MAC)
PROCESSING = (Operation.DECRYPT, Operation.MAC_VERIFY)


def carry_out(client: EngineClient, operation: Operation, key: str, size: int = 16) -> Result:
    """Use a key for one of the four operations, with so many bytes of data."""
    if operation is Operation.ENCRYPT:
        return client.do(ask.encrypt(key, bytes(size), IN_CLEAR, bytes(16)))
    if operation is Operation.DECRYPT:
        return client.do(ask.decrypt(key, bytes(size), IN_CLEAR, bytes(16)))
    fields = ask.identifier(key) + HMAC + octets(Tag.DATA, bytes(size))
    return client.do(
        Request(operation, fields + (octets(Tag.MAC_DATA, bytes(32)) if operation is Operation.MAC_VERIFY else b""))
    )


def create(client: EngineClient, *more: Attribute, mask: int = EVERYTHING) -> str:
    return client.do(ask.create_aes(client.version, *more, mask=mask)).unique_identifier


def bring(client: EngineClient, key: str, state: int) -> None:
    """Take a new key to a state."""
    if state in (ask.ACTIVE, ask.DEACTIVATED):
        client.do(ask.activate(key)).expect_success()
    if state == ask.DEACTIVATED:
        client.do(ask.revoke(key)).expect_success()
    if state in (ask.COMPROMISED, ask.DESTROYED_COMPROMISED):
        client.do(ask.revoke(key, ask.KEY_COMPROMISE)).expect_success()
    if state in (ask.DESTROYED, ask.DESTROYED_COMPROMISED):
        client.do(ask.destroy(key)).expect_success()


def wrong_state(version: Version) -> Reason:
    return Reason.WRONG_KEY_LIFECYCLE_STATE if version >= (2, 0) else Reason.PERMISSION_DENIED


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("state", range(1, 7))
@pytest.mark.parametrize("operation", [*PROTECTING, *PROCESSING])
def test_only_active_objects_protect_and_only_active_and_deactivated_ones_process(
    engine: EngineHarness, version: Version, state: int, operation: Operation
) -> None:
    client = engine.client(version)
    key = create(client)
    bring(client, key, state)
    result = carry_out(client, operation, key)
    if state == ask.ACTIVE or (state == ask.DEACTIVATED and operation in PROCESSING):
        result.expect_success()
    else:
        assert result.reason == wrong_state(version)


SHARED = """{"team": {"groups": {"ops": {"SYMMETRIC_KEY": {"ENCRYPT": "ALLOW_ALL", "DECRYPT": "ALLOW_ALL"}}},
                      "preset": {"SYMMETRIC_KEY": {"ACTIVATE": "ALLOW_OWNER", "REVOKE": "ALLOW_OWNER",
                                                   "DECRYPT": "ALLOW_OWNER", "GET_ATTRIBUTES": "ALLOW_OWNER"}}}}"""


def test_a_deactivated_object_processes_for_its_owner_alone(make_engine: MakeEngine) -> None:
    engine = make_engine(policies=parse_policies(SHARED, "test"))
    alice, oscar = engine.client((1, 4)), engine.client((1, 4), "oscar", "ops")
    key = create(alice, ask.operation_policy_name("team"))
    bring(alice, key, ask.ACTIVE)
    carry_out(oscar, Operation.DECRYPT, key).expect_success()
    alice.do(ask.revoke(key)).expect_success()
    carry_out(alice, Operation.DECRYPT, key).expect_success()
    assert carry_out(oscar, Operation.DECRYPT, key).reason == Reason.PERMISSION_DENIED


@pytest.mark.parametrize("version", BOTH)
def test_nothing_is_protected_after_the_protect_stop_date(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, protect_stop(engine.now + 10))
    bring(client, key, ask.ACTIVE)
    for operation in PROTECTING:
        carry_out(client, operation, key).expect_success()
    engine.now += 10
    for operation in PROTECTING:
        assert carry_out(client, operation, key).reason == wrong_state(version)
    for operation in PROCESSING:
        carry_out(client, operation, key).expect_success()


@pytest.mark.parametrize("version", BOTH)
def test_nothing_is_processed_before_the_process_start_date(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, process_start(engine.now + 10))
    bring(client, key, ask.ACTIVE)
    for operation in PROCESSING:
        assert carry_out(client, operation, key).reason == wrong_state(version)
    for operation in PROTECTING:
        carry_out(client, operation, key).expect_success()
    engine.now += 10
    for operation in PROCESSING:
        carry_out(client, operation, key).expect_success()


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("operation", "bit"),
    [
        (Operation.ENCRYPT, ENCRYPT),
        (Operation.DECRYPT, DECRYPT),
        (Operation.MAC, MAC_GENERATE),
        (Operation.MAC_VERIFY, MAC_VERIFY),
    ],
)
def test_each_purpose_needs_its_bit(engine: EngineHarness, version: Version, operation: Operation, bit: int) -> None:
    client = engine.client(version)
    with_it, without = create(client, mask=bit), create(client, mask=EVERYTHING & ~bit)
    for key in (with_it, without):
        bring(client, key, ask.ACTIVE)
    carry_out(client, operation, with_it).expect_success()
    expected = Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert carry_out(client, operation, without).reason == expected


def test_an_unrestricted_key_is_used_for_every_purpose(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, mask=UNRESTRICTED)
    bring(client, key, ask.ACTIVE)
    for operation in (*PROTECTING, *PROCESSING):
        carry_out(client, operation, key).expect_success()


def test_protecting_spends_usage_limits_and_processing_does_not(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, usage_limits(100))
    bring(client, key, ask.ACTIVE)
    engine.now += 3
    for operation, size, expected in (
        (Operation.ENCRYPT, 32, 68),
        (Operation.DECRYPT, 32, 68),
        (Operation.MAC, 20, 48),
        (Operation.MAC_VERIFY, 20, 48),
    ):
        carry_out(client, operation, key, size).expect_success()
        found = attributes_of(engine, key)
        assert found.get(Tag.USAGE_LIMITS, Tag.USAGE_LIMITS_COUNT) == expected
    assert found.get(Tag.LAST_CHANGE_DATE) == engine.now
    assert carry_out(client, Operation.MAC, key, 49).reason == Reason.USAGE_LIMIT_EXCEEDED
    assert carry_out(client, Operation.ENCRYPT, key, 64).reason == Reason.PERMISSION_DENIED
    carry_out(client, Operation.MAC, key, 48).expect_success()


def test_objects_are_counted_once_each(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, usage_limits(2, unit=2))
    bring(client, key, ask.ACTIVE)
    sizes = (1000, 0, 1)
    assert [carry_out(client, Operation.MAC, key, size).ok for size in sizes] == [True, True, False]
