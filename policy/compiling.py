"""From a policy to what decides: its rules, those of its templates and operation policies, and who is who."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from policy.decision import Compiled, Context, Resource, Scope, Subject, beyond_own
from policy.documents import read_document
from policy.model import Arrival, Effect, Match, Member, Policy, PolicyError, Rule, Selector, Sharing, Who
from policy.notifications import Event, Message, by_event, messages
from policy.operation_policies import BUILT_IN, rules_of
from policy.sharing import Asked, Refused, choose, compile_arrivals, compile_sharing, owner_of
from policy.workflows import REVOKED

_NOBODY: Final = Member()
_DEFAULT: Final = frozenset({_NOBODY.tenant})
_REMEMBERED: Final = 1024

ADMINISTRATORS: Final = tuple(
    Rule(
        name=f"access level: {role}",
        effect=Effect.ALLOW,
        subjects=(Selector(Who.ROLE, role),),
        actions=frozenset(actions),
        resource=Match(object_types=frozenset({"SERVER"})),
    )
    for role, actions in {
        "administrator": (
            "ADMIN_USER_CHANGE", "ADMIN_CLIENT_CHANGE", "ADMIN_CLIENT_REVOKE", "ADMIN_DEVICE_CHANGE",
            "ADMIN_DEVICE_REVOKE", "ADMIN_POLICY_READ", "ADMIN_USAGE_READ", "ADMIN_BACKUP", "ADMIN_APPROVE",
            "ADMIN_MAINTENANCE",
        ),
        "security officer": (
            "ADMIN_POLICY_READ", "ADMIN_POLICY_CHANGE", "ADMIN_APPROVE", "ADMIN_CLIENT_REVOKE", "ADMIN_DEVICE_REVOKE",
            "ADMIN_AUDIT_READ",
        ),
        "auditor": ("ADMIN_POLICY_READ", "ADMIN_AUDIT_READ", "ADMIN_USAGE_READ"),
        "operator": ("ADMIN_CLIENT_CHANGE", "ADMIN_DEVICE_CHANGE", "ADMIN_POLICY_READ", "ADMIN_USAGE_READ"),
    }.items()
)  # fmt: skip
"""What the access levels may do without being told: who changes the policy is not who reads the audit log."""


class Ruling:
    """A policy that is ready to decide, and knows everyone's tenant, groups and roles. Immutable to its users."""

    def __init__(self, policy: Policy, stages: Mapping[str, str] | None = None) -> None:
        """`stages` are those of the devices that are enrolled, by name."""
        self.policy = policy
        self._stages = stages or {}
        self.operation_policies = {**BUILT_IN, **policy.operation_policies}
        tables = [rule for table in self.operation_policies.values() for rule in rules_of(table)]
        named = [rule for name in policy.templates for rule in template(name).rules]
        self.rules = Compiled([*tables, *ADMINISTRATORS, *named, *policy.rules])
        self._beyond: dict[tuple[Subject, str], frozenset[Scope]] = {}
        self._notifications = by_event(policy)
        self.roles = policy.roles_of_users
        self.sharing = compile_sharing(policy.sharing)
        """Empty where no key is negotiated: then nothing has to be asked of `choose` but what a client asks for."""
        self._arrivals = compile_arrivals(policy.arrivals)
        self._members: dict[Who, Mapping[str, Member]] = {
            Who.CLIENT: policy.clients,
            Who.USER: policy.users,
            Who.DEVICE: policy.devices,
        }

    def allowing(self, rule: Rule) -> Ruling:
        """This ruling with one more rule. What a rule denies is denied still."""
        return Ruling(replace(self.policy, rules=(*self.policy.rules, rule)), self._stages)

    def subject(self, kind: Who, name: str, groups: frozenset[str] = frozenset()) -> Subject:
        """A client, user or device with what the policy says of it, and the groups that are known from elsewhere."""
        member = self._members[kind].get(name, _NOBODY)
        stage = self._stages.get(name) if kind is Who.DEVICE else None
        return Subject(name, groups | member.groups, member.roles, member.tenant, kind, stage)

    def revoked(self) -> frozenset[str]:
        """The devices that are revoked in the policy store."""
        return frozenset([name for name, stage in self._stages.items() if stage == REVOKED])

    def is_revoked(self, device: str) -> bool:
        """Whether a device is revoked in the policy store; one that is not enrolled there is not."""
        return self._stages.get(device) == REVOKED

    @staticmethod
    def context(subject: Subject, now: int, address: IPv4Address | IPv6Address | None = None) -> Context:
        """The circumstances of a subject's request: at its own stage. `now` is POSIX seconds."""
        return Context(now, address, subject.stage)

    def messages(self, event: Event, always: frozenset[str] = frozenset()) -> tuple[Message, ...]:
        """What this policy wants told of an event: one message for each channel, those that are `always` told too."""
        return messages(self._notifications, event, always)

    def choose(self, subject: Subject, resource: Resource, asked: Asked) -> Sharing | Refused | None:
        """See sharing.choose."""
        return choose(self.sharing, subject, resource, asked)

    def owner_of(self, peer: str, purpose: str, group: str | None, resource: Resource) -> Arrival | None:
        """See sharing.owner_of."""
        return owner_of(self._arrivals, peer, purpose, group, resource)

    def tenants(self, owner: str) -> frozenset[str]:
        """The tenant of what a client owns, as resources have it."""
        member = self.policy.clients.get(owner)
        return _DEFAULT if member is None else frozenset({member.tenant})

    def beyond_own(self, subject: Subject, action: str) -> frozenset[Scope]:
        """See decision.beyond_own; the last answers are kept."""
        key = (subject, action)
        found = self._beyond.get(key)
        if found is None:
            if len(self._beyond) >= _REMEMBERED:
                self._beyond.clear()
            found = self._beyond[key] = beyond_own(self.rules, subject, action)
        return found


def templates() -> dict[str, str]:
    """The names of the templates, with the first line of each, which says what it achieves."""
    return {name: _source(name).splitlines()[0].removeprefix("# ") for name in _template_names()}


@cache
def template(name: str) -> Policy:
    """A template. Raises PolicyError if there is none of this name."""
    if name not in _template_names():
        raise PolicyError(f"there is no template {name!r}; there are: {', '.join(_template_names())}")
    return read_document(_source(name), f"template {name}")


@cache
def _template_names() -> tuple[str, ...]:
    found = (file.name for file in resources.files("policy").joinpath("templates").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def _source(name: str) -> str:
    return resources.files("policy").joinpath("templates", f"{name}.toml").read_text(encoding="utf-8")
