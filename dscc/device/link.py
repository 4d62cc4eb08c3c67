"""A device's link with one node: one session that carries many questions at once, opened when it is needed.

A handshake uses up an epoch, so there is one at a time. Of two slots (a step that crashed between T3 and T4) the later
one is tried first, and the other one is dropped only after a session that is authentic: a forged refusal drops nothing.

Who cannot be reached is not tried again before a time that doubles; meanwhile questions fail at once, so that a key
over k of n nodes does not wait for one that is down.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from struct import Struct
from typing import Final, NamedTuple, TypeVar

from dscc.device.framed import Framed, Unreachable, connect, refusal
from dscc.device.state import State
from dscc.errors import DsccError, Reason
from dscc.messages import M2, M4, Event, Missed, MissedRequest, Refused
from dscc.primitives import NONCE_BYTES
from dscc.session import SESSION_SECONDS, Chain, DeviceHandshake, Session
from dscc.wire import FrameKind, Message, decode, encode, expect, write_frame

_M = TypeVar("_M")
OnAnswer = Callable[[Message | DsccError], None]
_number = Struct(">Q")
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
MISSED_SECONDS: Final = 10.0
"""For so long a node may tell what was revoked meanwhile; the rest it tells in the next session."""
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 30.0
_FRESH: Final = SESSION_SECONDS * 0.95
"""A session that is older takes no new questions once it has answered the old ones."""


class _Asked(NamedTuple):
    """A question that is under way. `again`: once more, if the connection is lost first."""

    body: bytes
    on_answer: OnAnswer
    again: bool
    at: float


class NodeLink:
    """The link with one node."""

    def __init__(self, state: State, node: str, on_event: Callable[[str, Event], None]) -> None:
        self._state, self.node, self._on_event = state, node, on_event
        self._loop = asyncio.get_running_loop()
        self._connection: Framed | None = None
        self._session: Session | None = None
        self._opened = self._heard = 0.0
        self._asked: dict[int, _Asked] = {}
        self._last = 0
        self._queue: list[_Asked] = []
        self._opening: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._again: asyncio.TimerHandle | None = None
        self._kept = False
        # In memory alone: who embeds a device may not have stored yet what it was told, when both crash.
        self._revocations_heard = b""
        self.on_failure: Callable[[str, DsccError], None] | None = None
        """Called with the node when a session could not be opened, and why."""
        self.latency = 0.0
        """Seconds from a question to its answer, smoothed; 0: not known yet."""
        self.error: DsccError | None = None
        """Why the session could not be opened the last time; None: it could."""

    @property
    def is_open(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    @property
    def is_down(self) -> bool:
        """Whether the node was not reached a moment ago."""
        return self._session is None and self._loop.time() < self._not_before

    def keep_open(self) -> None:
        """Have a session from now on, and a new one whenever it is lost: events come over it."""
        self._kept = True
        self._open_soon()

    def ask(self, body: bytes, on_answer: OnAnswer, again: bool = False) -> None:
        """Ask an encoded question; `on_answer` hears the answer (Refused is one), or why there is none.

        `again` allows to ask once more in a new session: only for what may be asked twice.
        """
        asked = _Asked(body, on_answer, again, self._loop.time())
        if self._session is not None and not self._is_over():
            self._send(asked)
        elif self.is_down:
            on_answer(self._down())
        else:
            self._queue.append(asked)
            self._open_soon()

    async def request(self, wanted: type[_M], said: Message, seconds: float = ANSWER_SECONDS, again: bool = True) -> _M:
        """Ask, and wait. Raises DsccError: refused, unreachable, too late, or not the answer to this question."""
        answer: asyncio.Future[Message | DsccError] = self._loop.create_future()
        self.ask(encode(said), lambda heard: None if answer.done() else answer.set_result(heard), again)
        try:
            async with asyncio.timeout(seconds):
                heard = await answer
        except TimeoutError:
            self.silent_since(self._loop.time() - seconds)
            raise Unreachable(f"{self.node} did not answer within {seconds:g} s") from None
        if isinstance(heard, DsccError):
            raise heard
        if isinstance(heard, Refused):
            raise refusal(heard, self.node)
        return expect(wanted, heard)

    def tell(self, said: Message) -> None:
        """Say something to which there is no answer, if there is a session."""
        if self._session is not None:
            self._write(encode(said))

    async def ready(self) -> None:
        """Have a session. Raises DsccError: why there is none."""
        if self._session is None and self._opening is None:
            if self.is_down:
                raise self._down()
            self._open_soon()
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._session is None:
            raise self._down()

    def silent_since(self, at: float) -> None:
        """A question of that time has no answer: if nothing was heard since, the connection is dead, and is dropped."""
        if self._session is not None and max(self._heard, self._opened) <= at:
            self._drop()

    def end_session(self) -> None:
        """The chain is another one now: the next question opens a new session."""
        self._drop()

    def close(self) -> None:
        """End the session. Questions that are under way fail."""
        self._kept = False
        if self._again is not None:
            self._again.cancel()
        if self._opening is not None:
            self._opening.cancel()
        self._drop(may_ask_again=False)
        self._fail_queue(Unreachable(f"the link with {self.node} was closed"))

    def _is_over(self) -> bool:
        age = self._loop.time() - self._opened
        if age < _FRESH or (self._asked and age < SESSION_SECONDS):
            return False
        self._drop()
        return True

    def _send(self, asked: _Asked) -> None:
        try:
            self._asked[self._write(asked.body)] = asked
        except DsccError as error:
            self._drop()
            asked.on_answer(error)

    def _write(self, body: bytes) -> int:
        if self._session is None or self._connection is None:
            raise Unreachable(f"there is no session with {self.node}")
        number = self._last = self._last + 1
        record = self._session.seal(_number.pack(number) + body)
        self._connection.transport.write(write_frame(FrameKind.RECORD, record))
        return number

    def _hear(self, record: bytes) -> None:
        if self._session is None:
            return
        plain = self._session.open(record)
        self._heard = self._loop.time()
        if len(plain) < _number.size:
            raise DsccError(Reason.MALFORMED, f"{self.node} sent a record without a number")
        (number,) = _number.unpack_from(plain)
        said = decode(plain[_number.size :])
        if number == 0:
            self._on_event(self.node, expect(Event, said))
            return
        asked = self._asked.pop(number, None)
        # Unknown: who asked has given up waiting.
        if asked is not None:
            took = self._heard - asked.at
            self.latency = 0.8 * self.latency + 0.2 * took if self.latency else took
            asked.on_answer(said)

    def _down(self) -> DsccError:
        return self.error or Unreachable(f"{self.node} cannot be reached")

    def _open_soon(self) -> None:
        if self._opening is None and self._session is None:
            self._opening = self._loop.create_task(self._open_and_flush())

    async def _open_and_flush(self) -> None:
        try:
            await self._open()
            await self._hear_what_was_missed()
        except DsccError as error:
            self._drop()
            self._failures += 1
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._failures, 16))
            # Devices that lost the same node do not come back all at once.
            wait *= 0.5 + secrets.randbelow(1000) / 1000
            self._not_before, self.error = self._loop.time() + wait, error
            if self.on_failure is not None:
                self.on_failure(self.node, error)
            self._fail_queue(error)
            if self._kept:
                self._open_after(wait)
        else:
            self._failures, self._not_before, self.error = 0, 0.0, None
            queue, self._queue = self._queue, []
            for asked in queue:
                self._send(asked)
        finally:
            self._opening = None

    def _open_after(self, seconds: float) -> None:
        if self._again is not None:
            self._again.cancel()
        self._again = self._loop.call_later(seconds, self._open_soon)

    async def _open(self) -> None:
        record = self._state.nodes[self.node]
        slots = [
            (following, chain) for following, chain in ((True, record.following), (False, record.present)) if chain
        ]
        if not slots:
            raise DsccError(Reason.OUT_OF_ORDER, f"the device is not registered at {self.node}")
        for last, (following, chain) in enumerate(slots, 1 - len(slots)):
            connection = await connect(record.address, self.node, CONNECT_SECONDS)
            try:
                self._begin(connection, await self._handshake(connection, following, chain), following)
            except DsccError:
                connection.abort()
                if last == 0:
                    raise
            except BaseException:
                connection.abort()
                raise
            else:
                return

    async def _handshake(self, connection: Framed, following: bool, chain: Chain) -> Session:
        handshake = DeviceHandshake(self._state.name, self.node, chain, secrets.token_bytes(NONCE_BYTES))
        m2 = await connection.ask(M2, handshake.m1, ANSWER_SECONDS)
        evolved, m3 = handshake.on_m2(m2)
        self._state.put_chain(self.node, following, evolved)
        connection.hold_records()
        return handshake.on_m4(await connection.ask(M4, m3, ANSWER_SECONDS))

    def _begin(self, connection: Framed, session: Session, following: bool) -> None:
        self._state.settle_chain(self.node, following)
        self._connection, self._session, self._opened, self._last = connection, session, self._loop.time(), 0
        if connection.is_lost:
            self._drop()
            raise Unreachable(f"{self.node} closed the session as soon as it was open")
        connection.on_lost = self._drop
        connection.records_to(self._hear)

    async def _hear_what_was_missed(self) -> None:
        """Have the node tell what was revoked while there was no session. What is left of it is told the next time."""
        more = 1
        try:
            async with asyncio.timeout(MISSED_SECONDS):
                while more and self._session is not None:
                    said = await self.request(Missed, MissedRequest(self._revocations_heard), again=False)
                    self._revocations_heard, more = said.heard, said.more
        except (TimeoutError, Unreachable):
            more = 1
        if more:
            # One of before this question takes it for malformed.
            words = "did not tell what was revoked meanwhile; if it never does, its program is older than this one's"
            raise Unreachable(f"{self.node} {words}")

    def _drop(self, may_ask_again: bool = True) -> None:
        """There is no session any more: what was under way is asked again, or fails."""
        connection, self._connection, self._session = self._connection, None, None
        if connection is not None:
            connection.on_lost = None
            connection.abort()
        asked, self._asked = self._asked, {}
        error = Unreachable(f"the session with {self.node} was lost")
        for each in asked.values():
            if each.again and may_ask_again:
                self._queue.append(each._replace(again=False))
            else:
                each.on_answer(error)
        if may_ask_again and (self._kept or self._queue):
            self._open_soon()

    def _fail_queue(self, error: DsccError) -> None:
        queue, self._queue = self._queue, []
        for asked in queue:
            asked.on_answer(error)
