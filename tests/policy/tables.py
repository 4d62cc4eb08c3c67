"""Operation policies decided by themselves: the rules that they stand for, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from policy.decision import Compiled, Context, Decision, Subject, Thing, decide
from policy.model import OperationPolicy
from policy.operation_policies import DEFAULT, SERVER, rules_of


def compiled(policies: Mapping[str, OperationPolicy]) -> Compiled:
    return Compiled([rule for policy in policies.values() for rule in rules_of(policy)])


def decide_by(
    policies: Mapping[str, OperationPolicy], who: Subject, action: str, kind: str, owner: str, policy: str
) -> Decision:
    return decide(compiled(policies), who, action, Thing(kind, owner, operation_policy=policy), Context())


def served(policies: Mapping[str, OperationPolicy], who: Subject, action: str) -> Decision:
    """An operation that names no existing object."""
    return decide_by(policies, who, action, SERVER, who.name, DEFAULT)
