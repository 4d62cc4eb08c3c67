"""What both ends of a node's connections have in common: frames in, frames out, and an end to all waiting.

Who asks and does not read the answers is read no further until it does, and cut off if it does not: what is not sent
yet is in this node's memory.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from twisted.internet import tcp
from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from dscc.errors import DsccError, Reason
from dscc.wire import Frame, FrameKind, FrameReader, Message, encode, write_frame

_log: Final = structlog.stdlib.get_logger("dscc.node")
HANDSHAKE_SECONDS: Final = 10
STALLED_SECONDS: Final = 30
"""How long the other end may leave unread what it was sent."""


@implementer(IPushProducer)
class FramedConnection(Protocol):
    """One connection, from its first frame to its last. It has ten seconds to say who it is."""

    transport: Any

    def __init__(self, reactor: ReactorBase) -> None:
        self._reactor = reactor
        self._reader = FrameReader()
        self._ended = False
        self._deadline: IDelayedCall | None = None
        self._stalled: IDelayedCall | None = None

    def _on_frame(self, frame: Frame) -> None:
        """Take a frame. Raises DsccError: refuse it."""
        raise NotImplementedError

    def _refuse(self, error: DsccError) -> None:
        """Say why, as far as that is the other end's business, and close."""
        raise NotImplementedError

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Give it so long to say who it is."""
        if isinstance(self.transport, tcp.Connection):
            # The system finds out when the other end is gone without a word.
            self.transport.setTcpKeepAlive(True)
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._deadline = self._reactor.callLater(HANDSHAKE_SECONDS, self.close)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take what arrives. Nothing gets out of here but a refusal."""
        if self._ended:
            return
        try:
            for frame in self._reader.feed(data):
                self._on_frame(frame)
                if self._stalled is not None:
                    # The rest is taken when the answers are on their way.
                    return
        except DsccError as error:
            self._refuse(error)
        except Exception:
            _log.exception("a fault of ours")
            self._refuse(DsccError(Reason.FAILED, "the node failed; its log has more"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Forget it."""
        self._ended, self.transport = True, None
        for waiting in (self._deadline, self._stalled):
            if waiting is not None and waiting.active():
                waiting.cancel()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Too much is not sent yet: read no further."""
        if self._stalled is None:
            self._stalled = self._reactor.callLater(STALLED_SECONDS, self.close)
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """All is sent: go on with what was read already."""
        if self._stalled is not None:
            if self._stalled.active():
                self._stalled.cancel()
            self._stalled = None
            self.transport.resumeProducing()
            self.dataReceived(b"")

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The connection is lost: `connectionLost` follows."""

    def close(self) -> None:
        """End the connection when what was said is sent; at once if it is not read, also from now on."""
        if self.transport is None:
            return
        self._ended = True
        if self._stalled is not None:
            self.transport.abortConnection()
        else:
            # Who would be told to go on when all is sent keeps the connection from ending then.
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            self._stalled = self._reactor.callLater(STALLED_SECONDS, self.close)

    def _say(self, said: Message) -> None:
        self._write(write_frame(FrameKind.MESSAGE, encode(said)))

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)
