"""Whether a subject may do something: one pure, total function. Deny by default, and a denial wins.

No clock, no database, no random source: what the decision depends on is in its arguments. A policy is compiled once;
then a decision looks only at the rules about its subject, its action and its type of object.
"""

# ruff: noqa: D102 - what the properties of a Resource are is what the fields of a Match ask about.

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import reduce
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple, Protocol, TypeVar

from policy.model import NOTHING, Effect, Match, Obligations, Rule, Selector, When, Who
from policy.parameters import FIELDS, NO_PARAMETERS, Parameters
from policy.workflows import QUARANTINE, REVOKED


class Subject(NamedTuple):
    """Who asks: a client, a user or a device (`kind`), with all that the policy and the accounts say about it."""

    name: str
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    tenant: str = "default"
    kind: Who = Who.CLIENT
    stage: str | None = None
    """The provisioning stage of a device."""


class Resource(Protocol):
    """What is asked for. A rule reads no more of it than the rule names, so that what is dear may be found out late."""

    @property
    def object_type(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def tenants(self) -> frozenset[str]: ...
    @property
    def operation_policy(self) -> str: ...
    @property
    def groups(self) -> frozenset[str]: ...
    @property
    def names(self) -> frozenset[str]: ...
    @property
    def attributes(self) -> Mapping[str, frozenset[str]]: ...
    @property
    def algorithm(self) -> str | None: ...
    @property
    def length(self) -> int | None: ...
    @property
    def uses(self) -> frozenset[str]: ...
    @property
    def state(self) -> str | None: ...
    @property
    def pair(self) -> tuple[Subject, Subject] | None: ...
    @property
    def parameters(self) -> Parameters: ...


class Thing(NamedTuple):
    """A resource of which everything is known at once: the server itself, a pair of devices, an example."""

    object_type: str
    owner: str = ""
    tenants: frozenset[str] = frozenset({"default"})
    operation_policy: str = ""
    groups: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    attributes: Mapping[str, frozenset[str]] = {}
    algorithm: str | None = None
    length: int | None = None
    uses: frozenset[str] = frozenset()
    state: str | None = None
    pair: tuple[Subject, Subject] | None = None
    parameters: Parameters = NO_PARAMETERS


class Context(NamedTuple):
    """The circumstances: POSIX seconds, where the request comes from, and the provisioning stage of the device."""

    now: int = 0
    address: IPv4Address | IPv6Address | None = None
    stage: str | None = None


class Decision(NamedTuple):
    """The answer, the rule that gave it ("" if none did), why in words for an administrator, and what is required."""

    allowed: bool
    rule: str
    reason: str
    obligations: Obligations = NOTHING


_NO_THING: Final = Thing("")
_NO_CONTEXT: Final = Context()
NO_RULE: Final = Decision(False, "", "no rule allows this")

_Key = TypeVar("_Key", bound=Hashable)
_Found = TypeVar("_Found")
_Test = Callable[[Subject, Resource, Context], bool]
_Who = Callable[[Subject], bool]


class _Compiled(NamedTuple):
    """A rule as tests: it is about a subject that `who` is met by, and applies if all of `tests` are, too.

    The quick tests come first.
    """

    rule: Rule
    who: _Who
    tests: tuple[_Test, ...]

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
        self._compiled = [_Compiled(rule, _who(rule), _tests(rule)) for rule in self.rules]
        self._about: dict[tuple[Subject, str, str], _Rules] = {}
        self._allowing: dict[tuple[Subject, frozenset[str], str], tuple[_Compiled, ...]] = {}
        self.about_parameters = frozenset(rule.name for rule in self.rules if _names_parameters(rule))
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
            found = tuple(
                [
                    one
                    for one in self._compiled
                    if one.rule.effect is Effect.ALLOW
                    and any(_concerns(one.rule, action, object_type) for action in actions)
                    and one.who(subject)
                ]
            )
            _keep(self._allowing, key, found)
        return found

    def concerning(self, action: str, object_type: str) -> list[_Compiled]:
        """The rules about an action on a type of object, whoever asks."""
        return [one for one in self._compiled if _concerns(one.rule, action, object_type)]


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
        approvals=one.approvals | other.approvals,
        cryptoperiod=_lower(one.cryptoperiod, other.cryptoperiod),
        usage_limit=_lower(one.usage_limit, other.usage_limit),
    )


