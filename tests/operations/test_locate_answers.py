"""Locate (KMIP 2.1 s6.1.28): the order of the answer, its pages, and who finds what where."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.engine import EngineHarness, MakeEngine
from support.locating import ARCHIVED, DEFAULT, DESTROYED, FRESH, ON_LINE, create, find, found, member, storage
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.wire import (
    Version,
    enumeration,
    text,
)

from kmip_server.operations.services import OperationLimits
from policy.operation_policies import parse_policies

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))


# Order and pages. -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_identifiers_are_in_descending_order_of_object_creation(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = []
    for _ in range(3):
        made += [create(client), create(client)]
        engine.now += 1
    assert find(client) == made[::-1]


@pytest.mark.parametrize("version", [(1, 3), (1, 4), (2, 1)])
def test_offset_items_are_skipped_and_up_to_maximum_items_are_returned(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    newest_first = [create(client) for _ in range(7)][::-1]
    assert find(client, maximum=3) == newest_first[:3]
    assert find(client, maximum=3, offset=3) == newest_first[3:6]
    assert find(client, maximum=3, offset=6) == newest_first[6:]
    assert find(client, offset=0) == newest_first
    assert find(client, offset=100) == []
    assert find(client, maximum=0) == []


def test_pages_stay_as_they_are_when_an_older_object_changes(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    newest_first = [create(client) for _ in range(4)][::-1]
    assert find(client, maximum=2) == newest_first[:2]
    client.do(ask.activate(newest_first[-1])).expect_success()
    assert find(client, maximum=2, offset=2) == newest_first[2:]


def test_located_items_counts_all_that_match_since_1_3(engine: EngineHarness) -> None:
    for version, expected in (((1, 2), None), ((1, 3), 3), ((2, 1), 3)):
        client = engine.client(version, name=f"caller of {version}")
        for _ in range(3):
            create(client)
        assert client.do(ask.locate(version, maximum=1)).expect_success().get(Tag.LOCATED_ITEMS) == expected


def test_a_server_names_no_more_objects_than_its_limit_and_counts_them_all(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(limits=OperationLimits(locate_items=3))
    client = engine.client((2, 1))
    newest_first = [create(client) for _ in range(5)][::-1]
    for maximum in (None, 3, 5, 1 << 30):
        result = client.do(ask.locate((2, 1), maximum=maximum))
        assert found(result) == newest_first[:3]
        assert result.get(Tag.LOCATED_ITEMS) == 5
    assert find(client, maximum=5, offset=3) == newest_first[3:]


def test_more_than_a_thousand_objects_beyond_the_page_are_not_counted(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    for _ in range(10):
        assert all(result.ok for result in client.batch(*[ask.create_aes((2, 1))] * 100).results)
    assert client.do(ask.locate((2, 1), maximum=1)).get(Tag.LOCATED_ITEMS) == 1000
    create(client)
    assert client.do(ask.locate((2, 1), maximum=1)).get(Tag.LOCATED_ITEMS) is None
    assert client.do(ask.locate((2, 1))).get(Tag.LOCATED_ITEMS) == 1001
    assert len(find(client, maximum=10, offset=995)) == 6


@pytest.mark.parametrize(("maximum", "offset"), [(-1, None), (None, -1), (-(1 << 31), None)])
def test_negative_numbers_of_items_are_refused(engine: EngineHarness, maximum: int | None, offset: int | None) -> None:
    assert engine.client((1, 4)).do(ask.locate((1, 4), maximum=maximum, offset=offset)).reason == Reason.INVALID_FIELD


def test_offset_items_does_not_exist_before_1_3(engine: EngineHarness) -> None:
    assert not engine.client((1, 2)).do(ask.locate((1, 2), offset=0)).ok


# Where to look. -------------------------------------------------------------------------------------------------------


def test_destroyed_objects_are_found_only_if_the_mask_includes_them(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    gone, there = create(client), create(client)
    client.do(ask.destroy(gone)).expect_success()
    assert find(client) == [there]
    assert find(client, Attribute("", text(Tag.UNIQUE_IDENTIFIER, gone))) == []
    assert found(storage(client, DESTROYED)) == [gone]
    assert found(storage(client, ON_LINE | DESTROYED)) == [there, gone]
    assert found(storage(client, ARCHIVED)) == []
    assert found(storage(client, 0)) == []


@pytest.mark.parametrize("version", BOTH)
def test_archived_objects_are_found_only_if_the_mask_includes_them(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    away, there = create(client), create(client)
    client.do(Request(Operation.ARCHIVE, ask.identifier(away))).expect_success()
    assert find(client) == [there]
    assert found(storage(client, ARCHIVED)) == [away]
    assert found(storage(client, ON_LINE | ARCHIVED)) == [there, away]


@pytest.mark.parametrize("version", ((1, 0), (1, 2), (1, 4)))
def test_no_locate_of_1_x_finds_a_destroyed_object(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    gone = create(client)
    client.do(ask.destroy(gone)).expect_success()
    assert find(client) == []
    for mask in (0, ON_LINE, ARCHIVED, ON_LINE | ARCHIVED):
        assert found(storage(client, mask)) == []
    assert storage(client, DESTROYED).reason == Reason.INVALID_FIELD
    client.do(ask.get_attributes(version, gone)).expect_success()


def test_a_storage_status_mask_has_the_bits_of_the_standard(engine: EngineHarness) -> None:
    assert storage(engine.client((2, 1)), 8).reason == Reason.INVALID_FIELD


@pytest.mark.parametrize("version", [(1, 1), (1, 4), (2, 1)])
def test_group_member_fresh_finds_objects_that_nobody_has_got_yet(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    got, fresh = create(client, ask.object_group("g")), create(client, ask.object_group("g"))
    client.do(ask.get(got)).expect_success()
    assert found(member(client, FRESH, ask.object_group("g"))) == [fresh]


def test_group_member_default_is_the_newest_member(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    create(client, ask.object_group("g"))
    newest = create(client, ask.object_group("g"))
    create(client)
    assert found(member(client, DEFAULT, ask.object_group("g"))) == [newest]
    assert found(member(client, DEFAULT, ask.object_group("none"))) == []


def test_object_group_member_goes_with_an_object_group(engine: EngineHarness) -> None:
    assert member(engine.client((2, 1)), FRESH).reason == Reason.INVALID_FIELD
    assert not member(engine.client((1, 0)), FRESH, ask.object_group("g")).ok


# Who finds what. ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_the_objects_of_others_are_neither_found_nor_counted(engine: EngineHarness, version: Version) -> None:
    alice, mallory = engine.client(version), engine.client(version, "mallory")
    key = create(alice, ask.name("disk"), ask.object_group("g"))
    for question in (
        (),
        (ask.name("disk"),),
        (ask.object_group("g"),),
        (Attribute("Unique Identifier", text(Tag.UNIQUE_IDENTIFIER, key)),),
        (ask.object_type(ask.SYMMETRIC_KEY),),
    ):
        result = mallory.do(ask.locate(version, *question))
        assert found(result) == []
        assert result.get(Tag.LOCATED_ITEMS) == 0
    client = engine.client((2, 1), "mallory")
    alice.do(ask.destroy(key)).expect_success()
    assert found(storage(client, ON_LINE | ARCHIVED | DESTROYED)) == []


SHARING = """{"team": {"preset": {"SYMMETRIC_KEY": {"LOCATE": "ALLOW_OWNER", "GET": "ALLOW_OWNER"}},
                       "groups": {"ops": {"SYMMETRIC_KEY": {"LOCATE": "ALLOW_ALL"}}}},
              "private": {"SYMMETRIC_KEY": {"LOCATE": "DISALLOW_ALL", "GET": "ALLOW_OWNER"}}}"""


def test_an_object_that_a_policy_shares_with_a_group_is_found_by_its_members(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(policies=parse_policies(SHARING, "test"))
    alice, member_of_ops = engine.client((1, 4)), engine.client((1, 4), "oscar", "ops")
    shared = create(alice, ask.operation_policy_name("team"), ask.name("shared"))
    create(alice, ask.name("not shared"))
    own = create(member_of_ops, ask.operation_policy_name("team"))
    assert find(member_of_ops) == [own, shared]
    assert find(member_of_ops, ask.name("shared")) == [shared]
    assert find(member_of_ops, ask.object_type(ask.SECRET_DATA)) == []
    assert find(engine.client((1, 4), "eve")) == []


def test_an_own_object_whose_policy_forbids_locating_is_not_found(make_engine: MakeEngine) -> None:
    engine = make_engine(policies=parse_policies(SHARING, "test"))
    client = engine.client((1, 4))
    create(client, ask.operation_policy_name("private"))
    assert find(client) == []


# In a batch. ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_a_single_identifier_becomes_the_id_placeholder(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = create(client, ask.name("disk"))
    create(client)
    located, got = client.batch(ask.locate(version, ask.name("disk")), ask.get()).results
    assert found(located) == [key]
    assert got.unique_identifier == key


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("count", [0, 2])
def test_none_or_several_empty_the_id_placeholder_and_nothing_is_destroyed(
    engine: EngineHarness, version: Version, count: int
) -> None:
    client = engine.client(version)
    keys = [create(client, ask.object_group("g")) for _ in range(count)]
    response = client.batch(
        ask.create_aes(version),
        ask.locate(version, ask.object_group("g")),
        ask.destroy(),
        fields=(enumeration(Tag.BATCH_ERROR_CONTINUATION_OPTION, 1),),
    )
    created, located, destroyed = response.results
    assert len(found(located)) == count
    assert destroyed.reason == (Reason.OBJECT_NOT_FOUND if version >= (2, 0) else Reason.ITEM_NOT_FOUND)
    assert sorted(find(client)) == sorted([*keys, created.unique_identifier])


def test_one_of_several_becomes_the_id_placeholder_if_only_one_was_wanted(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    keys = [create(client) for _ in range(2)]
    _, got = client.batch(ask.locate((2, 1), maximum=1), ask.get()).results
    assert got.unique_identifier == keys[-1]


def test_a_located_object_is_referred_to_by_its_operation(engine: EngineHarness) -> None:
    client = engine.client((2, 1))
    key = create(client, ask.name("disk"))
    by_operation = Request(Operation.GET, enumeration(Tag.UNIQUE_IDENTIFIER, 0x0B))
    _, got = client.batch(ask.locate((2, 1), ask.name("disk")), by_operation).results
    assert got.unique_identifier == key


def test_locate_sees_what_an_earlier_item_of_the_batch_made(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    made, located = client.batch(ask.create_aes((1, 4), ask.name("new")), ask.locate((1, 4), ask.name("new"))).results
    assert found(located) == [made.unique_identifier]
