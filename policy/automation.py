"""What the automatic rules want done now: a pure function of the rules, of what is known, and of the time.

1. A rule acts on whatever its condition is met by, each for itself.
2. What a rule has acted on it does not act on again for a day, while the condition lasts. Failed authentications count
   from the last act on instead: a client that was released is put away again for new ones, and never for the same.
3. What is done already (a client that is in quarantine) is not wanted again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from policy.conditions import fits, selects
from policy.model import Act, AutomaticRule, Condition
from policy.request import Resource, Subject
from policy.workflows import QUARANTINE, REVOKED

DAY: Final = 86_400
APPROVALS: Final = "approvals"
"""What a rule is about that counts approvals: all of them together."""


class Seen(NamedTuple):
    """A client or a device, and the last sign of life that counts (POSIX seconds)."""

    who: Subject
    at: int

    @property
    def about(self) -> str:
        """What an act is about: "client:ben"."""
        return f"{self.who.kind.value}:{self.who.name}"


class Guesses(NamedTuple):
    """A client, and when it was refused for a wrong password (POSIX seconds)."""

    who: Subject
    at: tuple[int, ...]

    @property
    def about(self) -> str:
        """What an act is about: "client:ben"."""
        return f"{self.who.kind.value}:{self.who.name}"


class Key(NamedTuple):
    """An active key that has no replacement yet: its owner, and what it is like.

    `activated` is in POSIX seconds; `period` is its cryptoperiod by the policy in seconds, or None.
    """

    identifier: str
    owner: Subject
    resource: Resource
    activated: int
    period: int | None

    @property
    def about(self) -> str:
        """What an act is about: the Unique Identifier."""
        return self.identifier


class Outstanding(NamedTuple):
    """How many requests wait for the approval of others."""

    number: int

    @property
    def about(self) -> str:
        """What an act is about."""
        return APPROVALS


Fact = Seen | Guesses | Key | Outstanding
Acted = Mapping[tuple[str, str], int]
"""When a rule, by its name, has acted last on what an act is about; POSIX seconds."""


class Due(NamedTuple):
    """What a rule wants done: about what, why in words, and when it did so last."""

    rule: AutomaticRule
    about: str
    why: str
    last: int | None

    def is_due_still(self, facts: Iterable[Fact], now: int) -> bool:
        """Whether its rule wants it by what is known now, if nobody has done it since."""
        return bool(
            due([self.rule], facts, {} if self.last is None else {(self.rule.name, self.about): self.last}, now)
        )


def due(rules: Iterable[AutomaticRule], facts: Iterable[Fact], acted: Acted, now: int) -> list[Due]:
    """Everything that the rules want done about these facts at `now` (POSIX seconds): in their order, then the facts'.

    A fact that no rule asks about leads to nothing.
    """
    known = list(facts)
    found = []
    for rule in rules:
        kind, condition = _CONDITIONS[rule.condition]
        for fact in known:
            if isinstance(fact, kind):
                last = acted.get((rule.name, fact.about))
                why = condition(rule, fact, last, now)
                if why:
                    found.append(Due(rule, fact.about, why, last))
    return found


def shortest_age(rule: AutomaticRule, periods: Iterable[int]) -> int | None:
    """The age in seconds below which a rule about keys wants nothing, by the cryptoperiods of a policy; None: ever."""
    ages = [rule.days * DAY] if rule.days is not None else [_ripe(period) for period in periods]
    return min(ages, default=None)


# Conditions: why a rule acts, in words; "" if it does not. ------------------------------------------------------------


def _inactive(rule: AutomaticRule, fact: Seen, last: int | None, now: int) -> str:
    if now - fact.at < (rule.days or 0) * DAY or _is_done(rule, fact.who) or not _again(last, now):
        return ""
    return f"not seen since {_shown(fact.at)}" if _is_meant(rule, fact.who) else ""


def _failed_authentications(rule: AutomaticRule, fact: Guesses, last: int | None, now: int) -> str:
    if _is_done(rule, fact.who) or not _is_meant(rule, fact.who):
        return ""
    start = now - (rule.within or 0)
    counted = [at for at in fact.at if start < at <= now and (last is None or last > now or at > last)]
    return f"wrong passwords since {_shown(min(counted))}: {len(counted)}" if len(counted) >= (rule.count or 0) else ""


def _key_older(rule: AutomaticRule, fact: Key, last: int | None, now: int) -> str:
    ripe = rule.days * DAY if rule.days is not None else None if fact.period is None else _ripe(fact.period)
    if ripe is None or now - fact.activated < ripe or not _again(last, now):
        return ""
    return f"active since {_shown(fact.activated)}" if fits(rule.resource, fact.owner, fact.resource) else ""


def _approvals_outstanding(rule: AutomaticRule, fact: Outstanding, last: int | None, now: int) -> str:
    enough = fact.number >= (rule.count or 0) and _again(last, now)
    return f"requests that wait for approval: {fact.number}" if enough else ""


_CONDITIONS: Final[Mapping[Condition, tuple[type[Fact], Callable[..., str]]]] = {
    Condition.INACTIVE: (Seen, _inactive),
    Condition.FAILED_AUTHENTICATIONS: (Guesses, _failed_authentications),
    Condition.KEY_OLDER: (Key, _key_older),
    Condition.APPROVALS_OUTSTANDING: (Outstanding, _approvals_outstanding),
}


def _ripe(period: int) -> int:
    """The age at which a key with a cryptoperiod is replaced: in its last tenth, while it may be used still."""
    return period - period // 10


def _again(last: int | None, now: int) -> bool:
    """Whether a rule may act once more. An act in the future was a trial with another clock, and counts for nothing."""
    return last is None or not 0 <= now - last < DAY


def _is_meant(rule: AutomaticRule, who: Subject) -> bool:
    return selects(rule.subjects, who) and not selects(rule.exempt, who)


_DONE: Final = {Act.QUARANTINE: frozenset({QUARANTINE, REVOKED}), Act.REVOKE: frozenset({REVOKED})}


def _is_done(rule: AutomaticRule, who: Subject) -> bool:
    return who.stage in _DONE.get(rule.act, frozenset())


def _shown(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
