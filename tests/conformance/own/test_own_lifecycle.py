"""Activate, Revoke, Destroy, Archive, Recover, Check, Obtain Lease, Get Usage Allocation (KMIP 2.1 s6.1, 1.4 s11)."""

from __future__ import annotations

import pytest
from own_requests import (
    ABSENT,
    Refusal,
    archived,
    attribute_of,
    check,
    destroyed,
    get_usage_allocation,
    key_pair,
    on,
    opaque,
    refused,
    usage_limits,
)
from support.numbers import Operation, Reason, Tag
from support.requests import (
    ACTIVE,
    COMPROMISED,
    DEACTIVATED,
    DESTROYED,
    DESTROYED_COMPROMISED,
    ENCRYPT,
    KEY_COMPROMISE,
    PRE_ACTIVE,
    Session,
    activate,
    destroy,
    get,
    revoke,
)

MISSING = (Reason.OBJECT_NOT_FOUND, Reason.ITEM_NOT_FOUND)
STATE = (Reason.WRONG_KEY_LIFECYCLE_STATE, Reason.PERMISSION_DENIED)

REFUSED = {
    "Activate: no such object": Refusal(lambda s: activate(ABSENT), *MISSING),
    "Activate: an Active key": Refusal(lambda s: activate(s.create_aes(active=True)), *STATE),
    "Activate: an Opaque Object": Refusal(
        lambda s: activate(opaque(s, active=False)), Reason.INVALID_OBJECT_TYPE, Reason.ILLEGAL_OPERATION
    ),
    "Revoke: no such object": Refusal(lambda s: revoke(ABSENT), *MISSING),
    "Revoke: a Pre-Active key that is not compromised": Refusal(lambda s: revoke(s.create_aes()), *STATE),
    "Destroy: no such object": Refusal(lambda s: destroy(ABSENT), *MISSING),
    "Destroy: an Active key": Refusal(lambda s: destroy(s.create_aes(active=True)), *STATE),
    "Destroy: a destroyed key": Refusal(
        lambda s: destroy(destroyed(s)), Reason.OBJECT_DESTROYED, Reason.PERMISSION_DENIED
    ),
    "Archive: no such object": Refusal(lambda s: on(Operation.ARCHIVE, ABSENT), *MISSING),
    "Archive: an archived object": Refusal(lambda s: on(Operation.ARCHIVE, archived(s)), Reason.OBJECT_ARCHIVED),
    "Recover: no such object": Refusal(lambda s: on(Operation.RECOVER, ABSENT), *MISSING),
    "Get: an archived object": Refusal(lambda s: get(archived(s)), Reason.OBJECT_ARCHIVED),
    "Check: no such object": Refusal(lambda s: check(ABSENT, mask=ENCRYPT), *MISSING),
    "Check: a use that the mask does not have": Refusal(
        lambda s: check(s.create_aes(mask=ENCRYPT), mask=0x100),
        Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
        Reason.PERMISSION_DENIED,
    ),
    "Check: more than the usage limits leave": Refusal(
        lambda s: check(s.create_aes(usage_limits(10)), count=11), Reason.USAGE_LIMIT_EXCEEDED, Reason.PERMISSION_DENIED
    ),
    "Obtain Lease: no such object": Refusal(lambda s: on(Operation.OBTAIN_LEASE, ABSENT), *MISSING),
    "Get Usage Allocation: no such object": Refusal(lambda s: get_usage_allocation(ABSENT, 1), *MISSING),
    "Get Usage Allocation: a key without limits": Refusal(
        lambda s: get_usage_allocation(s.create_aes(active=True), 1),
        Reason.ATTRIBUTE_NOT_FOUND,
        Reason.ILLEGAL_OPERATION,
    ),
    "Get Usage Allocation: more than is left": Refusal(
        lambda s: get_usage_allocation(s.create_aes(usage_limits(10), active=True), 11),
        Reason.USAGE_LIMIT_EXCEEDED,
        Reason.PERMISSION_DENIED,
    ),
}


@pytest.mark.parametrize("refusal", REFUSED.values(), ids=REFUSED.keys())
def test_a_request_against_the_lifecycle_is_refused(both: Session, refusal: Refusal) -> None:
    refused(both, refusal)


def state(session: Session, key: str) -> object:
    return attribute_of(session, key, "State", Tag.STATE)


def test_activate_makes_a_pre_active_key_active(both: Session) -> None:
    key = both.create_aes()
    assert state(both, key) == PRE_ACTIVE
    both.do(activate(key)).expect_success()
    assert state(both, key) == ACTIVE
    assert attribute_of(both, key, "Activation Date", Tag.ACTIVATION_DATE) is not None


def test_revoke_deactivates_and_key_compromise_compromises(both: Session) -> None:
    key = both.create_aes(active=True)
    both.do(revoke(key)).expect_success()
    assert state(both, key) == DEACTIVATED
    assert attribute_of(both, key, "Deactivation Date", Tag.DEACTIVATION_DATE) is not None
    both.do(revoke(key, KEY_COMPROMISE, at=6)).expect_success()
    assert state(both, key) == COMPROMISED
    assert attribute_of(both, key, "Compromise Occurrence Date", Tag.COMPROMISE_OCCURRENCE_DATE) == 6


def test_destroy_leaves_the_attributes_and_no_key(both: Session) -> None:
    key = both.create_aes()
    both.do(destroy(key)).expect_success()
    assert state(both, key) == DESTROYED
    assert attribute_of(both, key, "Destroy Date", Tag.DESTROY_DATE) is not None
    assert not both.do(get(key)).ok


def test_a_compromised_key_becomes_destroyed_compromised(both: Session) -> None:
    key = both.create_aes(active=True)
    both.do(revoke(key, KEY_COMPROMISE, at=6)).expect_success()
    both.do(destroy(key)).expect_success()
    assert state(both, key) == DESTROYED_COMPROMISED


def test_the_halves_of_a_key_pair_live_apart(both: Session) -> None:
    private, public = key_pair(both, active=False)
    both.do(activate(private)).expect_success()
    assert state(both, private) == ACTIVE
    assert state(both, public) == PRE_ACTIVE


def test_an_archived_object_can_be_recovered_and_got(both: Session) -> None:
    key = archived(both)
    both.do(on(Operation.RECOVER, key)).expect_success()
    both.do(get(key)).expect_success()


def test_check_answers_only_the_identifier_when_all_is_well(both: Session) -> None:
    key = both.create_aes(mask=ENCRYPT)
    result = both.do(check(key, mask=ENCRYPT)).expect_success()
    assert [item.tag for item in result.payload.value] == [Tag.UNIQUE_IDENTIFIER]  # type: ignore[union-attr]


def test_a_lease_says_how_long_and_since_when(both: Session) -> None:
    result = both.do(on(Operation.OBTAIN_LEASE, both.create_aes(active=True))).expect_success()
    assert result.get(Tag.LEASE_TIME) > 0
    assert result.get(Tag.LAST_CHANGE_DATE) is not None


def test_an_allocation_is_taken_from_what_is_left(both: Session) -> None:
    key = both.create_aes(usage_limits(10), active=True)
    both.do(get_usage_allocation(key, 4)).expect_success()
    both.do(get_usage_allocation(key, 6)).expect_success()
    assert not both.do(get_usage_allocation(key, 1)).ok
