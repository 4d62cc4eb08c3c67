"""A policy as a TOML document that people edit: read into the model with every mistake named, and written again.

The fields of a rule are declared once, in tables of readers and writers; what a table does not have is refused by name.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import time
from fnmatch import fnmatchcase
from functools import partial
from ipaddress import ip_network
from typing import Any, Final, NamedTuple, TypeVar

import tomli_w

from policy.actions import ACTIONS, matching
from policy.channels import wrong_with
from policy.model import (
    DEFAULT_TENANT,
    NOTHING,
    ROLES,
    Approval,
    Channel,
    ChannelKind,
    Effect,
    Match,
    Member,
    NotificationRule,
    Obligations,
    OperationPolicy,
    Policy,
    PolicyError,
    Rule,
    Selector,
    Stage,
    When,
    Who,
    Workflow,
)
from policy.notifications import EVENTS
from policy.operation_policies import BUILT_IN, policies_in
from policy.parameters import FIELDS
from policy.workflows import DEFAULT_NAME, QUARANTINE, REVOKED

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(\d{1,9})([smhdw])")
_Made = TypeVar("_Made")


class _WrongError(ValueError):
    """What is wrong with one value, without where it stands."""


# Values: how each is read and written. --------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _WrongError("is a text that prints and is not empty")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _WrongError("is a whole number above 0")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _WrongError("is true or false")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _WrongError("is a list")
    return value


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _WrongError("is a table")
    return value


def _names(value: Any) -> frozenset[str]:
    return frozenset(map(_text, _list(value)))


def _names_of(known: tuple[str, ...], value: Any) -> frozenset[str]:
    """Names of which each is known."""
    found = _names(value)
    for name in sorted(found - set(known)):
        near = difflib.get_close_matches(name.upper().replace("-", "_"), known, n=1)
        raise _WrongError(f": KMIP has no {name!r} there" + (f"; did you mean {near[0]}?" if near else ""))
    return found


def _selector(value: Any) -> Selector:
    who, colon, name = _text(value).partition(":")
    try:
        kind = Who(who)
    except ValueError:
        raise _WrongError(
            f"names subjects as {', '.join(each.value + ':NAME' for each in Who if each is not Who.ANYONE)}"
            f" or anyone, not as {value!r}"
        ) from None
    if bool(name) == (kind is Who.ANYONE) or (colon and not name):
        raise _WrongError(f"names a {kind.value} as {kind.value}:NAME" if kind is not Who.ANYONE else "is just: anyone")
    return Selector(kind, name)


def _selectors(value: Any) -> tuple[Selector, ...]:
    found = tuple(map(_selector, _list(value)))
    if not found:
        raise _WrongError('names nobody; "anyone" is everybody')
    return found


def _actions(value: Any) -> frozenset[str]:
    try:
        found = frozenset().union(*[matching(_text(each)) for each in _list(value)])
    except ValueError as error:
        raise _WrongError(f": {error}") from None
    if not found:
        raise _WrongError("names no action")
    return found


def _written_actions(actions: frozenset[str]) -> list[str]:
    return ["*"] if actions == ACTIONS else sorted(actions)


def _duration(value: Any) -> int:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) == 0:
        raise _WrongError('is a time such as "90d", "12h", "30m" or "45s"')
    return int(found[1]) * _UNITS[found[2]]


def _written_duration(seconds: int) -> str:
    unit = next(unit for unit in "wdhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _algorithms(value: Any) -> tuple[tuple[str, frozenset[int]], ...]:
    return tuple(
        (_text(name), frozenset(map(_number, _list(lengths)))) for name, lengths in sorted(_table(value).items())
    )


def _attributes(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((_text(name), _text(wanted)) for name, wanted in sorted(_table(value).items()))


def _pair(value: Any) -> tuple[Selector, Selector]:
    found = _selectors(value)
    if len(found) != 2:
        raise _WrongError("is a list of two subjects")
    return found[0], found[1]


def _days(value: Any) -> frozenset[int]:
    unknown = _names(value) - set(DAYS)
    if unknown:
        raise _WrongError(f"has the days {', '.join(DAYS)}, not {min(unknown)!r}")
    return frozenset(DAYS.index(day) for day in value)


def _hours(value: Any) -> tuple[time, time]:
    try:
        start, end = (time.fromisoformat(each) for each in _text(value).split("-"))
    except ValueError:
        raise _WrongError('is a span of hours in UTC such as "08:00-18:00"') from None
    if start == end:
        raise _WrongError("begins and ends at different times")
    return start, end


def _networks(value: Any) -> tuple[Any, ...]:
    try:
        return tuple(ip_network(_text(each)) for each in _list(value))
    except ValueError as error:
        raise _WrongError(f'is a list of networks such as "10.1.0.0/16": {error}') from None


def _approval(value: Any) -> Approval:
    return Approval(**_read(_table(value), _APPROVAL, ("needed", "roles", "within")))


def _approvals(value: Any) -> frozenset[Approval]:
    return frozenset(map(_approval, _list(value)))


class _Field(NamedTuple):
    """How a field of a table is read, and written so that it is read as the same."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


