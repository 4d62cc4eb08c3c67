"""What the automatic rules are about, read from the store: each condition has one question, for all or for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from sqlalchemy import Connection

from kmip_server.identity.certificate import IdentityError
from kmip_server.identity.directory import Directory
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.resource import ObjectResource
from kmip_server.storage import automatic_facts as stored
from kmip_server.storage.accounts import read_groups
from kmip_server.storage.port import ObjectRow
from kmip_server.ttlv.enumerations import State
from kmip_server.ttlv.tags import Tag
from policy.approvals import Standing, standing
from policy.automation import DAY, Fact, Guesses, Key, Outstanding, Seen
from policy.compiling import Ruling
from policy.decision import Subject, restrict
from policy.model import Act, AutomaticRule, Condition, Who


def facts(
    connection: Connection, rule: AutomaticRule, ruling: Ruling, now: int, about: str | None = None
) -> list[Fact]:
    """The facts that a rule asks for, keys excepted; only those about one thing, if that is named."""
    return list(_QUESTIONS[rule.condition](connection, rule, ruling, now, about))


def _seen(connection: Connection, rule: AutomaticRule, ruling: Ruling, now: int, about: str | None) -> Iterable[Fact]:
    kind, name = _named(about)
    groups = read_groups(connection)
    for each in stored.sightings(connection, now - (rule.days or 0) * DAY, kind, name):
        # Where another authority made the certificate there is none here to revoke.
        if each.entered or rule.act is not Act.REVOKE:
            who = ruling.subject(each.kind, each.name, groups.get(each.name, frozenset()))
            yield Seen(who._replace(stage=each.stage), each.at)


def _guesses(
    connection: Connection, rule: AutomaticRule, ruling: Ruling, now: int, about: str | None
) -> Iterable[Fact]:
    _, name = _named(about)
    groups = read_groups(connection)
    for caller, (stage, moments) in stored.wrong_passwords(connection, now - (rule.within or 0), now, name).items():
        who = ruling.subject(Who.CLIENT, caller, groups.get(caller, frozenset()))
        yield Guesses(who._replace(stage=stage), moments)


def _outstanding(
    connection: Connection, rule: AutomaticRule, ruling: Ruling, now: int, about: str | None
) -> Iterable[Fact]:
    requests = stored.waiting_approvals(connection)
    yield Outstanding(sum(standing(each, ruling.roles, now) is Standing.OPEN for each in requests))


_QUESTIONS: Final[dict[Condition, Callable[..., Iterable[Fact]]]] = {
    Condition.INACTIVE: _seen,
    Condition.FAILED_AUTHENTICATIONS: _guesses,
    Condition.APPROVALS_OUTSTANDING: _outstanding,
}


def _named(about: str | None) -> tuple[Who | None, str | None]:
    if about is None:
        return None, None
    kind, _, name = about.partition(":")
    return Who(kind), name


def key_in(row: ObjectRow, directory: Directory, now: int) -> Key | None:
    """The key in a row, if it is Active, nothing replaces it yet, and its owner is admitted."""
    try:
        caller = directory.named(row.owner)
    except IdentityError:
        return None
    found, ruling = ManagedObject.of(row), directory.ruling
    found.settle(now)
    activated = found.first(Tag.ACTIVATION_DATE)
    replaced = found.first(Tag.ROTATE_LATEST) is False
    if found.state is not State.ACTIVE or activated is None or replaced or found.archived:
        return None
    owner, resource = ruling.subject(Who.CLIENT, caller.name, caller.groups), ObjectResource(ruling, row, now)
    return Key(row.unique_identifier, owner, resource, activated, _period(ruling, owner, resource, now))


_MAKING: Final = ("CREATE", "REGISTER", "IMPORT", "DERIVE_KEY", "RE_KEY")
"""The operations by which a symmetric key comes to be: a cryptoperiod is required of what some of them make."""


def _period(ruling: Ruling, owner: Subject, resource: ObjectResource, now: int) -> int | None:
    """The shortest cryptoperiod that the policy requires of a key like this, however it is made."""
    if not cryptoperiods(ruling):
        return None
    context = ruling.context(owner, now)
    required = [restrict(ruling.rules, owner, action, resource, context).obligations for action in _MAKING]
    return min([each.cryptoperiod for each in required if each.cryptoperiod is not None], default=None)


@lru_cache(maxsize=4)
def cryptoperiods(ruling: Ruling) -> tuple[int, ...]:
    """Every cryptoperiod that the policy requires of some keys, in seconds."""
    required = [rule.require.cryptoperiod for rule in ruling.rules.rules]
    return tuple(period for period in required if period is not None)
