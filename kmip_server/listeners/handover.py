"""Between a supervisor and its worker: a pair of sockets that keeps messages apart.

The supervisor sends a connection (which port it came to, its number, and the descriptor) or the word to reload the TLS
files. The worker answers that it is ready, that it cannot be and why, or which connections are closed. The end of the
stream is the word to stop, in either direction.
"""

# twisted.internet's transports are not annotated.
# mypy: allow-untyped-calls
from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from struct import Struct
from typing import Final

import structlog
from twisted.internet.abstract import FileDescriptor
from twisted.internet.posixbase import PosixReactorBase

from kmip_server.listeners.edge import Edge, Port

MESSAGE_BYTES: Final = 1 << 13
NUMBER: Final = Struct(">Q")
_HAND_OVER: Final = Struct(">BBQ")
_log: Final = structlog.stdlib.get_logger(__name__)
_RETRY_SECONDS: Final = 0.05
_MESSAGES: Final = 64


class Word(IntEnum):
    """The first byte of a message."""

    CONNECTION = 1
    RELOAD = 2
    READY = 3
    FAILED = 4
    CLOSED = 5


def pair() -> tuple[socket.socket, socket.socket]:
    """The supervisor's end, which never blocks, and the worker's."""
    supervisor, worker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervisor.setblocking(False)
    return supervisor, worker


def hand_over(control: socket.socket, port: Port, number: int, connection: socket.socket) -> None:
    """Send a connection to a worker. Raises OSError if it takes none now."""
    socket.send_fds(control, [_HAND_OVER.pack(Word.CONNECTION, port, number)], [connection.fileno()])


class Receiver(FileDescriptor):
    """The worker's end: gives the edge its connections and reports those that are gone."""

    def __init__(
        self,
        reactor: PosixReactorBase,
        control: socket.socket,
        edge: Edge,
        stop: Callable[[], None],
        reload: Callable[[], None],
    ) -> None:
        super().__init__(reactor)  # type: ignore[arg-type]
        self._reactor = reactor
        self._control = control
        self._edge = edge
        self._stop = stop
        self._reload = reload
        self._gone = bytearray()
        self._reporting = False
        control.setblocking(False)
        try:
            control.send(bytes([Word.READY]))
        except OSError:
            # The supervisor was told to stop before this worker was there.
            stop()
            return
        self.connected = 1
        self.startReading()

    def fileno(self) -> int:
        """The control socket's descriptor."""
        return self._control.fileno()

    def doRead(self) -> None:  # noqa: N802
        """Take what the supervisor sent."""
        for _ in range(_MESSAGES):
            try:
                message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 1)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self.stopReading()
                self._stop()
                return
            if message[0] == Word.RELOAD:
                self._reload()
                continue
            _, port, number = _HAND_OVER.unpack(message)
            if descriptors:
                self._serve(Port(port), number, descriptors[0])
            else:
                _log.warning("a connection was lost", reason="no free descriptors")
                self._closed(number)

    def _serve(self, port: Port, number: int, descriptor: int) -> None:
        connection = socket.socket(fileno=descriptor)
        try:
            peer = connection.getpeername()
        except OSError:
            connection.close()
            self._closed(number)
            return
        self._edge.serve(port, connection, peer, lambda: self._closed(number))

    def _closed(self, number: int) -> None:
        """Report it in the reactor's next turn, with the others of this one."""
        self._gone += NUMBER.pack(number)
        if not self._reporting:
            self._reporting = True
            self._reactor.callLater(0, self._report)

    def _report(self) -> None:
        self._reporting = False
        # A supervisor that is gone needs no report; doRead learns of it.
        with suppress(BrokenPipeError, ConnectionResetError):
            try:
                while self._gone:
                    part = bytes(self._gone[: MESSAGE_BYTES - NUMBER.size])
                    self._control.send(bytes([Word.CLOSED]) + part)
                    del self._gone[: len(part)]
            except BlockingIOError:
                self._reporting = True
                self._reactor.callLater(_RETRY_SECONDS, self._report)


def report_failure(control: socket.socket, reason: str) -> None:
    """Tell the supervisor why the worker cannot start."""
    with suppress(OSError):
        control.send(bytes([Word.FAILED]) + reason.encode()[: MESSAGE_BYTES - 1])
