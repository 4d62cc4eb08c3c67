"""A process that serves: it opens the server, runs the reactor and the edge, and stops gracefully.

SIGTERM and SIGINT stop it, SIGHUP reads the TLS files again; who starts it may have blocked SIGHUP until now. The
reactor is made here, when a process begins to serve, and nowhere at import time: the supervisor of several workers
forks, and must have no reactor.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.posixbase import PosixReactorBase
from twisted.python.failure import Failure

from kmip_server.listeners.edge import Edge
from kmip_server.listeners.handler import RequestHandler, Resource
from kmip_server.listeners.reactor import install as install_reactor
from kmip_server.listeners.settings import ListenerSettings
from kmip_server.listeners.tls import ServerTls, TlsError

_log: Final = structlog.stdlib.get_logger(__name__)


class Server(RequestHandler, Protocol):
    """The server behind the edge, as a process opens and closes it."""

    @property
    def resources(self) -> Sequence[Resource]:
        """What the HTTPS port answers beside KMIP."""

    def close(self) -> Deferred[None]:
        """Finish; nothing is asked any more. Fires when the process may end."""


OpenServer = Callable[[PosixReactorBase], "Server | Deferred[Server]"]


@dataclass(frozen=True, slots=True)
class Serving:
    """What a process serves with. The server is opened in the process that serves."""

    settings: ListenerSettings
    tls: ServerTls
    open_server: OpenServer


def run(serving: Serving, attach: Callable[[PosixReactorBase, Edge, Callable[[], None]], None]) -> None:
    """Serve until told to stop; returns after a graceful stop.

    `attach` is called when the server is open: it gives the edge its connections, and may call the function given to
    it to stop the process. Raises what opening or attaching raised.
    """
    reactor = install_reactor()
    process = _Process(reactor, serving, attach)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: reactor.callFromThread(process.stop))
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reload_tls, serving.tls))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    reactor.callWhenRunning(process.start)
    reactor.run(installSignalHandlers=False)
    if process.failure is not None:
        process.failure.raiseException()


def reload_tls(tls: ServerTls) -> None:
    """Read the TLS files again; if they cannot be used, the old ones stay."""
    try:
        tls.reload()
    except TlsError as error:
        _log.error("the TLS files were not reloaded", reason=str(error))
    else:
        _log.info("the TLS files were reloaded")


class _Process:
    """Start and stop, in the reactor."""

    def __init__(
        self,
        reactor: PosixReactorBase,
        serving: Serving,
        attach: Callable[[PosixReactorBase, Edge, Callable[[], None]], None],
    ) -> None:
        self.failure: Failure | None = None
        self._reactor = reactor
        self._serving = serving
        self._attach = attach
        self._server: Server | None = None
        self._edge: Edge | None = None
        self._stopping = False

    def start(self) -> None:
        opened: Deferred[Any] = maybeDeferred(self._serving.open_server, self._reactor)
        opened.addCallback(self._opened)
        opened.addErrback(self._failed)

    def stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        if self._server is not None:
            _log.info("stopping")
            self._close(self._server)

    def _opened(self, server: Server) -> None:
        self._server = server
        if self._stopping:
            self._close(server)
            return
        serving, reactor = self._serving, self._reactor
        self._edge = Edge(reactor, serving.settings, serving.tls, server, server.resources)
        self._attach(self._reactor, self._edge, self.stop)

    def _failed(self, failure: Failure) -> None:
        self.failure = self.failure or failure
        if self._server is None or self._stopping:
            self._reactor.stop()
        else:
            self.stop()

    def _close(self, server: Server) -> None:
        drained: Deferred[Any] = self._edge.stop() if self._edge is not None else succeed(None)
        drained.addCallback(lambda _: server.close())
        drained.addCallback(lambda _: self._reactor.stop())
        drained.addErrback(self._failed)
