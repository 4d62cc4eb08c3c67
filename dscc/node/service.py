"""What a node does for a device that is in a session: shares, steps, receipts, revocations, and what else it asks.

Each request that changes something, or gives a share, is one piece of work in a transaction (`writer.py`): in it the
device, its peer and the policy are looked at, and it is put on record; its answer leaves after the commit. So nothing
is answered that a revocation which was acknowledged before would have refused.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import insert as upsert
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, maybeDeferred, returnValue, succeed
from twisted.python.failure import Failure

from dscc.errors import DsccError, Reason
from dscc.keyfill import KeyfillMode, NodeKeyfill, split
from dscc.messages import (
    T1,
    T3,
    Deposit,
    Event,
    Fetch,
    Keep,
    LocatedRequest,
    MissedRequest,
    Piece,
    PieceRequest,
    Receipt,
    Refused,
    RevokeKey,
    Route,
    Routed,
    ShareRequest,
    ShareResponse,
    Status,
    StatusRequest,
)
from dscc.node import bilocation, keeping, registry, schema, steps
from dscc.node.audit import Entry, Refusals, record
from dscc.node.database import NodeDatabase
from dscc.node.deciding import Deciding
from dscc.node.link_keys import LinkKeys
from dscc.node.peers import Peers
from dscc.node.revoking import Revoking
from dscc.node.routing import route
from dscc.node.sealing import NodeKey
from dscc.node.settings import Settings
from dscc.node.shares import Grant, Shares, named
from dscc.node.steps import Step, Waiting
from dscc.node.writer import Writer
from dscc.primitives import NONCE_BYTES, ROOT_BYTES
from dscc.session import Chain
from dscc.wire import Message
from policy import workflows

_log: Final = structlog.stdlib.get_logger("dscc.node")
_MOST_PIECES: Final = 10_000
"""How many pieces of secrets are held for one other node."""
_RECEIPT: Final = upsert(schema.receipts).on_conflict_do_nothing()
_RECEIPT_PATIENCE: Final = 0.02
"""Receipts are not answered: in so many seconds that of the other device comes, or a question to go with."""


class DeviceSession:
    """A device that is in a session: who it is, and what is under way with it."""

    def __init__(self, device: str, chain: Chain, push: Callable[[Message], None], close: Callable[[], None]) -> None:
        self.device, self.chain = device, chain
        self.push, self.close = push, close
        self.has_asked = False
        self.step: tuple[Step, NodeKeyfill] | None = None


class NodeService:
    """One node's service. Its methods are called on the reactor's thread."""

    def __init__(
        self,
        reactor: ReactorBase,
        settings: Settings,
        database: NodeDatabase,
        key: NodeKey,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.reactor, self.settings, self.key = reactor, settings, key
        self.deciding = Deciding(settings.key_lifetime)
        self.writer = Writer(reactor, database, self.deciding.refresh)
        self.peers = Peers(reactor, settings, key, self.writer)
        self.peers.deposited = self._deposited
        self._revoking = Revoking(self)
        self.peers.acknowledged = self._revoking.acknowledged
        self.shares = Shares()
        self.sessions: dict[str, DeviceSession] = {}
        self._clock = clock
        self._refusals = Refusals()
        # By the node that has given them: none fills up what is another one's.
        self._pieces: dict[str, dict[tuple[str, int], bytes]] = {}
        self.link_keys = LinkKeys(reactor, settings, key, self.writer, self.peers.ask)
        self.peers.link_keys = self.link_keys.answer
        self.peers.located = partial(bilocation.take, self)
        self._handlers: dict[type, Callable[[DeviceSession, Any], Deferred[Any]]] = {
            ShareRequest: self._share,
            LocatedRequest: partial(bilocation.ask, self),
            Receipt: self._receipt,
            T1: self._t1,
            T3: self._t3,
            PieceRequest: self._piece,
            StatusRequest: self._status,
            MissedRequest: self._revoking.missed,
            RevokeKey: self._revoking.revoke_key,
            Route: self._route,
            Keep: partial(keeping.keep, self),
            Fetch: partial(keeping.fetch, self),
        }

    @property
    def now(self) -> int:
        """POSIX seconds."""
        return int(self._clock())

    def request(self, session: DeviceSession, said: Message) -> Deferred[Any]:
        """The answer to a request; None for what has none. Never fails: what is refused is answered with Refused."""
        return maybeDeferred(self._handle, session, said).addErrback(self._refused, session, said)

    def _handle(self, session: DeviceSession, said: Message) -> Deferred[Any]:
        if not session.has_asked and not isinstance(said, MissedRequest):
            self._revoking.tell_unasked(session)
        session.has_asked = True
        handler = self._handlers.get(type(said))
        if handler is None:
            raise DsccError(Reason.OUT_OF_ORDER, f"{type(said).__name__} is no request")
        return handler(session, said)

    def _refused(self, failure: Failure, session: DeviceSession, said: Message) -> Deferred[Message]:
        error = failure.value
        if not isinstance(error, DsccError):
            _log.error("a fault of ours", exc_info=error)
            error = DsccError(Reason.FAILED, "the node failed; its log has more")
        what = type(said).__name__
        why = f"{error.reason.value}: {error.for_record}"
        entry = Entry(self.now, session.device, what, _resource(said), "refused", why)
        refused = Refused(error.reason.value, error.message[:512])
        noted = self.writer.submit(lambda connection: record(connection, entry))
        return noted.addCallbacks(lambda _: refused, lambda _: refused)

    def note_refusal(self, peer: str, what: str, error: DsccError) -> Deferred[None]:
        """Put in the log and on record that a connection was refused, if there are not too many. Fires when it is done.

        Anybody may connect: nobody is to fill the disk by it.
        """
        entry = self._refusals.entry(self.now, peer, what, f"{error.reason.value}: {error.for_record}")
        if entry is None:
            return succeed(None)
        _log.warning("refused", peer=peer, reason=error.reason.value, detail=error.for_record)
        noted = self.writer.submit(lambda connection: record(connection, entry))
        return noted.addErrback(lambda failure: _log.error("a refusal is not on record", reason=str(failure.value)))

    # Shares. ----------------------------------------------------------------------------------------------------------

    def _share(self, session: DeviceSession, asked: ShareRequest) -> Deferred[Message]:
        if session.device != named(asked):
            raise DsccError(Reason.NOT_AUTHENTIC, "who asks for a share is one of the two, in its own role")

        def work(connection: Connection) -> Message:
            now = self.now
            found = registry.pair(connection, asked.initiator, asked.responder)
            initiator, responder = [self.at_last_stage(connection, device) for device in found]
            granted = self.deciding.grant(asked, initiator, responder, now)
            share, grant = self.shares.release(
                session.device, asked, granted, self.reactor.seconds(), secrets.token_bytes(ROOT_BYTES)
            )
            return self.given(connection, session.device, asked, share, grant)

        return self.writer.submit(work)

    def given(
        self, connection: Connection, device: str, asked: ShareRequest, share: bytes, grant: Grant, how: str = ""
    ) -> ShareResponse:
        """The answer that gives a device its share, put on record; `how` says what is special about it."""
        peer = asked.responder if device == asked.initiator else asked.initiator
        detail = f"{asked.sid.hex()[:16]}, {asked.purpose}, {asked.algorithm} {asked.bits}{how}"
        record(connection, Entry(self.now, device, "Share", peer, "done", detail))
        return ShareResponse(asked.sid, asked.initiator, asked.responder, share, *grant)

    def at_last_stage(self, connection: Connection, device: registry.Device | None) -> registry.Device:
        """A device that has come to the end of its workflow. Raises DsccError otherwise, in the same words."""
        if device is None or device.revoked_at is not None or device.accepted_at is None:
            raise DsccError(Reason.POLICY_DENIED, "one of the two forms no keys")
        if device.stage != self.deciding.workflow(connection, device).stages[-1].name:
            raise DsccError(Reason.POLICY_DENIED, "one of the two forms no keys")
        return device

    def _receipt(self, session: DeviceSession, said: Receipt) -> Deferred[Message | None]:
        peer = self.shares.peer_of(said.sid, session.device)
        if peer is None:
            raise DsccError(Reason.OUT_OF_ORDER, "a receipt for a session that is not under way")
        self.shares.done(said.sid, session.device)

        def work(connection: Connection) -> None:
            values = {"sid": said.sid, "device": session.device, "kid": said.kid, "peer": peer, "at": self.now}
            connection.execute(_RECEIPT, values | {"agreed": said.agreed})

        return self.writer.submit(work, _RECEIPT_PATIENCE)

    # Steps. -----------------------------------------------------------------------------------------------------------

    @inlineCallbacks
    def _t1(self, session: DeviceSession, t1: T1) -> Generator[Deferred[Any], Any, Message]:
        found: Step | Waiting = yield self.writer.submit(
            lambda connection: steps.allowed(connection, self.key, session.device, t1, self.now)
        )
        if isinstance(found, Waiting):
            returnValue(Refused(Reason.WAITING, found.words))
        pieces: tuple[tuple[str, bytes], ...] = ()
        if found.mode is KeyfillMode.MULTIPATH:
            pieces = yield self._deposit_pieces(session.device, t1.ratchet)
        keyfill = steps.begin(found, session.chain, t1, secrets.token_bytes(NONCE_BYTES), pieces)
        session.step = (found, keyfill)
        returnValue(keyfill.t2)

    def _t3(self, session: DeviceSession, t3: T3) -> Deferred[Message]:
        if session.step is None:
            raise DsccError(Reason.OUT_OF_ORDER, "T3 comes after T2")
        (step, keyfill), session.step = session.step, None

        def work(connection: Connection) -> Message:
            session.chain, t4 = steps.finish(connection, self.key, step, keyfill, t3, self.now)
            return t4

        return self.writer.submit(work)

    @inlineCallbacks
    def _deposit_pieces(
        self, device: str, ratchet: int
    ) -> Generator[Deferred[Any], Any, tuple[tuple[str, bytes], ...]]:
        """Give each linked node a piece of a fresh secret. Raises DsccError if there are fewer than two."""
        names = sorted(self.peers.linked)
        if len(names) < 2:
            raise DsccError(Reason.INSUFFICIENT_PATHS, "multipath takes links to two other nodes at least")
        randoms = tuple(secrets.token_bytes(NONCE_BYTES) for _ in names[1:])
        pieces = tuple(zip(names, split(secrets.token_bytes(NONCE_BYTES), randoms), strict=True))
        asked = [self.peers.ask(name, Deposit(device, self.settings.name, ratchet, piece)) for name, piece in pieces]
        yield DeferredList(asked, fireOnOneErrback=True, consumeErrors=True)
        returnValue(pieces)

    def _deposited(self, said: Deposit) -> None:
        held = self._pieces.setdefault(said.of, {})
        if len(held) >= _MOST_PIECES:
            held.clear()
        held[said.device, said.ratchet] = said.piece

    def _piece(self, session: DeviceSession, asked: PieceRequest) -> Deferred[Message]:
        piece = self._pieces.get(asked.of, {}).pop((session.device, asked.ratchet), None)
        if piece is None:
            raise DsccError(Reason.OUT_OF_ORDER, "there is no piece of a secret for this step")
        return succeed(Piece(piece))

    # What else a device asks. -----------------------------------------------------------------------------------------

    def _status(self, session: DeviceSession, _: StatusRequest) -> Deferred[Message]:
        with self.writer.reading() as connection:
            # A lease rests on this answer: who was revoked a moment ago, and is still in a session, is not given it.
            device = registry.served(connection, session.device)
            workflow = self.deciding.workflow(connection, device)
        following = workflows.next_stage(workflow, device.stage)
        return succeed(
            Status(
                device.stage,
                session.chain.ratchet,
                f"{device.workflow}/{device.workflow_version}",
                following.name if following else "",
                self.deciding.version,
                self.deciding.digest,
                tuple(sorted(self.settings.nodes.items())),
                tuple(sorted(self.settings.regions.items())),
            )
        )

    @inlineCallbacks
    def _route(self, session: DeviceSession, asked: Route) -> Generator[Deferred[Any], Any, Message]:
        def work(connection: Connection) -> None:
            device = self.at_last_stage(connection, registry.known(connection, session.device))
            self.deciding.may_route(device, asked.service, self.now)
            record(connection, Entry(self.now, session.device, "Route", asked.service, "done"))

        yield self.writer.submit(work)
        address = self.settings.services.get(asked.service)
        if address is None:
            raise DsccError(Reason.UNSUPPORTED, f"there is no service {asked.service!r} behind this node")
        body = yield route(self.reactor, address, session.device, asked.body)
        returnValue(Routed(body))

    # What is said unasked. --------------------------------------------------------------------------------------------

    def tell_devices(self, names: list[str], event: Event, but: DeviceSession | None = None) -> None:
        """Tell these devices, as far as they are in a session."""
        for name in names:
            session = self.sessions.get(name)
            if session is not None and session is not but:
                session.push(event)


def _resource(said: Message) -> str:
    """What a request is about, for the record."""
    fields = said._asdict()  # type: ignore[attr-defined]
    if isinstance(said, ShareRequest):
        return f"{said.initiator}, {said.responder}"
    return str(next((fields[name] for name in ("stage", "peer", "service", "name", "of") if name in fields), ""))
