"""Re-key (KMIP 2.1 s6.1.46): the replacement takes over the name, the dates and the protection of its key, once."""

from __future__ import annotations

import pytest
from support import keys
from support import requests as ask
from support.engine import EngineClient, EngineHarness, ruling_of
from support.keys import attributes_of, deactivation_date, key_bytes, links_of, process_start_date, re_key
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.wire import Version, date_time, enumeration, integer, interval, long_integer, structure, text

from policy.operation_policies import parse_policies

VERSIONS: tuple[Version, ...] = ((1, 0), (1, 2), (1, 4), (2, 0), (2, 1))
NEW: tuple[Version, ...] = ((1, 4), (2, 1))
REPLACEMENT, REPLACED = 0x106, 0x107
ROTATE_GENERATION, ROTATE_LATEST = 0x42016E, 0x420172
DAY = 86_400


def key(client: EngineClient, *attributes: Attribute, **how: int) -> str:
    return client.do(ask.create_aes(client.version, *attributes, **how)).unique_identifier


def rekeyed(client: EngineClient, target: str, *given: Attribute, offset: int | None = None) -> str:
    return client.do(re_key(client.version, target, *given, offset=offset)).unique_identifier


def protect_stop_date(at: int) -> Attribute:
    return Attribute("Protect Stop Date", date_time(Tag.PROTECT_STOP_DATE, at))


# What the replacement is. ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_the_replacement_is_another_key_with_the_name_and_they_are_linked(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    old = key(client, ask.name("the key"), ask.name("its other name"))
    new = rekeyed(client, old)
    assert key_bytes(client.do(ask.get(new))) != key_bytes(client.do(ask.get(old)))
    assert links_of(client, old) == [(REPLACEMENT, new)]
    assert links_of(client, new) == [(REPLACED, old)]
    names = [name[0].value for name in attributes_of(client, new)[Tag.NAME]]
    assert names == ["the key", "its other name"]
    assert Tag.NAME not in attributes_of(client, old)
    found = client.do(ask.locate(version, ask.name("the key"))).expect_success().payload
    assert found is not None
    assert [node.value for node in found.all(Tag.UNIQUE_IDENTIFIER)] == [new]


def test_what_is_copied_and_what_is_not(engine: EngineHarness) -> None:
    client = engine.client()
    limits = Attribute(
        "Usage Limits",
        structure(
            Tag.USAGE_LIMITS,
            long_integer(Tag.USAGE_LIMITS_TOTAL, 1000),
            enumeration(Tag.USAGE_LIMITS_UNIT, 1),
        ),
    )
    old = key(client, ask.activation_date(1), limits, ask.object_group("group"), ask.contact_information("someone"))
    how = ask.parameters(ask.CBC, padding=3)
    client.do(ask.encrypt(old, bytes(16), how, bytes(16))).expect_success()
    client.do(ask.revoke(old, ask.KEY_COMPROMISE, at=5)).expect_success()
    engine.now += DAY
    new = rekeyed(client, old)
    before, after = attributes_of(client, old), attributes_of(client, new)
    for tag in (
        Tag.CRYPTOGRAPHIC_ALGORITHM,
        Tag.CRYPTOGRAPHIC_LENGTH,
        Tag.CRYPTOGRAPHIC_USAGE_MASK,
        Tag.OBJECT_GROUP,
        Tag.CONTACT_INFORMATION,
    ):
        assert after[tag] == before[tag]
    counts = [found[Tag.USAGE_LIMITS][0][1].value for found in (before, after)]
    assert counts[0] < counts[1] == 1000
    assert after[Tag.INITIAL_DATE] == after[Tag.ORIGINAL_CREATION_DATE] == after[Tag.LAST_CHANGE_DATE] == [engine.now]
    assert before[Tag.LAST_CHANGE_DATE] == [engine.now]
    assert after[Tag.DIGEST] != before[Tag.DIGEST]
    assert not {Tag.COMPROMISE_DATE, Tag.COMPROMISE_OCCURRENCE_DATE, Tag.REVOCATION_REASON, Tag.DESTROY_DATE} & set(
        after
    )
    assert after[Tag.FRESH] == [True]
    assert after[Tag.STATE] == [ask.ACTIVE]


def test_the_attributes_of_the_request_go_first(engine: EngineHarness) -> None:
    client = engine.client()
    old = key(client, ask.contact_information("before"), ask.object_group("one"), bits=128)
    new = rekeyed(client, old, ask.contact_information("after"), ask.object_group("two"), ask.length(256))
    found = attributes_of(client, new)
    assert found[Tag.CONTACT_INFORMATION] == ["after"]
    assert set(found[Tag.OBJECT_GROUP]) == {"one", "two"}
    assert found[Tag.CRYPTOGRAPHIC_LENGTH] == [256]


