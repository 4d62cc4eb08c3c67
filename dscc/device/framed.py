"""A TCP connection that carries frames, as seen by who opens it: a question, then its answer, one at a time.

Once `records_to` is called, records go there.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final, TypeVar, cast

from dscc.enrolment import Address
from dscc.errors import DsccError, Reason
from dscc.messages import Refused
from dscc.wire import FrameKind, FrameReader, Message, decode, encode, expect, write_frame

_M = TypeVar("_M")
_MOST_EARLY: Final = 16
"""Records that are held before nothing more is read."""
_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""A connection over which nothing has come for half a minute is asked three times whether it is there, in seconds."""


class Unreachable(DsccError):  # noqa: N818
    """Nobody answered, or not in time: ask again later, or somebody else."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.FAILED, message)


class RefusedByPeer(DsccError):  # noqa: N818
    """The other side said no. Nobody else can be asked instead."""


def refusal(said: Refused, who: str) -> DsccError:
    """What a Refused means here. A reason that is not known is still a refusal."""
    known = said.reason in Reason.__members__.values()
    words = "".join(each for each in said.words if each.isprintable())
    return RefusedByPeer(Reason(said.reason) if known else Reason.FAILED, f"{who} says: {words}")


class Framed(asyncio.Protocol):
    """One connection. `who` is for messages to people."""

    def __init__(self, who: str) -> None:
        self.who = who
        self._on_record: Callable[[bytes], None] | None = None
        self._early: list[bytes] | None = None
        self.on_lost: Callable[[], None] | None = None
        self.transport: asyncio.Transport
        self._reader = FrameReader()
        self._waiting: asyncio.Future[Message] | None = None
        self._error: DsccError | None = None
        self._closed = False

    @property
    def is_lost(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._error is not None or self.transport.is_closing()

    @property
    def was_closed(self) -> bool:
        """Whether the other side closed it: what was asked last may have come too late for it."""
        return self._closed

    async def exchange(self, said: Message, seconds: float) -> Message:
        """Send a message, and wait for the next one. Raises Unreachable, or RefusedByPeer for Refused."""
        if self._error is not None:
            raise self._error
        answer = self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(write_frame(FrameKind.MESSAGE, encode(said)))
        try:
            async with asyncio.timeout(seconds):
                heard: Message = await answer
        except TimeoutError:
            # What comes now would be taken for the answer to something else.
            self.abort()
            raise Unreachable(f"{self.who} did not answer within {seconds:g} s") from None
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiting = None
        if isinstance(heard, Refused):
            raise refusal(heard, self.who)
        return heard

    async def ask(self, wanted: type[_M], said: Message, seconds: float) -> _M:
        """The same for an answer of one type. Raises DsccError (OUT_OF_ORDER) for another one, too."""
        return expect(wanted, await self.exchange(said, seconds))

    def hold_records(self) -> None:
        """Records may come now, a few of them before it is known how to open them."""
        self._early = []

    def records_to(self, on_record: Callable[[bytes], None]) -> None:
        """Have records go there, first those that are held. Raises DsccError as `on_record` does."""
        self._on_record, early, self._early = on_record, self._early, None
        self.transport.resume_reading()
        for record in early or ():
            on_record(record)

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def close(self) -> None:
        """Close the connection once all is sent."""
        self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection. Whether it is dead is found out by the system, also where nothing is asked."""
        self.transport = cast(asyncio.Transport, transport)
        opened: socket.socket = transport.get_extra_info("socket")
        for level, option, value in _ALIVE:
            opened.setsockopt(level, option, value)

    def data_received(self, data: bytes) -> None:
        """There are bytes."""
        try:
            for frame in self._reader.feed(data):
                self._take(frame.kind, frame.body)
        except DsccError as error:
            self._fail(error)
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """There is no connection any more."""
        self._closed = True
        self._fail(Unreachable(f"{self.who} closed the connection"))
        if self.on_lost is not None:
            self.on_lost()

    def _take(self, kind: FrameKind, body: bytes) -> None:
        if kind is FrameKind.RECORD and self._on_record is not None:
            self._on_record(body)
        elif kind is FrameKind.RECORD and self._early is not None:
            self._early.append(body)
            if len(self._early) >= _MOST_EARLY:
                # What was read with it still comes, and no more than that.
                self.transport.pause_reading()
        elif kind is FrameKind.MESSAGE and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(decode(body))
        else:
            raise DsccError(Reason.OUT_OF_ORDER, f"{self.who} said what was not asked")

    def _fail(self, error: DsccError) -> None:
        self._error = self._error or error
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(self._error)


async def connect(address: Address, who: str, seconds: float) -> Framed:
    """A connection. Raises Unreachable."""
    try:
        async with asyncio.timeout(seconds):
            _, framed = await asyncio.get_running_loop().create_connection(lambda: Framed(who), *address)
    except TimeoutError:
        raise Unreachable(f"{who} at {address} was not reached within {seconds:g} s") from None
    except OSError as error:
        raise Unreachable(f"{who} at {address} cannot be reached: {_why(error)}") from None
    return framed


def _why(error: OSError) -> str:
    """The system's words: asyncio has its own in their place, which say the address once more."""
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno)
