"""What another policy would have said to the requests on record: the audit log, replayed against a candidate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from console.output import progress

if TYPE_CHECKING:
    from kmip_server.storage.connection import HeldConnection
    from kmip_server.storage.store import Store
    from kmip_server.storage.unit import SqlUnit
    from policy.compiling import Ruling
    from policy.decision import Decision
    from policy.model import Policy

_STEP: Final = 1000


class Changed(NamedTuple):
    """Requests that would be answered otherwise: who asks what, what the rules say now and then, and how often."""

    caller: str
    operation: str
    now: str
    then: str
    times: int
    last: int


class _Asked(NamedTuple):
    sequence: int
    caller: str
    operation: str
    unique_identifier: str | None


def simulated(directory: Path, candidate: Policy) -> tuple[int, list[Changed]]:
    """How many records were replayed, and what would change, the most frequent first.

    A record whose object is not there any more, or that is no operation of KMIP, cannot be judged and is not counted.
    """
    from kmip_server.cli.master_key import open_master_key
    from kmip_server.config import Settings
    from kmip_server.opening import directory_source
    from kmip_server.storage.store import Store
    from policy.compiling import Ruling

    settings = Settings.load(directory)
    store = Store.open(settings.storage.url, open_master_key(settings))
    with closing(store), progress("Replaying the audit log ..."):
        current = directory_source(store).current
        rulings = (current.ruling, Ruling(candidate))
        groups = current.clients
        found: dict[tuple[str, str, str, str], tuple[int, int]] = {}
        judged = 0
        with store.unit(writes=False) as unit:
            for asked in _records(store):
                said = [_said(ruling, unit, asked, groups.get(asked.caller, frozenset())) for ruling in rulings]
                if None in said:
                    continue
                judged += 1
                now, then = (decision for decision in said if decision is not None)
                if now.allowed != then.allowed:
                    key = (asked.caller, asked.operation, _words(now), _words(then))
                    found[key] = (found.get(key, (0, 0))[0] + 1, asked.sequence)
    changed = [Changed(*key, *counted) for key, counted in found.items()]
    return judged, sorted(changed, key=lambda one: (-one.times, one.caller, one.operation))


def _words(decision: Decision) -> str:
    return f"{'allowed' if decision.allowed else 'denied'} by {decision.rule or 'no rule'}"


def _records(store: Store) -> Iterator[_Asked]:
    from kmip_server.storage.connection import HeldConnection

    with closing(HeldConnection(store.database)) as connection:
        connection.begin(writes=False)
        yield from _read(store, connection)


def _read(store: Store, connection: HeldConnection) -> Iterator[_Asked]:
    from sqlalchemy import bindparam, select

    from kmip_server.storage.schema import audit

    statement = (
        select(audit.c.sequence, audit.c.caller, audit.c.operation, audit.c.unique_identifier)
        .where(audit.c.sequence > bindparam("after"))
        .order_by(audit.c.sequence)
        .limit(bindparam("most"))
    )
    sql, after = store.database.compile(statement, "after", "most"), 0
    while rows := connection.all(sql.text, (after, _STEP, *sql.constants)):
        yield from (_Asked(*row) for row in rows)
        after = rows[-1][0]


def _said(ruling: Ruling, unit: SqlUnit, asked: _Asked, groups: frozenset[str]) -> Decision | None:
    """What a policy says to a recorded request; None if that cannot be told any more."""
    from kmip_server.operations.resource import ObjectResource, server_itself
    from policy.actions import CLIENT_OPERATIONS, OPERATIONS, action_named
    from policy.decision import Context, decide, restrict
    from policy.model import Who

    action = action_named(asked.operation)
    if action not in OPERATIONS:
        return None
    subject = ruling.subject(Who.CLIENT, asked.caller, groups)
    context = Context(int(time.time()))
    row = None if asked.unique_identifier is None else unit.get(asked.unique_identifier)
    if action in CLIENT_OPERATIONS:
        decision = decide(ruling.rules, subject, action, server_itself(subject), context)
        if row is None or not decision.allowed:
            return decision
        return restrict(ruling.rules, subject, action, ObjectResource(ruling, row, context.now), context)
    if row is None:
        return None
    return decide(ruling.rules, subject, action, ObjectResource(ruling, row, context.now), context)
