"""Revocations: of a device or of a key, numbered by the node where they were made, and known to so many nodes.

Each has its place among the audit records of the node. So "all up to here" is a number, and with the digest of that
record it is good for this store alone: one that was restored from a backup has another past from there on.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, or_, select
from sqlalchemy.dialects.sqlite import insert as upsert

from dscc.errors import DsccError, Reason
from dscc.messages import Event, Revocation
from dscc.node import audit, registry, schema
from dscc.node.audit import Entry, record
from dscc.node.database import NodeError
from dscc.node.sealing import NodeKey
from policy import workflows

DEVICE: Final = schema.DEVICE
KEY: Final = "key"
SEPARATOR: Final = "~"
"""Stands in no name of a device."""
MISSED_SECONDS: Final = 30 * 86_400
"""For how long back a device is told of revocations, if it is not known up to where it has heard of them."""
TOLD_AT_ONCE: Final = 256
"""So many are told before an answer says that they have arrived."""
_NUMBER_BYTES: Final = 8
_COLUMNS: Final = [schema.revocations.c[name] for name in Revocation._fields]
_ADDING: Final = insert(schema.revocations)
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


class Noted(NamedTuple):
    """A revocation, and the number of its record at this node."""

    recorded: int
    revocation: Revocation


class Page(NamedTuple):
    """What a device has missed, in the order in which the node came to know of it; `more` if that is not all.

    `heard` is what the device says the next time, so that it is told what comes after this.
    """

    events: tuple[Event, ...]
    heard: bytes
    more: bool


def revoke(
    connection: Connection, node: str, kind: str, subject: str, reason: str, now: int, author: str
) -> Revocation:
    """Revoke a device or a key at this node, which tells the others of it. What is revoked stays so, and is once."""
    table = schema.revocations
    before = select(*_COLUMNS).where(table.c.origin == node, table.c.kind == kind, table.c.subject == subject)
    known = connection.execute(before).first()
    if known is not None:
        return Revocation(*known)
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
    if said.kind == DEVICE:
        device = registry.known(connection, said.subject)
        if device is not None and device.revoked_at is None:
            detail = f"{said.reason}; by {said.origin}" if said.origin != node else said.reason
            registry.move(connection, device, workflows.REVOKED, said.at, said.author, detail=detail)
    record(connection, Entry(said.at, said.author, "Revocation", f"{said.kind} {said.subject}", "done", said.reason))
    connection.execute(_ADDING, said._asdict() | {"recorded": audit.head(connection)[0]})
    return True


def _numbered(connection: Connection, said: Revocation) -> Revocation | None:
    row = connection.execute(select(*_COLUMNS).where(*_of_number(said))).first()
    return None if row is None else Revocation(*row)


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


def last(connection: Connection) -> int:
    """The place of the newest revocation; 0 if there is none."""
    found: int | None = connection.execute(select(func.max(schema.revocations.c.recorded))).scalar()
    return found or 0


def since(connection: Connection, after: int) -> list[Noted]:
    """What this node has come to know of behind a place, in that order."""
    return _noted(connection, schema.revocations.c.recorded > after)


def unknown_to(connection: Connection, node: str, after: int) -> list[Noted]:
    """The first revocations behind a place that another node has not acknowledged: TOLD_AT_ONCE, or all."""
    table, known = schema.revocations, schema.acknowledgements
    theirs = exists().where(known.c.origin == table.c.origin, known.c.number == table.c.number, known.c.node == node)
    return _noted(connection, table.c.recorded > after, ~theirs, most=TOLD_AT_ONCE)


def _noted(connection: Connection, *which: ColumnElement[bool], most: int | None = None) -> list[Noted]:
    recorded = schema.revocations.c.recorded
    rows = connection.execute(select(recorded, *_COLUMNS).where(*which).order_by(recorded).limit(most))
    return [Noted(place, Revocation(*said)) for place, *said in rows]


def every(connection: Connection) -> list[Standing]:
    """All revocations, the newest first, and who knows of them."""
    rows = connection.execute(select(*_COLUMNS).order_by(schema.revocations.c.at.desc()))
    found = [Revocation(*row) for row in rows]
    return [Standing(said, acknowledged(connection, said)) for said in found]


def event_of(said: Revocation) -> Event:
    """What a device is told of a revocation."""
    if said.kind == DEVICE:
        return Event("device-revoked", said.subject, said.at)
    return Event("key-revoked", key_and_pair(said.subject)[0], said.at)


def missed(connection: Connection, key: NodeKey, device: str, heard: bytes, now: int) -> Page:
    """What a device has to know of its peers and its keys behind what it has heard already.

    `heard` is what it was given the last time. It is worth nothing if it is not this device's, this node's, or of
    another past than this store's; then it is told what the last 30 days have brought.
    """
    after, table, receipts = _heard(connection, key, device, heard), schema.revocations, schema.receipts
    known = exists().where(receipts.c.device == device, receipts.c.peer == table.c.subject)
    in_pair = func.instr(table.c.subject + SEPARATOR, SEPARATOR + device + SEPARATOR) > 0
    concerns = or_(and_(table.c.kind == DEVICE, known), and_(table.c.kind == KEY, in_pair))
    behind = table.c.at >= now - MISSED_SECONDS if after is None else table.c.recorded > after
    found = _noted(connection, behind, concerns, most=TOLD_AT_ONCE + 1)
    more, page = len(found) > TOLD_AT_ONCE, found[:TOLD_AT_ONCE]
    place = page[-1].recorded if more else audit.head(connection)[0]
    # Whoever revokes a key asks several nodes, and each of them has told the others: it is said once.
    events = {event[:2]: event for event in (event_of(noted.revocation) for noted in page)}
    digest = audit.digest_of(connection, place) or b""
    sealed = key.seal(place.to_bytes(_NUMBER_BYTES, "big") + digest, b"heard", device.encode())
    return Page(tuple(events.values()), sealed, more)


def _heard(connection: Connection, key: NodeKey, device: str, heard: bytes) -> int | None:
    """The place up to which a device has heard of what concerns it; None if that is not known."""
    try:
        plain = key.open(heard, b"heard", device.encode())
    except NodeError:
        return None
    place = int.from_bytes(plain[:_NUMBER_BYTES], "big")
    return place if audit.digest_of(connection, place) == plain[_NUMBER_BYTES:] else None
