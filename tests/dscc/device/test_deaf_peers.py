"""A peer that asks and does not read: a device reads it no further until it does."""

from __future__ import annotations

import asyncio
from typing import Any

from fleet import asynchronous, until

from dscc.device.direct import Listener
from dscc.direct_messages import D4
from dscc.messages import Refused
from dscc.wire import FrameKind, FrameReader, encode, write_frame

ANSWER = Refused("failed", "x" * 512)
QUESTION = write_frame(FrameKind.MESSAGE, encode(D4(bytes(48), bytes(48))))
MANY = 40_000


@asynchronous
async def test_who_asks_and_does_not_read_is_read_no_further_until_it_does() -> None:
    answered: list[Any] = []

    def answer(said: Any, reply: Any) -> None:
        answered.append(said)
        reply(ANSWER)

    listener = Listener({D4: answer})
    reader, writer = await asyncio.open_connection(*await listener.start("127.0.0.1", 0))
    writer.write(QUESTION * MANY)
    await until(lambda: listener._connections)
    (connection,) = listener._connections
    await until(lambda: not connection.transport.is_reading())
    # Its answers would be 20 megabytes.
    assert connection.transport.get_write_buffer_size() < 4_000_000
    assert len(answered) < MANY
    frames, read = FrameReader(), 0
    while read < MANY:
        read += sum(1 for _ in frames.feed(await reader.read(1 << 20)))
    assert len(answered) == MANY
    writer.close()
    await writer.wait_closed()
    listener.close()
