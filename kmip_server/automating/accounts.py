"""Acts on clients and devices, and on nobody: quarantine, revoke, escalate."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import Connection

from kmip_server.automating.facts import facts
from kmip_server.automating.wanted import NotWantedError, author, event
from kmip_server.storage import automatic_facts as stored
from kmip_server.storage.accounts import changing, revoke_certificates
from kmip_server.storage.administration import done
from kmip_server.storage.database import Database
from kmip_server.storage.devices import set_apart
from kmip_server.storage.identifiers import new_identifier
from kmip_server.storage.standing import put_into_quarantine
from policy import outbox
from policy import store as policy_store
from policy.automation import Due, due
from policy.compiling import Ruling
from policy.model import Act, AutomaticRule, Who
from policy.workflows import QUARANTINE, REVOKED


def wanted(connection: Connection, rule: AutomaticRule, ruling: Ruling, now: int) -> list[Due]:
    """What a rule wants now that is not about keys."""
    acted = {(rule.name, about): at for about, at in stored.last_acts(connection, rule.name).items()}
    return due([rule], facts(connection, rule, ruling, now), acted, now)


def act(database: Database, one: Due, now: int) -> None:
    """Do what a rule wants, in one transaction with its claim. Raises NotWantedError, and nothing was done."""
    rule = one.rule
    begin, effect = _ACTS[rule.act]
    with begin(database) as connection:
        if not stored.claim_act(connection, rule.name, one.about, one.last, now):
            raise NotWantedError
        policy = policy_store.in_force(connection)
        if rule not in policy.automatic:
            raise NotWantedError
        if not one.is_due_still(facts(connection, rule, Ruling(policy), now, one.about), now):
            raise NotWantedError
        effect(connection, one, now)


def _quarantine(connection: Connection, one: Due, now: int) -> None:
    kind, _, name = one.about.partition(":")
    if Who(kind) is Who.CLIENT:
        put_into_quarantine(connection, name, by=author(one.rule), now=now, detail=one.why)
    else:
        set_apart(connection, name, QUARANTINE, author=author(one.rule), now=now, detail=one.why)
    outbox.announce(connection, event("rule-acted", one, now), new_identifier)


def _revoke(connection: Connection, one: Due, now: int) -> None:
    kind, _, name = one.about.partition(":")
    if Who(kind) is Who.CLIENT:
        revoke_certificates(connection, name, now, by=author(one.rule), why=one.why)
    else:
        set_apart(connection, name, REVOKED, author=author(one.rule), now=now, detail=one.why)
    outbox.announce(connection, event("rule-acted", one, now), new_identifier)


def _escalate(connection: Connection, one: Due, now: int) -> None:
    by, channels = author(one.rule), one.rule.channels
    done(connection, "escalation", "Escalation", by=by, about=one.about, now=now, detail=one.why, channels=channels)


_Begin = Callable[[Database], AbstractContextManager[Connection]]
_ACTS: Final[dict[Act, tuple[_Begin, Callable[[Connection, Due, int], Any]]]] = {
    Act.QUARANTINE: (changing, _quarantine),
    Act.REVOKE: (changing, _revoke),
    Act.ESCALATE: (Database.writing, _escalate),
}
"""What each act does, and the transaction in which it does it: workers read accounts again after a change of them."""
