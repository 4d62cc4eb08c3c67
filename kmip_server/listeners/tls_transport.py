"""TLS on a socket: OpenSSL reads and writes the socket itself, under Twisted's TCP transport.

Twisted's own TLS is a second transport on top of the first, which copies every byte through memory and looks for more
of them after each message. That costs as much as a small request does, so here the two are one. There is no
renegotiation, and OpenSSL reads no further than the record it is asked for: what waits, waits in the socket.

A connection ends in TLS first: after loseConnection() and the last byte, the peer is told, and the socket is closed
when the peer has said the same, or with hang_up() at once.
"""

# twisted.internet's transports are not annotated.
# mypy: allow-untyped-calls
from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final, Protocol, cast

from OpenSSL import SSL
from twisted.internet.interfaces import IProtocol
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.posixbase import PosixReactorBase
from twisted.python.failure import Failure

from kmip_server.listeners.transport import Peer, PromptTransport

_RECORD: Final = 1 << 14
"""The most bytes in a TLS record (RFC 8446 s5.1)."""


class TlsConnections(Protocol):
    """Makes the server's side of TLS connections."""

    def connection(self, stream: socket.socket) -> SSL.Connection:
        """The server's side of one connection, on this socket."""


class StreamProtocol(Protocol):
    """What reads and writes such a transport, beside being an IProtocol."""

    def handshakeCompleted(self) -> None:  # noqa: N802
        """TLS is there."""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Some bytes have come."""


class TlsTransport(PromptTransport):
    """A server-side TLS transport."""

    protocol: StreamProtocol  # type: ignore[assignment]

    def __init__(
        self,
        stream: socket.socket,
        protocol: StreamProtocol,
        peer: Peer,
        reactor: PosixReactorBase,
        tls: TlsConnections,
        closed: Callable[[], None],
    ) -> None:
        self._tls = tls.connection(stream)
        self._shaking_hands = True
        self._ending = False
        self._hanging_up = False
        super().__init__(stream, cast(IProtocol, protocol), peer, reactor, closed)

    def getHandle(self) -> SSL.Connection:  # type: ignore[override]  # noqa: N802
        """The TLS connection."""
        return self._tls

    # What the reactor calls: it is answered with the reason why the connection is lost, or None. ----------------------

    def doRead(self) -> Exception | None:  # type: ignore[override]  # noqa: N802
        """Go on with the handshake, or give the protocol the next record; more of them after one that is full."""
        if self._shaking_hands:
            return self._shake_hands()
        if self._queued and (failed := self.doWrite()) is not None:
            # First of all, since after an end without warning OpenSSL sends nothing more.
            return failed if isinstance(failed, Exception) else CONNECTION_LOST
        size = _RECORD
        while size == _RECORD and self.connected and self._reading:
            try:
                data = self._tls.recv(_RECORD)
            except (SSL.WantReadError, SSL.WantWriteError):
                return None
            except SSL.ZeroReturnError:
                return self._peer_has_ended()
            except SSL.SysCallError:
                return CONNECTION_LOST
            except SSL.Error as error:
                return error
            size = len(data)
            if not self._ending:
                self.protocol.dataReceived(data)
        return None

    def doWrite(self) -> Exception | int | None:  # type: ignore[override]  # noqa: N802
        """Go on with the handshake, or send what is queued."""
        if self._shaking_hands:
            self.stopWriting()
            return self._shake_hands()
        return super().doWrite()  # type: ignore[no-any-return]

    def writeSomeData(self, data: bytes) -> int | Exception:  # type: ignore[override]  # noqa: N802
        """Send what the kernel takes now; how many bytes that was."""
        view, sent = memoryview(data), 0
        while sent < len(view):
            try:
                sent += self._tls.send(view[sent : sent + _RECORD])
            except (SSL.WantWriteError, SSL.WantReadError):
                break
            except SSL.Error:
                return CONNECTION_LOST
        return sent

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The socket is closed: let go of what TLS holds, and tell the protocol."""
        del self._tls
        super().connectionLost(reason)

    # What the protocol calls. -----------------------------------------------------------------------------------------

    def loseConnection(self, *_: object) -> None:  # noqa: N802
        """Close after what was written, and after the peer has ended too. Without a handshake, close now."""
        if self._shaking_hands:
            self.abortConnection()
        elif self.connected and not self._ending and not self.disconnecting:
            if self._queued:
                super().loseConnection()
            else:
                self._end()

    def hang_up(self) -> None:
        """Close after what was written, whatever the peer does."""
        self._hanging_up = True
        super().loseConnection()

    # ------------------------------------------------------------------------------------------------------------------

    def _shake_hands(self) -> Exception | None:
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return None
        except SSL.WantWriteError:
            self.startWriting()
            return None
        except SSL.SysCallError:
            return CONNECTION_LOST
        except SSL.Error as error:
            return error
        self._shaking_hands = False
        self.protocol.handshakeCompleted()
        return None

    def _end(self) -> None:
        """Say in TLS that nothing follows, and read on until the peer says so as well."""
        self._ending = True
        self.disconnecting = False
        try:
            both = self._tls.shutdown()
        except SSL.Error:
            both = True
        if both:
            self.hang_up()
        else:
            self.startReading()

    def _peer_has_ended(self) -> Exception:
        """The peer sends no more; nor do we."""
        try:
            self._tls.shutdown()
        except SSL.Error:
            return CONNECTION_LOST
        return CONNECTION_DONE

    def _postLoseConnection(self) -> Exception | None:  # noqa: N802
        """Everything that was written is sent (a hook of Twisted's)."""
        if self._hanging_up or self._ending:
            return CONNECTION_DONE
        self._end()
        return None
