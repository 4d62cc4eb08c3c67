"""Automatic rules as they stand in a document: read, written, and refused where they make no sense."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli_w

from policy.documents import read_document, write_document
from policy.model import Act, AutomaticRule, Condition, Match, PolicyError, Selector, Who

ANYONE = (Selector(Who.ANYONE),)
CHANNELS = {"ops": {"kind": "syslog", "url": "udp://127.0.0.1:9"}}
EVERY = {
    "lost clients": (
        {"if": "inactive", "then": "quarantine", "days": 30, "subjects": ["anyone"], "exempt": ["client:backup"]},
        AutomaticRule(
            name="lost clients",
            condition=Condition.INACTIVE,
            act=Act.QUARANTINE,
            days=30,
            subjects=ANYONE,
            exempt=(Selector(Who.CLIENT, "backup"),),
        ),
    ),
    "gone": (
        {"if": "inactive", "then": "revoke", "days": 90, "subjects": ["device:meter-7", "group:arrays"]},
        AutomaticRule(
            name="gone",
            condition=Condition.INACTIVE,
            act=Act.REVOKE,
            days=90,
            subjects=(Selector(Who.DEVICE, "meter-7"), Selector(Who.GROUP, "arrays")),
        ),
    ),
    "old keys": (
        {"if": "key-older", "then": "rotate", "days": 365, "resource": {"groups": ["disks"]}},
        AutomaticRule(
            name="old keys",
            condition=Condition.KEY_OLDER,
            act=Act.ROTATE,
            days=365,
            resource=Match(groups=frozenset({"disks"})),
        ),
    ),
    "in time": (
        {"if": "key-older", "then": "rotate"},
        AutomaticRule(name="in time", condition=Condition.KEY_OLDER, act=Act.ROTATE),
    ),
    "guessing": (
        {"if": "failed-authentications", "then": "quarantine", "count": 5, "within": "10m", "subjects": ["anyone"]},
        AutomaticRule(
            name="guessing",
            condition=Condition.FAILED_AUTHENTICATIONS,
            act=Act.QUARANTINE,
            count=5,
            within=600,
            subjects=ANYONE,
        ),
    ),
    "nobody votes": (
        {"if": "approvals-outstanding", "then": "escalate", "count": 3, "channels": ["ops"]},
        AutomaticRule(
            name="nobody votes",
            condition=Condition.APPROVALS_OUTSTANDING,
            act=Act.ESCALATE,
            count=3,
            channels=frozenset({"ops"}),
        ),
    ),
}


def text(*rules: dict[str, object]) -> str:
    return tomli_w.dumps({"channels": CHANNELS, "automatic": list(rules)})


def test_every_condition_is_read_and_written_as_the_same() -> None:
    policy = read_document(text(*[{"name": name, **given} for name, (given, _) in EVERY.items()]), "here")
    assert policy.automatic == tuple(made for _, made in EVERY.values())
    assert read_document(write_document(policy), "again") == policy


PAIRS = {
    ("inactive", "quarantine"),
    ("inactive", "revoke"),
    ("inactive", "escalate"),
    ("key-older", "rotate"),
    ("key-older", "escalate"),
    ("failed-authentications", "quarantine"),
    ("failed-authentications", "escalate"),
    ("approvals-outstanding", "escalate"),
}
SAID = {
    "inactive": {"days": 1, "subjects": ["anyone"]},
    "key-older": {},
    "failed-authentications": {"count": 1, "within": "1m", "subjects": ["anyone"]},
    "approvals-outstanding": {"count": 1},
}


@pytest.mark.parametrize("condition", [each.value for each in Condition])
@pytest.mark.parametrize("act", [each.value for each in Act])
def test_only_what_makes_sense_together_is_taken(condition: str, act: str) -> None:
    channels = {"channels": ["ops"]} if act == "escalate" else {}
    document = text({"name": "r", "if": condition, "then": act, **SAID[condition], **channels})
    if (condition, act) in PAIRS:
        assert len(read_document(document, "here").automatic) == 1
    else:
        with pytest.raises(PolicyError, match=rf"here: automatic.1 \(r\).then is one of .*, if {condition}"):
            read_document(document, "here")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"if": "bored"}, r"automatic.1 \(r\).if is one of inactive, key-older"),
        ({"then": "explode"}, r"automatic.1 \(r\).then is one of quarantine, revoke"),
        ({"days": None}, r"automatic.1 \(r\).days is missing: it goes with inactive and quarantine"),
        ({"subjects": None}, r"automatic.1 \(r\).subjects is missing"),
        ({"count": 3}, r"automatic.1 \(r\).count says nothing about inactive and quarantine"),
        ({"channels": ["ops"]}, r"automatic.1 \(r\).channels says nothing about"),
        ({"then": "escalate"}, r"automatic.1 \(r\).channels is missing"),
        ({"then": "escalate", "channels": ["obs"]}, r"the automatic rule 'r': there is no channel 'obs'; did you mean"),
        ({"day": 3}, r"automatic.1 \(r\).day is nothing that stands there; did you mean days"),
        ({"days": 0}, r"automatic.1 \(r\).days is a whole number above 0"),
        (
            {"subjects": ["user:carol"]},
            r"name anyone, client, device, role, group, tenant, if inactive; not user:carol",
        ),
        ({"exempt": ["role:auditer"]}, r"the automatic rule 'r': there is no role 'auditer'; did you mean 'auditor'"),
        ({"name": None}, r"automatic.1.name is missing"),
        ({"name": "r" * 101}, r".name has at most 100 characters"),
    ],
)
def test_a_mistake_is_named_with_its_place(changes: dict[str, object], words: str) -> None:
    given = {"name": "r", "if": "inactive", "then": "quarantine", "days": 1, "subjects": ["anyone"]} | changes
    with pytest.raises(PolicyError, match=words):
        read_document(text({name: value for name, value in given.items() if value is not None}), "here")


def test_counts_and_windows_have_bounds() -> None:
    given = {"name": "r", "if": "failed-authentications", "then": "quarantine", "subjects": ["client:x"]}
    for changes, words in (
        ({"count": 1001, "within": "1m"}, "count is at most 1000"),
        ({"count": 1, "within": "25h"}, "within is at most 1d"),
        ({"count": 1, "within": "10 minutes"}, 'within is a time such as "90d"'),
        ({"count": 1, "within": "1m", "subjects": ["device:d"]}, "not device:d"),
    ):
        with pytest.raises(PolicyError, match=words):
            read_document(text({"subjects": ["anyone"], **given, **changes}), "here")


def test_two_automatic_rules_have_different_names() -> None:
    given = {"name": "r", "if": "key-older", "then": "rotate"}
    with pytest.raises(PolicyError, match="two automatic rules have the name 'r'"):
        read_document(text(given, given), "here")


def test_tenants_of_a_resource_are_known() -> None:
    given = {"name": "r", "if": "key-older", "then": "rotate", "resource": {"tenants": ["acme"]}}
    with pytest.raises(PolicyError, match="the automatic rule 'r': there is no tenant 'acme'"):
        read_document(text(given), "here")


def test_the_documented_rules_are_rules() -> None:
    text = (Path(__file__).parents[2] / "docs/automation.md").read_text()
    (document,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    policy = read_document(document, "docs/automation.md")
    assert {rule.condition for rule in policy.automatic} == set(Condition)
    table = re.findall(r"^\| `([a-z-]+)` \| ((?:`[a-z]+`(?:, )?)+) \|", text, re.MULTILINE)
    assert {(condition, act) for condition, acts in table for act in re.findall(r"`(\w+)`", acts)} - {
        ("if", "then")
    } == PAIRS
