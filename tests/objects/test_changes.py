"""Whether a client may add, change or delete an attribute: every row of the table in every state (KMIP 2.1 s4)."""

from __future__ import annotations

from typing import Any

import pytest

from kmip_server.errors import KmipError
from kmip_server.messages.structures import UsageLimits
from kmip_server.objects.attribute_fields import AttributeReference
from kmip_server.objects.attribute_set import AttributeSet
from kmip_server.objects.attributes import ATTRIBUTES, Attribute, SetBy, When
from kmip_server.objects.changes import check_add, check_dates, check_delete, check_modify, check_new_value
from kmip_server.ttlv.enumerations import ObjectType, ResultReason, State, UsageLimitsUnit
from kmip_server.ttlv.tags import Tag
from policy.operation_policies import DEFAULT

NOW = 1000
ROWS = [row for row in ATTRIBUTES.values() if row.tag is not Tag.ATTRIBUTE]
AT_CREATION = (Tag.CRYPTOGRAPHIC_USAGE_MASK, Tag.CRYPTOGRAPHIC_DOMAIN_PARAMETERS)
BEFORE_THE_END = (State.PRE_ACTIVE, State.ACTIVE)


def made(state: State = State.PRE_ACTIVE, kind: ObjectType = ObjectType.PRIVATE_KEY, **more: Any) -> AttributeSet:
    values = {Tag.STATE: state, Tag.OBJECT_TYPE: kind} | {Tag[name.upper()]: value for name, value in more.items()}
    return AttributeSet.single(values)


def limits(count: int) -> UsageLimits:
    return UsageLimits(usage_limits_total=9, usage_limits_count=count, usage_limits_unit=UsageLimitsUnit.BYTE)


def outcome(check: Any, *arguments: Any) -> ResultReason | None:
    """The reason of the refusal, or None if there is none."""
    try:
        check(*arguments)
    except KmipError as error:
        return error.reason
    return None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("state", State)
def test_adding_an_attribute_that_the_object_does_not_have(row: Attribute, state: State) -> None:
    attributes = made(state, next(iter(sorted(row.objects)))).without(row.tag)
    if row.tag in (Tag.STATE, Tag.OBJECT_TYPE):
        return
    expected = None
    if row.set_by is SetBy.SERVER or row.tag in AT_CREATION:
        expected = ResultReason.READ_ONLY_ATTRIBUTE
    elif (row.modify is When.PRE_ACTIVE and state is not State.PRE_ACTIVE) or (
        row.modify in (When.BEFORE_DEACTIVATED, When.BEFORE_REACHED) and state not in BEFORE_THE_END
    ):
        expected = ResultReason.WRONG_KEY_LIFECYCLE_STATE
    assert outcome(check_add, attributes, AttributeReference(row.tag)) is expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("state", State)
def test_modifying_an_attribute(row: Attribute, state: State) -> None:
    for read_only in (ResultReason.ATTRIBUTE_READ_ONLY, ResultReason.READ_ONLY_ATTRIBUTE):
        expected = None
        if row.modify is When.NEVER:
            expected = read_only
        elif (row.modify is When.PRE_ACTIVE and state is not State.PRE_ACTIVE) or (
            row.modify in (When.BEFORE_DEACTIVATED, When.BEFORE_REACHED) and state not in BEFORE_THE_END
        ):
            expected = ResultReason.WRONG_KEY_LIFECYCLE_STATE
        assert outcome(check_modify, made(state), AttributeReference(row.tag), NOW, read_only) is expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_deleting_an_attribute(row: Attribute) -> None:
    expected = ResultReason.ATTRIBUTE_READ_ONLY if row.delete is When.NEVER else None
    assert outcome(check_delete, made(), AttributeReference(row.tag)) is expected


@pytest.mark.parametrize("row", [row for row in ROWS if row.set_by is not SetBy.SERVER], ids=lambda row: row.name)
def test_an_attribute_goes_with_its_object_types(row: Attribute) -> None:
    for kind in ObjectType:
        if kind not in row.objects:
            reason = outcome(check_add, made(kind=kind), AttributeReference(row.tag))
            assert reason is ResultReason.INVALID_ATTRIBUTE


def test_a_single_value_that_exists_is_not_added_to() -> None:
    described = made(description="here", comment="there")
    assert outcome(check_add, described, AttributeReference(Tag.DESCRIPTION)) is ResultReason.ATTRIBUTE_SINGLE_VALUED
    fixed = made(fresh=True)
    assert outcome(check_add, fixed, AttributeReference(Tag.FRESH)) is ResultReason.READ_ONLY_ATTRIBUTE
    grouped = made(object_group="g")
    assert outcome(check_add, grouped, AttributeReference(Tag.OBJECT_GROUP)) is None