def test_the_name_of_the_key_may_be_repeated_and_that_of_another_not(engine: EngineHarness) -> None:
    client = engine.client()
    old = key(client, ask.name("mine"))
    key(client, ask.name("taken"))
    assert client.do(re_key((2, 1), old, ask.name("taken"))).reason == Reason.INVALID_FIELD
    new = rekeyed(client, old, ask.name("mine"))
    assert [name[0].value for name in attributes_of(client, new)[Tag.NAME]] == ["mine"]


def test_generations_are_counted(engine: EngineHarness) -> None:
    client = engine.client()
    first = key(client)
    second = rekeyed(client, first)
    third = rekeyed(client, second)
    found = [attributes_of(client, one) for one in (first, second, third)]
    assert [one.get(ROTATE_GENERATION) for one in found] == [None, [1], [2]]
    assert [one.get(ROTATE_LATEST) for one in found] == [[False], [False], [True]]


def test_re_key_makes_its_object_the_id_placeholder(engine: EngineHarness) -> None:
    client = engine.client((1, 0))
    response = client.batch(ask.create_aes((1, 0)), re_key((1, 0), None), ask.get())
    assert response.results[2].unique_identifier == response.results[1].unique_identifier


# Dates: table 303. ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", NEW, ids=str)
def test_without_an_offset_the_dates_are_copied(engine: EngineHarness, version: Version) -> None:
    client, now = engine.client(version), engine.now
    dates = (
        ask.activation_date(now - DAY),
        process_start_date(now - DAY),
        protect_stop_date(now + DAY),
        deactivation_date(now + 2 * DAY),
    )
    old = key(client, *dates)
    engine.now += 100
    before, after = attributes_of(client, old), attributes_of(client, rekeyed(client, old))
    for tag in (Tag.ACTIVATION_DATE, Tag.PROCESS_START_DATE, Tag.PROTECT_STOP_DATE, Tag.DEACTIVATION_DATE):
        assert after[tag] == before[tag]
    assert after[Tag.STATE] == [ask.ACTIVE]


@pytest.mark.parametrize("version", NEW, ids=str)
def test_an_offset_moves_all_dates(engine: EngineHarness, version: Version) -> None:
    client, now = engine.client(version), engine.now
    old = key(
        client,
        ask.activation_date(now - DAY),
        process_start_date(now - DAY + 1),
        protect_stop_date(now + DAY),
        deactivation_date(now + 2 * DAY),
    )
    engine.now += 100
    found = attributes_of(client, rekeyed(client, old, offset=50))
    activation = engine.now + 50
    moved = activation - (now - DAY)
    assert found[Tag.ACTIVATION_DATE] == [activation]
    assert found[Tag.PROCESS_START_DATE] == [now - DAY + 1 + moved]
    assert found[Tag.PROTECT_STOP_DATE] == [now + DAY + moved]
    assert found[Tag.DEACTIVATION_DATE] == [now + 2 * DAY + moved]
    assert found[Tag.STATE] == [ask.PRE_ACTIVE]


def test_an_offset_of_nothing_activates_at_once(engine: EngineHarness) -> None:
    client = engine.client()
    assert attributes_of(client, rekeyed(client, key(client), offset=0))[Tag.STATE] == [ask.ACTIVE]


@pytest.mark.parametrize("version", NEW, ids=str)
def test_an_offset_goes_with_no_date_and_needs_an_activation_date_to_move_others(
    engine: EngineHarness, version: Version
) -> None:
    client = engine.client(version)
    both = client.do(re_key(version, key(client), ask.activation_date(1), offset=1))
    assert both.reason == Reason.INVALID_MESSAGE
    stopping = key(client, deactivation_date(engine.now + DAY))
    assert client.do(re_key(version, stopping, offset=1)).reason == Reason.INVALID_FIELD


