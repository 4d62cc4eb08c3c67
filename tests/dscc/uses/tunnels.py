"""A tunnel that runs in a test: its target, its two ends, and a program in between that changes what passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from struct import Struct

from support.streams import StreamServer
from two_ends import OWN, PEER, Source

from dscc.enrolment import Address
from dscc.uses.derivation import TUNNEL, Role
from dscc.uses.key_ring import KeyRing
from dscc.uses.tunnel import TunnelEnd
from dscc.uses.tunnel_records import HELLO_BYTES

HOST = "127.0.0.1"
HEAD = Struct(">IQH")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says what it hears, and ends when the other side has ended."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except ConnectionError:
        writer.transport.abort()


async def digest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says the digest of everything, which it can only once the other side has ended: half-close."""
    writer.write(sha256(await reader.read()).digest())
    writer.close()


class Middle(StreamServer):
    """A program between the two ends, which sees records: `change` gives the bytes that go on for each of them.

    Records of the client end are numbered from 0. None cuts the connection there.
    """

    def __init__(self, to: Address) -> None:
        super().__init__()
        self._to = to
        self.change: Callable[[int, bytes], bytes | None] = lambda _, record: record
        self.records: list[bytes] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._to)
        backward = asyncio.create_task(self._backward(there, writer))
        try:
            back.write(await reader.readexactly(HELLO_BYTES))
            for number in range(1 << 30):
                head = await reader.readexactly(HEAD.size)
                record = head + await reader.readexactly(HEAD.unpack(head)[2])
                self.records.append(record)
                changed = self.change(number, record)
                if changed is None:
                    return
                back.write(changed)
        except (asyncio.IncompleteReadError, ConnectionError):
            back.close()
            await asyncio.gather(backward, return_exceptions=True)
        finally:
            backward.cancel()
            for each in (back, writer):
                each.close()

    async def _backward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.write_eof()


class Between:
    """A tunnel that runs: where programs connect to, the sources of its ends, and what its target has served."""

    def __init__(
        self, address: Address, server: Address, sources: tuple[Source, Source], rings: tuple[KeyRing, KeyRing]
    ) -> None:
        self.address, self.server, self.sources, self.rings = address, server, sources, rings
        self.served: list[asyncio.StreamWriter] = []

    async def open(self) -> Streams:
        return await asyncio.open_connection(*self.address)

    def have(self, *numbers: int) -> None:
        for source in self.sources:
            source.have(*numbers)

    async def look(self) -> None:
        """Both ends ask for keys now."""
        await asyncio.gather(*[ring.look() for ring in self.rings])


@asynccontextmanager
async def tunnel(
    serve: Serve, *, middle: Middle | None = None, keys: tuple[int, ...] = (1,), every: float = 60
) -> AsyncIterator[Between]:
    """A tunnel to a target that serves so, through a program in between if there is one."""
    sources = Source(OWN, PEER, *keys), Source(PEER, OWN, *keys)
    rings = KeyRing(sources[0], TUNNEL, every=every), KeyRing(sources[1], TUNNEL, every=every)
    for ring in rings:
        await ring.start()
    served: list[asyncio.StreamWriter] = []

    async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        await serve(reader, writer)

    target = await asyncio.start_server(serving, HOST, 0)
    server = TunnelEnd(rings[1], Role.SERVER, Address(*target.sockets[0].getsockname()))
    to = listens = await server.start(HOST, 0)
    if middle is not None:
        middle._to = to
        to = await middle.start()
    client = TunnelEnd(rings[0], Role.CLIENT, to)
    found = Between(await client.start(HOST, 0), listens, sources, rings)
    found.served = served
    try:
        yield found
    finally:
        await client.stop()
        if middle is not None:
            await middle.close()
        await server.stop()
        target.close()
        for writer in served:
            writer.transport.abort()
        for ring in rings:
            await ring.stop()
        await asyncio.sleep(0)


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """Everything until the end. Raises ConnectionResetError if the connection was cut instead."""
    return await reader.read()
