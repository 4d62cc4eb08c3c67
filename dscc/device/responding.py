"""Being asked: what a device answers to its peers' direct messages.

    D1 -> D2                 the same D1 gets the same D2, and its shares are asked for once
    D3 -> D4 or Subset       it waits for shares that are under way; what was answered once is answered again, also
                             after a restart, from what is stored
    Abort -> Done            a key that the peer will not use is destroyed, if the peer proves that it has it
    glare                    both began at once: the lower identifier stays the initiator, and refuses to be asked

A D1 proves nothing by itself before there is a pair chain: so what begins with one is bounded, and cannot disturb, nor
keep out, what rests on a pair chain. Of two that began with the same pair chain the first to be confirmed holds.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Final

from dscc.agreement import KeyState, check_abort
from dscc.device.records import Held
from dscc.device.resources import Resources, receipts
from dscc.device.shares import Shares
from dscc.direct_messages import D1, D3, Abort, Subset
from dscc.errors import DsccError, Reason
from dscc.messages import Done, Refused
from dscc.pairwise import Responder
from dscc.primitives import NONCE_BYTES
from dscc.wire import Message

Reply = Callable[[Message], None]
PENDING_SECONDS: Final = 60.0
_MOST_PENDING: Final = 1024
_MOST_UNPROVEN: Final = 512
"""Of those, how many whose D1 does not prove that it is the peer's."""
_MOST_OF_ONE_PEER: Final = 8
"""Of those, how many of one peer."""
_DATE_SECONDS: Final = 86_400
"""How far from now an Activation Date may be."""


class _Pending:
    """A negotiation that has begun."""

    def __init__(self, d1: D1, responder: Responder, base: int) -> None:
        self.d1, self.responder, self.base = d1, responder, base
        self.shares: Shares
        self.timer: asyncio.TimerHandle
        self.denied: DsccError | None = None
        self.is_proven = responder.d2.chain > 0
        self.waiting: tuple[D3, Reply] | None = None


