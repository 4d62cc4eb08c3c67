from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import compiled, decide_by

from policy.decision import NO_RULE, Context, Subject, Thing, beyond_own, decide
from policy.model import OperationPolicy, Permission
from policy.operation_policies import BUILT_IN, parse_policies

ALICE, BOB = Subject("alice", frozenset()), Subject("bob", frozenset())
KEY = ("SYMMETRIC_KEY", "GET")
POLICIES = {
    "team": OperationPolicy(
        "team",
        preset={KEY: Permission.ALLOW_OWNER},
        groups={"readers": {KEY: Permission.ALLOW_ALL}, "nobody": {KEY: Permission.DISALLOW_ALL}, "empty": {}},
    ),
    "groups only": OperationPolicy("groups only", preset=None, groups={"readers": {KEY: Permission.ALLOW_ALL}}),
}


def _allowed(subject: Subject, policy: str = "team", owner: str = "alice", action: str = "GET") -> bool:
    return decide_by(POLICIES, subject, action, "SYMMETRIC_KEY", owner, policy).allowed


def _member(name: str, *groups: str) -> Subject:
    return Subject(name, frozenset(groups))


def test_the_owner_is_allowed_what_the_preset_gives_the_owner_and_others_are_not() -> None:
    assert _allowed(ALICE)
    assert not _allowed(BOB)


def test_a_policy_that_does_not_exist_allows_nothing_even_to_the_owner() -> None:
    assert not _allowed(ALICE, policy="gone")


def test_an_operation_without_a_row_is_denied_even_to_the_owner() -> None:
    assert not _allowed(ALICE, action="DESTROY")


def test_a_member_of_a_group_is_answered_from_the_groups_rows_alone() -> None:
    assert _allowed(_member("bob", "readers"))
    assert not _allowed(_member("alice", "nobody"))
    assert not _allowed(_member("alice", "empty"))


def test_one_group_that_allows_is_enough() -> None:
    assert _allowed(_member("bob", "nobody", "readers"))


def test_members_of_groups_the_policy_does_not_mention_are_answered_from_the_preset() -> None:
    assert _allowed(_member("alice", "elsewhere"))
    assert not _allowed(_member("bob", "elsewhere"))


def test_without_a_preset_those_outside_the_groups_get_nothing() -> None:
    assert not _allowed(ALICE, policy="groups only")
    assert _allowed(_member("bob", "readers"), policy="groups only")


@pytest.mark.parametrize("name", ["Alice", "alice ", "alice\x00", ""])
def test_names_that_look_like_the_owners_are_not_the_owner(name: str) -> None:
    assert not _allowed(Subject(name, frozenset()))


def test_the_reason_names_the_policy_and_the_row() -> None:
    decision = decide_by(POLICIES, ALICE, "GET", "SYMMETRIC_KEY", "alice", "team")
    assert decision.rule == "operation policy team: preset, SYMMETRIC_KEY, ALLOW_OWNER"
    assert decide_by(POLICIES, BOB, "GET", "SYMMETRIC_KEY", "alice", "team") == NO_RULE


_TYPES = ("SYMMETRIC_KEY", "CERTIFICATE")
_OPERATIONS = ("GET", "DESTROY", "LOCATE")
_GROUPS = ("a", "b", "c")
_NAMES = ("alice", "bob")
_permissions = st.sampled_from(sorted(Permission.__members__))
_rows = st.dictionaries(
    st.sampled_from(_TYPES), st.dictionaries(st.sampled_from(_OPERATIONS), _permissions, max_size=3), max_size=2
)
_sections = st.one_of(
    _rows,
    st.fixed_dictionaries(
        {}, optional={"preset": _rows, "groups": st.dictionaries(st.sampled_from(_GROUPS), _rows, max_size=3)}
    ),
)
_documents = st.dictionaries(st.sampled_from(["p", "q"]), _sections, max_size=2)
_subjects = st.lists(st.sampled_from(_GROUPS)).flatmap(
    lambda groups: st.sampled_from([_member(name, *groups) for name in _NAMES])
)


def _reference(
    document: dict[str, dict[str, object]], who: Subject, action: str, kind: str, owner: str, name: str
) -> bool:
    """The same question answered slowly, from the words of the file alone."""
    policy = document.get(name)
    if policy is None:
        return False
    sectioned = "preset" in policy or "groups" in policy
    groups = policy.get("groups", {}) if sectioned else {}
    preset = policy.get("preset", {}) if sectioned else policy
    assert isinstance(groups, dict)
    assert isinstance(preset, dict)
    answers = []
    concerned = False
    for group in groups:
        if group in who.groups:
            concerned = True
            answers.append(groups[group].get(kind, {}).get(action))
    if not concerned:
        answers.append(preset.get(kind, {}).get(action))
    return "ALLOW_ALL" in answers or ("ALLOW_OWNER" in answers and who.name == owner)


@settings(max_examples=300, deadline=None)
@given(_documents, _subjects)
def test_every_decision_equals_an_independent_reading_of_the_file(
    document: dict[str, dict[str, object]], who: Subject
) -> None:
    policies = parse_policies(json.dumps(document), "test")
    for name in ("p", "q"):
        for kind in _TYPES:
            for action in _OPERATIONS:
                for owner in _NAMES:
                    expected = _reference(document, who, action, kind, owner, name)
                    assert decide_by(policies, who, action, kind, owner, name).allowed is expected


@settings(max_examples=200, deadline=None)
@given(_documents, _subjects)
def test_what_is_shared_is_exactly_what_a_stranger_is_allowed(
    document: dict[str, dict[str, object]], who: Subject
) -> None:
    policies = BUILT_IN | parse_policies(json.dumps(document), "test")
    rules = compiled(policies)
    for action in _OPERATIONS:
        allowed = {
            (None, name, kind)
            for name in policies
            for kind in (*_TYPES, "TEMPLATE", "SERVER")
            if decide(rules, who, action, Thing(kind, "a stranger", operation_policy=name), Context()).allowed
        }
        assert beyond_own(rules, who, action) == allowed
