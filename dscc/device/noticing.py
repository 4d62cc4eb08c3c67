"""Notices: what this device tells a peer, and what it answers to what it is told (dscc.notices).

One key for both ways, of the purpose "gateway". Who tells something agrees on one when there is none, when it is an
hour old, and once more when the peer cannot open what it is told: it may have lost its folder. That anybody can claim,
so it costs a negotiation, and no key is erased for it. The two newest keys of a peer are kept, since questions are
under way.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog

from dscc import notices
from dscc.agreement import KeyState, Wanted
from dscc.device.direct import Direct
from dscc.device.framed import RefusedByPeer, refusal
from dscc.device.records import Held
from dscc.device.resources import Resources
from dscc.device.responding import Reply
from dscc.direct_messages import Notice, Noticed
from dscc.enrolment import Address
from dscc.errors import DsccError, Reason
from dscc.messages import Refused
from dscc.primitives import IV_BYTES
from dscc.wire import expect

Negotiate = Callable[[str, Address, Wanted], Awaitable[Held]]
Handle = Callable[[str, bytes], Awaitable[bytes]]
_log: Final = structlog.stdlib.get_logger("dscc.device")
_RENEWED_SECONDS: Final = 3600
_LIFETIME_SECONDS: Final = 2 * _RENEWED_SECONDS
"""For longer than it is renewed after: questions that are under way are still opened."""
_KEPT: Final = 2


class Noticing:
    """The notices of a device. `handle` answers what a peer tells; `later` runs a coroutine until the device closes."""

    def __init__(
        self,
        resources: Resources,
        direct: Direct,
        negotiate: Negotiate,
        handle: Handle,
        later: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._resources, self._direct, self._negotiate = resources, direct, negotiate
        self._handle, self._later = handle, later
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._newest: dict[str, bytes] = {}
        """The identifier of the newest key, by peer: found once."""

    async def notify(self, peer: str, address: Address, body: bytes, seconds: float) -> bytes:
        """Tell a peer something, one thing after another, and wait for the answer. Raises DsccError."""
        if len(body) > notices.MOST_BYTES:
            raise DsccError(Reason.MALFORMED, f"a notice has at most {notices.MOST_BYTES} bytes, not {len(body)}")
        async with self._locks[peer]:
            self._resources.check_peer(peer)
            held = self._usable(peer) or await self._agree(peer, address)
            question = secrets.token_bytes(notices.QUESTION_BYTES)
            try:
                answer = await self._ask(held, address, question, body, seconds)
            except RefusedByPeer as error:
                if error.reason is not Reason.NOT_AUTHENTIC:
                    raise
                held = await self._agree(peer, address)
                answer = await self._ask(held, address, question, body, seconds)
            # It may have been revoked while it was asked.
            self._resources.check_peer(peer)
            said = notices.read_answer(held.agreement, self._resources.state.name, question, answer)
        if isinstance(said, Refused):
            raise refusal(said, peer)
        return said

    async def _ask(self, held: Held, address: Address, question: bytes, body: bytes, seconds: float) -> Noticed:
        said = notices.ask(held.agreement, self._resources.state.name, question, body, _iv())
        return expect(Noticed, await self._direct.exchange(held.peer, address, said, seconds))

    async def _agree(self, peer: str, address: Address) -> Held:
        wanted = Wanted(notices.PURPOSE, lifetime=_LIFETIME_SECONDS)
        held = await self._negotiate(peer, address, wanted)
        self.on_key(held)
        return held

    def _usable(self, peer: str) -> Held | None:
        """The newest key with a peer, as long as it is not to be renewed."""
        kid = self._newest.get(peer)
        if kid is None:
            known = self._active(peer)
            if not known:
                return None
            kid = self._newest[peer] = known[0].agreement.kid
        held = self._resources.state.held.get(kid)
        return held if held is not None and self._is_fresh(held) else None

    def _is_fresh(self, held: Held) -> bool:
        granted = held.agreement.lifetime or _LIFETIME_SECONDS
        age = self._resources.clock.now() - held.agreed_at
        return held.state is KeyState.ACTIVE and age < min(_RENEWED_SECONDS, granted / 2)

    # Being told. ------------------------------------------------------------------------------------------------------

    def on_notice(self, said: Notice, reply: Reply) -> None:
        """A peer tells something. Raises DsccError: it is not known who says so, or the peer was revoked."""
        held = self._resources.state.held.get(said.kid)
        if held is None or held.purpose != notices.PURPOSE:
            raise DsccError(Reason.NOT_AUTHENTIC, "there is no key here that opens this notice")
        self._resources.check_peer(held.peer)
        if held.state is not KeyState.ACTIVE or 0 < held.expires_at <= self._resources.clock.now():
            raise DsccError(Reason.NOT_AUTHENTIC, "there is no key here that opens this notice")
        body = notices.read(held.agreement, held.peer, said)
        self._later(self._answer(held, said.question, body, reply))

    async def _answer(self, held: Held, question: bytes, body: bytes, reply: Reply) -> None:
        try:
            said = await self._handle(held.peer, body)
            answer = notices.answer(held.agreement, held.peer, question, said, _iv())
        except DsccError as error:
            answer = notices.refuse(held.agreement, held.peer, question, error, _iv())
        except Exception as error:
            _log.exception("a fault of ours", peer=held.peer, exc_info=error)
            failed = DsccError(Reason.FAILED, "the device failed; its log has more")
            answer = notices.refuse(held.agreement, held.peer, question, failed, _iv())
        reply(answer)

    # Keys. ------------------------------------------------------------------------------------------------------------

    def on_key(self, held: Held) -> None:
        """There is a new key with a peer: of earlier ones for notices, one is kept."""
        if held.purpose != notices.PURPOSE:
            return
        state, active = self._resources.state, self._active(held.peer)
        self._newest[held.peer] = active[0].agreement.kid
        state.move([each.agreement.kid for each in active[_KEPT:]], KeyState.DESTROYED)
        gone = (KeyState.DESTROYED, KeyState.COMPROMISED)
        state.forget_keys([each.agreement.kid for each in self._all(held.peer) if each.state in gone])

    def _active(self, peer: str) -> list[Held]:
        found = [each for each in self._all(peer) if each.state is KeyState.ACTIVE]
        return sorted(found, key=lambda each: (each.agreed_at, each.agreement.chain.number), reverse=True)

    def _all(self, peer: str) -> list[Held]:
        held = self._resources.state.held.values()
        return [each for each in held if each.purpose == notices.PURPOSE and each.peer == peer]


def _iv() -> bytes:
    return secrets.token_bytes(IV_BYTES)
