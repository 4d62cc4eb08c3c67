"""The order of an object's dates, whoever sets them and when (KMIP 2.1 s4.40, s4.41; KMIP 1.4 s3.25, s3.26).

The Process Start Date SHALL NOT precede the Activation Date, nor the Protect Stop Date be later than the Deactivation
Date.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import requests as ask
from support.attributes import deactivation, process_start, protect_stop
from support.bad import INVALID_FIELD, INVALID_VALUE, assert_refused
from support.engine import EngineClient, EngineHarness
from support.keys import DERIVE, SHA_256, cryptographic_parameters, re_key
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.wire import Version, date_time, enumeration, octets, structure

VERSIONS: tuple[Version, ...] = ((1, 0), (1, 4), (2, 1))
NEW: tuple[Version, ...] = ((1, 4), (2, 1))
SOON, LATER = 2_000_000_000, 2_000_000_100
WRONG = {
    "process start before activation": (ask.activation_date(LATER), process_start(SOON)),
    "protect stop after deactivation": (protect_stop(LATER), deactivation(SOON)),
}
RIGHT = (ask.activation_date(SOON), process_start(SOON), protect_stop(LATER), deactivation(LATER))
HMAC = 3


def create(client: EngineClient, *dates: Attribute) -> Request:
    return ask.create_aes(client.version, *dates)


def create_key_pair(client: EngineClient, *dates: Attribute) -> Request:
    return ask.create_key_pair(client.version, [ask.algorithm(ask.RSA), ask.length(2048), *dates], 1, 2)


def register(client: EngineClient, *dates: Attribute) -> Request:
    return ask.register_key(client.version, bytes(32), *dates)


def derive_key(client: EngineClient, *dates: Attribute) -> Request:
    base = client.do(ask.register_key(client.version, bytes(32), ask.activation_date(1), mask=DERIVE))
    how = structure(
        Tag.DERIVATION_PARAMETERS, cryptographic_parameters(hashing=SHA_256), octets(Tag.DERIVATION_DATA, b"x")
    )
    return Request(
        Operation.DERIVE_KEY,
        enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
        + ask.identifier(base.unique_identifier)
        + enumeration(Tag.DERIVATION_METHOD, HMAC)
        + how
        + ask.attributes(client.version, ask.algorithm(ask.AES), ask.length(256), ask.usage_mask(12), *dates),
    )


def rekey(client: EngineClient, *dates: Attribute) -> Request:
    return re_key(client.version, client.do(ask.create_aes(client.version)).unique_identifier, *dates)


def import_(client: EngineClient, *dates: Attribute) -> Request:
    body = structure(Tag.SYMMETRIC_KEY, ask.key_block(bytes(32)))
    if client.version < (2, 0):
        kind, listed = b"", b"".join(ask.in_1x(one) for one in dates)
    else:
        kind = enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
        listed = structure(Tag.ATTRIBUTES, *[one.item for one in dates])
    return Request(Operation.IMPORT, ask.identifier("imported") + kind + listed + body)


WAYS = {
    create: INVALID_VALUE,
    create_key_pair: INVALID_VALUE,
    register: INVALID_VALUE,
    derive_key: INVALID_FIELD,
    rekey: INVALID_FIELD,
    import_: INVALID_VALUE,
}
"""Ways to make an object, and the word that the operation's table has for a wrong value (KMIP 2.1 s6.1)."""


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("dates", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize(("way", "reasons"), WAYS.items(), ids=[way.__name__ for way in WAYS])
def test_no_object_is_made_with_dates_out_of_order(
    engine: EngineHarness,
    way: Callable[..., Request],
    reasons: frozenset[Reason],
    dates: tuple[Attribute, ...],
    version: Version,
) -> None:
    client = engine.client(version)
    if way is import_ and version < (1, 4):
        return
    assert_refused(client.do(way(client, *dates)), version, reasons)
    client.do(way(client, *RIGHT)).expect_success()


@pytest.mark.parametrize("version", NEW, ids=str)
@pytest.mark.parametrize(
    ("has", "then"),
    [(first, second) for one in WRONG.values() for first, second in (one, one[::-1])],
    ids=["process start", "activation", "deactivation", "protect stop"],
)
def test_no_date_that_is_set_later_is_out_of_order_with_one_that_is_there(
    engine: EngineHarness, has: Attribute, then: Attribute, version: Version
) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version, has)).unique_identifier
    assert_refused(client.do(ask.add_attribute(version, key, then)), version, INVALID_FIELD)
    other = client.do(ask.create_aes(version, *RIGHT)).unique_identifier
    for changed in (has, then):
        result = client.do(ask.modify_attribute(version, other, changed))
        in_order = changed in RIGHT
        assert result.ok is in_order, changed
    if version >= (2, 0):
        new = structure(Tag.NEW_ATTRIBUTE, then.item)
        refused = client.do(Request(Operation.SET_ATTRIBUTE, ask.identifier(key) + new))
        assert_refused(refused, version, INVALID_VALUE)


