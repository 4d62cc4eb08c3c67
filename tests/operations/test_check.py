"""Check (KMIP 2.1 s6.1.7), Obtain Lease (s6.1.35) and Get Usage Allocation (s6.1.23)."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.wire import Version, enumeration, integer, interval, long_integer, structure

BOTH: tuple[Version, ...] = ((1, 0), (1, 4), (2, 1))
BYTE, OBJECT = 1, 2
SIGN, VERIFY, UNRESTRICTED = 1, 2, 0x200000


def limits(total: int, unit: int = BYTE, count: int | None = None) -> Attribute:
    """Usage Limits; KMIP 1.x wants the Count there, and ignores it."""
    fields = (
        long_integer(Tag.USAGE_LIMITS_TOTAL, total),
        b"" if count is None else long_integer(Tag.USAGE_LIMITS_COUNT, count),
        enumeration(Tag.USAGE_LIMITS_UNIT, unit),
    )
    return Attribute("Usage Limits", structure(Tag.USAGE_LIMITS, *fields))


def create(client: EngineClient, *more: Attribute, mask: int = ask.ENCRYPT | ask.DECRYPT, active: bool = True) -> str:
    key = client.do(ask.create_aes(client.version, *more, mask=mask)).unique_identifier
    if active:
        client.do(ask.activate(key)).expect_success()
    return key


def check(key: str | None, *fields: bytes) -> Request:
    return Request(Operation.CHECK, ask.identifier(key) + b"".join(fields))


def allocate(key: str | None, units: int) -> Request:
    return Request(Operation.GET_USAGE_ALLOCATION, ask.identifier(key) + long_integer(Tag.USAGE_LIMITS_COUNT, units))


def lease(key: str | None) -> Request:
    return Request(Operation.OBTAIN_LEASE, ask.identifier(key))


def remaining(engine: EngineHarness, key: str) -> int | None:
    found = engine.client((2, 1)).do(ask.get_attributes((2, 1), key)).expect_success()
    count: int | None = found.get(Tag.ATTRIBUTES, Tag.USAGE_LIMITS, Tag.USAGE_LIMITS_COUNT)
    return count


def usage(mask: int) -> bytes:
    return integer(Tag.CRYPTOGRAPHIC_USAGE_MASK, mask)


# Check. ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_a_client_that_may_use_the_object_gets_its_identifier(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, limits(10))
    for fields in (
        (),
        (usage(ask.ENCRYPT),),
        (long_integer(Tag.USAGE_LIMITS_COUNT, 10), usage(ask.ENCRYPT | ask.DECRYPT), interval(Tag.LEASE_TIME, 3600)),
    ):
        assert client.do(check(key, *fields)).unique_identifier == key


@pytest.mark.parametrize("version", BOTH)
def test_a_usage_that_the_mask_does_not_have_is_denied(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    expected = Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert client.do(check(key, usage(SIGN))).reason == expected
    assert client.do(check(key, usage(ask.ENCRYPT | SIGN))).reason == expected


def test_an_unrestricted_object_may_be_used_for_everything(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, mask=UNRESTRICTED)
    assert client.do(check(key, usage(SIGN | ask.ENCRYPT))).ok


@pytest.mark.parametrize("version", BOTH)
def test_more_units_than_are_left_are_denied(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, limits(10))
    client.do(allocate(key, 4)).expect_success()
    assert client.do(check(key, long_integer(Tag.USAGE_LIMITS_COUNT, 6))).ok
    expected = Reason.USAGE_LIMIT_EXCEEDED if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert client.do(check(key, long_integer(Tag.USAGE_LIMITS_COUNT, 7))).reason == expected
    assert remaining(engine, key) == 6


def test_an_object_without_limits_has_units_without_end(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    assert client.do(check(create(client), long_integer(Tag.USAGE_LIMITS_COUNT, (1 << 63) - 1))).ok
    assert client.do(check(create(client), long_integer(Tag.USAGE_LIMITS_COUNT, -1))).reason == Reason.INVALID_FIELD


@pytest.mark.parametrize("version", BOTH)
def test_a_longer_lease_than_the_server_grants_is_denied(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    assert client.do(check(create(client), interval(Tag.LEASE_TIME, 3601))).reason == Reason.PERMISSION_DENIED


@pytest.mark.parametrize("version", BOTH)
def test_a_denial_empties_the_id_placeholder(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    go_on = enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 1)
    _, denied, got = client.batch(ask.create_aes(version), check(None, usage(SIGN)), ask.get(), fields=(go_on,)).results
    assert not denied.ok
    assert got.reason == (Reason.OBJECT_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND)


EXPLAINED: list[Version] = [(1, 0), (1, 4), (2, 0)]
DENIED_FIELDS = (
    (usage(SIGN), Tag.CRYPTOGRAPHIC_USAGE_MASK, SIGN),
    (long_integer(Tag.USAGE_LIMITS_COUNT, 11), Tag.USAGE_LIMITS_COUNT, 11),
    (interval(Tag.LEASE_TIME, 3601), Tag.LEASE_TIME, 3601),
)


@pytest.mark.parametrize("version", EXPLAINED)
@pytest.mark.parametrize(("field", "tag", "asked"), DENIED_FIELDS, ids=["mask", "count", "lease"])
def test_a_denial_returns_the_field_that_led_to_it(
    engine: EngineHarness, version: Version, field: bytes, tag: int, asked: int
) -> None:
    client = engine.client(version)
    denied = client.do(check(create(client, limits(10)), field))
    assert not denied.ok
    assert denied.payload is not None
    assert [(each.tag, each.value) for each in denied.payload.value] == [(tag, asked)]


def test_in_2_1_a_denial_has_no_payload_as_published(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    denied = client.do(check(create(client, limits(10)), usage(SIGN)))
    assert not denied.ok
    assert denied.payload is None


@pytest.mark.parametrize("version", EXPLAINED)
def test_a_denial_returns_all_fields_that_led_to_it_and_no_others(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, limits(10))
    all_denied = client.do(
        check(key, long_integer(Tag.USAGE_LIMITS_COUNT, 11), usage(SIGN), interval(Tag.LEASE_TIME, 9999))
    )
    assert all_denied.payload is not None
    assert [each.tag for each in all_denied.payload.value] == [
        Tag.USAGE_LIMITS_COUNT,
        Tag.CRYPTOGRAPHIC_USAGE_MASK,
        Tag.LEASE_TIME,
    ]
    one_denied = client.do(
        check(key, long_integer(Tag.USAGE_LIMITS_COUNT, 10), usage(SIGN), interval(Tag.LEASE_TIME, 1))
    )
    assert one_denied.payload is not None
    assert [each.tag for each in one_denied.payload.value] == [Tag.CRYPTOGRAPHIC_USAGE_MASK]


@pytest.mark.parametrize("version", BOTH)
def test_a_failure_that_no_field_led_to_has_no_payload(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    destroyed = create(client, active=False)
    client.do(ask.destroy(destroyed)).expect_success()
    for key in (destroyed, "none"):
        failed = client.do(check(key, usage(SIGN)))
        assert (failed.ok, failed.payload) == (False, None)


def test_a_check_that_is_passed_leaves_the_id_placeholder(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    made, _, got = client.batch(ask.create_aes((1, 4)), check(None, usage(ask.ENCRYPT)), ask.get()).results
    assert got.unique_identifier == made.unique_identifier


def test_a_destroyed_object_is_not_used_for_anything(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, active=False)
    client.do(ask.destroy(key)).expect_success()
    assert client.do(check(key)).reason == Reason.PERMISSION_DENIED


# Obtain Lease. --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_a_lease_tells_its_length_and_when_the_object_changed_last(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    changed = engine.now
    engine.now += 100
    result = client.do(lease(key)).expect_success()
    assert result.unique_identifier == key
    assert result.get(Tag.LEASE_TIME) == 3600
    assert result.get(Tag.LAST_CHANGE_DATE) == changed


@pytest.mark.parametrize("version", BOTH)
def test_an_object_that_nobody_should_use_gets_no_lease(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client)
    client.do(ask.revoke(key, ask.KEY_COMPROMISE)).expect_success()
    assert client.do(lease(key)).reason == Reason.PERMISSION_DENIED
    client.do(ask.destroy(key)).expect_success()
    assert client.do(lease(key)).reason == Reason.PERMISSION_DENIED


# Get Usage Allocation. ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_an_allocation_takes_its_units_from_the_count(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, limits(10, count=3))
    assert remaining(engine, key) == 10
    assert client.do(allocate(key, 4)).unique_identifier == key
    assert remaining(engine, key) == 6
    client.do(allocate(key, 6)).expect_success()
    assert remaining(engine, key) == 0


@pytest.mark.parametrize("version", BOTH)
def test_an_amount_that_is_not_available_is_refused_and_nothing_is_taken(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    key = create(client, limits(10))
    expected = Reason.USAGE_LIMIT_EXCEEDED if version >= (2, 0) else Reason.PERMISSION_DENIED
    assert client.do(allocate(key, 11)).reason == expected
    assert remaining(engine, key) == 10


@pytest.mark.parametrize("units", [0, -1, -(1 << 63)])
def test_units_are_not_given_back(engine: EngineHarness, units: int) -> None:
    client = engine.client((2, 1))
    key = create(client, limits(10))
    assert client.do(allocate(key, units)).reason == Reason.INVALID_FIELD
    assert remaining(engine, key) == 10


@pytest.mark.parametrize("version", BOTH)
def test_an_object_without_usage_limits_has_nothing_to_allocate(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    expected = Reason.ATTRIBUTE_NOT_FOUND if version >= (2, 0) else Reason.ILLEGAL_OPERATION
    assert client.do(allocate(create(client), 1)).reason == expected


@pytest.mark.parametrize("version", BOTH)
def test_an_object_that_cannot_apply_protection_has_nothing_to_allocate(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    key = create(client, limits(10), mask=ask.DECRYPT | VERIFY)
    expected = Reason.INVALID_OBJECT_TYPE if version >= (2, 0) else Reason.ILLEGAL_OPERATION
    assert client.do(allocate(key, 1)).reason == expected


@pytest.mark.parametrize("version", BOTH)
def test_units_are_allocated_only_while_protection_is_enabled(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    stop = Attribute("Protect Stop Date", ask.activation_date(engine.now + 10).item)
    stop = Attribute(stop.name, int(Tag.PROTECT_STOP_DATE).to_bytes(3, "big") + stop.item[3:])
    key = create(client, limits(10), stop, active=False)
    assert client.do(allocate(key, 1)).reason == Reason.PERMISSION_DENIED
    client.do(ask.activate(key)).expect_success()
    client.do(allocate(key, 1)).expect_success()
    engine.now += 10
    assert client.do(allocate(key, 1)).reason == Reason.PERMISSION_DENIED
    assert remaining(engine, key) == 9


def test_the_count_is_a_required_field(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    asked = Request(Operation.GET_USAGE_ALLOCATION, ask.identifier(create(client, limits(10))))
    assert client.do(asked).reason == Reason.INVALID_MESSAGE


def test_two_batch_items_never_spend_the_same_unit(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, limits(10))
    go_on = enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 1)
    results = client.batch(*[allocate(key, 4) for _ in range(4)], fields=(go_on,)).results
    assert [result.ok for result in results] == [True, True, False, False]
    assert remaining(engine, key) == 2


# Usage Limits of a key that the server uses itself. -------------------------------------------------------------------


@pytest.mark.parametrize("version", [(1, 4), (2, 1)])
def test_encrypt_spends_bytes_and_decrypt_spends_nothing(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, limits(40))
    how = ask.parameters(ask.CBC, padding=3)
    encrypted = client.do(ask.encrypt(key, bytes(20), how, bytes(16))).expect_success().get(Tag.DATA)
    assert remaining(engine, key) == 20
    assert client.do(ask.encrypt(key, bytes(21), how, bytes(16))).reason == Reason.PERMISSION_DENIED
    client.do(ask.decrypt(key, encrypted, how, bytes(16))).expect_success()
    client.do(ask.encrypt(key, bytes(20), how, bytes(16))).expect_success()
    assert remaining(engine, key) == 0
    client.do(ask.decrypt(key, encrypted, how, bytes(16))).expect_success()


def test_encrypt_spends_one_object_a_time(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, limits(2, OBJECT))
    how = ask.parameters(ask.CBC, padding=3)
    results = [client.do(ask.encrypt(key, bytes(20), how, bytes(16))) for _ in range(3)]
    assert [result.ok for result in results] == [True, True, False]


def test_an_encryption_that_fails_spends_nothing(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, limits(40))
    without_padding = ask.parameters(ask.CBC, padding=1)
    assert not client.do(ask.encrypt(key, bytes(20), without_padding, bytes(16))).ok
    assert remaining(engine, key) == 40
