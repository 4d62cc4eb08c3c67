"""Automatic rules in a policy document: which condition goes with which act, and what each of them has to say."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, NamedTuple

from policy.document_fields import (
    NAMES,
    RESOURCE,
    SELECTORS,
    TIME,
    Field,
    WrongError,
    list_of,
    named_places,
    number_of,
    one_of,
    read,
    said,
    table_of,
    text_of,
    within,
    written,
)
from policy.model import Act, AutomaticRule, Condition, Who

_LONGEST_NAME: Final = 100
_LONGEST: Final = 86_400
_MOST: Final = 1000
"""Bounds of what is counted, so that a pass reads no more than it can count."""


class _Shape(NamedTuple):
    """What a condition may lead to, and what a rule about it says: what it has to, and what it may."""

    acts: tuple[Act, ...]
    needs: frozenset[str]
    may: frozenset[str] = frozenset()
    who: frozenset[Who] = frozenset()


_ANY_GROUP: Final = frozenset({Who.ANYONE, Who.GROUP, Who.ROLE, Who.TENANT})
_SHAPES: Final = {
    Condition.INACTIVE: _Shape(
        (Act.QUARANTINE, Act.REVOKE, Act.ESCALATE),
        frozenset({"days", "subjects"}),
        frozenset({"exempt"}),
        _ANY_GROUP | {Who.CLIENT, Who.DEVICE},
    ),
    Condition.KEY_OLDER: _Shape((Act.ROTATE, Act.ESCALATE), frozenset(), frozenset({"days", "resource"})),
    Condition.FAILED_AUTHENTICATIONS: _Shape(
        (Act.QUARANTINE, Act.ESCALATE),
        frozenset({"count", "within", "subjects"}),
        frozenset({"exempt"}),
        _ANY_GROUP | {Who.CLIENT},
    ),
    Condition.APPROVALS_OUTSTANDING: _Shape((Act.ESCALATE,), frozenset({"count"})),
}


def _name(value: Any) -> str:
    if len(text_of(value)) > _LONGEST_NAME:
        raise WrongError(f"has at most {_LONGEST_NAME} characters")
    return text_of(value)


def _count(value: Any) -> int:
    if number_of(value) > _MOST:
        raise WrongError(f"is at most {_MOST}")
    return number_of(value)


def _window(value: Any) -> int:
    seconds: int = TIME.read(value)
    if seconds > _LONGEST:
        raise WrongError("is at most 1d")
    return seconds


_FIELDS: Final = {
    "name": Field(_name, str),
    "if": one_of(Condition),
    "then": one_of(Act),
    "subjects": SELECTORS,
    "exempt": SELECTORS,
    "resource": RESOURCE,
    "days": Field(number_of, int),
    "count": Field(_count, int),
    "within": Field(_window, TIME.write),
    "channels": NAMES,
}
_WORDS: Final = {"condition": "if", "act": "then"}
"""The fields of the model that a document calls otherwise."""


def _rule(value: Any) -> AutomaticRule:
    values = read(table_of(value), _FIELDS, ("name", "if", "then"))
    condition, act = values.pop("if"), values.pop("then")
    shape, given = _SHAPES[condition], values.keys() - {"name"}
    if act not in shape.acts:
        raise WrongError(f".then is one of {', '.join(each.value for each in shape.acts)}, if {condition.value}")
    needs = shape.needs | ({"channels"} if act is Act.ESCALATE else frozenset())
    for name in sorted(needs - given):
        raise WrongError(f".{name} is missing: it goes with {condition.value} and {act.value}")
    for name in sorted(given - needs - shape.may):
        raise WrongError(f".{name} says nothing about {condition.value} and {act.value}")
    rule = AutomaticRule(condition=condition, act=act, **values)
    for selector in (*rule.subjects, *rule.exempt):
        if selector.who not in shape.who:
            kinds = ", ".join(each.value for each in Who if each in shape.who)
            raise WrongError(f".subjects and .exempt name {kinds}, if {condition.value}; not {selector}")
    return rule


def _written(rule: AutomaticRule) -> dict[str, Any]:
    values = {_WORDS.get(each.name, each.name): getattr(rule, each.name) for each in fields(rule)}
    return written(said(values), _FIELDS)


AUTOMATIC: Final = Field(
    lambda value: tuple([within(place, _rule, table) for place, table in named_places(list_of(value))]),
    lambda rules: [_written(rule) for rule in rules],
)
"""The field `automatic` of a policy."""
