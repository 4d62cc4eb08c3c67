"""Get, Get Attributes, Get Attribute List, Locate, Query, Discover Versions (KMIP 2.1 s6.1, 1.4 s11)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from own_requests import (
    ABSENT,
    WRAP,
    Refusal,
    archived,
    destroyed,
    get_formatted,
    get_wrapped,
    key_pair,
    not_extractable,
    on,
    refused,
    registered,
    sensitive,
    unique,
)
from support.numbers import Operation, Reason, Tag
from support.requests import (
    ENCRYPT,
    Attribute,
    Request,
    Session,
    discover_versions,
    get,
    get_attributes,
    locate,
    name,
    object_group,
    object_type,
    query,
)
from support.server import Client
from support.wire import VERSIONS, parse, text

MISSING = (Reason.OBJECT_NOT_FOUND, Reason.ITEM_NOT_FOUND)
KEY = bytes(range(32))
PKCS_1, X_509, PKCS_8 = 3, 5, 4
NO_ENCODING = 1


def wrapper(session: Session) -> str:
    return registered(session, KEY, mask=WRAP)


REFUSED = {
    "Get: no such object": Refusal(lambda s: get(ABSENT), *MISSING),
    "Get: a destroyed object": Refusal(lambda s: get(destroyed(s)), Reason.OBJECT_DESTROYED, Reason.ILLEGAL_OPERATION),
    "Get: a format that the key cannot have": Refusal(
        lambda s: get_formatted(s.create_aes(), key_format=X_509), Reason.KEY_FORMAT_TYPE_NOT_SUPPORTED
    ),
    "Get: a compression that is not supported": Refusal(
        lambda s: get_formatted(s.create_aes(), compression=2), Reason.KEY_COMPRESSION_TYPE_NOT_SUPPORTED
    ),
    "Get: a sensitive key in the clear": Refusal(lambda s: get(s.create_aes(sensitive())), Reason.SENSITIVE),
    "Get: a key that is not extractable": Refusal(
        lambda s: get(s.create_aes(not_extractable())), Reason.NOT_EXTRACTABLE
    ),
    "Get: a key that is not extractable, wrapped": Refusal(
        lambda s: get_wrapped(s.create_aes(not_extractable()), wrapper(s)), Reason.NOT_EXTRACTABLE
    ),
    "Get: no such wrapping key": Refusal(
        lambda s: get_wrapped(s.create_aes(), ABSENT), Reason.WRAPPING_OBJECT_NOT_FOUND, Reason.ITEM_NOT_FOUND
    ),
    "Get: a wrapping key that may not wrap": Refusal(
        lambda s: get_wrapped(s.create_aes(), s.create_aes(active=True, mask=ENCRYPT)),
        Reason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
        Reason.PERMISSION_DENIED,
    ),
    "Get: a wrapping key that is archived": Refusal(
        lambda s: get_wrapped(s.create_aes(), archived(s)), Reason.WRAPPING_OBJECT_ARCHIVED, Reason.OBJECT_ARCHIVED
    ),
    "Get: attribute names with No Encoding": Refusal(
        lambda s: get_wrapped(s.create_aes(), wrapper(s), "Name", encoding_option=NO_ENCODING),
        Reason.ENCODING_OPTION_ERROR,
    ),
    "Get Attributes: no such object": Refusal(lambda s: get_attributes(s.version, ABSENT), *MISSING),
    "Get Attribute List: no such object": Refusal(lambda s: on(Operation.GET_ATTRIBUTE_LIST, ABSENT), *MISSING),
}


@pytest.mark.parametrize("refusal", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused(both: Session, refusal: Refusal) -> None:
    refused(both, refusal)


def test_get_attributes_refuses_a_repeated_name_in_1_4(own_client: Client) -> None:
    """KMIP 1.4 s11.13."""
    with own_client.session((1, 4)) as session:
        key = session.create_aes()
        asked = on(Operation.GET_ATTRIBUTES, key, *[text(Tag.ATTRIBUTE_NAME, "State")] * 2)
        assert session.do(asked).reason == Reason.INVALID_MESSAGE


def test_a_sensitive_key_can_be_got_wrapped(both: Session) -> None:
    key = registered(both, KEY[::-1], sensitive(), mask=ENCRYPT)
    result = both.do(get_wrapped(key, wrapper(both), encoding_option=NO_ENCODING)).expect_success()
    assert aes_key_unwrap(KEY, result.get(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_VALUE)) == KEY[::-1]


def test_a_key_wrapped_without_encoding_option_is_ttlv(both: Session) -> None:
    key = registered(both, KEY[::-1], mask=ENCRYPT)
    result = both.do(get_wrapped(key, wrapper(both))).expect_success()
    key_value = parse(aes_key_unwrap(KEY, result.get(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_VALUE)))
    assert key_value.get(Tag.KEY_MATERIAL) == KEY[::-1]


def test_a_private_key_is_converted_to_the_format_that_is_asked(both: Session) -> None:
    private, _ = key_pair(both, active=False)
    for key_format in (PKCS_1, PKCS_8):
        result = both.do(get_formatted(private, key_format=key_format)).expect_success()
        assert result.get(Tag.PRIVATE_KEY, Tag.KEY_BLOCK, Tag.KEY_FORMAT_TYPE) == key_format


def test_attributes_that_an_object_lacks_are_left_out(both: Session) -> None:
    key = both.create_aes()
    asked = get_attributes(both.version, key, ("State", Tag.STATE), ("Destroy Date", Tag.DESTROY_DATE))
    payload = both.do(asked).expect_success().payload
    assert payload is not None
    listed = payload.all(Tag.ATTRIBUTE) if both.version < (2, 0) else payload.find(Tag.ATTRIBUTES).value  # type: ignore[union-attr]
    assert len(listed) == 1


def test_the_attribute_list_names_each_attribute_once(both: Session) -> None:
    key = both.create_aes(name(unique("first")), name(unique("second")))
    payload = both.do(on(Operation.GET_ATTRIBUTE_LIST, key)).expect_success().payload
    assert payload is not None
    names = [item.value for item in payload.value[1:]]
    assert len(names) == len(set(names))
    assert {"Name", int(Tag.NAME)} & set(names)


def test_locate_finds_by_all_that_is_asked_and_no_others(both: Session) -> None:
    group, value = unique("group"), unique("name")
    key = both.create_aes(object_group(group), name(value))
    other = both.create_aes(object_group(group))
    assert sorted(both.located(object_group(group))) == sorted([key, other])
    assert both.located(object_group(group), name(value)) == [key]
    assert both.located(object_group(group), object_type(7)) == []


def test_locate_gives_as_many_as_asked_from_where_asked(both: Session) -> None:
    group = unique("group")
    keys = {both.create_aes(object_group(group)) for _ in range(3)}
    found = []
    for offset in (0, 1, 2, 3):
        payload = both.do(locate(both.version, object_group(group), maximum=1, offset=offset)).expect_success().payload
        found += [] if payload is None else [item.value for item in payload.all(Tag.UNIQUE_IDENTIFIER)]
    assert len(found) == 3
    assert set(found) == keys


def test_locate_refuses_an_attribute_that_does_not_exist_in_1_4(own_client: Client) -> None:
    """KMIP 1.4 s11.10."""
    with own_client.session((1, 4)) as session:
        unknown = Attribute("No Such Attribute", text(Tag.NAME_VALUE, "a"))
        assert session.do(locate((1, 4), unknown)).reason == Reason.INVALID_FIELD


def test_query_answers_what_is_asked_and_nothing_else(both: Session) -> None:
    payload = both.do(query(2)).expect_success().payload
    assert payload is not None
    assert {item.tag for item in payload.value} == {Tag.OBJECT_TYPE}
    payload = both.do(query(1)).expect_success().payload
    assert payload is not None
    assert {item.tag for item in payload.value} == {Tag.OPERATION}


def test_query_lists_no_operation_of_a_later_version(own_client: Client) -> None:
    def listed(version: tuple[int, int]) -> set[int]:
        with own_client.session(version) as session:
            payload = session.do(query(1)).expect_success().payload
            assert payload is not None
            return {item.value for item in payload.value}

    assert Operation.ENCRYPT not in listed((1, 1))
    assert Operation.DISCOVER_VERSIONS not in listed((1, 0))
    assert Operation.IMPORT not in listed((1, 3))
    assert Operation.SET_ATTRIBUTE not in listed((1, 4))
    assert Operation.ENCRYPT in listed((1, 2))


def test_discover_versions_answers_the_common_ones_in_the_servers_order(both: Session) -> None:
    def versions(asked: Request) -> list[tuple[int, int]]:
        payload = both.do(asked).expect_success().payload
        assert payload is not None
        return [(item.get(Tag.PROTOCOL_VERSION_MAJOR), item.get(Tag.PROTOCOL_VERSION_MINOR)) for item in payload.value]

    assert versions(discover_versions()) == sorted(VERSIONS, reverse=True)
    assert versions(discover_versions((1, 0), (9, 9), (1, 4))) == [(1, 4), (1, 0)]
    assert versions(discover_versions((9, 9))) == []
