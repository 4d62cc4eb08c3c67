"""A server of a test on asyncio's streams: whatever it has accepted ends with it, also what was just begun."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from dscc.enrolment import Address

_TURNS = 10
"""Of the loop, after which what was accepted before has its task."""


class StreamServer:
    """Serves each connection until that is done, or the server is closed. A peer may go at any time."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    async def start(self) -> Address:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        return Address(*self._server.sockets[0].getsockname())

    async def close(self) -> None:
        """Listen no more, and end what there is."""
        self._server.close()
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Transports that were aborted end in this turn of the loop.
        await asyncio.sleep(0)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError):
                await self._serve(reader, writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
