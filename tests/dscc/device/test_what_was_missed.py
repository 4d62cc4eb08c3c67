"""What nodes tell when a session is opened: by one of an earlier program, and by one that never comes to an end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from fleet import Fleet, asynchronous
from support.streams import StreamServer

from dscc.device import Device
from dscc.device.framed import Unreachable
from dscc.messages import M1, M3, Missed, MissedRequest, Status
from dscc.session import Chain, NodeHandshake, Session
from dscc.wire import FrameKind, FrameReader, Message, decode, encode, write_frame

Answer = Callable[[Message], Message | None]
STATUS = Status("production", 0, "short/1", "", 1, bytes(32), (), ())


class Impostor(StreamServer):
    """In a node's place, with its chain: it opens sessions as it should. Without an answer, it ends the session."""

    def __init__(self, chain: Chain, answer: Answer) -> None:
        super().__init__()
        self._chain, self._answer, self._ended = chain, answer, False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames, handshake, session = FrameReader(), None, None
        while data := await reader.read(65_536):
            for frame in frames.feed(data):
                said: Message | None = None
                if frame.kind is FrameKind.RECORD:
                    assert session is not None
                    writer.write(self._record(session, frame.body))
                    continue
                match decode(frame.body):
                    case M1() as m1:
                        handshake = NodeHandshake(self._chain, m1, secrets.token_bytes(32))
                        said = handshake.m2
                    case M3() as m3:
                        assert handshake is not None
                        self._chain, said, session = handshake.on_m3(m3, self._chain)
                assert said is not None
                writer.write(write_frame(FrameKind.MESSAGE, encode(said)))
            if self._ended:
                break

    def _record(self, session: Session, body: bytes) -> bytes:
        plain = session.open(body)
        said = self._answer(decode(plain[8:]))
        if said is None:
            self._ended = True
            return b""
        return write_frame(FrameKind.RECORD, session.seal(plain[:8] + encode(said)))


@asynccontextmanager
async def with_impostor(fleet: Fleet, answer: Answer) -> AsyncIterator[Device]:
    """A device whose first node is an impostor."""
    device = await fleet.device()
    record = device.state.nodes["n1"]
    assert record.present is not None
    impostor = Impostor(record.present, answer)
    device.state.put_node("n1", record._replace(address=await impostor.start()))
    yield device
    await device.close()
    await impostor.close()


@asynchronous
async def test_a_node_of_an_earlier_program_is_not_used_and_the_device_says_why(fleet: Fleet) -> None:
    async with with_impostor(fleet, lambda said: None if isinstance(said, MissedRequest) else STATUS) as device:
        with pytest.raises(Unreachable, match="its program is older than this one's"):
            await device.node_status("n1")
        assert "its program is older" in device.why_not_connected("n1")
        # The others are enough.
        assert (await device.node_status("n2")).stage == "production"


@asynchronous
async def test_a_node_that_tells_without_end_is_not_waited_for(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dscc.device.link.MISSED_SECONDS", 0.5)
    async with with_impostor(fleet, lambda _: Missed(b"", 1)) as device:
        with pytest.raises(Unreachable, match="did not tell what was revoked"):
            await device._link("n1").ready()


@asynchronous
async def test_what_was_heard_is_said_in_the_next_question_and_in_the_next_session(fleet: Fleet) -> None:
    asked: list[bytes] = []
    left = [Missed(b"one", 1), Missed(b"two", 0), Missed(b"three", 0)]

    def answer(said: Message) -> Message:
        if not isinstance(said, MissedRequest):
            return STATUS
        asked.append(said.heard)
        return left.pop(0)

    async with with_impostor(fleet, answer) as device:
        assert await device.node_status("n1") == STATUS
        device._link("n1").end_session()
        assert await device.node_status("n1") == STATUS
        assert asked == [b"", b"one", b"two"]