_NAMES: Final = _Field(_names, sorted)
_ONE: Final = _Field(_text, str)
_SELECTORS: Final = _Field(_selectors, lambda selectors: [str(each) for each in selectors])
_TIME: Final = _Field(_duration, _written_duration)

_MATCH: Final = {
    "object_types": _NAMES,
    "operation_policies": _NAMES,
    "own": _Field(_flag, bool),
    "owners": _NAMES,
    "tenants": _NAMES,
    "groups": _NAMES,
    "names": _Field(lambda value: tuple(sorted(_names(value))), list),
    "attributes": _Field(_attributes, dict),
    "algorithms": _Field(_algorithms, lambda known: {name: sorted(lengths) for name, lengths in known}),
    "uses": _NAMES,
    "states": _NAMES,
    "pair": _Field(_pair, lambda pair: [str(each) for each in pair]),
    **{name: _Field(partial(_names_of, known), sorted) for name, (_, known) in FIELDS.items()},
}
_WHEN: Final = {
    "days": _Field(_days, lambda days: [DAYS[day] for day in sorted(days)]),
    "hours": _Field(_hours, lambda hours: "-".join(each.isoformat("minutes") for each in hours)),
    "networks": _Field(_networks, lambda networks: [str(each) for each in networks]),
    "stages": _NAMES,
}
_APPROVAL: Final = {"needed": _Field(_number, int), "roles": _NAMES, "within": _TIME}
_REQUIRE: Final = {
    "wrap": _Field(_flag, bool),
    "approvals": _Field(
        _approvals, lambda all_: [_written(each._asdict(), _APPROVAL) for each in sorted(all_, key=_approval_order)]
    ),
    "cryptoperiod": _TIME,
    "usage_limit": _Field(_number, int),
}
_RULE: Final = {
    "name": _ONE,
    "effect": _Field(lambda value: _effect(value), lambda effect: effect.value),
    "subjects": _SELECTORS,
    "exempt": _SELECTORS,
    "actions": _Field(_actions, _written_actions),
    "resource": _Field(lambda value: Match(**_read(_table(value), _MATCH)), lambda match: _set(match, _MATCH)),
    "unless": _Field(
        lambda value: tuple(Match(**_read(_table(each), _MATCH)) for each in _list(value)),
        lambda all_: [_set(match, _MATCH) for match in all_],
    ),
    "when": _Field(lambda value: When(**_read(_table(value), _WHEN)), lambda when: _set(when, _WHEN)),
    "require": _Field(lambda value: Obligations(**_read(_table(value), _REQUIRE)), lambda all_: _set(all_, _REQUIRE)),
}
_STAGE: Final = {
    "name": _ONE,
    "approvals": _REQUIRE["approvals"],
    "notify": _NAMES,
    "attributes": _MATCH["attributes"],
    "after": _TIME,
}
_WORKFLOW: Final = {
    "version": _Field(_number, int),
    "stages": _Field(
        lambda value: _stages(value),
        lambda stages: [_written(_said(stage._asdict()), _STAGE) for stage in stages],
    ),
}
_WORKFLOWS: Final = _Field(
    lambda value: {name: _within(name, _workflow, each) for name, each in _table(value).items()},
    lambda all_: {name: _written(each._asdict(), _WORKFLOW) for name, each in sorted(all_.items())},
)
_MEMBER: Final = {"tenant": _ONE, "groups": _NAMES, "roles": _NAMES, "workflow": _ONE}
_DESCRIBED: Final = _Field(lambda value: dict(_described(value)), dict)
_MEMBERS: Final = _Field(
    lambda value: {name: _within(name, _member, each) for name, each in _table(value).items()},
    lambda members: {name: _written(_own(member), _MEMBER) for name, member in sorted(members.items())},
)
_CHANNEL: Final = {
    "kind": _Field(lambda value: _channel_kind(value), lambda kind: kind.value),
    "url": _ONE,
    "sender": _ONE,
    "to": _NAMES,
}
_NOTIFICATION: Final = {
    "events": _Field(lambda value: _events(value), sorted),
    "channels": _NAMES,
    "tenants": _NAMES,
    "actions": _Field(_actions, _written_actions),
    "subjects": _SELECTORS,
}
_POLICY: Final = {
    "templates": _Field(lambda value: tuple(map(_text, _list(value))), list),
    "tenants": _DESCRIBED,
    "roles": _DESCRIBED,
    "users": _MEMBERS,
    "clients": _MEMBERS,
    "devices": _MEMBERS,
    "workflows": _WORKFLOWS,
    "group_workflows": _DESCRIBED,
    "operation_policies": _Field(
        lambda value: policies_in(_table(value), "operation_policies"), lambda all_: _rows(all_)
    ),
    "channels": _Field(
        lambda value: {name: _within(name, _channel, each) for name, each in _table(value).items()},
        lambda channels: {name: _set(each, _CHANNEL) for name, each in sorted(channels.items())},
    ),
    "notifications": _Field(
        lambda value: tuple(_within(str(place), _notification, each) for place, each in enumerate(_list(value), 1)),
        lambda all_: [_set(each, _NOTIFICATION) for each in all_],
    ),
    "rules": _Field(lambda value: _rules(value), lambda rules: [_set(rule, _RULE) for rule in rules]),
}


