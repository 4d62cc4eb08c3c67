"""Which keys are negotiated with another site, and who owns those that arrive. Pure and total; deny by default.

1. A key for which a rule requires a peer or a group is negotiated with it, whoever asks for what. Another is refused.
2. A peer or a group that a client asks for is one that a rule offers it. What no rule offers is refused.
3. A client that names neither gets the one that a rule chooses for it; or else a key of this site alone.
4. Of several rules that fit, the first holds. What a rule says of a key, a client does not ask otherwise.
5. A key that arrives belongs to whom the first rule that fits names. What no rule fits is not taken in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from policy.conditions import Fits, IsAbout, fitting, subjects_of
from policy.model import ANY_PEER, HYBRIDS, MOST_PATHS, PURPOSES, Arrival, Sharing, Use, Who
from policy.request import Resource, Subject

__all__ = ["HYBRIDS", "MOST_PATHS", "PURPOSES", "Asked", "Refused", "choose", "is_name", "owner_of", "paths_of"]

_LONGEST_NAME: Final = 64
_PATHS: Final = re.compile(r"([1-9][0-9]?)/([1-9][0-9]?)")


def is_name(value: str) -> bool:
    """Whether a device, a group or a policy of the nodes may have this name."""
    return value.isprintable() and 0 < len(value) <= _LONGEST_NAME


def paths_of(value: str) -> tuple[int, int] | None:
    """How many nodes have to take part, and of how many, in "k/n"; None if it is not that."""
    found = _PATHS.fullmatch(value)
    if found is None or not int(found[1]) <= int(found[2]) <= MOST_PATHS:
        return None
    return int(found[1]), int(found[2])


class Asked(NamedTuple):
    """What a client asks for with a key; None is what it does not say."""

    peer: str | None = None
    group: str | None = None
    purpose: str | None = None
    policy: str | None = None
    paths: str | None = None
    hybrid: str | None = None


class Refused(NamedTuple):
    """The key is not made, and why in words for the client."""

    reason: str


class CompiledSharing(NamedTuple):
    """A rule about sharing as tests."""

    rule: Sharing
    who: IsAbout
    fits: Fits


class CompiledArrival(NamedTuple):
    """A rule about what arrives, as a test."""

    rule: Arrival
    fits: Fits


def compile_sharing(rules: Iterable[Sharing]) -> tuple[CompiledSharing, ...]:
    """The rules, ready to choose by."""
    return tuple([CompiledSharing(rule, subjects_of(rule), fitting(rule.resource)) for rule in rules])


def compile_arrivals(rules: Iterable[Arrival]) -> tuple[CompiledArrival, ...]:
    """The rules, ready to tell owners."""
    return tuple([CompiledArrival(rule, fitting(rule.resource)) for rule in rules])


def choose(
    rules: Sequence[CompiledSharing], subject: Subject, resource: Resource, asked: Asked
) -> Sharing | Refused | None:
    """With whom a key is negotiated that a subject asks for; None: with nobody, it is a key of this site alone.

    What the rule leaves open is in the answer as it was asked for. The ordinary rules are not asked here: what they
    deny is denied.
    """
    fitting_rules = [each.rule for each in rules if each.who(subject) and each.fits(subject, resource)]
    required = [rule for rule in fitting_rules if rule.use is Use.REQUIRED]
    if required:
        return _settled(required[0], asked) or Refused(f"such keys are {_said(required[0])}, and not otherwise")
    if asked == Asked():
        return next((rule for rule in fitting_rules if rule.use is Use.CHOSEN), None)
    names_one = asked.peer is not None or asked.group is not None
    for rule in fitting_rules:
        settled = _settled(rule, asked) if names_one or rule.use is Use.CHOSEN else None
        if settled is not None:
            return settled
    return Refused("the policy offers you no such key; its administrators may add a rule to [[sharing]]")


def owner_of(
    rules: Sequence[CompiledArrival], peer: str, purpose: str, group: str | None, resource: Resource
) -> Arrival | None:
    """The rule that says who owns a key that arrives from a peer, and who is told; None: it is not taken in."""
    sender = Subject(peer, kind=Who.DEVICE)
    for rule, fits in rules:
        if (
            (ANY_PEER in rule.peers or peer in rule.peers)
            and (not rule.purposes or purpose in rule.purposes)
            and (not rule.groups or group in rule.groups)
            and fits(sender, resource)
        ):
            return rule
    return None


def _settled(rule: Sharing, asked: Asked) -> Sharing | None:
    """The rule with what was asked where it leaves that open; None if something else was asked than it says."""
    if asked.peer not in (None, rule.peer) or asked.group not in (None, rule.group):
        return None
    wanted = {name: value for name in _OPEN if (value := getattr(asked, name)) is not None}
    if any(getattr(rule, name) not in ("", value) for name, value in wanted.items()):
        return None
    return replace(rule, **wanted) if wanted else rule


_OPEN: Final = ("purpose", "policy", "paths", "hybrid")
"""What a client may ask for where a rule does not say it."""


def _said(rule: Sharing) -> str:
    whom = f"the peer {rule.peer}" if rule.peer else f"the group {rule.group}"
    return f"negotiated with {whom} for {rule.purpose}"
