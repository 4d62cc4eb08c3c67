"""Add, Modify, Delete, Set and Adjust Attribute (KMIP 2.1 s6.1.2, 3, 14, 31, 57; KMIP 1.4 s11.15 to s11.17)."""

from __future__ import annotations

import pytest
from own_requests import (
    ABSENT,
    Refusal,
    adjust_attribute,
    attribute_of,
    delete_attribute,
    refused,
    set_attribute,
    unique,
)
from support.numbers import Reason, Tag
from support.requests import (
    Session,
    add_attribute,
    contact_information,
    modify_attribute,
    name,
    object_group,
    state,
)

MISSING = (Reason.OBJECT_NOT_FOUND, Reason.ITEM_NOT_FOUND)
INCREMENT, DECREMENT, NEGATE = 1, 2, 3


def with_contact(session: Session) -> str:
    return session.create_aes(contact_information("Joe"))


def taken(session: Session) -> str:
    value = unique("taken")
    session.create_aes(name(value))
    return value


REFUSED = {
    "Add: no such object": Refusal(lambda s: add_attribute(s.version, ABSENT, contact_information("Joe")), *MISSING),
    "Add: a second instance of a single one": Refusal(
        lambda s: add_attribute(s.version, with_contact(s), contact_information("Ann")),
        Reason.ATTRIBUTE_SINGLE_VALUED,
        Reason.ILLEGAL_OPERATION,
    ),
    "Add: a read-only attribute": Refusal(
        lambda s: add_attribute(s.version, s.create_aes(), state(2)),
        Reason.READ_ONLY_ATTRIBUTE,
        Reason.PERMISSION_DENIED,
    ),
    "Add: the name of another object": Refusal(
        lambda s: add_attribute(s.version, s.create_aes(), name(taken(s))),
        Reason.NON_UNIQUE_NAME_ATTRIBUTE,
        Reason.ILLEGAL_OPERATION,
    ),
    "Modify: no such object": Refusal(
        lambda s: modify_attribute(s.version, ABSENT, contact_information("Joe")), *MISSING
    ),
    "Modify: an attribute that the object lacks": Refusal(
        lambda s: modify_attribute(s.version, s.create_aes(), contact_information("Joe")),
        Reason.ATTRIBUTE_NOT_FOUND,
        Reason.INVALID_FIELD,
    ),
    "Modify: a read-only attribute": Refusal(
        lambda s: modify_attribute(s.version, s.create_aes(), state(2)),
        Reason.ATTRIBUTE_READ_ONLY,
        Reason.PERMISSION_DENIED,
    ),
    "Delete: no such object": Refusal(
        lambda s: delete_attribute(s, ABSENT, "Contact Information", Tag.CONTACT_INFORMATION), *MISSING
    ),
    "Delete: an attribute that the object lacks": Refusal(
        lambda s: delete_attribute(s, s.create_aes(), "Contact Information", Tag.CONTACT_INFORMATION),
        Reason.ATTRIBUTE_NOT_FOUND,
        Reason.ITEM_NOT_FOUND,
    ),
    "Delete: a read-only attribute": Refusal(
        lambda s: delete_attribute(s, s.create_aes(), "State", Tag.STATE),
        Reason.ATTRIBUTE_READ_ONLY,
        Reason.PERMISSION_DENIED,
    ),
}


@pytest.mark.parametrize("refusal", REFUSED.values(), ids=REFUSED.keys())
def test_a_change_against_the_attribute_rules_is_refused(both: Session, refusal: Refusal) -> None:
    refused(both, refusal)


REFUSED_IN_2_1 = {
    "Set: no such object": Refusal(
        lambda s: set_attribute(ABSENT, contact_information("Joe")), Reason.OBJECT_NOT_FOUND
    ),
    "Set: a read-only attribute": Refusal(
        lambda s: set_attribute(s.create_aes(), state(2)), Reason.READ_ONLY_ATTRIBUTE
    ),
    "Set: an attribute with several instances": Refusal(
        lambda s: set_attribute(s.create_aes(object_group("a"), object_group("b")), object_group("c")),
        Reason.MULTI_VALUED_ATTRIBUTE,
    ),
    "Adjust: a read-only attribute": Refusal(
        lambda s: adjust_attribute(s.create_aes(), Tag.STATE, INCREMENT), Reason.READ_ONLY_ATTRIBUTE
    ),
    "Adjust: a text": Refusal(
        lambda s: adjust_attribute(with_contact(s), Tag.CONTACT_INFORMATION, INCREMENT), Reason.INVALID_DATA_TYPE
    ),
}


@pytest.mark.parametrize("refusal", REFUSED_IN_2_1.values(), ids=REFUSED_IN_2_1.keys())
def test_a_change_against_the_rules_of_2_1_is_refused(newest: Session, refusal: Refusal) -> None:
    refused(newest, refusal)


def contact(session: Session, key: str) -> object:
    return attribute_of(session, key, "Contact Information", Tag.CONTACT_INFORMATION)


def test_an_attribute_is_added_modified_and_deleted(both: Session) -> None:
    key = both.create_aes()
    both.do(add_attribute(both.version, key, contact_information("Joe"))).expect_success()
    assert contact(both, key) == "Joe"
    both.do(modify_attribute(both.version, key, contact_information("Ann"))).expect_success()
    assert contact(both, key) == "Ann"
    both.do(delete_attribute(both, key, "Contact Information", Tag.CONTACT_INFORMATION)).expect_success()
    assert contact(both, key) is None


def test_set_adds_or_replaces(newest: Session) -> None:
    key = newest.create_aes()
    for value in ("Joe", "Ann"):
        newest.do(set_attribute(key, contact_information(value))).expect_success()
        assert contact(newest, key) == value


def test_adjust_negates_a_boolean_and_takes_none_for_false(newest: Session) -> None:
    """KMIP 2.1 s6.1.3."""
    key = newest.create_aes()
    for value in (True, False):
        newest.do(adjust_attribute(key, Tag.QUANTUM_SAFE, NEGATE)).expect_success()
        assert attribute_of(newest, key, "Quantum Safe", Tag.QUANTUM_SAFE) is value


def test_a_change_is_seen_in_the_last_change_date(both: Session) -> None:
    key = both.create_aes()
    both.do(add_attribute(both.version, key, contact_information("Joe"))).expect_success()
    assert attribute_of(both, key, "Last Change Date", Tag.LAST_CHANGE_DATE) is not None
