"""Acts on clients and devices: when they are due, once, on record, and never by a rule that is not in force."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import insert, select
from support.automating import DAY, GUESSING, NOON, Rules, count

from kmip_server.automating import accounts
from kmip_server.automating.wanted import NotWantedError
from kmip_server.storage import schema
from kmip_server.storage.accounts import list_clients, read_accounts
from kmip_server.storage.automatic_facts import note_service
from kmip_server.storage.devices import add_device, find
from kmip_server.storage.standing import list_standings, note_seen, quarantine_client, release_client

LOST = {"name": "lost", "if": "inactive", "then": "quarantine", "days": 30, "subjects": ["anyone"]}
GONE = {"name": "gone", "if": "inactive", "then": "revoke", "days": 90, "subjects": ["anyone"]}
WAITING = {"name": "nobody votes", "if": "approvals-outstanding", "then": "escalate", "count": 2, "channels": ["ops"]}


def quarantined(rules: Rules) -> frozenset[str]:
    return read_accounts(rules.store.database).quarantined


def see(rules: Rules, name: str, now: int) -> None:
    with rules.store.database.writing() as connection:
        note_seen(connection, [name], now)


def test_a_client_that_is_not_seen_is_put_away_then_revoked_on_the_day(rules: Rules) -> None:
    rules.put(LOST, GONE)
    rules.add("ann", NOON)
    rules.add("ben", NOON)
    assert rules.look(NOON + 29 * DAY) == []
    see(rules, "ben", NOON + 29 * DAY)
    (done,) = rules.look(NOON + 30 * DAY)
    assert done == ("lost", "quarantine", "client:ann", "not seen since 2030-03-17 17:46 UTC", "done")
    assert quarantined(rules) == {"ann"}
    assert rules.look(NOON + 30 * DAY) == rules.look(NOON + 31 * DAY) == []
    assert [each.about for each in rules.look(NOON + 90 * DAY)] == ["client:ben", "client:ann"]
    revoked = {one.name: one.revoked_at for one in list_clients(rules.store.database)}
    assert revoked == {"ann": NOON + 90 * DAY, "ben": None}
    assert rules.look(NOON + 91 * DAY) == []
    assert rules.audit() == [
        ("automatic rule lost", "Client Quarantine", "ann", "succeeded"),
        ("automatic rule lost", "Client Quarantine", "ben", "succeeded"),
        ("automatic rule gone", "Client Revocation", "ann", "succeeded"),
    ]
    assert rules.told() == [
        *[("client-quarantined", "ops"), ("rule-acted", "ops")] * 2,
        ("client-revoked", "ops"),
        ("rule-acted", "ops"),
    ]


def test_a_released_client_has_its_days_again(rules: Rules) -> None:
    rules.put(LOST)
    rules.add("ann", NOON)
    rules.look(NOON + 30 * DAY)
    release_client(rules.store.database, "ann", by="root", now=NOON + 35 * DAY)
    assert rules.look(NOON + 64 * DAY) == []
    assert [each.outcome for each in rules.look(NOON + 65 * DAY)] == ["done"]


def test_groups_tenants_and_exemptions_choose_the_clients(rules: Rules) -> None:
    chosen = {**LOST, "subjects": ["group:arrays", "tenant:acme"], "exempt": ["client:backup"]}
    rules.put(chosen, tenants={"acme": "a customer"}, clients={"cy": {"tenant": "acme"}})
    for name, groups in (("ann", ["arrays"]), ("ben", []), ("cy", []), ("backup", ["arrays"])):
        rules.add(name, NOON, *groups)
    assert [each.about for each in rules.look(NOON + 30 * DAY)] == ["client:ann", "client:cy"]


def test_a_client_with_the_certificate_of_another_authority_is_put_away_and_not_revoked(rules: Rules) -> None:
    rules.put(LOST, GONE)
    see(rules, "stranger", NOON)
    assert [each.act for each in rules.look(NOON + 90 * DAY)] == ["quarantine"]
    assert rules.look(NOON + 91 * DAY) == []


def test_a_device_is_put_away_then_revoked(rules: Rules) -> None:
    rules.put(LOST, GONE)
    database = rules.store.database
    add_device(database, "meter", {}, author="root", now=NOON)
    assert rules.look(NOON + 30 * DAY - 1) == []
    assert [each.about for each in rules.look(NOON + 30 * DAY)] == ["device:meter"]
    assert find(database, "meter").stage == "quarantine"
    assert [each.act for each in rules.look(NOON + 120 * DAY)] == ["revoke"], "90 days at its last stage"
    assert find(database, "meter").stage == "revoked"
    assert rules.look(NOON + 300 * DAY) == []


def test_nobody_is_inactive_for_a_time_in_which_no_server_was_there(rules: Rules) -> None:
    rules.put(LOST)
    rules.add("ann", NOON)
    worker = rules.worker()
    worker.hear({"ann"}, NOON)
    worker = rules.worker()
    worker.hear([], NOON + 40 * DAY)
    assert worker.look(NOON + 40 * DAY) == []
    for day in range(40, 70):
        with rules.store.database.writing() as connection:
            note_service(connection, NOON + day * DAY)
    assert worker.look(NOON + 70 * DAY - 1) == []
    assert [each.about for each in worker.look(NOON + 70 * DAY)] == ["client:ann"]


def test_who_was_heard_is_written_once_an_hour(rules: Rules) -> None:
    worker = rules.worker()
    worker.hear({"ann"}, NOON)
    worker.hear({"ann", "ben"}, NOON + 3599)
    seen = {name: each.last_seen_at for name, each in list_standings(rules.store.database).items()}
    assert seen == {"ann": NOON, "ben": NOON + 3599}
    worker.hear({"ann", "ben"}, NOON + 3600)
    seen = {name: each.last_seen_at for name, each in list_standings(rules.store.database).items()}
    assert seen == {"ann": NOON + 3600, "ben": NOON + 3599}


def test_wrong_passwords_put_the_client_away_from_which_they_come(rules: Rules) -> None:
    rules.put(GUESSING)
    rules.add("ann", 0)
    rules.guess("ann", NOON, NOON + 1)
    rules.guess("ben", NOON)
    assert rules.look(NOON + 2) == []
    rules.guess("ann", NOON + 2)
    (done,) = rules.look(NOON + 3)
    assert (done.about, done.why) == ("client:ann", "wrong passwords since 2030-03-17 17:46 UTC: 3")
    assert quarantined(rules) == {"ann"}
    release_client(rules.store.database, "ann", by="root", now=NOON + 60)
    assert rules.look(NOON + 61) == [], "the same ones do not count again"
    rules.guess("ann", NOON + 70, NOON + 71, NOON + 72)
    assert [each.about for each in rules.look(NOON + 73)] == ["client:ann"]


def test_wrong_passwords_from_before_a_release_count_no_more(rules: Rules) -> None:
    rules.put(GUESSING)
    rules.add("ann", 0)
    rules.guess("ann", NOON, NOON + 1)
    quarantine_client(rules.store.database, "ann", by="root", now=NOON + 2)
    release_client(rules.store.database, "ann", by="root", now=NOON + 3)
    rules.guess("ann", NOON + 4)
    assert rules.look(NOON + 5) == []


def test_wrong_passwords_that_are_long_ago_do_not_count(rules: Rules) -> None:
    rules.put(GUESSING)
    rules.add("ann", 0)
    rules.guess("ann", NOON, NOON + 300, NOON + 600)
    assert rules.look(NOON + 601) == []


def ask_for_approval(rules: Rules, number: int, at: int, used_at: int | None = None) -> None:
    values = {"digest": bytes([number]), "subject": "ann", "action": "DESTROY", "resource": str(number)}
    with rules.store.database.writing() as connection:
        connection.execute(
            insert(schema.approvals).values(
                approval_id=str(number), needs='[[1, ["auditor"], 604800]]', requested_at=at, used_at=used_at, **values
            )
        )


def test_approvals_that_wait_are_escalated_once_a_day(rules: Rules) -> None:
    rules.put(WAITING)
    ask_for_approval(rules, 1, NOON)
    ask_for_approval(rules, 2, NOON, used_at=NOON)
    ask_for_approval(rules, 3, NOON - 8 * DAY)
    assert rules.look(NOON) == [], "one is done, and one is expired"
    ask_for_approval(rules, 4, NOON)
    (done,) = rules.look(NOON + 1)
    assert (done.about, done.why) == ("approvals", "requests that wait for approval: 2")
    assert rules.look(NOON + DAY) == []
    assert len(rules.look(NOON + 1 + DAY)) == 1
    assert rules.told() == [("escalation", "ops")] * 2
    assert rules.audit() == [("automatic rule nobody votes", "Escalation", "approvals", "succeeded")] * 2


@pytest.mark.parametrize("trial", range(5))
def test_of_several_workers_one_acts(rules: Rules, trial: int) -> None:
    """Without the claim each would tell of it."""
    rules.put(WAITING)
    for number in (1, 2):
        ask_for_approval(rules, number, NOON)
    workers, together = [rules.worker() for _ in range(4)], Barrier(4)

    def look(number: int) -> int:
        together.wait()
        return len(workers[number].look(NOON + 1))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(look, range(4))) == 1
    assert rules.told() == [("escalation", "ops")]


def test_a_rule_that_was_taken_back_meanwhile_does_nothing(rules: Rules) -> None:
    """What was found to be due is decided again in the transaction that does it."""
    rules.put(LOST)
    rules.add("ann", NOON)
    now, database = NOON + 30 * DAY, rules.store.database
    rule = rules.worker()._directory().ruling.policy.automatic[0]
    with database.reading() as connection:
        (one,) = accounts.wanted(connection, rule, rules.worker()._directory().ruling, now)
    rules.put({**LOST, "days": 31})
    with pytest.raises(NotWantedError):
        accounts.act(database, one, now)
    rules.put(LOST)
    see(rules, "ann", now - 1)
    with pytest.raises(NotWantedError):
        accounts.act(database, one, now)
    assert quarantined(rules) == frozenset()
    with database.reading() as connection:
        assert count(connection, schema.automatic_acts) == 0, "no claim is left behind"


def test_a_dry_run_does_nothing(rules: Rules) -> None:
    rules.put(LOST)
    rules.add("ann", NOON)
    (one,) = rules.look(NOON + 30 * DAY, dry_run=True)
    assert one.outcome == "would be done"
    assert quarantined(rules) == frozenset()
    assert [each.outcome for each in rules.look(NOON + 30 * DAY)] == ["done"]


def test_an_act_of_a_trial_in_the_future_does_not_keep_it_from_being_done(rules: Rules) -> None:
    rules.put(WAITING)
    for number in (1, 2):
        ask_for_approval(rules, number, NOON)
    assert len(rules.look(NOON + 5 * DAY)) == 1
    assert len(rules.look(NOON)) == 1


def test_one_look_does_a_bounded_part(rules: Rules) -> None:
    rules.put(LOST)
    for number in range(5):
        rules.add(f"client {number}", NOON)
    worker = rules.worker()
    assert [len(worker.look(NOON + 30 * DAY, most=2)) for _ in range(4)] == [2, 2, 1, 0]


def test_acts_that_hold_nothing_back_any_more_are_forgotten(rules: Rules) -> None:
    rules.put(LOST)
    rules.add("ann", NOON)
    rules.look(NOON + 30 * DAY)
    rules.worker().hear([], NOON + 33 * DAY)
    with rules.store.database.reading() as connection:
        assert connection.execute(select(schema.automatic_acts)).all() == []