# Tables. --------------------------------------------------------------------------------------------------------------


def _read(table: Mapping[str, Any], known: Mapping[str, _Field], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of a table. Raises _WrongError for what is unknown, missing or amiss, with the path to it."""
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise _WrongError(f".{name} is nothing that stands there" + (f"; did you mean {near[0]}?" if near else ""))
    for name in required:
        if name not in table:
            raise _WrongError(f".{name} is missing")
    return {name: _within(name, known[name].read, value) for name, value in table.items()}


def _within(name: str, read: Callable[[Any], _Made], value: Any) -> _Made:
    try:
        return read(value)
    except _WrongError as error:
        words = str(error)
        raise _WrongError(f".{name}{words if words[0] in '.:' else ' ' + words}") from None


def _written(values: Mapping[str, Any], known: Mapping[str, _Field]) -> dict[str, Any]:
    return {name: field.write(values[name]) for name, field in known.items() if name in values}


def _set(made: Any, known: Mapping[str, _Field]) -> dict[str, Any]:
    """What is said of a part of the model: all that is not as it is without being said."""
    empty = {each.name: each for each in fields(made)}
    values = {name: getattr(made, name) for name in empty}
    return _written(_said(values), known)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in _UNSAID}


_UNSAID: Final[tuple[Any, ...]] = ("", (), {}, frozenset(), None, False, Match(), When(), NOTHING)


def _effect(value: Any) -> Effect:
    try:
        return Effect(value)
    except ValueError:
        raise _WrongError(f"is one of {', '.join(each.value for each in Effect)}") from None


def _member(value: Any) -> Member:
    return Member(**_read(_table(value), _MEMBER))


def _workflow(value: Any) -> Workflow:
    return Workflow(**_read(_table(value), _WORKFLOW, ("version", "stages")))


def _stages(value: Any) -> tuple[Stage, ...]:
    stages = tuple(
        [
            _within(str(number), lambda each: Stage(**_read(_table(each), _STAGE, ("name",))), table)
            for number, table in enumerate(_list(value), 1)
        ]
    )
    names = [stage.name for stage in stages]
    if not names or len(set(names)) < len(names):
        raise _WrongError("is a list of stages with different names")
    if REVOKED in names:
        raise _WrongError(f"has no stage {REVOKED!r}: that is where the way of a device ends")
    if QUARANTINE in names[2:]:
        raise _WrongError(f"has {QUARANTINE!r} first or second: a device that is put there goes on behind it")
    return stages


def _own(member: Member) -> dict[str, Any]:
    values = member._asdict()
    return {name: value for name, value in values.items() if value and (name, value) != ("tenant", DEFAULT_TENANT)}


def _described(value: Any) -> dict[str, str]:
    return {name: _within(name, _text, each) for name, each in _table(value).items()}


def _approval_order(approval: Approval) -> tuple[int, list[str], int]:
    return approval.needed, sorted(approval.roles), approval.within


def _rules(value: Any) -> tuple[Rule, ...]:
    rules = []
    for number, table in enumerate(_list(value), 1):
        name = table.get("name") if isinstance(table, dict) else None
        rules.append(_within(f"{number} ({name})" if isinstance(name, str) else str(number), _rule, table))
    return tuple(rules)


def _rule(value: Any) -> Rule:
    rule = Rule(**_read(_table(value), _RULE, ("name", "effect", "subjects", "actions")))
    if (rule.effect is Effect.REQUIRE) != (rule.require != NOTHING):
        raise _WrongError(".require is what a rule with the effect require has, and no other")
    return rule


def _channel_kind(value: Any) -> ChannelKind:
    try:
        return ChannelKind(value)
    except ValueError:
        raise _WrongError(f"is one of {', '.join(each.value for each in ChannelKind)}") from None


def _channel(value: Any) -> Channel:
    channel = Channel(**_read(_table(value), _CHANNEL, ("kind", "url")))
    wrong = wrong_with(channel)
    if wrong is not None:
        raise _WrongError(wrong)
    return channel


def _events(value: Any) -> frozenset[str]:
    """The events that names and patterns such as "key-*" stand for."""
    found: set[str] = set()
    for pattern in sorted(_names(value)):
        fitting = {name for name in EVENTS if fnmatchcase(name, pattern)}
        if not fitting:
            raise _WrongError(f"has the events {', '.join(EVENTS)}, not {pattern!r}")
        found |= fitting
    return frozenset(found)


def _notification(value: Any) -> NotificationRule:
    return NotificationRule(**_read(_table(value), _NOTIFICATION, ("events", "channels")))


def _rows(policies: Mapping[str, OperationPolicy]) -> dict[str, Any]:
    """Operation policies as PyKMIP's files have them."""

    def table(rows: Mapping[tuple[str, str], Any]) -> dict[str, dict[str, str]]:
        kinds = sorted({kind for kind, _ in rows})
        return {kind: {action: rows[kind, action].value for of, action in sorted(rows) if of == kind} for kind in kinds}

    return {
        name: ({} if policy.preset is None else {"preset": table(policy.preset)})
        | {"groups": {group: table(rows) for group, rows in sorted(policy.groups.items())}}
        for name, policy in sorted(policies.items())
    }


# Documents. -----------------------------------------------------------------------------------------------------------


def read_document(text: str, source: str) -> Policy:
    """The policy in a TOML document; `source` names it in errors. Raises PolicyError."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"{source}: is not TOML: {error}") from None
    try:
        policy = Policy(**_read(table, _POLICY))
    except _WrongError as error:
        raise PolicyError(f"{source}: {str(error).removeprefix('.')}") from None
    except PolicyError as error:
        raise PolicyError(f"{source}: {error}") from None
    _check(policy, source)
    return policy


def write_document(policy: Policy) -> str:
    """The document that `read_document` reads as this policy."""
    return tomli_w.dumps(_set(policy, _POLICY))


def _check(policy: Policy, source: str) -> None:
    """What a policy says in one place about another: names are known, and none is given twice. Raises PolicyError."""
    names = [rule.name for rule in policy.rules]
    for name in names:
        if names.count(name) > 1:
            raise PolicyError(f"{source}: two rules have the name {name!r}; a decision names its rule, rename one")
    for name in policy.operation_policies.keys() & BUILT_IN.keys():
        raise PolicyError(f"{source}: the operation policy {name!r} is built in; rename yours")
    tenants, roles = {DEFAULT_TENANT, *policy.tenants}, {*ROLES, *policy.roles}
    for kind in ("users", "clients", "devices"):
        for name, member in getattr(policy, kind).items():
            _known(member.tenant, tenants, f"{source}: {kind}.{name}.tenant", "tenant")
            for role in sorted(member.roles):
                _known(role, roles, f"{source}: {kind}.{name}.roles", "role")
    workflows = {DEFAULT_NAME, *policy.workflows}
    for group, workflow in policy.group_workflows.items():
        _known(workflow, workflows, f"{source}: group_workflows.{group}", "workflow")
    for name, device in policy.devices.items():
        _known(device.workflow or DEFAULT_NAME, workflows, f"{source}: devices.{name}.workflow", "workflow")
    for name, each in policy.workflows.items():
        for role in sorted({role for stage in each.stages for need in stage.approvals for role in need.roles}):
            _known(role, roles, f"{source}: workflows.{name}", "role")
        for channel in sorted({channel for stage in each.stages for channel in stage.notify}):
            _known(channel, set(policy.channels), f"{source}: workflows.{name}", "channel")
    for rule in policy.rules:
        where = f"{source}: the rule {rule.name!r}"
        for tenant in sorted(rule.resource.tenants):
            _known(tenant, tenants, where, "tenant")
        for selector in (*rule.subjects, *rule.exempt, *(rule.resource.pair or ())):
            if selector.who in (Who.ROLE, Who.TENANT):
                _known(selector.name, roles if selector.who is Who.ROLE else tenants, where, selector.who.value)
        for approval in rule.require.approvals:
            for role in sorted(approval.roles):
                _known(role, roles, where, "role")
    for number, notification in enumerate(policy.notifications, 1):
        where = f"{source}: notifications.{number}"
        for channel in sorted(notification.channels):
            _known(channel, set(policy.channels), where, "channel")
        for tenant in sorted(notification.tenants):
            _known(tenant, tenants, where, "tenant")
        for selector in notification.subjects:
            if selector.who in (Who.ROLE, Who.TENANT):
                _known(selector.name, roles if selector.who is Who.ROLE else tenants, where, selector.who.value)


def _known(name: str, names: set[str], where: str, kind: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, sorted(names), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(names))}"
        raise PolicyError(f"{where}: there is no {kind} {name!r}{hint}")