class Responding:
    """The negotiations that peers have begun. `initiating` says whether this device has asked the same peer."""

    def __init__(
        self, resources: Resources, initiating: Callable[[str], bool | None], on_key: Callable[[Held], None]
    ) -> None:
        self._resources, self._initiating, self._on_key = resources, initiating, on_key
        self._by_d1: dict[D1, _Pending] = {}
        self._by_sid: dict[bytes, _Pending] = {}
        self._of_peer: Counter[str] = Counter()
        self._unproven: Counter[str] = Counter()

    def is_asked_by(self, peer: str) -> bool:
        """Whether a negotiation that this peer has begun is under way."""
        return self._of_peer[peer] > 0

    def forget_peer(self, peer: str) -> None:
        """Nothing comes of what this peer has begun: it was revoked."""
        for pending in [each for each in self._by_sid.values() if each.d1.initiator == peer]:
            self._drop(pending)
            if pending.waiting is not None:
                pending.waiting[1](Refused(Reason.REVOKED.value, f"{peer} was revoked"))

    def close(self) -> None:
        """Forget what is under way."""
        for pending in list(self._by_sid.values()):
            self._drop(pending)

    def on_d1(self, d1: D1, reply: Reply) -> None:
        """A peer begins. Raises DsccError."""
        pending = self._by_d1.get(d1)
        if pending is None:
            self._check(d1)
            pending = self._begin(d1)
        reply(pending.responder.d2)
        if not hasattr(pending, "shares"):
            self._ask(pending)

    def on_d3(self, d3: D3, reply: Reply) -> None:
        """The peer confirms. Raises DsccError."""
        pending = self._by_sid.get(d3.sid)
        if pending is None:
            reply(self._answered(d3))
        elif pending.denied is not None:
            raise pending.denied
        elif pending.shares.is_done or pending.shares.received.issuperset(d3.nodes):
            self._confirm(pending, d3, reply)
        else:
            pending.waiting = d3, reply

    def on_abort(self, said: Abort, reply: Reply) -> None:
        """The peer gives up. Raises DsccError if it would destroy a key, and is not from who has it."""
        if said.sid in self._by_sid:
            self._drop(self._by_sid[said.sid])
        held = self._held(said.sid)
        if held is not None and held.agreement.key:
            check_abort(held.agreement, said)
            self._resources.state.undo(held.agreement, held.peer)
        reply(Done())

    def _check(self, d1: D1) -> None:
        peer, resources = d1.initiator, self._resources
        resources.check_peer(peer)
        past_d2 = self._initiating(peer)
        if past_d2 is not None and (past_d2 or resources.state.name < peer):
            raise DsccError(Reason.GLARE, "this device is asking for a key itself")
        if len(self._by_sid) >= _MOST_PENDING:
            raise DsccError(Reason.BUSY, "too many negotiations are under way")
        if d1.activation and abs(d1.activation - resources.clock.now()) > _DATE_SECONDS:
            raise DsccError(Reason.POLICY_DENIED, "the Activation Date is more than a day from now")

    def _begin(self, d1: D1) -> _Pending:
        resources, peer = self._resources, d1.initiator
        responder = Responder(
            resources.state.name,
            d1,
            secrets.token_bytes(NONCE_BYTES),
            limits=resources.config.keys.limits(d1.purpose),
            chains=resources.state.chains(peer),
            nodes=resources.registered,
        )
        pending = _Pending(d1, responder, resources.state.turn(peer))
        if not pending.is_proven:
            if self._unproven[peer] >= _MOST_OF_ONE_PEER or self._unproven.total() >= _MOST_UNPROVEN:
                raise DsccError(Reason.BUSY, "too many negotiations are under way that prove nothing yet")
            self._unproven[peer] += 1
        self._by_d1[d1] = self._by_sid[responder.sid] = pending
        self._of_peer[peer] += 1
        pending.timer = asyncio.get_running_loop().call_later(PENDING_SECONDS, self._drop, pending)
        return pending

    def _ask(self, pending: _Pending) -> None:
        limits = self._resources.config.keys

        def done(error: DsccError | None) -> None:
            pending.denied = error
            if pending.waiting is not None:
                d3, reply = pending.waiting
                pending.waiting = None
                answering(reply, lambda: self.on_d3(d3, reply))

        pending.shares = Shares(pending.responder, self._resources.links, limits.paths, done)

    def _confirm(self, pending: _Pending, d3: D3, reply: Reply) -> None:
        answer = pending.responder.on_d3(d3)
        if isinstance(answer, Subset):
            reply(answer)
            return
        agreement, d4 = answer
        peer, resources = pending.d1.initiator, self._resources
        now = int(resources.clock.now())
        held = Held(agreement, peer, KeyState.ACTIVE, now, pending.base, d3, d4)
        resources.state.put_active(held)
        received = pending.shares.received
        self._drop(pending)
        reply(d4)
        receipts(resources.links, held, received, initiator=False)
        self._on_key(held)

    def _answered(self, d3: D3) -> Message:
        held = self._held(d3.sid)
        if held is None or held.state is not KeyState.ACTIVE or held.d3 != d3:
            raise DsccError(Reason.EXPIRED, "there is no such negotiation here, or not any more")
        return held.d4

    def _held(self, sid: bytes) -> Held | None:
        return next((held for held in self._resources.state.held.values() if held.agreement.sid == sid), None)

    def _drop(self, pending: _Pending) -> None:
        if self._by_sid.pop(pending.responder.sid, None) is None:
            return
        del self._by_d1[pending.d1]
        for counted in (self._of_peer, *([] if pending.is_proven else [self._unproven])):
            counted[pending.d1.initiator] -= 1
            if not counted[pending.d1.initiator]:
                del counted[pending.d1.initiator]
        pending.timer.cancel()
        pending.shares.stop()


def answering(reply: Reply, act: Callable[[], None]) -> None:
    """Do something that answers; who asked is told if it is refused."""
    try:
        act()
    except DsccError as error:
        reply(Refused(error.reason.value, error.message[:512]))
