"""Which keys the requests of KMIP deliver, and what the other site hears of a key that has left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.engine import EngineHarness, MakeEngine
from support.negotiated import mark_negotiated
from support.numbers import Reason
from support.numbers import Tag as Number
from support.requests import (
    DESTROYED,
    KEY_COMPROMISE,
    PRE_ACTIVE,
    Attribute,
    activate,
    create_aes,
    destroy,
    get,
    object_group,
    revoke,
)
from support.wire import Response, date_time

from kmip_server.etsi014 import requests
from kmip_server.etsi014.requests import Pair
from kmip_server.gateway.words import word_of
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.storage.lease import put_lease
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import State
from kmip_server.ttlv.tags import Tag

PAIR = Pair("alice", "bob", "site-a")
SAID = {"Peer": "site-a", "Initiator": "site-a", "Requester": "alice", "Purpose": "etsi014", "ConfirmedAt": "1"}
GROUP = "etsi014:bob"


@pytest.fixture
def engine(make_engine: MakeEngine) -> EngineHarness:
    made = make_engine()
    put_lease(made.store.database, made.now + 60)
    return made


def arrived(engine: EngineHarness, group: str = GROUP, seconds: int = 60, **said: str | None) -> str:
    """A key of bob's that the other site has told of, as SAID but for these values; None is without it."""
    bob = engine.client(name="bob")
    end = Attribute("Deactivation Date", date_time(Number.DEACTIVATION_DATE, engine.now + seconds))
    key_id = bob.do(create_aes(bob.version, object_group(group), end)).unique_identifier
    values = {name: value for name, value in {**SAID, **said}.items() if value is not None}
    mark_negotiated(engine.store, key_id, values)
    return key_id


def fetch(engine: EngineHarness, *key_ids: str) -> Response:
    bob = engine.client(name="bob")
    return engine.exchange(bob.caller, requests.fetch(PAIR, key_ids, engine.now))


def is_delivered(answer: Response) -> bool:
    return all(result.ok for result in answer.results)


def state_of(engine: EngineHarness, key_id: str) -> int:
    row = engine.row(key_id)
    assert row is not None
    return int(ManagedObject.of(row).state)


def told(engine: EngineHarness) -> list[str]:
    """The keys of which the other site is to hear."""
    with engine.store.unit(writes=False) as unit:
        return [change.unique_identifier for change in unit.shared_changes(100)]


def test_keys_of_the_pair_are_delivered_and_erased(engine: EngineHarness) -> None:
    keys = [arrived(engine) for _ in range(3)]
    material = [engine.material(key_id) for key_id in keys]
    answer = fetch(engine, *keys)
    assert is_delivered(answer)
    secrets = [
        result.get(Number.SYMMETRIC_KEY, Number.KEY_BLOCK, Number.KEY_VALUE, Number.KEY_MATERIAL)
        for result in answer.results[1::3]
    ]
    assert all(secret in (whole or b"") for secret, whole in zip(secrets, material, strict=True))
    assert [engine.material(key_id) for key_id in keys] == [None] * 3
    assert not is_delivered(fetch(engine, keys[0]))


@pytest.mark.parametrize(
    "change",
    [
        {"Requester": "mallory"},
        {"Requester": None},
        {"Peer": "site-c"},
        {"Initiator": "site-b"},
        {"Purpose": "tunnel"},
        {"group": "etsi014:carol"},
        {"seconds": 0},
        {"ConfirmedAt": None},
    ],
    ids=str,
)
def test_no_other_key_is(engine: EngineHarness, change: dict[str, Any]) -> None:
    key_id, right = arrived(engine, **change), arrived(engine)
    assert not is_delivered(fetch(engine, right, key_id))
    assert state_of(engine, key_id) == state_of(engine, right) == PRE_ACTIVE
    assert is_delivered(fetch(engine, right))


@pytest.mark.parametrize(
    "done", [get, activate, lambda key_id: revoke(key_id, KEY_COMPROMISE)], ids=["got", "active", "compromised"]
)
def test_a_key_with_which_something_was_done_is_not(engine: EngineHarness, done: Callable[[str], Any]) -> None:
    key_id = arrived(engine)
    engine.client(name="bob").do(done(key_id)).expect_success()
    assert not is_delivered(fetch(engine, key_id))
    assert state_of(engine, key_id) != DESTROYED


def test_a_key_of_somebody_else_is_not(engine: EngineHarness) -> None:
    key_id = arrived(engine)
    carol = engine.client(name="carol")
    answer = engine.exchange(carol.caller, requests.fetch(PAIR, [key_id], engine.now))
    assert not is_delivered(answer)
    assert state_of(engine, key_id) == PRE_ACTIVE


# What the other site hears. -------------------------------------------------------------------------------------------


def test_of_a_key_that_has_left_the_other_site_does_not_hear(engine: EngineHarness) -> None:
    key_id = arrived(engine)
    assert is_delivered(fetch(engine, key_id))
    assert told(engine) == []
    row = engine.row(key_id)
    assert row is not None
    said = word_of(ManagedObject.of(row), "").told
    assert said.first(Tag.STATE) is State.PRE_ACTIVE
    assert Tag.DESTROY_DATE not in said
    bob = engine.client(name="bob")
    bob.do(revoke(key_id, KEY_COMPROMISE)).expect_success()
    assert key_id in told(engine)


@pytest.mark.parametrize("change", [{"Purpose": "tunnel"}, {}], ids=["another purpose", "not delivered"])
def test_of_any_other_end_it_does(engine: EngineHarness, change: dict[str, Any]) -> None:
    key_id, bob = arrived(engine, **change), engine.client(name="bob")
    if change:
        bob.do(get(key_id)).expect_success()
    bob.do(destroy(key_id)).expect_success()
    assert told(engine) == [key_id]
    row = engine.row(key_id)
    assert row is not None
    assert word_of(ManagedObject.of(row), "").told.first(Tag.STATE) is State.DESTROYED


def test_of_a_key_that_was_active_it_hears(engine: EngineHarness) -> None:
    key_id, bob = arrived(engine), engine.client(name="bob")
    for asked in (activate(key_id), get(key_id), revoke(key_id), destroy(key_id)):
        bob.do(asked).expect_success()
    row = engine.row(key_id)
    assert row is not None
    assert word_of(ManagedObject.of(row), "").told.first(Tag.STATE) is State.DESTROYED


def test_clients_have_their_limits_and_what_the_server_asks_for_them_has_none(engine: EngineHarness) -> None:
    asked = requests.fetch(PAIR, [arrived(engine)] * 34, engine.now)
    (answer,) = engine.exchange(engine.client(name="bob").caller, asked).results
    assert answer.reason == Reason.SERVER_LIMIT_EXCEEDED
    assert len(engine.engine.read(binary.decode(asked), engine.now, limited=False).request.items) == 3 * 34
