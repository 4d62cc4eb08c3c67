"""A tunnel: forwards TCP connections between two ends under a negotiated key, and goes on with the newest one.

    program - plain - [client end] === records === [server end] - plain - target

The client end listens for programs, and opens a connection to the server end for each of theirs; that one connects to
the target once the first record has opened, so nobody else makes it connect. The end of each way is passed on by
itself (half-close). What is wrong with a record, and a cut, reach the programs as a reset, never as an end.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog

from dscc.enrolment import Address
from dscc.errors import DsccError, Reason
from dscc.primitives import NONCE_BYTES
from dscc.uses.derivation import Keys, Role
from dscc.uses.key_ring import KeyRing
from dscc.uses.tunnel_records import (
    BODY_BYTES,
    HELLO_BYTES,
    Kind,
    Receiving,
    Sending,
    connection,
    hello,
    kid_of,
)

_log: Final = structlog.stdlib.get_logger("dscc.tunnel")
_OPEN_SECONDS: Final = 20.0
"""For the hellos and the first record: more than a key that is new is waited for."""
_MOST_CONNECTIONS: Final = 1024
_READ_BYTES: Final = 4 * BODY_BYTES
_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class _Stream(NamedTuple):
    """A TCP connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def abort(self) -> None:
        """Close it at once, by a reset: whoever reads it must not take that for an end."""
        opened: socket.socket = self.writer.get_extra_info("socket")
        with suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()


class TunnelEnd:
    """One end of a tunnel. Call `start`, and `stop` in the end. `to` is the other end, or the server end's target."""

    def __init__(self, ring: KeyRing, role: Role, to: Address) -> None:
        self._ring, self._role, self._to = ring, role, to
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def start(self, host: str, port: int) -> Address:
        """Listen, and say where; port 0 picks a free one. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port)
        return Address(*self._server.sockets[0].getsockname()[:2])

    async def stop(self) -> None:
        """Listen no more, and end all connections."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, accepted = asyncio.current_task(), _Stream(reader, writer)
        if task is None or len(self._tasks) >= _MOST_CONNECTIONS:
            accepted.abort()
            return
        self._tasks.add(task)
        streams = [accepted]
        try:
            await self._forward(streams)
        except (DsccError, OSError, EOFError, TimeoutError) as error:
            _log.warning("a connection was ended", reason=str(error) or type(error).__name__)
        except asyncio.CancelledError:
            # The end is stopped.
            return
        finally:
            self._tasks.discard(task)
            for stream in streams:
                stream.abort()

    async def _forward(self, streams: list[_Stream]) -> None:
        """Serve one connection; what it opens is added to `streams`. Raises DsccError, OSError, EOFError."""
        async with asyncio.timeout(_OPEN_SECONDS):
            if self._role is Role.CLIENT:
                streams.append(await self._connect())
                plain, tunnel = streams
                sending, receiving = await self._hello_as_client(tunnel)
            else:
                sending, receiving = await self._hello_as_server(streams[0])
                streams.append(await self._connect())
                tunnel, plain = streams
        for stream in streams:
            _keep_alive(stream)
        forwarding = _Forwarding(self._ring, plain, tunnel, sending, receiving)
        self._ring.listeners.add(forwarding.on_keys)
        try:
            forwarding.on_keys(self._ring.keys)
            await forwarding.run()
        finally:
            self._ring.listeners.discard(forwarding.on_keys)

    async def _connect(self) -> _Stream:
        return _Stream(*await asyncio.open_connection(*self._to))

    async def _hello_as_client(self, tunnel: _Stream) -> tuple[Sending, Receiving]:
        shared = self._ring.keys.to_protect()
        own = hello(shared, secrets.token_bytes(NONCE_BYTES))
        tunnel.writer.write(own)
        peers = await tunnel.reader.readexactly(HELLO_BYTES)
        between = connection(self._role, own, peers)
        sending = Sending(between, shared)
        # Shows the server end that the key is here: nothing is connected to before.
        tunnel.writer.write(sending.seal(b""))
        return sending, Receiving(between, await self._ring.to_process(kid_of(peers)))

    async def _hello_as_server(self, tunnel: _Stream) -> tuple[Sending, Receiving]:
        peers = await tunnel.reader.readexactly(HELLO_BYTES)
        key = await self._ring.to_process(kid_of(peers))
        shared = self._ring.keys.to_protect()
        own = hello(shared, secrets.token_bytes(NONCE_BYTES))
        tunnel.writer.write(own)
        between = connection(self._role, own, peers)
        receiving = Receiving(between, key)
        while (event := receiving.next_event()) is None:
            data = await tunnel.reader.read(BODY_BYTES)
            if not data:
                receiving.finish()
            receiving.feed(data)
        if event.kind is not Kind.DATA or event.data:
            raise DsccError(Reason.OUT_OF_ORDER, "the first record of a client end carries nothing")
        return Sending(between, shared), receiving


