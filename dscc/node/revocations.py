"""Revocations: of a device or of a key, numbered by the node where they were made, and known to so many nodes."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from dscc.errors import DsccError, Reason
from dscc.messages import Event, Revocation
from dscc.node import registry, schema
from dscc.node.audit import Entry, record
from policy import workflows

DEVICE: Final = "device"
KEY: Final = "key"
SEPARATOR: Final = "~"
"""Stands in no name of a device."""
_ADDING: Final = upsert(schema.revocations).on_conflict_do_nothing()
_KNOWING: Final = upsert(schema.acknowledgements).on_conflict_do_nothing()


def subject_of_key(kid: bytes, one: str, other: str) -> str:
    """What names a key of two devices in a revocation."""
    return SEPARATOR.join((kid.hex(), one, other))


def key_and_pair(subject: str) -> list[str]:
    """The key identifier, in hexadecimal, and the two devices."""
    return subject.split(SEPARATOR)


class Standing(NamedTuple):
    """A revocation, and the nodes that know of it."""

    revocation: Revocation
    nodes: frozenset[str]


def revoke(
    connection: Connection, node: str, kind: str, subject: str, reason: str, now: int, author: str
) -> Revocation:
    """Revoke a device or a key at this node, which tells the others of it. A device that is revoked stays so."""
    table = schema.revocations
    last = connection.execute(select(func.max(table.c.number)).where(table.c.origin == node)).scalar() or 0
    said = Revocation(node, last + 1, kind, subject, reason, author, now)
    take(connection, node, said)
    return said


def take(connection: Connection, node: str, said: Revocation, told_by: str = "") -> bool:
    """Note a revocation, this node's own or another's, and obey it; whether it is a new one.

    Nodes pass on what others have revoked. A node that passes on what nobody said must not keep the true one of that
    number from being heard: the origin's own word holds. Raises DsccError for another's word against what is known.
    """
    stored = _numbered(connection, said)
    if stored == said:
        acknowledge(connection, said, *({node, said.origin, told_by} - {""}))
        return False
    if told_by and said.origin == node:
        raise DsccError(Reason.NOT_AUTHENTIC, "this node has not said so")
    if stored is not None:
        if told_by != said.origin:
            raise DsccError(Reason.CONTEXT_MISMATCH, f"{said.origin} has said something else under this number")
        connection.execute(delete(schema.revocations).where(*_of_number(said)))
        connection.execute(delete(schema.acknowledgements).where(*_acknowledged_number(said)))
    acknowledge(connection, said, *({node, said.origin, told_by} - {""}))
    connection.execute(_ADDING, said._asdict())
    if said.kind == DEVICE:
        device = registry.known(connection, said.subject)
        if device is not None and device.revoked_at is None:
            detail = f"{said.reason}; by {said.origin}" if said.origin != node else said.reason
            registry.move(connection, device, workflows.REVOKED, said.at, said.author, detail=detail)
    record(connection, Entry(said.at, said.author, "Revocation", f"{said.kind} {said.subject}", "done", said.reason))
    return True


def _numbered(connection: Connection, said: Revocation) -> Revocation | None:
    row = connection.execute(select(schema.revocations).where(*_of_number(said))).first()
    return None if row is None else Revocation(**row._mapping)


def _of_number(said: Revocation) -> tuple[ColumnElement[bool], ...]:
    table = schema.revocations
    return table.c.origin == said.origin, table.c.number == said.number


def _acknowledged_number(said: Revocation) -> tuple[ColumnElement[bool], ...]:
    table = schema.acknowledgements
    return table.c.origin == said.origin, table.c.number == said.number


def acknowledge(connection: Connection, said: Revocation, *nodes: str) -> None:
    """Note that nodes know of a revocation."""
    rows = [{"origin": said.origin, "number": said.number, "node": node, "at": said.at} for node in nodes]
    connection.execute(_KNOWING, rows)


def acknowledged(connection: Connection, said: Revocation) -> frozenset[str]:
    """The nodes that know of a revocation."""
    table = schema.acknowledgements
    return frozenset(connection.execute(select(table.c.node).where(*_acknowledged_number(said))).scalars())


def unknown_to(connection: Connection, node: str) -> list[Revocation]:
    """The revocations that another node has not acknowledged, in their order."""
    table, known = schema.revocations, schema.acknowledgements
    theirs = (
        select(known.c.number)
        .where(known.c.origin == table.c.origin, known.c.number == table.c.number, known.c.node == node)
        .exists()
    )
    rows = connection.execute(select(table).where(~theirs).order_by(table.c.origin, table.c.number))
    return [Revocation(**row._mapping) for row in rows]


def every(connection: Connection) -> list[Standing]:
    """All revocations, the newest first, and who knows of them."""
    rows = connection.execute(select(schema.revocations).order_by(schema.revocations.c.at.desc()))
    found = [Revocation(**row._mapping) for row in rows]
    return [Standing(said, acknowledged(connection, said)) for said in found]


def concerning(connection: Connection, device: str, since: int) -> list[Event]:
    """What a device has to know that was not in a session: peers and keys that were revoked since a time."""
    peers = select(schema.receipts.c.peer).where(schema.receipts.c.device == device)
    table = schema.revocations
    rows = connection.execute(
        select(table).where(table.c.at >= since, table.c.kind == DEVICE, table.c.subject.in_(peers))
    )
    found = [Event("device-revoked", row.subject, row.at) for row in rows]
    keys = connection.execute(
        select(table).where(table.c.at >= since, table.c.kind == KEY, table.c.subject.contains(device))
    )
    for row in keys:
        kid, *pair = key_and_pair(row.subject)
        if device in pair:
            found.append(Event("key-revoked", kid, row.at))
    # Whoever revokes a key asks several nodes, and each of them has told the others: it is said once.
    return list({(event.kind, event.subject): event for event in found}.values())
