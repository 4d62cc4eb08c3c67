"""Whether a subject may do something: one pure, total function. Deny by default.

No clock, no database, no random source: what the decision depends on is in its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple


class Permission(Enum):
    """What one row of an operation policy allows (the words of PyKMIP's policy files)."""

    ALLOW_ALL = "ALLOW_ALL"
    ALLOW_OWNER = "ALLOW_OWNER"
    DISALLOW_ALL = "DISALLOW_ALL"


Rows = Mapping[tuple[str, str], Permission]
"""(object type, operation) -> permission; names are the standard's constants, e.g. ("SYMMETRIC_KEY", "GET")."""


@dataclass(frozen=True, slots=True)
class OperationPolicy:
    """A named operation policy: rows that hold for everyone, and rows that hold for the members of a group."""

    name: str
    preset: Rows | None
    groups: Mapping[str, Rows]


class Subject(NamedTuple):
    """Who asks."""

    name: str
    groups: frozenset[str]


class Resource(NamedTuple):
    """What is asked for: an object's type, owner and operation policy name."""

    object_type: str
    owner: str
    policy: str


class Decision(NamedTuple):
    """The answer, and the row that decided, in words an administrator can use."""

    allowed: bool
    reason: str


_NO_POLICY: Final = Decision(False, "the object's operation policy does not exist")
_NO_ROW: Final = Decision(False, "no row of the operation policy mentions this")


def decide(policies: Mapping[str, OperationPolicy], subject: Subject, action: str, resource: Resource) -> Decision:
    """Decide one action on one object. With groups, one group's ALLOW is enough, as in PyKMIP's server.

    A policy with group rows answers a subject that is in one of those groups from them alone; everyone else is
    answered from its preset rows.
    """
    policy = policies.get(resource.policy)
    if policy is None:
        return _NO_POLICY
    key = (resource.object_type, action)
    denied = _NO_ROW
    for rows in _tables(policy, subject):
        permission = rows.get(key)
        if permission is Permission.ALLOW_ALL:
            return Decision(True, f"{policy.name}: {action} on {resource.object_type} is allowed to all")
        if permission is Permission.ALLOW_OWNER:
            if subject.name == resource.owner:
                return Decision(True, f"{policy.name}: {action} on {resource.object_type} is allowed to the owner")
            denied = Decision(False, f"{policy.name}: {action} on {resource.object_type} is the owner's alone")
        elif permission is Permission.DISALLOW_ALL:
            denied = Decision(False, f"{policy.name}: {action} on {resource.object_type} is allowed to nobody")
    return denied


def shared_with(policies: Mapping[str, OperationPolicy], subject: Subject, action: str) -> frozenset[tuple[str, str]]:
    """The (policy, object type) pairs whose objects the subject may use like this whoever owns them.

    A search has to look beyond the subject's own objects only where this names a pair.
    """
    return frozenset(
        (policy.name, object_type)
        for policy in policies.values()
        for rows in _tables(policy, subject)
        for (object_type, operation), permission in rows.items()
        if operation == action and permission is Permission.ALLOW_ALL
    )


def _tables(policy: OperationPolicy, subject: Subject) -> list[Rows]:
    """The rows that hold for the subject: those of its groups, or the preset if the policy mentions none of them."""
    groups = policy.groups
    mine = [groups[group] for group in sorted(subject.groups) if group in groups] if groups else []
    return mine or ([policy.preset] if policy.preset is not None else [])