class _Forwarding:
    """A connection that is open at both sides."""

    def __init__(self, ring: KeyRing, plain: _Stream, tunnel: _Stream, sending: Sending, receiving: Receiving) -> None:
        self._ring, self._plain, self._tunnel = ring, plain, tunnel
        self._sending, self._receiving = sending, receiving

    def on_keys(self, keys: Keys) -> None:
        """Go on with the newest key, at once; end the connection if one that it needs holds no more."""
        newest = keys.protect
        if newest is not None and newest.kid != self._sending.kid and not self._sending.has_ended:
            self._tunnel.writer.write(self._sending.go_on_with(newest))
        needed = [way.kid for way in (self._sending, self._receiving) if not way.has_ended]
        if any(keys.find(kid) is None for kid in needed):
            _log.warning("a connection was ended", reason="its key holds no more")
            self._plain.abort()
            self._tunnel.abort()

    async def run(self) -> None:
        """Forward until both ways have ended. Raises DsccError, OSError."""
        ways = [asyncio.ensure_future(each) for each in (self._outward(), self._inward())]
        lost = [asyncio.ensure_future(_lost(each)) for each in (self._plain, self._tunnel)]
        both = asyncio.gather(*ways)
        either: list[asyncio.Future[Any]] = [both, *lost]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not both.done():
                raise DsccError(Reason.FAILED, "a connection was closed before both its ways had ended")
            await both
        finally:
            # If one way has failed, the other one still waits.
            for each in (*ways, *lost):
                each.cancel()
            await asyncio.gather(both, *ways, *lost, return_exceptions=True)
        for stream in (self._plain, self._tunnel):
            stream.writer.close()
            await stream.writer.wait_closed()

    async def _outward(self) -> None:
        # Sealed and written in one step: a key that is new goes in between two of them.
        while data := await self._plain.reader.read(_READ_BYTES):
            self._tunnel.writer.write(self._sending.seal(data))
            await self._tunnel.writer.drain()
        self._tunnel.writer.write(self._sending.end())
        await self._tunnel.writer.drain()
        self._tunnel.writer.write_eof()

    async def _inward(self) -> None:
        receiving = self._receiving
        while True:
            event = receiving.next_event()
            if event is None:
                data = await self._tunnel.reader.read(_READ_BYTES)
                if not data:
                    receiving.finish()
                    return
                receiving.feed(data)
            elif event.kind is Kind.DATA:
                self._plain.writer.write(event.data)
                await self._plain.writer.drain()
            elif event.kind is Kind.NEXT_KEY:
                receiving.go_on_with(await self._ring.to_process(event.kid))
            else:
                self._plain.writer.write_eof()


async def _lost(stream: _Stream) -> None:
    """Wait until a connection is no more. Who waits may give up; that must not pass for the end."""
    await asyncio.shield(stream.writer.wait_closed())


def _keep_alive(stream: _Stream) -> None:
    opened: socket.socket = stream.writer.get_extra_info("socket")
    for level, option, value in _ALIVE:
        opened.setsockopt(level, option, value)
