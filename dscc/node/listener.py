"""A connection to a node: frames in, frames out. Registration, or a session, of a device or of another node.

Whoever sends what is malformed, too large, stale or out of order is told a reason, and the connection is closed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

import structlog
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from dscc.errors import DsccError, Reason
from dscc.hardening import encapsulate
from dscc.messages import M1, M3, R1, R3, R4, Refused
from dscc.node import registry
from dscc.node.connection import FramedConnection
from dscc.node.peers import Link
from dscc.node.registry import LINK
from dscc.node.revocations import SEPARATOR
from dscc.node.service import DeviceSession, NodeService
from dscc.primitives import NONCE_BYTES
from dscc.registration import REGISTRATION_KEM, NodeRegistration, Token
from dscc.session import SESSION_SECONDS, NodeHandshake, Session
from dscc.wire import Frame, FrameKind, Message, decode, encode, write_frame

_log: Final = structlog.stdlib.get_logger("dscc.node")
_MOST_UNDER_WAY: Final = 64
"""Requests of one session that wait for their answers."""


class NodeConnection(FramedConnection):
    """One connection of somebody who connects."""

    def __init__(self, service: NodeService, closed: Callable[[NodeConnection], None]) -> None:
        super().__init__(service.reactor)
        self._service, self._closed = service, closed
        self._busy = self._refused = False
        self._under_way = 0
        self._peer = ""
        self._registration: NodeRegistration | None = None
        self._handshake: NodeHandshake | None = None
        self._session: Session | None = None
        self._device: DeviceSession | None = None
        self._link: Link | None = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Forget it."""
        super().connectionLost(reason)
        if self._device is not None and self._service.sessions.get(self._device.device) is self._device:
            del self._service.sessions[self._device.device]
        if self._link is not None:
            self._service.peers.closed(self._peer.removeprefix(LINK), self._link)
        self._closed(self)

    # Frames. ----------------------------------------------------------------------------------------------------------

    def _on_frame(self, frame: Frame) -> None:
        if self._busy:
            raise DsccError(Reason.OUT_OF_ORDER, "a handshake takes one message at a time")
        if frame.kind is FrameKind.RECORD:
            self._on_record(frame.body)
            return
        if self._session is not None:
            raise DsccError(Reason.OUT_OF_ORDER, "in a session there are records only")
        said = decode(frame.body)
        match said:
            case R1():
                self._r1(said)
            case R3():
                self._r3(said)
            case M1():
                self._m1(said)
            case M3():
                self._m3(said)
            case _:
                raise DsccError(Reason.OUT_OF_ORDER, f"{type(said).__name__} is no message to begin with")

    def _on_record(self, body: bytes) -> None:
        if self._link is not None:
            self._link.on_record(body)
            return
        if self._session is None or self._device is None:
            raise DsccError(Reason.OUT_OF_ORDER, "there is no session yet")
        plain = self._session.open(body)
        number, said = int.from_bytes(plain[:8], "big"), decode(plain[8:])
        if self._under_way >= _MOST_UNDER_WAY:
            self._answer(number, Refused(Reason.BUSY, "too many requests are under way in this session"))
            return
        self._under_way += 1
        self._service.request(self._device, said).addCallback(self._answered, number)

    def _answered(self, answer: Message | None, number: int) -> None:
        self._under_way -= 1
        if answer is not None:
            self._answer(number, answer)

    def _answer(self, number: int, said: Message) -> None:
        if self._session is not None and self.transport is not None:
            self._write(write_frame(FrameKind.RECORD, self._session.seal(number.to_bytes(8, "big") + encode(said))))

    def _push(self, said: Message) -> None:
        self._answer(0, said)

    # Registration. ----------------------------------------------------------------------------------------------------

    def _r1(self, r1: R1) -> None:
        service, now = self._service, self._service.now
        if r1.node != service.settings.name:
            raise DsccError(Reason.NOT_AUTHENTIC, "that is for another node")
        if r1.device.startswith(LINK) or SEPARATOR in r1.device:
            raise DsccError(Reason.MALFORMED, "that is no name of a device")
        self._peer = r1.device

        def work(connection: Connection) -> Token:
            service.deciding.may_enrol(r1.device, now)
            return registry.token_of(connection, service.key, r1, now, tofu=service.settings.trust_on_first_use)

        def answer(found: Token) -> None:
            sealed = encapsulate(REGISTRATION_KEM, r1.ek) if r1.ek else None
            nonce = secrets.token_bytes(NONCE_BYTES)
            self._registration = NodeRegistration(found, r1, nonce, sealed, service.settings.suites)
            self._say(self._registration.r2)

        self._then(service.writer.submit(work), answer)

    def _r3(self, r3: R3) -> None:
        service, now, registration = self._service, self._service.now, self._registration

        def work(connection: Connection) -> R4:
            if registration is None:
                known = registry.answered_before(connection, r3, now)
                if known is None:
                    raise DsccError(Reason.OUT_OF_ORDER, "R3 comes after R1")
                return known
            _, _, stage = registry.first_stage(connection, registration.r1.device)
            r4, root = registration.on_r3(r3, stage)
            registry.register(connection, service.key, registration.r1, r3, r4, root, registration.short_string, now)
            return r4

        def answer(r4: R4) -> None:
            self._say(r4)
            self.close()

        self._then(service.writer.submit(work), answer)

    # Sessions. --------------------------------------------------------------------------------------------------------

    def _m1(self, m1: M1) -> None:
        service = self._service
        if m1.node != service.settings.name:
            raise DsccError(Reason.NOT_AUTHENTIC, "that is for another node")
        self._peer = m1.device

        def work(connection: Connection) -> NodeHandshake:
            self._check_served(connection, m1.device)
            chain = registry.load_chain(connection, service.key, m1.device)
            handshake = NodeHandshake(chain, m1, secrets.token_bytes(NONCE_BYTES))
            if handshake.caught_up is not None:
                registry.save_chain(connection, service.key, m1.device, handshake.caught_up)
            return handshake

        def answer(handshake: NodeHandshake) -> None:
            self._handshake = handshake
            self._say(handshake.m2)

        self._then(service.writer.submit(work), answer)

    def _m3(self, m3: M3) -> None:
        service, handshake, name = self._service, self._handshake, self._peer
        if handshake is None:
            raise DsccError(Reason.OUT_OF_ORDER, "M3 comes after M1")
        self._handshake = None

        def work(connection: Connection) -> Any:
            self._check_served(connection, name)
            stored = registry.load_chain(connection, service.key, name)
            chain, m4, session = handshake.on_m3(m3, stored)
            registry.save_chain(connection, service.key, name, chain)
            if not name.startswith(LINK):
                registry.seen(connection, name, service.now)
                if session.behind:
                    registry.set_apart_as_clone(connection, name, service.now)
            return m4, session

        def answer(opened: Any) -> None:
            m4, self._session = opened
            if self._deadline is not None and self._deadline.active():
                self._deadline.reset(SESSION_SECONDS)
            self._say(m4)
            if name.startswith(LINK):
                self._open_link(name.removeprefix(LINK), self._session)
            else:
                self._open_session(name, self._session)

        self._then(service.writer.submit(work), answer)

    def _check_served(self, connection: Connection, name: str) -> None:
        if not name.startswith(LINK):
            registry.served(connection, name)
        elif name.removeprefix(LINK) not in self._service.settings.peers:
            raise DsccError(Reason.NOT_AUTHENTIC, "no device of this name is registered here")

    def _open_session(self, name: str, session: Session) -> None:
        before = self._service.sessions.get(name)
        if before is not None:
            before.close()
        self._device = DeviceSession(name, session.chain, self._push, self.close)
        self._service.sessions[name] = self._device
        if session.behind:
            _log.warning("a device is an epoch behind: restored, or cloned", device=name)

    def _open_link(self, node: str, session: Session) -> None:
        peers = self._service.peers
        self._link = Link(session, self._write, lambda asked: peers.answer(node, asked), first=2)
        peers.opened(node, self._link)

    # What both have. --------------------------------------------------------------------------------------------------

    def _then(self, waited: Deferred[Any], answer: Callable[[Any], None]) -> None:
        """Answer when the work is committed. No other message is taken meanwhile."""
        self._busy = True

        def done(result: Any) -> None:
            self._busy = False
            if not self._ended:
                answer(result)

        waited.addCallback(done).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, DsccError):
            self._refuse(failure.value)
        else:
            _log.error("a fault of ours", exc_info=failure.value)
            self._refuse(DsccError(Reason.FAILED, "the node failed; its log has more"))

    def _refuse(self, error: DsccError) -> None:
        """Put it on record, also of who is gone already; say why, and close. In a session nothing more is said."""
        if self._refused:
            return
        self._refused = self._ended = True
        noted = self._service.note_refusal(self._peer, "Session" if self._session else "Handshake", error)
        noted.addCallback(lambda _: self._end(error))

    def _end(self, error: DsccError) -> None:
        if self._session is None:
            self._say(Refused(error.reason.value, error.message[:512]))
        self.close()


class NodeFactory(Factory):
    """Makes connections, so many at once and no more."""

    def __init__(self, service: NodeService) -> None:
        self._service = service
        self.connections: set[NodeConnection] = set()

    def buildProtocol(self, addr: Any) -> NodeConnection | None:  # noqa: N802 - Twisted's name
        """A connection, or None: it is closed at once."""
        if len(self.connections) >= self._service.settings.connections:
            self._service.note_refusal("", "Connection", DsccError(Reason.BUSY, "there are too many connections"))
            return None
        made = NodeConnection(self._service, self.connections.discard)
        self.connections.add(made)
        return made
