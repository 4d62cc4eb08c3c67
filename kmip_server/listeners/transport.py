"""Sockets of the edge: binding them, accepting from them, and a TCP transport that sends at once when it can.

Twisted's TCP transport waits for the next turn of the reactor, and for two changes of the poll set, to send bytes for
which the kernel has room. A server that answers small requests gains a quarter of its transport time by asking first.
"""

# twisted.internet's transports are not annotated.
# mypy: allow-untyped-calls
from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import structlog
from twisted.internet import abstract, tcp
from twisted.internet.interfaces import IProtocol
from twisted.internet.posixbase import PosixReactorBase
from twisted.python.failure import Failure

_log: Final = structlog.stdlib.get_logger(__name__)
_BACKLOG: Final = 1024
_ACCEPTS: Final = 64
_NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RETRY_SECONDS: Final = 0.2

Peer = tuple[Any, ...]
"""A socket address: host, port, and two numbers more in IPv6."""


class PromptTransport(tcp.Server):
    """A server-side TCP transport that offers bytes to the kernel before it queues them, and says when it is gone."""

    _queued = False
    _reading = False

    def __init__(
        self,
        connection: socket.socket,
        protocol: IProtocol,
        peer: Peer,
        reactor: PosixReactorBase,
        closed: Callable[[], None],
    ) -> None:
        self._closed: Callable[[], None] | None = closed
        super().__init__(connection, protocol, peer, None, 0, reactor)  # type: ignore[arg-type]

    def startReading(self) -> None:  # noqa: N802
        """Read again."""
        self._reading = True
        super().startReading()

    def stopReading(self) -> None:  # noqa: N802
        """Read no more for now."""
        self._reading = False
        super().stopReading()

    def startWriting(self) -> None:  # noqa: N802
        """Bytes wait for the kernel."""
        self._queued = True
        super().startWriting()

    def stopWriting(self) -> None:  # noqa: N802
        """No bytes wait any more."""
        self._queued = False
        super().stopWriting()

    def write(self, data: bytes) -> None:
        """Send what the kernel takes now, in order, and queue the rest."""
        if self.connected and not self._queued:
            sent = self.writeSomeData(data)
            # An error is found again, and reported, when the rest is written.
            if isinstance(sent, int):
                if sent == len(data):
                    return
                data = data[sent:]
        super().write(data)

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The socket is closed; tell the protocol, then whoever counts connections."""
        super().connectionLost(reason)
        if self._closed is not None:
            closed, self._closed = self._closed, None
            closed()


class Acceptor(abstract.FileDescriptor):
    """Accepts connections from a listening socket and hands each socket and its peer on."""

    def __init__(
        self, reactor: PosixReactorBase, listening: socket.socket, accepted: Callable[[socket.socket, Peer], None]
    ) -> None:
        super().__init__(reactor)  # type: ignore[arg-type]
        self._reactor = reactor
        self._listening = listening
        self._accepted = accepted
        self.connected = 1
        self.startReading()

    def fileno(self) -> int:
        """The listening socket's descriptor."""
        return self._listening.fileno()

    def doRead(self) -> None:  # noqa: N802
        """Accept what waits; without free descriptors, wait for some."""
        try:
            for connection, peer in accept(self._listening):
                self._accepted(connection, peer)
        except OSError as error:
            _log.warning("connections cannot be accepted", reason=error.strerror)
            self.stopReading()
            self._reactor.callLater(_RETRY_SECONDS, self._resume)

    def close(self) -> None:
        """Accept no more."""
        self.connected = 0
        self.stopReading()
        self._listening.close()

    def _resume(self) -> None:
        if self.connected:
            self.startReading()


def bind(host: str, port: int) -> socket.socket:
    """A listening, non-blocking socket; port 0 picks a free one. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    listening.setblocking(False)
    return listening


def address(listening: socket.socket) -> str:
    """host:port of a listening socket, with brackets around an IPv6 host."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if listening.family == socket.AF_INET6 else f"{host}:{port}"


def accept(listening: socket.socket) -> Iterator[tuple[socket.socket, Peer]]:
    """The connections that wait, a bounded number of them. Raises OSError when the process is out of descriptors."""
    for _ in range(_ACCEPTS):
        try:
            connection, peer = listening.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                raise
            return
        yield connection, peer
