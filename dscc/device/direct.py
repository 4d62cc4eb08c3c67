"""Direct connections between devices: those that are kept open for the next question, and those of who listens."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from dscc.device.framed import Framed, Unreachable, connect
from dscc.device.responding import Reply, answering
from dscc.enrolment import Address
from dscc.errors import DsccError, Reason
from dscc.messages import Refused
from dscc.wire import Frame, FrameKind, FrameReader, Message, decode, encode, write_frame

Handler = Callable[[Any, Reply], None]
_CONNECT_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 120.0
_MOST_IDLE: Final = 4
"""To one address: for a negotiation, for a notice, and for a group at the same time."""
_MOST_CONNECTIONS: Final = 1024


class Direct:
    """Asks peers, over one connection for each question at a time; a connection that has answered is used again."""

    def __init__(self) -> None:
        self._idle: defaultdict[Address, list[Framed]] = defaultdict(list)

    async def exchange(self, peer: str, address: Address, said: Message, seconds: float) -> Message:
        """Ask, and wait for the answer. Raises Unreachable or RefusedByPeer.

        What is asked here may be asked twice: a connection that its other side has just closed costs one more try.
        """
        idle = self._idle[address]
        used = idle.pop() if idle else None
        if used is not None and not used.is_lost:
            try:
                return await self._ask(used, address, said, seconds)
            except Unreachable:
                if not used.was_closed:
                    raise
        return await self._ask(await connect(address, peer, _CONNECT_SECONDS), address, said, seconds)

    def close(self) -> None:
        """Close what is open."""
        for connection in [each for idle in self._idle.values() for each in idle]:
            connection.abort()
        self._idle.clear()

    async def _ask(self, connection: Framed, address: Address, said: Message, seconds: float) -> Message:
        try:
            return await connection.exchange(said, seconds)
        finally:
            if connection.is_lost or len(self._idle[address]) >= _MOST_IDLE:
                connection.abort()
            else:
                self._idle[address].append(connection)


class Listener:
    """Listens for peers, and answers each question by its handler."""

    def __init__(self, handlers: Mapping[type, Handler]) -> None:
        self._handlers = handlers
        self._connections: set[_Incoming] = set()
        self._server: asyncio.Server

    async def start(self, host: str, port: int) -> Address:
        """Listen; port 0 picks a free one. Raises Unreachable if it cannot."""
        try:
            self._server = await asyncio.get_running_loop().create_server(self._incoming, host, port)
        except OSError as error:
            raise Unreachable(f"cannot listen on {host}:{port}: {error.strerror}") from None
        return Address(*self._server.sockets[0].getsockname()[:2])

    def close(self) -> None:
        """Listen no more."""
        self._server.close()
        for connection in list(self._connections):
            connection.transport.abort()

    def _incoming(self) -> _Incoming:
        return _Incoming(self._handlers, self._connections)


class _Incoming(asyncio.Protocol):
    """A peer's connection: a question, then its answer. Who asks before that, or says nothing for long, is let go."""

    def __init__(self, handlers: Mapping[type, Handler], connections: set[_Incoming]) -> None:
        self._handlers, self._connections = handlers, connections
        self._reader = FrameReader()
        self._is_asked = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if len(self._connections) >= _MOST_CONNECTIONS:
            self.transport.abort()
            return
        self._connections.add(self)
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(_IDLE_SECONDS, self._look_whether_idle)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except DsccError as error:
            self._reply(Refused(error.reason.value, error.message[:512]))
            self.transport.close()

    def pause_writing(self) -> None:
        # Who does not read the answers is asked no more: they are in memory until then.
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        if hasattr(self, "_timer"):
            self._timer.cancel()

    def _take(self, frame: Frame) -> None:
        if frame.kind is not FrameKind.MESSAGE or self._is_asked:
            raise DsccError(Reason.OUT_OF_ORDER, "one question at a time, in the clear")
        said = decode(frame.body)
        handler = self._handlers.get(type(said))
        if handler is None:
            raise DsccError(Reason.UNSUPPORTED, f"a device does not answer {type(said).__name__}")
        self._is_asked = True
        answering(self._reply, lambda: handler(said, self._reply))

    def _reply(self, said: Message) -> None:
        self._is_asked = False
        self.transport.write(write_frame(FrameKind.MESSAGE, encode(said)))

    def _look_whether_idle(self) -> None:
        rest = self._heard + _IDLE_SECONDS - self._loop.time()
        if rest <= 0:
            self.transport.abort()
        else:
            self._timer = self._loop.call_later(rest, self._look_whether_idle)
