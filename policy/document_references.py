"""What a policy says in one place about another: names are known, and none is given twice."""

from __future__ import annotations

import difflib
from typing import Final

from policy.model import DEFAULT_TENANT, ROLES, ChannelKind, Policy, PolicyError, Selector, Who
from policy.notifications import EVENTS, KEY_EVENTS
from policy.operation_policies import BUILT_IN
from policy.workflows import DEFAULT_NAME

_OTHER_EVENTS: Final = frozenset(EVENTS) - KEY_EVENTS


def check_references(policy: Policy, source: str) -> None:
    """Find out what a policy refers to and does not have; `source` names it in errors. Raises PolicyError."""
    for kind, names in (
        ("rules", [rule.name for rule in policy.rules]),
        ("automatic rules", [rule.name for rule in policy.automatic]),
        ("sharing rules", [rule.name for rule in policy.sharing]),
        ("arrivals", [rule.name for rule in policy.arrivals]),
    ):
        for name in names:
            if names.count(name) > 1:
                raise PolicyError(f"{source}: two {kind} have the name {name!r}; records name their rule, rename one")
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
            _tells(policy, channel, _OTHER_EVENTS, f"{source}: workflows.{name}")
    for rule in policy.rules:
        where = f"{source}: the rule {rule.name!r}"
        for tenant in sorted(rule.resource.tenants):
            _known(tenant, tenants, where, "tenant")
        _known_subjects((*rule.subjects, *rule.exempt, *(rule.resource.pair or ())), roles, tenants, where)
        for approval in rule.require.approvals:
            for role in sorted(approval.roles):
                _known(role, roles, where, "role")
    for number, notification in enumerate(policy.notifications, 1):
        where = f"{source}: notifications.{number}"
        for channel in sorted(notification.channels):
            _tells(policy, channel, notification.events, where)
        for tenant in sorted(notification.tenants):
            _known(tenant, tenants, where, "tenant")
        _known_subjects(notification.subjects, roles, tenants, where)
    for automatic in policy.automatic:
        where = f"{source}: the automatic rule {automatic.name!r}"
        for channel in sorted(automatic.channels):
            _tells(policy, channel, _OTHER_EVENTS, where)
        for tenant in sorted(automatic.resource.tenants):
            _known(tenant, tenants, where, "tenant")
        _known_subjects((*automatic.subjects, *automatic.exempt), roles, tenants, where)
    for sharing in policy.sharing:
        where = f"{source}: the sharing rule {sharing.name!r}"
        for tenant in sorted(sharing.resource.tenants):
            _known(tenant, tenants, where, "tenant")
        _known_subjects((*sharing.subjects, *sharing.exempt), roles, tenants, where)
    for arrival in policy.arrivals:
        where = f"{source}: the arrival {arrival.name!r}"
        for channel in sorted(arrival.tell):
            _known(channel, set(policy.channels), where, "channel")
        for tenant in sorted(arrival.resource.tenants):
            _known(tenant, tenants, where, "tenant")


def _known_subjects(selectors: tuple[Selector, ...], roles: set[str], tenants: set[str], where: str) -> None:
    for selector in selectors:
        if selector.who in (Who.ROLE, Who.TENANT):
            _known(selector.name, roles if selector.who is Who.ROLE else tenants, where, selector.who.value)


def _tells(policy: Policy, channel: str, events: frozenset[str], where: str) -> None:
    """A channel is known, and can tell of these events: KMIP has words for what happens to keys, and no others."""
    _known(channel, set(policy.channels), where, "channel")
    if policy.channels[channel].kind is ChannelKind.KMIP and not events <= KEY_EVENTS:
        told = ", ".join(sorted(KEY_EVENTS))
        raise PolicyError(f"{where}: the channel {channel!r} is of the kind kmip, which tells of {told} only")


def _known(name: str, names: set[str], where: str, kind: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, sorted(names), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(names))}"
        raise PolicyError(f"{where}: there is no {kind} {name!r}{hint}")
