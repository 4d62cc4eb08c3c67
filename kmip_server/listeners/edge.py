"""Both listeners of one process: their open connections, budgets, the sweep, and the graceful stop."""

# twisted.internet's transports are not annotated.
# mypy: allow-untyped-calls
from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from enum import IntEnum
from time import monotonic
from typing import Final

import structlog
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from kmip_server.listeners.budget import ByteBudget, ConnectionBudget
from kmip_server.listeners.handler import RequestHandler, Resource
from kmip_server.listeners.kmip_https import HttpsProtocol
from kmip_server.listeners.kmip_tls import KmipProtocol
from kmip_server.listeners.session import Session, Transport
from kmip_server.listeners.settings import ListenerSettings
from kmip_server.listeners.tls import ServerTls
from kmip_server.listeners.tls_transport import TlsTransport
from kmip_server.listeners.transport import Acceptor, Peer

_log: Final = structlog.stdlib.get_logger(__name__)


class Port(IntEnum):
    """Which of the two listeners a connection came to."""

    KMIP = 0
    HTTPS = 1


class Edge:
    """The connections of one process."""

    def __init__(
        self,
        reactor: PosixReactorBase,
        settings: ListenerSettings,
        tls: ServerTls,
        handler: RequestHandler,
        resources: Sequence[Resource] = (),
    ) -> None:
        self.handler = handler
        self.settings = settings
        self.stopping = False
        self._reactor = reactor
        self._tls = tls
        self._resources = resources
        self._memory = ByteBudget(settings.buffered_bytes)
        self._connections = ConnectionBudget(settings.connections, settings.connections_per_address)
        self._acceptors: list[Acceptor] = []
        self._sessions: set[Session] = set()
        self._drained: Deferred[None] = Deferred()
        self._sweep = LoopingCall(self._look)
        self._sweep.clock = reactor
        self._sweep.start(settings.sweep_seconds, now=False)

    def listen(self, port: Port, listening: socket.socket) -> None:
        """Serve the connections to a listening socket."""

        def accepted(connection: socket.socket, peer: Peer) -> None:
            self.serve(port, connection, peer, lambda: None)

        self._acceptors.append(Acceptor(self._reactor, listening, accepted))

    def serve(self, port: Port, connection: socket.socket, peer: Peer, closed: Callable[[], None]) -> None:
        """Serve one accepted connection; `closed` is called once, when it is gone."""
        host = peer[0]
        if self.stopping or not self._connections.take(host):
            _log.info("connection refused", peer=host, reason="too many connections")
            connection.close()
            closed()
            return

        def release() -> None:
            self._connections.release(host)
            closed()

        self._connect(_PROTOCOLS[port](self), connection, peer, release)

    def _connect(
        self,
        protocol: KmipProtocol | HttpsProtocol,
        connection: socket.socket,
        peer: Peer,
        closed: Callable[[], None],
    ) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        transport = TlsTransport(connection, protocol, peer, self._reactor, self._tls, closed)
        try:
            protocol.makeConnection(transport)
        except Exception:
            _log.exception("a connection could not be set up")
            transport.abortConnection()

    def resource(self, path: bytes) -> Resource | None:
        """Whose path of the HTTPS port this is, if it is no path of KMIP."""
        return next((resource for resource in self._resources if path.startswith(resource.prefix)), None)

    def opened(self, transport: Transport, settle: Callable[[], None]) -> Session:
        """A connection is there, its TLS handshake is not."""
        session = Session(transport, self.handler, self.settings, self._memory, settle)
        self._sessions.add(session)
        return session

    def closed(self, session: Session, reason: Failure) -> None:
        """A connection is gone."""
        session.lost(reason)
        self._sessions.discard(session)
        self._report_drained()

    def stop(self) -> Deferred[None]:
        """Accept nothing more, answer what has been taken, close. Fires when all connections are gone.

        Connections still open after `stop_seconds` are cut.
        """
        if not self.stopping:
            self.stopping = True
            for acceptor in self._acceptors:
                acceptor.close()
            for session in tuple(self._sessions):
                session.settle()
            self._reactor.callLater(self.settings.stop_seconds, self._cut)
            self._report_drained()
        return self._drained

    def _cut(self) -> None:
        for session in tuple(self._sessions):
            session.drop("the server stops")

    def _report_drained(self) -> None:
        if self.stopping and not self._sessions and not self._drained.called:
            self._sweep.stop()
            self._drained.callback(None)

    def _look(self) -> None:
        now = monotonic()
        for session in tuple(self._sessions):
            try:
                session.sweep(now)
            except Exception as error:
                session.fail(error)


_PROTOCOLS: Final[dict[Port, Callable[[Edge], KmipProtocol | HttpsProtocol]]] = {
    Port.KMIP: KmipProtocol,
    Port.HTTPS: HttpsProtocol,
}