def test_a_date_is_not_adjusted_beyond_its_neighbour(engine: EngineHarness) -> None:
    client = engine.client()
    key = client.do(ask.create_aes((2, 1), protect_stop(SOON), deactivation(SOON + 1))).unique_identifier
    adjusted = Request(
        Operation.ADJUST_ATTRIBUTE,
        ask.identifier(key)
        + enumeration(Tag.ATTRIBUTE_REFERENCE, Tag.PROTECT_STOP_DATE)
        + enumeration(Tag.ADJUSTMENT_TYPE, 1),
    )
    client.do(adjusted).expect_success()
    assert_refused(client.do(adjusted), (2, 1), INVALID_FIELD)
    assert date(client, key, Tag.PROTECT_STOP_DATE) == SOON + 1


def test_an_attribute_that_is_no_date_is_changed_whatever_the_dates_are(engine: EngineHarness) -> None:
    client = engine.client()
    key = client.do(ask.create_aes((2, 1), *RIGHT)).unique_identifier
    client.do(ask.add_attribute((2, 1), key, ask.contact_information("somebody"))).expect_success()


def test_activate_takes_an_earlier_process_start_date_along(engine: EngineHarness) -> None:
    client = engine.client()
    key = client.do(ask.create_aes((2, 1), process_start(engine.now - 100))).unique_identifier
    client.do(ask.activate(key)).expect_success()
    assert date(client, key, Tag.PROCESS_START_DATE) == date(client, key, Tag.ACTIVATION_DATE) == engine.now


def test_revoke_takes_a_later_protect_stop_date_along(engine: EngineHarness) -> None:
    client = engine.client()
    kept = client.do(ask.create_aes((2, 1), ask.activation_date(1), protect_stop(engine.now - 9))).unique_identifier
    moved = client.do(ask.create_aes((2, 1), ask.activation_date(1), protect_stop(LATER))).unique_identifier
    for key in (kept, moved):
        client.do(ask.revoke(key)).expect_success()
    assert date(client, kept, Tag.PROTECT_STOP_DATE) == engine.now - 9
    assert date(client, moved, Tag.PROTECT_STOP_DATE) == date(client, moved, Tag.DEACTIVATION_DATE) == engine.now
    client.do(re_key((2, 1), moved)).expect_success()


def date(client: EngineClient, key: str, tag: Tag) -> object:
    return client.do(ask.get_attributes((2, 1), key, ("", tag))).get(Tag.ATTRIBUTES, tag)


@pytest.mark.parametrize("at", [-(2**63), -62_135_596_801, 253_402_300_800, 2**63 - 1])
def test_a_date_that_no_calendar_has_is_refused_from_another_server_too(engine: EngineHarness, at: int) -> None:
    client = engine.client()
    for tag in (Tag.INITIAL_DATE, Tag.DEACTIVATION_DATE):
        asked = import_(client, Attribute("", date_time(tag, at)))
        assert_refused(client.do(asked), (2, 1), INVALID_FIELD)


def test_re_key_moves_no_date_out_of_the_calendar(engine: EngineHarness) -> None:
    client = engine.client()
    last = 253_402_300_799
    key = client.do(ask.create_aes((2, 1), ask.activation_date(1), deactivation(last))).unique_identifier
    assert_refused(client.do(re_key((2, 1), key, offset=5)), (2, 1), INVALID_FIELD)
