"""A policy as a TOML document that people edit: read into the model with every mistake named, and written again.

The fields of a rule are declared once, in tables of readers and writers; what a table does not have is refused by name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import time
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Any, Final

import tomli_w

from policy.actions import ACTIONS, matching
from policy.automatic_documents import AUTOMATIC
from policy.channels import wrong_with
from policy.document_fields import (
    MATCH,
    NAMES,
    ONE,
    RESOURCE,
    SELECTORS,
    TIME,
    Field,
    WrongError,
    flag_of,
    list_of,
    named_places,
    names_of,
    number_of,
    one_of,
    read,
    said,
    stated,
    table_of,
    text_of,
    within,
    written,
)
from policy.document_references import check_references
from policy.model import (
    DEFAULT_TENANT,
    KEYFILL_MODES,
    NOTHING,
    Approval,
    Channel,
    ChannelKind,
    Effect,
    Member,
    NotificationRule,
    Obligations,
    OperationPolicy,
    Policy,
    PolicyError,
    Rule,
    Stage,
    When,
    Workflow,
)
from policy.notifications import EVENTS
from policy.operation_policies import policies_in
from policy.sharing_documents import ARRIVALS, SHARING
from policy.workflows import QUARANTINE, REVOKED

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


# Values: how each is read and written. --------------------------------------------------------------------------------


def _actions(value: Any) -> frozenset[str]:
    try:
        found = frozenset().union(*[matching(text_of(each)) for each in list_of(value)])
    except ValueError as error:
        raise WrongError(f": {error}") from None
    if not found:
        raise WrongError("names no action")
    return found


def _written_actions(actions: frozenset[str]) -> list[str]:
    return ["*"] if actions == ACTIONS else sorted(actions)


def _days(value: Any) -> frozenset[int]:
    unknown = names_of(value) - set(DAYS)
    if unknown:
        raise WrongError(f"has the days {', '.join(DAYS)}, not {min(unknown)!r}")
    return frozenset(DAYS.index(day) for day in value)


def _hours(value: Any) -> tuple[time, time]:
    try:
        start, end = (time.fromisoformat(each) for each in text_of(value).split("-"))
    except ValueError:
        raise WrongError('is a span of hours in UTC such as "08:00-18:00"') from None
    if start == end:
        raise WrongError("begins and ends at different times")
    return start, end


def _networks(value: Any) -> tuple[Any, ...]:
    try:
        return tuple(ip_network(text_of(each)) for each in list_of(value))
    except ValueError as error:
        raise WrongError(f'is a list of networks such as "10.1.0.0/16": {error}') from None


def _keyfill(value: Any) -> str:
    mode = text_of(value)
    if mode not in KEYFILL_MODES:
        raise WrongError(f"is one of {', '.join(KEYFILL_MODES)}")
    return mode


def _approval(value: Any) -> Approval:
    return Approval(**read(table_of(value), _APPROVAL, ("needed", "roles", "within")))


def _approvals(value: Any) -> frozenset[Approval]:
    return frozenset(map(_approval, list_of(value)))


_WHEN: Final = {
    "days": Field(_days, lambda days: [DAYS[day] for day in sorted(days)]),
    "hours": Field(_hours, lambda hours: "-".join(each.isoformat("minutes") for each in hours)),
    "networks": Field(_networks, lambda networks: [str(each) for each in networks]),
    "stages": NAMES,
}
_APPROVAL: Final = {"needed": Field(number_of, int), "roles": NAMES, "within": TIME}
_REQUIRE: Final = {
    "wrap": Field(flag_of, bool),
    "approvals": Field(
        _approvals, lambda all_: [written(each._asdict(), _APPROVAL) for each in sorted(all_, key=_approval_order)]
    ),
    "cryptoperiod": TIME,
    "usage_limit": Field(number_of, int),
    "kem": Field(flag_of, bool),
}
_RULE: Final = {
    "name": ONE,
    "effect": one_of(Effect),
    "subjects": SELECTORS,
    "exempt": SELECTORS,
    "actions": Field(_actions, _written_actions),
    "resource": RESOURCE,
    "unless": Field(
        lambda value: tuple(map(RESOURCE.read, list_of(value))), lambda all_: list(map(RESOURCE.write, all_))
    ),
    "when": Field(lambda value: When(**read(table_of(value), _WHEN)), lambda when: stated(when, _WHEN)),
    "require": Field(lambda value: Obligations(**read(table_of(value), _REQUIRE)), lambda all_: stated(all_, _REQUIRE)),
}
_STAGE: Final = {
    "name": ONE,
    "approvals": _REQUIRE["approvals"],
    "notify": NAMES,
    "attributes": MATCH["attributes"],
    "after": TIME,
    "keyfill": Field(_keyfill, str),
}
_WORKFLOW: Final = {
    "version": Field(number_of, int),
    "stages": Field(
        lambda value: _stages(value),
        lambda stages: [written(said(stage._asdict()), _STAGE) for stage in stages],
    ),
}
_WORKFLOWS: Final = Field(
    lambda value: {name: within(name, _workflow, each) for name, each in table_of(value).items()},
    lambda all_: {name: written(each._asdict(), _WORKFLOW) for name, each in sorted(all_.items())},
)
_MEMBER: Final = {"tenant": ONE, "groups": NAMES, "roles": NAMES, "workflow": ONE}
_DESCRIBED: Final = Field(lambda value: dict(_described(value)), dict)
_MEMBERS: Final = Field(
    lambda value: {name: within(name, _member, each) for name, each in table_of(value).items()},
    lambda members: {name: written(_own(member), _MEMBER) for name, member in sorted(members.items())},
)
_CHANNEL: Final = {
    "kind": one_of(ChannelKind),
    "url": ONE,
    "sender": ONE,
    "to": NAMES,
}
_NOTIFICATION: Final = {
    "events": Field(lambda value: _events(value), sorted),
    "channels": NAMES,
    "tenants": NAMES,
    "actions": Field(_actions, _written_actions),
    "subjects": SELECTORS,
}
_POLICY: Final = {
    "templates": Field(lambda value: tuple(map(text_of, list_of(value))), list),
    "tenants": _DESCRIBED,
    "roles": _DESCRIBED,
    "users": _MEMBERS,
    "clients": _MEMBERS,
    "devices": _MEMBERS,
    "workflows": _WORKFLOWS,
    "group_workflows": _DESCRIBED,
    "operation_policies": Field(
        lambda value: policies_in(table_of(value), "operation_policies"), lambda all_: _rows(all_)
    ),
    "channels": Field(
        lambda value: {name: within(name, _channel, each) for name, each in table_of(value).items()},
        lambda channels: {name: stated(each, _CHANNEL) for name, each in sorted(channels.items())},
    ),
    "notifications": Field(
        lambda value: tuple(within(str(place), _notification, each) for place, each in enumerate(list_of(value), 1)),
        lambda all_: [stated(each, _NOTIFICATION) for each in all_],
    ),
    "automatic": AUTOMATIC,
    "sharing": SHARING,
    "arrivals": ARRIVALS,
    "rules": Field(lambda value: _rules(value), lambda rules: [stated(rule, _RULE) for rule in rules]),
}


# The parts of a policy. -----------------------------------------------------------------------------------------------


def _member(value: Any) -> Member:
    return Member(**read(table_of(value), _MEMBER))


def _workflow(value: Any) -> Workflow:
    return Workflow(**read(table_of(value), _WORKFLOW, ("version", "stages")))


def _stages(value: Any) -> tuple[Stage, ...]:
    stages = tuple(
        [
            within(str(number), lambda each: Stage(**read(table_of(each), _STAGE, ("name",))), table)
            for number, table in enumerate(list_of(value), 1)
        ]
    )
    names = [stage.name for stage in stages]
    if not names or len(set(names)) < len(names):
        raise WrongError("is a list of stages with different names")
    if REVOKED in names:
        raise WrongError(f"has no stage {REVOKED!r}: that is where the way of a device ends")
    if QUARANTINE in names[2:]:
        raise WrongError(f"has {QUARANTINE!r} first or second: a device that is put there goes on behind it")
    return stages


def _own(member: Member) -> dict[str, Any]:
    values = member._asdict()
    return {name: value for name, value in values.items() if value and (name, value) != ("tenant", DEFAULT_TENANT)}


def _described(value: Any) -> dict[str, str]:
    return {name: within(name, text_of, each) for name, each in table_of(value).items()}


def _approval_order(approval: Approval) -> tuple[int, list[str], int]:
    return approval.needed, sorted(approval.roles), approval.within


def _rules(value: Any) -> tuple[Rule, ...]:
    return tuple([within(place, _rule, table) for place, table in named_places(list_of(value))])


def _rule(value: Any) -> Rule:
    rule = Rule(**read(table_of(value), _RULE, ("name", "effect", "subjects", "actions")))
    if (rule.effect is Effect.REQUIRE) != (rule.require != NOTHING):
        raise WrongError(".require is what a rule with the effect require has, and no other")
    return rule


def _channel(value: Any) -> Channel:
    channel = Channel(**read(table_of(value), _CHANNEL, ("kind", "url")))
    wrong = wrong_with(channel)
    if wrong is not None:
        raise WrongError(wrong)
    return channel


def _events(value: Any) -> frozenset[str]:
    """The events that names and patterns such as "key-*" stand for."""
    found: set[str] = set()
    for pattern in sorted(names_of(value)):
        fitting = {name for name in EVENTS if fnmatchcase(name, pattern)}
        if not fitting:
            raise WrongError(f"has the events {', '.join(EVENTS)}, not {pattern!r}")
        found |= fitting
    return frozenset(found)


def _notification(value: Any) -> NotificationRule:
    return NotificationRule(**read(table_of(value), _NOTIFICATION, ("events", "channels")))


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
        policy = Policy(**read(table, _POLICY))
    except WrongError as error:
        raise PolicyError(f"{source}: {str(error).removeprefix('.')}") from None
    except PolicyError as error:
        raise PolicyError(f"{source}: {error}") from None
    check_references(policy, source)
    return policy


def write_document(policy: Policy) -> str:
    """The document that `read_document` reads as this policy."""
    return "\n".join(_section(name, value) for name, value in stated(policy, _POLICY).items())


def _section(name: str, value: Any) -> str:
    # A list of short tables would be written in brackets otherwise: who edits it adds [[arrivals]] at its end.
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return "\n".join(_table(name, each) for each in value)
    return tomli_w.dumps({name: value})


def _table(name: str, value: dict[str, Any]) -> str:
    header = f"[{name}]"
    return f"[{header}]{tomli_w.dumps({name: value}).removeprefix(header)}"
