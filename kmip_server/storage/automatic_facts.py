"""What automatic rules ask of the database beside keys: who was seen when, wrong passwords, approvals that wait.

Each question can be narrowed to one client or device, so that it is asked again in the transaction that acts on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, delete, func, select, text, update

from kmip_server.storage import schema
from kmip_server.storage.database import insert_if_new
from policy import store as policy_store
from policy.approvals import ApprovalRequest
from policy.automation import DAY
from policy.model import Who
from policy.workflows import QUARANTINE

_MOST: Final = 10_000
_STATE: Final = schema.server_state
_ACTS: Final = schema.automatic_acts


class Sighting(NamedTuple):
    """A client or a device: its stage, and the last sign of life that counts (POSIX seconds).

    `entered` is whether its certificate was entered here: only then can it be revoked.
    """

    kind: Who
    name: str
    stage: str | None
    at: int
    entered: bool = True


def sightings(connection: Connection, by: int, kind: Who | None = None, name: str | None = None) -> Iterator[Sighting]:
    """Clients with a certificate in force, and devices that are not revoked, not seen after `by` (POSIX seconds).

    What counts beside being seen: that it was entered or released, took a stage, or that the server came back.
    """
    start = _counted_from(connection)
    if start > by:
        return
    found: list[Sighting] = []
    if kind in (None, Who.CLIENT):
        found += _clients(connection, name)
    if kind in (None, Who.DEVICE):
        found += _devices(connection, name)
    yield from (each._replace(at=max(each.at, start)) for each in found if each.at <= by)


def _clients(connection: Connection, name: str | None) -> list[Sighting]:
    clients, standing = schema.clients.c, schema.client_standing.c
    entered = select(clients.name, func.max(clients.created_at)).where(clients.revoked_at.is_(None))
    every = select(clients.name)
    stands = select(schema.client_standing)
    if name is not None:
        entered, every = entered.where(clients.name == name), every.where(clients.name == name)
        stands = stands.where(standing.name == name)
    standings = {row.name: row for row in connection.execute(stands)}
    in_force: dict[str, int] = {row[0]: row[1] for row in connection.execute(entered.group_by(clients.name))}
    others = standings.keys() - set(connection.execute(every).scalars())
    names = sorted(in_force.keys() | others)
    return [_client(owner, standings.get(owner), in_force.get(owner)) for owner in names]


def _client(name: str, stands: Row[Any] | None, entered_at: int | None) -> Sighting:
    signs = [entered_at] if stands is None else [entered_at, stands.last_seen_at, stands.released_at]
    stage = None if stands is None or stands.quarantined_at is None else QUARANTINE
    return Sighting(Who.CLIENT, name, stage, max([at or 0 for at in signs]), entered_at is not None)


def _devices(connection: Connection, name: str | None) -> list[Sighting]:
    devices = schema.devices
    wanted = select(devices).where(devices.c.revoked_at.is_(None)).order_by(devices.c.name)
    if name is not None:
        wanted = wanted.where(devices.c.name == name)
    return [
        Sighting(Who.DEVICE, row.name, row.stage, max(row.since, row.last_seen_at or 0))
        for row in connection.execute(wanted)
    ]


def wrong_passwords(
    connection: Connection, after: int, by: int, name: str | None = None
) -> dict[str, tuple[str | None, tuple[int, ...]]]:
    """For each client its stage, and when it was refused for wrong passwords in this time, and since its release.

    Of a flood the newest count.
    """
    audit = schema.audit.c
    wanted = select(audit.caller, audit.at).where(text(schema.AUTHENTICATION), audit.at > after, audit.at <= by)
    wanted = wanted if name is None else wanted.where(audit.caller == name)
    moments: dict[str, list[int]] = {}
    for caller, at in connection.execute(wanted.order_by(audit.at.desc()).limit(_MOST)):
        moments.setdefault(caller, []).append(at)
    standing = schema.client_standing
    rows = connection.execute(select(standing).where(standing.c.name.in_(list(moments)))) if moments else ()
    standings = {row.name: row for row in rows}
    found = {}
    for caller, times in moments.items():
        row = standings.get(caller)
        released = -1 if row is None or row.released_at is None else row.released_at
        stage = QUARANTINE if row is not None and row.quarantined_at is not None else None
        found[caller] = (stage, tuple(sorted(at for at in times if at > released)))
    return found


def waiting_approvals(connection: Connection) -> list[ApprovalRequest]:
    """Requests for approval that were not used; of very many, the newest."""
    return policy_store.unused_requests(connection, _MOST)


# Acts. ----------------------------------------------------------------------------------------------------------------


def last_acts(connection: Connection, rule: str) -> dict[str, int]:
    """See port.Unit."""
    rows = connection.execute(select(_ACTS.c.about, _ACTS.c.at).where(_ACTS.c.rule == rule))
    return {row.about: row.at for row in rows}


def claim_act(connection: Connection, rule: str, about: str, last: int | None, now: int) -> bool:
    """See port.Unit."""
    if last is None:
        return insert_if_new(connection, _ACTS, rule=rule, about=about, at=now)
    same = (_ACTS.c.rule == rule, _ACTS.c.about == about, _ACTS.c.at == last)
    return connection.execute(update(_ACTS).where(*same).values(at=now)).rowcount == 1


def forget_acts(connection: Connection, before: int) -> None:
    """Forget the acts from before a time: whatever they kept from being done again may be done again."""
    connection.execute(delete(_ACTS).where(_ACTS.c.at < before))


# The server's own life. -----------------------------------------------------------------------------------------------


def note_service(connection: Connection, now: int) -> None:
    """Note that a server runs, which it does once an hour.

    After a day without one nobody could be seen: inactivity is counted from now on.
    """
    if now - int(_state(connection, "served_at") or now) > DAY:
        _set_state(connection, "counted_from", now)
    _set_state(connection, "served_at", now)


def _counted_from(connection: Connection) -> int:
    return int(_state(connection, "counted_from") or 0)


def _state(connection: Connection, key: str) -> str | None:
    found: str | None = connection.execute(select(_STATE.c.value).where(_STATE.c.key == key)).scalar()
    return found


def _set_state(connection: Connection, key: str, value: int) -> None:
    if not insert_if_new(connection, _STATE, key=key, value=str(value)):
        connection.execute(update(_STATE).where(_STATE.c.key == key).values(value=str(value)))
