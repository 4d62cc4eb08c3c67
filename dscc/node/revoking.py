"""Revocations of keys, as devices ask for them at this node, and what a device is told that it has missed."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, literal_column, select
from twisted.internet.defer import Deferred, inlineCallbacks, returnValue, succeed
from twisted.python.failure import Failure

from dscc import drawing
from dscc.errors import DsccError, Reason
from dscc.messages import Acknowledged, Missed, MissedRequest, Revocation, RevokeKey
from dscc.node import revocations, schema
from dscc.wire import Message

if TYPE_CHECKING:
    from dscc.node.service import DeviceSession, NodeService

_ACKNOWLEDGED_WITHIN_S: Final = 2.0
_IN_ORDER: Final[ColumnElement[int]] = literal_column("rowid")
"""That in which receipts came."""


class _Awaited(NamedTuple):
    """A revocation that somebody waits for: how many nodes have to know of it, and which do."""

    revocation: Revocation
    quorum: int
    nodes: set[str]
    done: Deferred[int]

    def look(self) -> None:
        """Fire if it is a quorum."""
        if len(self.nodes) >= self.quorum and not self.done.called:
            self.done.callback(len(self.nodes))


class Revoking:
    """What a node's service does about revocations that its devices ask for, or about."""

    def __init__(self, service: NodeService) -> None:
        self._service = service
        self._awaited: list[_Awaited] = []

    def missed(self, session: DeviceSession, asked: MissedRequest) -> Deferred[Message]:
        """What was revoked since the device has heard of it: as events, before the answer."""
        return succeed(self._tell(session, asked.heard))

    def tell_unasked(self, session: DeviceSession) -> None:
        """Tell all of the last 30 days: a device that asks something else first has an earlier program."""
        said = self._tell(session, b"")
        while said.more:
            said = self._tell(session, said.heard)

    def _tell(self, session: DeviceSession, heard: bytes) -> Missed:
        service = self._service
        with service.writer.reading() as connection:
            page = revocations.missed(connection, service.key, session.device, heard, service.now)
        for event in page.events:
            session.push(event)
        return Missed(page.heard, int(page.more))

    @inlineCallbacks
    def revoke_key(self, session: DeviceSession, asked: RevokeKey) -> Generator[Deferred[Any], Any, Message]:
        """Revoke a key of the device, and tell its peer and the nodes. Fails with DsccError if it is not its own."""
        service = self._service

        def work(connection: Connection) -> tuple[Revocation, frozenset[str]]:
            subject = _subject(connection, session.device, asked)
            name, now = service.settings.name, service.now
            kind = revocations.KEY
            said = revocations.revoke(connection, name, kind, subject, asked.reason, now, session.device)
            return said, revocations.acknowledged(connection, said)

        said, known = yield service.writer.submit(work)
        _, *pair = revocations.key_and_pair(said.subject)
        service.tell_devices(pair, revocations.event_of(said), but=session)
        nodes = yield self._known_to_a_quorum(said, known)
        returnValue(Acknowledged(nodes, service.settings.quorum))

    def _known_to_a_quorum(self, said: Revocation, known: frozenset[str]) -> Deferred[int]:
        """Tell the other nodes. Fires with how many know of it: a quorum, or as many as have said so in two seconds."""
        service = self._service
        awaited = _Awaited(said, service.settings.quorum, set(known), Deferred())
        self._awaited.append(awaited)

        def end(found: int | Failure) -> int:
            self._awaited.remove(awaited)
            return len(awaited.nodes) if isinstance(found, Failure) else found

        awaited.done.addTimeout(_ACKNOWLEDGED_WITHIN_S, service.reactor)
        waiting = awaited.done.addBoth(end)
        service.peers.pass_on(said)
        awaited.look()
        return waiting

    def acknowledged(self, said: Revocation, node: str) -> None:
        """A node says that it knows of a revocation."""
        for awaited in [each for each in self._awaited if each.revocation == said]:
            awaited.nodes.add(node)
            awaited.look()


def _subject(connection: Connection, device: str, asked: RevokeKey) -> str:
    """What names the key that a device asks about. Raises DsccError (NOT_AUTHENTIC) if it has none with this peer."""
    table = schema.receipts
    of_key = select(table.c.device, table.c.peer).where(table.c.kid == asked.kid).order_by(_IN_ORDER)
    named = [tuple(row) for row in connection.execute(of_key)]
    # A receipt says of itself what the key is called. Whose it is has named it first: others learn its name later.
    if (device, asked.peer) not in named or set(named[0]) != {device, asked.peer}:
        raise DsccError(Reason.NOT_AUTHENTIC, "this device has no such key with this peer")
    # Of a key that is drawn from it, the name follows: nobody can name the key of two others.
    kid = drawing.drawn_kid(asked.kid, asked.number) if asked.number else asked.kid
    return revocations.subject_of_key(kid, device, asked.peer)
