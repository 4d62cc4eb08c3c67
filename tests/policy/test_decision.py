"""The decision: deny by default, a denial wins, the reason names the rule; and it is what a second one says it is."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import tomli_w
from random_policies import ACTIONS, arguments, document, request
from support.reference import decide as decide_again
from support.reference import required

from policy.decision import NO_RULE, Compiled, Context, Subject, Thing, allows_any, decide, explain, restrict
from policy.documents import read_document, write_document
from policy.model import Effect, Who

POLICIES, REQUESTS = 4000, 25
"""100,000 requests in all."""


def compiled(table: dict[str, Any]) -> Compiled:
    return Compiled(read_document(tomli_w.dumps(table), "here").rules)


def rules(*tables: dict[str, Any]) -> Compiled:
    common = {"effect": "allow", "subjects": ["anyone"], "actions": ["GET"]}
    return compiled({"rules": [common | {"name": f"rule {n}"} | table for n, table in enumerate(tables)]})


ANN = Subject("ann")
KEY = Thing("SYMMETRIC_KEY", "ann")
NOW = Context(1_764_000_000)


@pytest.mark.slow
def test_it_is_what_a_second_one_says() -> None:
    random = Random(20261124)
    outcomes: dict[tuple[bool, bool], int] = {}
    for _ in range(POLICIES):
        table = document(random)
        policy = compiled(table)
        for _ in range(REQUESTS):
            asked = request(random)
            decision = decide(policy, *arguments(asked))
            allowed, rule = decide_again(table, asked)
            assert (decision.allowed, decision.rule) == (allowed, rule), (table, asked)
            if allowed:
                wanted = required(table, asked)
                assert wanted == {name: getattr(decision.obligations, name) for name in wanted}, (table, asked)
            denials = restrict(policy, *arguments(asked))
            assert denials.allowed == (not (rule and not allowed)), (table, asked)
            outcomes[allowed, bool(rule)] = outcomes.get((allowed, bool(rule)), 0) + 1
    # The cases are worth something only if each outcome is among them.
    assert min(outcomes.values()) > POLICIES * REQUESTS // 50, outcomes
    assert len(outcomes) == 3


def test_whether_anything_is_allowed_is_what_each_decision_says() -> None:
    random = Random(5)
    answers = {True: 0, False: 0}
    for _ in range(POLICIES // 10):
        table = document(random)
        policy = compiled(table)
        for _ in range(REQUESTS):
            asked = request(random)
            subject, _, thing, context = arguments(asked)
            answer = allows_any(policy, subject, frozenset(ACTIONS), thing, context)
            assert answer == any(decide_again(table, asked | {"action": action})[0] for action in ACTIONS)
            answers[answer] += 1
    assert min(answers.values()) > POLICIES * REQUESTS // 200, answers


def test_what_is_read_is_what_was_written() -> None:
    random = Random(7)
    for _ in range(300):
        policy = read_document(tomli_w.dumps(document(random)), "here")
        assert read_document(write_document(policy), "there") == policy


def test_what_no_rule_allows_is_denied() -> None:
    assert decide(rules({"actions": ["DESTROY"]}), ANN, "GET", KEY, NOW) == NO_RULE
    assert not decide(Compiled(()), ANN, "GET", KEY, NOW).allowed
    assert not decide(rules({}), ANN, "NO_SUCH_ACTION", KEY, NOW).allowed


def test_a_denial_wins_whatever_its_place() -> None:
    for tables in ([{}, {"effect": "deny"}], [{"effect": "deny"}, {}]):
        decision = decide(rules(*tables), ANN, "GET", KEY, NOW)
        assert not decision.allowed
        assert decision.rule == f"rule {tables.index({'effect': 'deny'})}"
        assert decision.rule in decision.reason


def test_an_allowance_does_not_reach_into_another_tenant_unless_it_names_it() -> None:
    theirs = KEY._replace(tenants=frozenset({"acme"}))
    assert not decide(rules({}), ANN, "GET", theirs, NOW).allowed
    named = compiled(
        {
            "tenants": {"acme": "another"},
            "rules": [
                {
                    "name": "across",
                    "effect": "allow",
                    "subjects": ["anyone"],
                    "actions": ["GET"],
                    "resource": {"tenants": ["acme"]},
                }
            ],
        }
    )
    assert decide(named, ANN, "GET", theirs, NOW).allowed
    assert not decide(named, ANN, "GET", KEY, NOW).allowed


def test_a_pair_of_two_tenants_needs_both_named() -> None:
    pair = (Subject("d1", tenant="default", kind=Who.DEVICE), Subject("d2", tenant="acme", kind=Who.DEVICE))
    both = Thing("PAIR", tenants=frozenset({"default", "acme"}), pair=pair)
    for tenants, allowed in ((["acme"], False), (["default"], False), (["default", "acme"], True)):
        rule = {
            "name": "r",
            "effect": "allow",
            "subjects": ["anyone"],
            "actions": ["DSCC_NEGOTIATE"],
            "resource": {"tenants": tenants},
        }
        policy = compiled({"tenants": {"acme": "another"}, "rules": [rule]})
        assert decide(policy, pair[0], "DSCC_NEGOTIATE", both, NOW).allowed is allowed


def test_it_says_what_each_rule_had_to_do_with_it() -> None:
    policy = rules({}, {"effect": "deny", "subjects": ["client:ben"]}, {"actions": ["DESTROY"]})
    steps = explain(policy, ANN, "GET", KEY, NOW)
    assert [(step.rule.name, step.rule.effect, step.applies) for step in steps] == [
        ("rule 1", Effect.DENY, False),
        ("rule 0", Effect.ALLOW, True),
    ]