def _lower(one: int | None, other: int | None) -> int | None:
    return min([limit for limit in (one, other) if limit is not None], default=None)


# The tests of a rule. -------------------------------------------------------------------------------------------------


def _concerns(rule: Rule, action: str, object_type: str) -> bool:
    types = rule.resource.object_types
    return action in rule.actions and (not types or object_type in types)


def _names_parameters(rule: Rule) -> bool:
    return any(getattr(match, field) for match in (rule.resource, *rule.unless) for field in FIELDS)


def _who(rule: Rule) -> _Who:
    """Whether the rule is about a subject."""
    selected, exempt = _selected(rule.subjects), _selected(rule.exempt)
    return lambda subject: selected(subject) and not exempt(subject)


def _tests(rule: Rule) -> tuple[_Test, ...]:
    """What must hold for the rule to apply, beside its actions, object types and subjects."""
    tests = []
    if rule.effect is Effect.ALLOW:
        tests.append(_within(rule.resource.tenants))
    elif rule.resource.tenants:
        tests.append(_among(rule.resource.tenants))
    tests += [*_circumstances(rule.when), *_matches(rule.resource)]
    tests += [_not(_all(_whole_match(match))) for match in rule.unless]
    return tuple(tests)


def _not(test: _Test) -> _Test:
    return lambda subject, resource, context: not test(subject, resource, context)


def _all(tests: Iterable[_Test]) -> _Test:
    wanted = tuple(tests)
    return lambda subject, resource, context: all(test(subject, resource, context) for test in wanted)


def _within(tenants: frozenset[str]) -> _Test:
    """An allowance reaches into other tenants only if it names them: what is there is not even disclosed otherwise."""
    if tenants:
        return lambda _, resource, __: resource.tenants <= tenants
    return lambda subject, resource, _: resource.tenants == {subject.tenant}


def _among(tenants: frozenset[str]) -> _Test:
    return lambda _, resource, __: not tenants.isdisjoint(resource.tenants)


def _selected(selectors: tuple[Selector, ...]) -> _Who:
    """Whether one of the selectors names the subject."""
    named = {(selector.who, selector.name) for selector in selectors}
    groups = frozenset(name for who, name in named if who is Who.GROUP)
    roles = frozenset(name for who, name in named if who is Who.ROLE)
    anyone = (Who.ANYONE, "") in named

    def test(subject: Subject) -> bool:
        return (
            anyone
            or not groups.isdisjoint(subject.groups)
            or (subject.kind, subject.name) in named
            or not roles.isdisjoint(subject.roles)
            or (Who.TENANT, subject.tenant) in named
        )

    return test


def _circumstances(when: When) -> list[_Test]:
    tests: list[_Test] = []
    if when.days:
        tests.append(lambda _, __, context: datetime.fromtimestamp(context.now, UTC).weekday() in when.days)
    if when.hours is not None:
        tests.append(_hours(*[each.hour * 60 + each.minute for each in when.hours]))
    if when.networks:
        tests.append(
            lambda _, __, context: (
                context.address is not None and any(context.address in network for network in when.networks)
            )
        )
    if when.stages:
        tests.append(_at_stages(when.stages))
    return tests


def _at_stages(stages: frozenset[str]) -> _Test:
    """Whether who asks is at one of the stages; and of a pair, each device."""

    def test(_: Subject, resource: Resource, context: Context) -> bool:
        pair = [] if resource.pair is None else [each.stage for each in resource.pair if each.stage is not None]
        return all(stage in stages for stage in (context.stage, *pair))

    return test


