"""KMIP over TLS (KMIP Profiles 2.1 s3.1): requests of one connection are answered one at a time, in their order.

A connection is in one of four states, and each has its deadline: nothing is under way; a request is arriving; the
server is at work; an answer waits for the peer to read it. In the last two no more is read than is already in memory,
so that a peer which sends without reading fills its own buffers and not ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from kmip_server.listeners.framing import FrameAssembler
from kmip_server.listeners.handler import Encoding, Reply
from kmip_server.listeners.session import Session, Transport
from kmip_server.ttlv.item import CodecError

if TYPE_CHECKING:
    from kmip_server.listeners.edge import Edge


@implementer(IHandshakeListener, IPushProducer)
class KmipProtocol(Protocol):
    """One connection: bytes in, answers out. Nothing it does raises into the reactor."""

    _session: Session
    _transport: Transport

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._assembler = FrameAssembler(edge.settings.limits)
        self._taking = False
        self._working = False
        self._unread = 0
        self._written = 0
        self._arriving = False
        self._reading = True

    def connectionMade(self) -> None:  # noqa: N802
        """TCP is there; TLS begins."""
        self._transport = cast(Transport, self.transport)
        self._session = self._edge.opened(self._transport, self._settle)
        self._transport.registerProducer(self, True)

    def handshakeCompleted(self) -> None:  # noqa: N802
        """TLS is there: who is it?"""
        try:
            self._session.authenticate()
        except Exception as error:
            self._session.fail(error)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Some bytes of requests."""
        if self._session.closing:
            return
        try:
            self._assembler.feed(data)
            self._take()
        except Exception as error:
            self._session.fail(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """TCP is gone."""
        self._edge.closed(self._session, reason)

    def pauseProducing(self) -> None:  # noqa: N802
        """The peer does not read its answers."""
        self._unread = self._written
        self._session.await_reader()

    def resumeProducing(self) -> None:  # noqa: N802
        """The peer has read its answers."""
        self._unread = 0
        if self._session.closing:
            return
        try:
            self._take()
        except Exception as error:
            self._session.fail(error)

    def stopProducing(self) -> None:  # noqa: N802
        """TCP is gone; connectionLost follows."""

    def _take(self) -> None:
        """Take requests as long as they can be answered at once."""
        if self._taking:
            return
        self._taking = True
        try:
            while not (self._working or self._unread or self._session.closing) and self._take_one():
                self._arriving = False
        finally:
            self._taking = False
        self._settle()

    def _take_one(self) -> bool:
        try:
            message = self._assembler.take()
        except CodecError as error:
            self._send(self._edge.handler.framing_error(str(error)))
            self._session.finish()
            return False
        if message is None or not self._session.admitted():
            return False
        self._working = True
        self._edge.handler.handle(self._session.caller, message, Encoding.TTLV, self._answered)
        return True

    def _answered(self, reply: Reply) -> None:
        self._working = False
        if self._session.closing:
            return
        try:
            self._send(reply)
            if reply.close:
                self._session.finish()
            else:
                self._take()
        except Exception as error:
            self._session.fail(error)

    def _send(self, reply: Reply) -> None:
        self._written = len(reply.data)
        self._transport.write(reply.data)

    def _settle(self) -> None:
        """Choose the deadline, and whether to read on, for the state the connection is in now."""
        session, assembler = self._session, self._assembler
        if session.closing or not session.hold(assembler.buffered + self._unread):
            return
        waiting = self._working or bool(self._unread)
        if self._edge.stopping and not waiting and not self._taking:
            session.finish(linger=False)
            return
        if waiting:
            if not self._unread:
                session.await_answer()
        elif not assembler.buffered:
            session.await_request()
        elif not self._arriving:
            self._arriving = True
            session.await_rest()
        self._read(not (waiting and (assembler.complete or self._edge.stopping)))

    def _read(self, wanted: bool) -> None:
        if wanted != self._reading:
            self._reading = wanted
            (self._transport.resumeProducing if wanted else self._transport.pauseProducing)()
