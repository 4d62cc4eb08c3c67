"""When a rule applies: each of its fields as a test of who asks, for what, and in which circumstances."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from policy.model import Effect, Match, Rule, Selector, Sharing, When, Who
from policy.parameters import FIELDS, Parameters
from policy.request import Context, Resource, Subject

Test = Callable[[Subject, Resource, Context], bool]
IsAbout = Callable[[Subject], bool]
Fits = Callable[[Subject, Resource], bool]

_NO_CONTEXT: Final = Context()
_WILDCARDS: Final = frozenset("*?[")


def concerns(rule: Rule, action: str, object_type: str) -> bool:
    """Whether the rule is about an action on a type of object."""
    types = rule.resource.object_types
    return action in rule.actions and (not types or object_type in types)


def names_parameters(rule: Rule) -> bool:
    """Whether the rule looks at Cryptographic Parameters."""
    return any(getattr(match, field) for match in (rule.resource, *rule.unless) for field in FIELDS)


def subjects_of(rule: Rule | Sharing) -> IsAbout:
    """What tells whether the rule is about a subject."""
    selected, exempt = _selected(rule.subjects), _selected(rule.exempt)
    return lambda subject: selected(subject) and not exempt(subject)


def tests_of(rule: Rule) -> tuple[Test, ...]:
    """What must hold for the rule to apply, beside its actions, object types and subjects."""
    tests = []
    if rule.effect is Effect.ALLOW:
        tests.append(_within(rule.resource.tenants))
    elif rule.resource.tenants:
        tests.append(_among(rule.resource.tenants))
    tests += [*_circumstances(rule.when), *_matches(rule.resource)]
    tests += [_not(_all(_whole_match(match))) for match in rule.unless]
    return tuple(tests)


def _not(test: Test) -> Test:
    return lambda subject, resource, context: not test(subject, resource, context)


def _all(tests: Iterable[Test]) -> Test:
    wanted = tuple(tests)
    return lambda subject, resource, context: all(test(subject, resource, context) for test in wanted)


def _within(tenants: frozenset[str]) -> Test:
    """An allowance reaches into other tenants only if it names them: what is there is not even disclosed otherwise."""
    if tenants:
        return lambda _, resource, __: resource.tenants <= tenants
    return lambda subject, resource, _: resource.tenants == {subject.tenant}


def _among(tenants: frozenset[str]) -> Test:
    return lambda _, resource, __: not tenants.isdisjoint(resource.tenants)


def _selected(selectors: tuple[Selector, ...]) -> IsAbout:
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


def _circumstances(when: When) -> list[Test]:
    tests: list[Test] = []
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


def _at_stages(stages: frozenset[str]) -> Test:
    """Whether who asks is at one of the stages; and of a pair, each device."""

    def test(_: Subject, resource: Resource, context: Context) -> bool:
        pair = [] if resource.pair is None else [each.stage for each in resource.pair if each.stage is not None]
        return all(stage in stages for stage in (context.stage, *pair))

    return test


def _hours(start: int, end: int) -> Test:
    """From `start` to `end` in minutes of the day; over midnight if the end is not later."""

    def test(_: Subject, __: Resource, context: Context) -> bool:
        minute = context.now % 86_400 // 60
        return start <= minute < end if start < end else not end <= minute < start

    return test


def _whole_match(match: Match) -> list[Test]:
    """All of a match, its object types and tenants included."""
    tests = list(_matches(match))
    if match.object_types:
        tests.append(lambda _, resource, __: resource.object_type in match.object_types)
    if match.tenants:
        tests.append(lambda _, resource, __: resource.tenants <= match.tenants)
    return tests


def _matches(match: Match) -> list[Test]:
    return [test(match) for name, test in _FIELDS.items() if getattr(match, name)]


def _pair(match: Match) -> Test:
    assert match.pair is not None
    one, other = (_selected((selector,)) for selector in match.pair)

    def test(_: Subject, resource: Resource, __: Context) -> bool:
        if resource.pair is None:
            return False
        a, b = resource.pair
        return (one(a) and other(b)) or (one(b) and other(a))

    return test


def _groups(match: Match) -> Test:
    patterns = [known for known in match.groups if not _WILDCARDS.isdisjoint(known)]

    def test(_: Subject, resource: Resource, __: Context) -> bool:
        # A group that is called as a pattern is written is meant, too.
        return not match.groups.isdisjoint(resource.groups) or any(
            fnmatchcase(group, pattern) for pattern in patterns for group in resource.groups
        )

    return test


def _names(match: Match) -> Test:
    return lambda _, resource, __: any(fnmatchcase(name, known) for known in match.names for name in resource.names)


def _attributes(match: Match) -> Test:
    return lambda _, resource, __: all(
        value in resource.attributes.get(name, frozenset()) for name, value in match.attributes
    )


def _parameter(field: str, name: str) -> Callable[[Match], Test]:
    """The test of a field that names values of a Cryptographic Parameter."""
    place = Parameters._fields.index(name)

    def made(match: Match) -> Test:
        wanted: frozenset[str] = getattr(match, field)
        return lambda _, resource, __: resource.parameters[place] in wanted

    return made


def _algorithms(match: Match) -> Test:
    lengths = dict(match.algorithms)

    def test(_: Subject, resource: Resource, __: Context) -> bool:
        allowed = lengths.get(resource.algorithm or "")
        return allowed is not None and (not allowed or resource.length in allowed)

    return test


_FIELDS: Final[dict[str, Callable[[Match], Test]]] = {
    "own": lambda _: lambda subject, resource, __: subject.name == resource.owner,
    "operation_policies": lambda match: lambda _, resource, __: resource.operation_policy in match.operation_policies,
    "owners": lambda match: lambda _, resource, __: resource.owner in match.owners,
    "states": lambda match: lambda _, resource, __: resource.state in match.states,
    "groups": _groups,
    "uses": lambda match: lambda _, resource, __: resource.uses <= match.uses,
    "algorithms": _algorithms,
    "names": _names,
    "attributes": _attributes,
    "pair": _pair,
    **{field: _parameter(field, name) for field, (name, _) in FIELDS.items()},
}
"""What the fields of a match ask of a resource, the quick ones first; object types and tenants are looked at before."""


def selects(selectors: tuple[Selector, ...], subject: Subject) -> bool:
    """Whether one of the selectors names the subject."""
    return _selected(selectors)(subject)


def fits(match: Match, subject: Subject, resource: Resource) -> bool:
    """Whether a resource is like this, for a subject."""
    return fitting(match)(subject, resource)


def fitting(match: Match) -> Fits:
    """What tells whether a resource is like this, for a subject."""
    test = _all(_whole_match(match))
    return lambda subject, resource: test(subject, resource, _NO_CONTEXT)