def _hours(start: int, end: int) -> _Test:
    """From `start` to `end` in minutes of the day; over midnight if the end is not later."""

    def test(_: Subject, __: Resource, context: Context) -> bool:
        minute = context.now % 86_400 // 60
        return start <= minute < end if start < end else not end <= minute < start

    return test


def _whole_match(match: Match) -> list[_Test]:
    """All of a match, its object types and tenants included."""
    tests = list(_matches(match))
    if match.object_types:
        tests.append(lambda _, resource, __: resource.object_type in match.object_types)
    if match.tenants:
        tests.append(lambda _, resource, __: resource.tenants <= match.tenants)
    return tests


def _matches(match: Match) -> list[_Test]:
    return [test(match) for name, test in _FIELDS.items() if getattr(match, name)]


def _pair(match: Match) -> _Test:
    assert match.pair is not None
    one, other = (_selected((selector,)) for selector in match.pair)

    def test(_: Subject, resource: Resource, __: Context) -> bool:
        if resource.pair is None:
            return False
        a, b = resource.pair
        return (one(a) and other(b)) or (one(b) and other(a))

    return test


def _names(match: Match) -> _Test:
    return lambda _, resource, __: any(fnmatchcase(name, known) for known in match.names for name in resource.names)


def _attributes(match: Match) -> _Test:
    return lambda _, resource, __: all(
        value in resource.attributes.get(name, frozenset()) for name, value in match.attributes
    )


def _parameter(field: str, name: str) -> Callable[[Match], _Test]:
    """The test of a field that names values of a Cryptographic Parameter."""
    place = Parameters._fields.index(name)

    def made(match: Match) -> _Test:
        wanted: frozenset[str] = getattr(match, field)
        return lambda _, resource, __: resource.parameters[place] in wanted

    return made


def _algorithms(match: Match) -> _Test:
    lengths = dict(match.algorithms)

    def test(_: Subject, resource: Resource, __: Context) -> bool:
        allowed = lengths.get(resource.algorithm or "")
        return allowed is not None and (not allowed or resource.length in allowed)

    return test


_FIELDS: Final[dict[str, Callable[[Match], _Test]]] = {
    "own": lambda _: lambda subject, resource, __: subject.name == resource.owner,
    "operation_policies": lambda match: lambda _, resource, __: resource.operation_policy in match.operation_policies,
    "owners": lambda match: lambda _, resource, __: resource.owner in match.owners,
    "states": lambda match: lambda _, resource, __: resource.state in match.states,
    "groups": lambda match: lambda _, resource, __: not match.groups.isdisjoint(resource.groups),
    "uses": lambda match: lambda _, resource, __: resource.uses <= match.uses,
    "algorithms": _algorithms,
    "names": _names,
    "attributes": _attributes,
    "pair": _pair,
    **{field: _parameter(field, name) for field, (name, _) in FIELDS.items()},
}
"""What the fields of a match ask of a resource, the quick ones first; object types and tenants are looked at before."""


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
    for rule in compiled.rules:
        allows = rule.effect is Effect.ALLOW and action in rule.actions and not rule.resource.own
        if allows and _who(rule)(subject):
            found |= _scopes(rule.resource)
    return frozenset(found)


def selects(selectors: tuple[Selector, ...], subject: Subject) -> bool:
    """Whether one of the selectors names the subject."""
    return _selected(selectors)(subject)


def fits(match: Match, subject: Subject, resource: Resource) -> bool:
    """Whether a resource is like this, for a subject."""
    return _all(_whole_match(match))(subject, resource, _NO_CONTEXT)


def _scopes(match: Match) -> set[Scope]:
    return {
        Scope(owner, policy, kind)
        for owner in match.owners or (None,)
        for policy in match.operation_policies or (None,)
        for kind in match.object_types or (None,)
    }
