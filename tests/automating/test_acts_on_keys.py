"""Acts on keys: a replacement in time, once, by the code of Re-key, within what the policy allows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select
from support import numbers
from support import requests as ask
from support.automating import DAY, NOON, Rules
from support.keys import deactivation_date, re_key
from support.requests import Attribute, Request, one
from support.wire import Result, Version, read_response

from kmip_server.engine import Engine
from kmip_server.identity.caller import Caller
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.services import Services
from kmip_server.storage import schema
from kmip_server.storage.standing import quarantine_client
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import LinkType, State
from kmip_server.ttlv.item import Limits
from kmip_server.ttlv.tags import Tag

VERSION = (2, 1)
OLD: dict[str, Any] = {"name": "old keys", "if": "key-older", "then": "rotate", "days": 90}
IN_TIME: dict[str, Any] = {"name": "in time", "if": "key-older", "then": "rotate"}
PERIOD = {
    "name": "100 days",
    "effect": "require",
    "subjects": ["anyone"],
    "actions": ["*"],
    "require": {"cryptoperiod": "100d"},
}
Do = Callable[..., Result]


@pytest.fixture
def do(rules: Rules) -> Do:
    """Have a client do something at a time."""

    def carry_out(asked: Request, now: int, name: str = "ann", version: Version = VERSION) -> Result:
        directory = rules.worker()._directory()
        engine = Engine(Services(ruling=directory.ruling))
        plan = engine.read(binary.decode(one(version, asked), Limits()), now)
        with rules.store.unit(writes=True) as unit:
            answer = engine.process(unit, Caller(name), plan.request, now)
        return read_response(binary.encode(answer.message.encode())).result

    return carry_out


def create(do: Do, now: int, *more: Attribute, name: str = "ann") -> str:
    return do(ask.create_aes(VERSION, ask.activation_date(now), *more), now, name).unique_identifier


def stored(rules: Rules, identifier: str) -> ManagedObject:
    with rules.store.unit(writes=False) as unit:
        row = unit.get(identifier)
        assert row is not None
        return ManagedObject.of(row)


def links(found: ManagedObject) -> dict[LinkType, str]:
    return {link.link_type: link.linked_object_identifier for link in found.attributes.all(Tag.LINK)}


def identifiers(rules: Rules) -> set[str]:
    with rules.store.database.reading() as connection:
        return set(connection.execute(select(schema.objects.c.unique_identifier)).scalars())


def test_an_old_key_gets_a_replacement_with_links_dates_and_name(rules: Rules, do: Do) -> None:
    rules.put(OLD)
    old = create(do, NOON, ask.name("the key"), deactivation_date(NOON + 200 * DAY))
    young = create(do, NOON + DAY)
    assert rules.look(NOON + 90 * DAY - 1) == []
    now = NOON + 90 * DAY
    (done,) = rules.look(now)
    assert done == ("old keys", "rotate", old, "active since 2030-03-17 17:46 UTC", "done")
    (new,) = identifiers(rules) - {old, young}
    before, after = stored(rules, old), stored(rules, new)
    assert links(before) == {LinkType.REPLACEMENT_OBJECT_LINK: new}
    assert links(after) == {LinkType.REPLACED_OBJECT_LINK: old}
    assert (before.state, after.state) == (State.ACTIVE, State.ACTIVE), "what it encrypted is decrypted still"
    assert (after.first(Tag.ACTIVATION_DATE), after.first(Tag.DEACTIVATION_DATE)) == (now, now + 200 * DAY)
    assert [name.name_value for name in after.attributes.all(Tag.NAME)] == ["the key"]
    assert before.first(Tag.NAME) is None
    assert (after.owner, after.first(Tag.ROTATE_GENERATION)) == ("ann", 1)
    assert rules.told() == [("rule-acted", "ops")]
    assert [each.about for each in rules.look(NOON + 91 * DAY)] == [young]
    assert rules.look(NOON + 179 * DAY) == [], "each is replaced once; the replacements are young"
    assert [each.about for each in rules.look(now + 90 * DAY)] == [new]


def test_it_is_on_record_as_the_owner_s_re_key_for_the_rule(rules: Rules, do: Do) -> None:
    rules.put(OLD)
    create(do, NOON)
    rules.look(NOON + 90 * DAY)
    table = schema.audit
    with rules.store.database.reading() as connection:
        last = connection.execute(select(table).order_by(table.c.sequence.desc()).limit(1)).one()
    assert (last.caller, last.operation, last.outcome, last.detail) == (
        "ann",
        "Re-key",
        "succeeded",
        "by automatic rule old keys",
    )


@pytest.mark.parametrize("actions", [["*"], ["CREATE"]])
def test_a_key_is_replaced_in_the_last_tenth_of_its_cryptoperiod(rules: Rules, do: Do, actions: list[str]) -> None:
    rules.put(IN_TIME, rules=[{**PERIOD, "actions": actions}])
    old = create(do, NOON)
    assert stored(rules, old).first(Tag.DEACTIVATION_DATE) == NOON + 100 * DAY
    assert rules.look(NOON + 90 * DAY - 1) == []
    assert [each.about for each in rules.look(NOON + 90 * DAY)] == [old]
    (new,) = identifiers(rules) - {old}
    assert stored(rules, new).first(Tag.DEACTIVATION_DATE) == NOON + 190 * DAY
    assert rules.look(NOON + 179 * DAY) == []


def test_keys_without_a_period_have_no_end_of_it(rules: Rules, do: Do) -> None:
    rules.put(IN_TIME, rules=[{**PERIOD, "subjects": ["client:ben"]}])
    create(do, NOON)
    bens = create(do, NOON, name="ben")
    assert [each.about for each in rules.look(NOON + 99 * DAY)] == [bens]


def test_only_active_symmetric_keys_that_fit_are_replaced(rules: Rules, do: Do) -> None:
    rules.put({**OLD, "resource": {"groups": ["disks"]}})
    group = ask.object_group("disks")
    fits = create(do, NOON, group)
    create(do, NOON)
    do(ask.create_aes(VERSION, group), NOON).expect_success()
    revoked = create(do, NOON, group)
    do(ask.revoke(revoked, ask.KEY_COMPROMISE), NOON).expect_success()
    create(do, NOON, group, deactivation_date(NOON + DAY))
    do(ask.register_secret(VERSION, b"secret", ask.activation_date(NOON), group), NOON).expect_success()
    assert [each.about for each in rules.look(NOON + 90 * DAY)] == [fits]


def test_a_key_that_became_active_by_its_date_is_found(rules: Rules, do: Do) -> None:
    rules.put(OLD)
    later = do(ask.create_aes(VERSION, ask.activation_date(NOON + DAY)), NOON).unique_identifier
    assert [each.about for each in rules.look(NOON + 91 * DAY)] == [later]


def test_a_client_cannot_keep_its_key_by_a_link_of_its_own(rules: Rules, do: Do) -> None:
    rules.put(OLD)
    other = create(do, NOON + 89 * DAY)
    old = create(do, NOON, ask.link(other))
    assert [each.about for each in rules.look(NOON + 90 * DAY)] == [old]


@pytest.mark.parametrize("trial", range(3))
def test_four_workers_make_one_replacement(rules: Rules, do: Do, trial: int) -> None:
    rules.put(OLD)
    old = {create(do, NOON) for _ in range(5)}
    workers, together = [rules.worker() for _ in range(4)], Barrier(4)

    def look(number: int) -> list[str]:
        together.wait()
        return [each.about for each in workers[number].look(NOON + 90 * DAY) if each.outcome == "done"]

    with ThreadPoolExecutor(4) as pool:
        done = [about for each in pool.map(look, range(4)) for about in each]
    left = [each.about for each in rules.look(NOON + 90 * DAY)]
    assert sorted(done + left) == sorted(old)
    assert len(identifiers(rules)) == 10
    replaced = [links(stored(rules, each)).get(LinkType.REPLACED_OBJECT_LINK) for each in identifiers(rules) - old]
    assert sorted(map(str, replaced)) == sorted(old)


def test_what_a_rule_denies_is_denied_and_tried_again_a_day_later(rules: Rules, do: Do) -> None:
    deny = {"name": "no", "effect": "deny", "subjects": ["anyone"], "actions": ["RE_KEY"]}
    rules.put(OLD, rules=[deny])
    old = create(do, NOON)
    (refused,) = rules.look(NOON + 90 * DAY)
    assert "policy does not allow" in refused.outcome
    assert rules.look(NOON + 91 * DAY - 1) == []
    assert len(rules.look(NOON + 91 * DAY)) == 1
    assert rules.told() == []
    table = schema.audit.c
    with rules.store.database.reading() as connection:
        ended = connection.execute(select(table.outcome, table.detail).where(table.operation == "Re-key")).all()
    assert [each.outcome for each in ended] == ["failed"] * 2
    assert all(each.detail.startswith("by automatic rule old keys; ") for each in ended)
    rules.put(OLD)
    assert [each.about for each in rules.look(NOON + 92 * DAY)] == [old]


def test_whoever_may_not_re_key_has_it_done_by_the_rule(rules: Rules, do: Do) -> None:
    tables = {"frozen": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_OWNER"}}}}
    rules.put(OLD, operation_policies=tables)
    frozen = (ask.operation_policy_name("frozen"), ask.activation_date(NOON))
    old = do(ask.create_aes((1, 4), *frozen), NOON, version=(1, 4)).unique_identifier
    assert do(re_key(VERSION, old), NOON).reason == numbers.Reason.PERMISSION_DENIED
    assert [each.outcome for each in rules.look(NOON + 90 * DAY)] == ["done"]
    assert stored(rules, old).first(Tag.ROTATE_LATEST) is False


def test_keys_of_a_client_in_quarantine_are_left_alone(rules: Rules, do: Do) -> None:
    rules.put(OLD)
    rules.add("ann", NOON)
    create(do, NOON)
    quarantine_client(rules.store.database, "ann", by="root", now=NOON)
    assert rules.look(NOON + 90 * DAY) == []


def test_old_keys_can_be_told_of_instead(rules: Rules, do: Do) -> None:
    rules.put({**OLD, "then": "escalate", "channels": ["ops"]})
    old = create(do, NOON)
    assert [each.about for each in rules.look(NOON + 90 * DAY)] == [old]
    assert rules.look(NOON + 91 * DAY - 1) == []
    assert rules.told() == [("escalation", "ops")]
    assert rules.audit() == [("automatic rule old keys", "Escalation", old, "succeeded")]


def test_a_bounded_look_goes_on_where_the_last_one_ended(rules: Rules, do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    from kmip_server.automating import automation

    monkeypatch.setattr(automation, "_WINDOW", 3)
    rules.put(OLD)
    old = sorted(create(do, NOON) for _ in range(7))
    worker, done = rules.worker(), []
    for _ in range(12):
        done += [each.about for each in worker.look(NOON + 90 * DAY, most=2)]
    assert sorted(done) == old
