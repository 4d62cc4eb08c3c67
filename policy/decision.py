"""Whether a subject may do something: one pure, total function. Deny by default, and a denial wins.

No clock, no database, no random source: what the decision depends on is in its arguments. A policy is compiled once;
then a decision looks only at the rules about its subject, its action and its type of object.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import reduce
from typing import Final, NamedTuple, TypeVar

from policy.conditions import IsAbout, Test, concerns, names_parameters, subjects_of, tests_of
from policy.model import NOTHING, Effect, Match, Obligations, Rule
from policy.request import Context, Resource, Subject, Thing
from policy.workflows import QUARANTINE, REVOKED

__all__ = [
    "CONFINED",
    "NO_RULE",
    "Compiled",
    "Context",
    "Decision",
    "Resource",
    "Scope",
    "Step",
    "Subject",
    "Thing",
    "allows_any",
    "beyond_own",
    "decide",
    "explain",
    "restrict",
]


class Decision(NamedTuple):
    """The answer, the rule that gave it ("" if none did), why in words for an administrator, and what is required."""

    allowed: bool
    rule: str
    reason: str
    obligations: Obligations = NOTHING


NO_RULE: Final = Decision(False, "", "no rule allows this")

_Key = TypeVar("_Key", bound=Hashable)
_Found = TypeVar("_Found")


class _Compiled(NamedTuple):
    """A rule as tests: it is about a subject that `who` is met by, and applies if all of `tests` are, too.

    The quick tests come first.
    """

    rule: Rule
    who: IsAbout
    tests: tuple[Test, ...]

    def applies(self, subject: Subject, resource: Resource, context: Context) -> bool:
        """Whether it applies to a subject that it is about."""
        for test in self.tests:  # noqa: SIM110 - a generator would cost as much as the tests
            if not test(subject, resource, context):
                return False
        return True


class _Rules(NamedTuple):
    """The rules about one subject's action on one type of object, by their effect."""

    deny: tuple[_Compiled, ...]
    allow: tuple[_Compiled, ...]
    require: tuple[_Compiled, ...]


class Compiled:
    """A policy's rules, ready to decide. Immutable to its users; safe to share between threads.

    Most rules are about others. Which are about a subject, an action and a type of object does not change, and is kept
    for those who ask: what a decision costs depends on those rules alone.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self.compiled = [_Compiled(rule, subjects_of(rule), tests_of(rule)) for rule in self.rules]
        self._about: dict[tuple[Subject, str, str], _Rules] = {}
        self._allowing: dict[tuple[Subject, frozenset[str], str], tuple[_Compiled, ...]] = {}
        self.about_parameters = frozenset(rule.name for rule in self.rules if names_parameters(rule))
        """The names of the rules that look at Cryptographic Parameters."""

    def about(self, subject: Subject, action: str, object_type: str) -> _Rules:
        """The rules about a subject's action on a type of object."""
        key = (subject, action, object_type)
        found = self._about.get(key)
        if found is None:
            mine = [one for one in self.concerning(action, object_type) if one.who(subject)]
            found = _Rules(*[tuple([one for one in mine if one.rule.effect is effect]) for effect in _ORDER])
            _keep(self._about, key, found)
        return found

    def allowing(self, subject: Subject, actions: frozenset[str], object_type: str) -> tuple[_Compiled, ...]:
        """The rules that may allow a subject any of these actions on a type of object."""
        key = (subject, actions, object_type)
        found = self._allowing.get(key)
        if found is None:
            mine = [one for action in actions for one in self.about(subject, action, object_type).allow]
            found = tuple({id(one): one for one in mine}.values())
            _keep(self._allowing, key, found)
        return found

    def concerning(self, action: str, object_type: str) -> list[_Compiled]:
        """The rules about an action on a type of object, whoever asks."""
        return [one for one in self.compiled if concerns(one.rule, action, object_type)]


_MOST_KEPT: Final = 16_384
"""Subjects with actions and object types of which the rules are kept."""
_ORDER: Final = (Effect.DENY, Effect.ALLOW, Effect.REQUIRE)


def _keep(kept: dict[_Key, _Found], key: _Key, found: _Found) -> None:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = found