# Which keys, and how often. -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", NEW, ids=str)
def test_a_key_is_replaced_once(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    old = key(client)
    new = rekeyed(client, old)
    assert client.do(re_key(version, old)).reason == Reason.PERMISSION_DENIED
    assert links_of(client, old) == [(REPLACEMENT, new)]


def test_a_link_that_the_client_made_is_no_replacement(engine: EngineHarness) -> None:
    client = engine.client()
    one = key(client)
    other = key(client, ask.link(one))
    assert links_of(client, other) == [(REPLACEMENT, one)]
    new = rekeyed(client, other)
    assert links_of(client, other) == [(REPLACEMENT, new)]


@pytest.mark.parametrize("version", NEW, ids=str)
def test_what_cannot_be_re_keyed_is_refused(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    destroyed = key(client)
    client.do(ask.destroy(destroyed)).expect_success()
    assert client.do(re_key(version, destroyed)).reason == Reason.PERMISSION_DENIED
    secret = client.do(ask.register_secret(version, b"x")).unique_identifier
    wrong = client.do(re_key(version, secret))
    assert wrong.reason == (Reason.INVALID_OBJECT_TYPE if version >= (2, 0) else Reason.PERMISSION_DENIED)


def test_a_key_whose_value_is_elsewhere_is_not_re_keyed(engine: EngineHarness) -> None:
    client = engine.client()
    body = structure(Tag.SYMMETRIC_KEY, keys.block(None, bits=256))
    elsewhere = client.do(ask.register((2, 1), ask.SYMMETRIC_KEY, body, ask.usage_mask(12))).unique_identifier
    assert client.do(re_key((2, 1), elsewhere)).reason == Reason.KEY_VALUE_NOT_PRESENT


def test_the_key_of_another_is_not_there_and_keeps_its_name(engine: EngineHarness) -> None:
    client = engine.client()
    theirs = key(client, ask.name("theirs"))
    row = engine.row(theirs)
    assert engine.client(name="mallory").do(re_key((2, 1), theirs)).reason == Reason.OBJECT_NOT_FOUND
    assert engine.row(theirs) == row


def test_who_re_keys_a_shared_key_does_not_come_to_own_it(engine: EngineHarness) -> None:
    operations = ("RE_KEY", "GET", "GET_ATTRIBUTES")
    rows = ", ".join(f'"{operation}": "ALLOW_ALL"' for operation in operations)
    text_ = '{"shared": {"preset": {"SYMMETRIC_KEY": {' + rows + "}}}}"
    engine.engine.services.ruling = ruling_of(parse_policies(text_, "a test"))
    old = key(engine.client((1, 4)), ask.operation_policy_name("shared"))
    new = rekeyed(engine.client((1, 4), "bob"), old)
    row = engine.row(new)
    assert row is not None
    assert (row.owner, row.operation_policy) == ("alice", "shared")


# Protection. ----------------------------------------------------------------------------------------------------------


def test_the_replacement_is_no_less_protected_than_its_key(engine: EngineHarness) -> None:
    client = engine.client()
    old = key(client, keys.sensitive(True), keys.extractable(False))
    found = attributes_of(client, rekeyed(client, old, keys.sensitive(False), keys.extractable(True)))
    assert (found[Tag.SENSITIVE], found[Tag.EXTRACTABLE]) == ([True], [False])
    assert (found[Tag.ALWAYS_SENSITIVE], found[Tag.NEVER_EXTRACTABLE]) == ([True], [True])


def test_the_replacement_may_do_less_and_not_more(engine: EngineHarness) -> None:
    client = engine.client()
    old = key(client, mask=ask.ENCRYPT | ask.DECRYPT)
    wider = client.do(re_key((2, 1), old, ask.usage_mask(ask.ENCRYPT | keys.WRAP)))
    assert wider.reason == Reason.INVALID_FIELD
    new = rekeyed(client, old, ask.usage_mask(ask.DECRYPT))
    assert attributes_of(client, new)[Tag.CRYPTOGRAPHIC_USAGE_MASK] == [ask.DECRYPT]


def test_a_protection_that_is_not_there_is_refused(engine: EngineHarness) -> None:
    client = engine.client()
    masks = structure(Tag.PROTECTION_STORAGE_MASKS, integer(Tag.PROTECTION_STORAGE_MASK, 0x02))
    asked = Request(Operation.RE_KEY, ask.identifier(key(client)) + masks)
    assert client.do(asked).reason == Reason.PROTECTION_STORAGE_UNAVAILABLE


# Pairs (KMIP 2.1 s6.1.47). --------------------------------------------------------------------------------------------


def pair(client: EngineClient, *common: Attribute) -> tuple[str, str]:
    common = common or (ask.algorithm(6), ask.length(256))
    made = client.do(ask.create_key_pair(client.version, list(common), 1, 2)).expect_success()
    return made.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), made.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)


def re_key_pair(private: str, more: bytes = b"") -> Request:
    return Request(Operation.RE_KEY_KEY_PAIR, text(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, private) + more)


PAIR_VERSIONS: tuple[Version, ...] = ((1, 1), (1, 4), (2, 1))