def test_an_operation_policy_that_the_server_supplied_may_be_given_once() -> None:
    reference = AttributeReference(Tag.OPERATION_POLICY_NAME)
    assert outcome(check_add, made(operation_policy_name=DEFAULT), reference) is None
    assert outcome(check_add, made(operation_policy_name="mine"), reference) is ResultReason.READ_ONLY_ATTRIBUTE


@pytest.mark.parametrize("tag", [Tag.PROCESS_START_DATE, Tag.PROTECT_STOP_DATE])
@pytest.mark.parametrize(("at", "allowed"), [(NOW + 1, True), (NOW, False), (NOW - 1, False)])
def test_a_date_that_is_reached_stays(tag: Tag, at: int, allowed: bool) -> None:
    attributes = made(State.ACTIVE).with_value(tag, at)
    reason = outcome(check_modify, attributes, AttributeReference(tag), NOW, ResultReason.ATTRIBUTE_READ_ONLY)
    assert reason is (None if allowed else ResultReason.WRONG_KEY_LIFECYCLE_STATE)


@pytest.mark.parametrize(("count", "allowed"), [(9, True), (8, False), (0, False)])
def test_usage_limits_that_are_in_use_stay(count: int, allowed: bool) -> None:
    attributes, reference = made(usage_limits=limits(count)), AttributeReference(Tag.USAGE_LIMITS)
    changed = outcome(check_modify, attributes, reference, NOW, ResultReason.READ_ONLY_ATTRIBUTE)
    assert changed is (None if allowed else ResultReason.READ_ONLY_ATTRIBUTE)
    deleted = outcome(check_delete, attributes, reference)
    assert deleted is (None if allowed else ResultReason.ATTRIBUTE_READ_ONLY)


def test_attributes_of_vendor_y_are_the_server_s_and_all_others_the_client_s() -> None:
    for vendor, allowed in (("x", True), ("acme", True), ("Y", True), ("y", False)):
        reference = AttributeReference(Tag.ATTRIBUTE, vendor, "n")
        for state in State:
            attributes = made(state)
            reasons = {
                outcome(check_add, attributes, reference),
                outcome(check_modify, attributes, reference, NOW, ResultReason.READ_ONLY_ATTRIBUTE),
                outcome(check_delete, attributes, reference),
            }
            assert (reasons == {None}) is allowed
            assert allowed or reasons == {ResultReason.READ_ONLY_ATTRIBUTE, ResultReason.ATTRIBUTE_READ_ONLY}


@pytest.mark.parametrize(
    ("tag", "before", "after", "allowed"),
    [
        (Tag.SENSITIVE, False, False, True),
        (Tag.SENSITIVE, False, True, True),
        (Tag.SENSITIVE, True, True, True),
        (Tag.SENSITIVE, True, False, False),
        (Tag.EXTRACTABLE, True, True, True),
        (Tag.EXTRACTABLE, True, False, True),
        (Tag.EXTRACTABLE, False, False, True),
        (Tag.EXTRACTABLE, False, True, False),
        (Tag.QUANTUM_SAFE, True, False, True),
    ],
)
def test_sensitive_and_extractable_are_only_tightened(tag: Tag, before: bool, after: bool, allowed: bool) -> None:
    reason = outcome(check_new_value, made().with_value(tag, before), tag, after)
    assert reason is (None if allowed else ResultReason.PERMISSION_DENIED)


@pytest.mark.parametrize(
    ("tag", "value", "allowed"),
    [
        (Tag.PROCESS_START_DATE, 99, False),
        (Tag.PROCESS_START_DATE, 100, True),
        (Tag.PROCESS_START_DATE, 500, True),
        (Tag.PROTECT_STOP_DATE, 200, True),
        (Tag.PROTECT_STOP_DATE, 201, False),
        (Tag.PROTECT_STOP_DATE, 0, True),
        (Tag.DEACTIVATION_DATE, 150, True),
        (Tag.DEACTIVATION_DATE, 149, False),
        (Tag.ACTIVATION_DATE, 120, True),
        (Tag.ACTIVATION_DATE, 121, False),
    ],
)
def test_dates_stand_in_their_order(tag: Tag, value: int, allowed: bool) -> None:
    dates = {"activation_date": 100, "process_start_date": 120, "protect_stop_date": 150, "deactivation_date": 200}
    reason = outcome(check_dates, made(**dates).with_value(tag, value))
    assert reason is (None if allowed else ResultReason.INVALID_ATTRIBUTE_VALUE)
    assert outcome(check_dates, made().with_value(tag, value)) is None