def decide(compiled: Compiled, subject: Subject, action: str, resource: Resource, context: Context) -> Decision:
    """Decide one action on one resource: it is allowed if a rule allows it and none denies it."""
    rules = compiled.about(subject, action, resource.object_type)
    for deny in rules.deny:
        if deny.applies(subject, resource, context):
            return Decision(False, deny.rule.name, f"rule {deny.rule.name!r} denies it")
    confined = _confined(resource, context)
    for allow in rules.allow:
        if confined and not confined <= allow.rule.when.stages:
            continue
        if allow.applies(subject, resource, context):
            obligations = _required(rules, subject, resource, context)
            return Decision(True, allow.rule.name, f"rule {allow.rule.name!r} allows it", obligations)
    return NO_RULE


def allows_any(
    compiled: Compiled, subject: Subject, actions: frozenset[str], resource: Resource, context: Context
) -> bool:
    """Whether any of these actions is allowed: a resource with which a subject may do nothing is not there for it."""
    for one in compiled.allowing(subject, actions, resource.object_type):
        if one.applies(subject, resource, context) and any(
            decide(compiled, subject, action, resource, context).allowed for action in one.rule.actions & actions
        ):
            return True
    return False


CONFINED: Final = frozenset({QUARANTINE, REVOKED})
"""At these stages only what a rule allows by naming the stage is allowed."""
_FREE: Final[frozenset[str | None]] = frozenset()


def _confined(resource: Resource, context: Context) -> frozenset[str | None]:
    """The stages, of who asks and of a pair of devices, that confine them."""
    if context.stage is None and resource.pair is None:
        return _FREE
    return CONFINED & {context.stage, *[each.stage for each in resource.pair or ()]}


def restrict(compiled: Compiled, subject: Subject, action: str, resource: Resource, context: Context) -> Decision:
    """What rules say against an action that is allowed already, now that it is known what it will make."""
    rules = compiled.about(subject, action, resource.object_type)
    for deny in rules.deny:
        if deny.applies(subject, resource, context):
            return Decision(False, deny.rule.name, f"rule {deny.rule.name!r} denies it")
    if not rules.require:
        return _NOTHING_AGAINST_IT
    return Decision(True, "", "no rule denies it", _required(rules, subject, resource, context))


_NOTHING_AGAINST_IT: Final = Decision(True, "", "no rule denies it")


def _required(rules: _Rules, subject: Subject, resource: Resource, context: Context) -> Obligations:
    required = [one.rule.require for one in rules.require if one.applies(subject, resource, context)]
    return reduce(_both, required) if required else NOTHING


def _both(one: Obligations, other: Obligations) -> Obligations:
    """What meets both: the stricter of each."""
    return Obligations(
        wrap=one.wrap or other.wrap,
        kem=one.kem or other.kem,
        approvals=one.approvals | other.approvals,
        cryptoperiod=_lower(one.cryptoperiod, other.cryptoperiod),
        usage_limit=_lower(one.usage_limit, other.usage_limit),
    )


def _lower(one: int | None, other: int | None) -> int | None:
    return min([limit for limit in (one, other) if limit is not None], default=None)


# Why. -----------------------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A rule about the action and the type of object, and whether it applies to this request."""

    rule: Rule
    applies: bool


def explain(compiled: Compiled, subject: Subject, action: str, resource: Resource, context: Context) -> list[Step]:
    """The rules that a decision looks at, in the order in which it does."""
    about = sorted(compiled.concerning(action, resource.object_type), key=lambda one: _ORDER.index(one.rule.effect))
    return [Step(one.rule, one.who(subject) and one.applies(subject, resource, context)) for one in about]


class Scope(NamedTuple):
    """Where objects may be that an action is allowed on, as far as a search can tell; None is anywhere."""

    owner: str | None
    operation_policy: str | None
    object_type: str | None


def beyond_own(compiled: Compiled, subject: Subject, action: str) -> frozenset[Scope]:
    """Where the subject may be allowed an action on what it does not own. Each object is still decided by itself.

    A search has to look beyond the subject's own objects only where this names a scope.
    """
    found = set()
    for rule, who, _ in compiled.compiled:
        allows = rule.effect is Effect.ALLOW and action in rule.actions and not rule.resource.own
        if allows and who(subject):
            found |= _scopes(rule.resource)
    return frozenset(found)


def _scopes(match: Match) -> set[Scope]:
    return {
        Scope(owner, policy, kind)
        for owner in match.owners or (None,)
        for policy in match.operation_policies or (None,)
        for kind in match.object_types or (None,)
    }