@pytest.mark.parametrize("version", PAIR_VERSIONS, ids=str)
def test_both_keys_of_a_pair_are_replaced_and_linked(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    old = pair(client)
    for half, name in zip(old, ("private", "public"), strict=True):
        client.do(ask.add_attribute(version, half, ask.name(name))).expect_success()
    result = client.do(re_key_pair(old[0])).expect_success()
    new = result.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), result.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)
    for before, after, name in zip(old, new, ("private", "public"), strict=True):
        assert (REPLACEMENT, after) in links_of(client, before)
        assert (REPLACED, before) in links_of(client, after)
        assert [one[0].value for one in attributes_of(client, after)[Tag.NAME]] == [name]
        assert Tag.NAME not in attributes_of(client, before)
    assert (0x102, new[1]) in links_of(client, new[0])
    assert (0x103, new[0]) in links_of(client, new[1])
    assert client.do(re_key_pair(old[0])).reason == Reason.PERMISSION_DENIED


def test_a_pair_is_replaced_by_one_of_its_kind_or_of_the_length_wanted(engine: EngineHarness) -> None:
    client = engine.client()
    old, _ = pair(client, ask.algorithm(ask.RSA), ask.length(2048))
    result = client.do(re_key_pair(old)).expect_success()
    assert attributes_of(client, result.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER))[Tag.CRYPTOGRAPHIC_LENGTH] == [2048]
    longer = structure(Tag.COMMON_ATTRIBUTES, ask.length(3072).item)
    again = client.do(re_key_pair(result.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), longer)).expect_success()
    assert attributes_of(client, again.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER))[Tag.CRYPTOGRAPHIC_LENGTH] == [3072]
    wrong = structure(Tag.COMMON_ATTRIBUTES, ask.length(1000).item)
    assert client.do(re_key_pair(again.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), wrong)).reason == Reason.INVALID_FIELD


@pytest.mark.parametrize("bits", [2048, 3072])
def test_a_message_re_keys_one_rsa_pair_and_as_many_of_curves_as_it_likes(engine: EngineHarness, bits: int) -> None:
    """Others wait while it is generated."""
    client = engine.client()
    first, second = (pair(client, ask.algorithm(ask.RSA), ask.length(bits))[0] for _ in range(2))
    curves = [pair(client)[0] for _ in range(3)]
    response = client.batch(*map(re_key_pair, (*curves, first, second)))
    assert [result.reason for result in response.results] == [None, None, None, None, Reason.INVALID_FIELD]
    client.do(re_key_pair(second)).expect_success()


def test_a_pair_moves_its_dates_by_the_offset(engine: EngineHarness) -> None:
    client, now = engine.client(), engine.now
    dates = ask.activation_date(now - DAY), deactivation_date(now + DAY)
    old, _ = pair(client, ask.algorithm(6), ask.length(256), *dates)
    result = client.do(re_key_pair(old, interval(Tag.OFFSET, 10))).expect_success()
    for half in (Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER):
        found = attributes_of(client, result.get(half))
        assert found[Tag.ACTIVATION_DATE] == [now + 10]
        assert found[Tag.DEACTIVATION_DATE] == [now + 10 + 2 * DAY]


def test_the_placeholder_after_re_key_key_pair_is_the_new_private_key(engine: EngineHarness) -> None:
    client = engine.client()
    old, _ = pair(client)
    response = client.batch(re_key_pair(old), ask.get())
    assert response.results[1].unique_identifier == response.results[0].get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER)


def test_re_key_key_pair_names_a_private_key_that_has_its_public_key(engine: EngineHarness) -> None:
    client = engine.client()
    _, public = pair(client)
    assert client.do(re_key_pair(public)).reason == Reason.INVALID_OBJECT_TYPE
    body = structure(Tag.PRIVATE_KEY, keys.block(keys.material(b"x"), key_format=2, algorithm=ask.RSA, bits=2048))
    alone = client.do(ask.register((2, 1), ask.PRIVATE_KEY, body, ask.usage_mask(1))).unique_identifier
    assert client.do(re_key_pair(alone)).reason == Reason.PERMISSION_DENIED


def test_the_pair_of_another_is_not_there_and_keeps_its_links(engine: EngineHarness) -> None:
    private, public = pair(engine.client())
    rows = engine.row(private), engine.row(public)
    assert engine.client(name="mallory").do(re_key_pair(private)).reason == Reason.OBJECT_NOT_FOUND
    assert (engine.row(private), engine.row(public)) == rows


def test_a_pair_whose_public_key_is_destroyed_is_not_re_keyed(engine: EngineHarness) -> None:
    client = engine.client()
    private, public = pair(client)
    client.do(ask.destroy(public)).expect_success()
    before = engine.row(private)
    refused = client.do(re_key_pair(private))
    assert (refused.reason, "is destroyed" in refused.message) == (Reason.PERMISSION_DENIED, True)
    assert engine.row(private) == before
