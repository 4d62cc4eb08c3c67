"""A solver proves that no template lets devices form keys that no rule lists: whoever they are, at whatever stage.

Each rule becomes a formula over an unknown request. What the formula does not model (hours, networks, states, ...) is
unknown too, so that a proof holds for all of it.
"""

from __future__ import annotations

from itertools import count

import pytest
from z3 import And, Bool, BoolRef, BoolVal, Implies, Not, Or, Solver, String, StringVal, sat, unsat

from policy.compiling import Ruling, template, templates
from policy.documents import read_document
from policy.model import Effect, Match, Policy, Rule, Selector, Who

TOGETHER = ("DSCC_NEGOTIATE", "DSCC_TUNNEL", "DSCC_GROUP_FORM", "DSCC_GROUP_JOIN")
ACTION, KIND, STAGE = String("action"), String("object type"), String("stage")
_unknown = count()


class Device:
    """An unknown device: any name, any tenant, in any groups and roles."""

    def __init__(self, which: str) -> None:
        self.which = which
        self.name, self.tenant = String(f"name of {which}"), String(f"tenant of {which}")

    def is_one_of(self, selector: Selector) -> BoolRef:
        if selector.who is Who.ANYONE:
            return BoolVal(True)
        if selector.who is Who.TENANT:
            return self.tenant == StringVal(selector.name)
        if selector.who in (Who.CLIENT, Who.USER):
            return BoolVal(False)
        if selector.who is Who.DEVICE:
            return self.name == StringVal(selector.name)
        return Bool(f"{self.which} is of {selector}")


ONE, OTHER = Device("one"), Device("other")
"""The two devices; the one asks."""


def _unknown_bool() -> BoolRef:
    return Bool(f"unknown {next(_unknown)}")


def _any_of(device: Device, selectors: tuple[Selector, ...]) -> BoolRef:
    return Or([device.is_one_of(selector) for selector in selectors])


def _among(value: object, allowed: frozenset[str]) -> BoolRef:
    return Or([value == StringVal(each) for each in sorted(allowed)])


def _pair(match: Match) -> BoolRef:
    if match.pair is None:
        return BoolVal(True)
    a, b = match.pair
    return Or(And(ONE.is_one_of(a), OTHER.is_one_of(b)), And(ONE.is_one_of(b), OTHER.is_one_of(a)))


def _like(match: Match) -> BoolRef:
    modelled = [_pair(match)]
    if match.object_types:
        modelled.append(_among(KIND, match.object_types))
    names = set(Match.__slots__) - {"pair", "object_types", "tenants"}
    if any(getattr(match, name) for name in names):
        modelled.append(_unknown_bool())
    return And(modelled)


def applies(rule: Rule) -> BoolRef:
    """Whether the rule applies to the unknown request."""
    parts = [_among(ACTION, rule.actions), _any_of(ONE, rule.subjects), _like(rule.resource)]
    parts.append(Not(_any_of(ONE, rule.exempt)) if rule.exempt else BoolVal(True))
    tenants = rule.resource.tenants
    if rule.effect is Effect.ALLOW and not tenants:
        parts.append(OTHER.tenant == ONE.tenant)
    elif rule.effect is Effect.ALLOW:
        parts += [_among(ONE.tenant, tenants), _among(OTHER.tenant, tenants)]
    elif tenants:
        parts.append(Or(_among(ONE.tenant, tenants), _among(OTHER.tenant, tenants)))
    parts += [Not(_like(match)) for match in rule.unless]
    if rule.when.stages:
        parts.append(_among(STAGE, rule.when.stages))
    if rule.when.days or rule.when.hours or rule.when.networks:
        parts.append(_unknown_bool())
    return And(parts)


def allowed(rules: tuple[Rule, ...]) -> BoolRef:
    denied = Or([applies(rule) for rule in rules if rule.effect is Effect.DENY])
    return And(Not(denied), Or([applies(rule) for rule in rules if rule.effect is Effect.ALLOW]))


def rules_of(*names: str, more: str = "") -> tuple[Rule, ...]:
    policy = Policy(templates=names, rules=read_document(more, "here").rules)
    return Ruling(policy).rules.rules


def is_possible(*claims: BoolRef) -> bool:
    solver = Solver()
    solver.add(_among(ACTION, frozenset(TOGETHER)), *claims)
    answer = solver.check()
    assert answer in (sat, unsat), answer
    return bool(answer == sat)


@pytest.mark.parametrize("name", sorted(templates()))
def test_no_template_lets_a_pair_form_keys_that_no_rule_lists(name: str) -> None:
    listed = Or([_pair(rule.resource) for rule in template(name).rules if rule.resource.pair and _forms(rule)])
    assert not is_possible(allowed(rules_of(name)), Not(listed))


def _forms(rule: Rule) -> bool:
    return rule.effect is Effect.ALLOW and not rule.actions.isdisjoint(TOGETHER)


def test_all_templates_together_list_no_more_than_each() -> None:
    listed = [rule for name in templates() for rule in template(name).rules if rule.resource.pair and _forms(rule)]
    assert not is_possible(allowed(rules_of(*templates())), Not(Or([_pair(rule.resource) for rule in listed])))


def test_no_template_joins_two_tenants() -> None:
    assert not is_possible(allowed(rules_of(*templates())), ONE.tenant != OTHER.tenant)


def test_a_fleet_forms_keys_in_production_alone_and_never_with_itself() -> None:
    fleet = allowed(rules_of("iot-fleet"))
    ones, others = (device.is_one_of(Selector(Who.GROUP, "fleet")) for device in (ONE, OTHER))
    gateways = [device.is_one_of(Selector(Who.GROUP, "gateways")) for device in (ONE, OTHER)]
    assert is_possible(fleet), "the proofs would be worth nothing if nothing were allowed"
    assert not is_possible(fleet, StringVal("production") != STAGE)
    assert not is_possible(fleet, ones, others, Not(gateways[0]), Not(gateways[1]))
    assert not is_possible(fleet, Not(Implies(ones, gateways[1])), Not(gateways[0]))


def test_a_rule_that_lists_nobody_is_found() -> None:
    """The negative control: with it, the proof fails."""
    loose = """
    [[rules]]
    name = "whoever wants to"
    effect = "allow"
    subjects = ["anyone"]
    actions = ["DSCC_NEGOTIATE"]
    """
    listed = Or([_pair(rule.resource) for rule in template("iot-fleet").rules if rule.resource.pair and _forms(rule)])
    assert is_possible(allowed(rules_of("iot-fleet", more=loose)), Not(listed))
