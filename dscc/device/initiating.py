"""Asking for a key: D1, shares, D3, and what to do when an answer does not come.

    D2 lost        the same D1 again: the peer answers the same
    D4 lost        the same D3 again, a few times; then the key is destroyed, and the peer is told at the next contact
    crash          a key that was derived is confirmed by the stored D3 at the next contact, or given up
    Subset         the peer has fewer shares: derived anew from those that both have
    glare          the peer stays the initiator: its key is awaited, and is the answer if it is what was wanted;
                   if none comes in its turn, it is asked again

One negotiation at a time with a peer: the pair chain is linear.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from contextlib import suppress
from typing import Final

from dscc.agreement import KeyState, Wanted, check_d4
from dscc.device.direct import Direct
from dscc.device.framed import RefusedByPeer, Unreachable
from dscc.device.records import Held
from dscc.device.resources import Resources, no_key, receipts
from dscc.device.responding import Responding
from dscc.device.shares import SHARE_SECONDS, Shares
from dscc.direct_messages import D2, D3, D4, Abort, Subset
from dscc.enrolment import Address
from dscc.errors import DsccError, Reason
from dscc.hardening import KemKey
from dscc.messages import Done
from dscc.pairwise import PAIR_KEM, Initiator, KemNeeded
from dscc.primitives import NONCE_BYTES
from dscc.wire import Message, expect

_ANSWER_SECONDS: Final = 5.0
_CONFIRM_SECONDS: Final = SHARE_SECONDS + 3.0
"""The peer may wait for its shares before it answers D3."""
_CONFIRM_WAITS: Final = (0.0, 0.1, 0.4, 1.0)
"""The waits before D3 is sent, and sent again."""
_GLARE_SECONDS: Final = 10.0
"""How long a peer goes first that is asking itself."""
_QUIET_SECONDS: Final = 0.2
"""A peer that refuses because it asks itself, and has not been heard for so long, was heard before."""
_TURN_SECONDS: Final = 1.0
"""How long a negotiation that the peer has begun goes first. Who only says that it is the peer delays no longer."""


class _Outgoing:
    """A negotiation that this device has begun."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self.past_d2 = False
        self.arrived: asyncio.Future[Held] = asyncio.get_running_loop().create_future()


class Initiating:
    """The negotiations that this device begins."""

    def __init__(self, resources: Resources, direct: Direct) -> None:
        self._resources, self._direct = resources, direct
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._outgoing: dict[str, _Outgoing] = {}
        self.responding: Responding

    def is_past_d2(self, peer: str) -> bool | None:
        """Whether the negotiation with a peer is past D2; None: there is none."""
        outgoing = self._outgoing.get(peer)
        return None if outgoing is None else outgoing.past_d2

    def on_key(self, held: Held) -> None:
        """There is a key that the peer has asked for."""
        outgoing = self._outgoing.get(held.peer)
        if outgoing is not None and outgoing.purpose == held.purpose and not outgoing.arrived.done():
            outgoing.arrived.set_result(held)

    async def negotiate(
        self, peer: str, address: Address, wanted: Wanted, kem: bool, paths: tuple[int, int] | None = None
    ) -> Held:
        """An Active key, on so many paths at least of so many that are offered. Raises DsccError."""
        state = self._resources.state
        async with self._locks[peer]:
            self._resources.check_peer(peer)
            state.put_peer(peer, address)
            await self._settle(peer, address)
            end = asyncio.get_running_loop().time() + _GLARE_SECONDS
            while asyncio.get_running_loop().time() < end:
                await self._wait_for_turn(peer)
                outgoing = self._outgoing[peer] = _Outgoing(wanted.purpose)
                try:
                    return await self._negotiate_once(outgoing, peer, address, wanted, kem, paths)
                except RefusedByPeer as error:
                    if error.reason is not Reason.GLARE:
                        raise
                    held = await self._arrival(outgoing, peer)
                    if held is not None and _is_wanted(held, wanted):
                        return held
                except KemNeeded:
                    kem = True
                finally:
                    del self._outgoing[peer]
            raise DsccError(Reason.GLARE, f"{peer} is asking at the same time, again and again")

    async def settle_all(self) -> None:
        """Finish what was left open with anybody, as far as it is known where they listen, and they are reached."""
        state = self._resources.state
        peers = {state.held[kid].peer for kid in state.pre_active} | {peer for peer, _ in state.aborts.values()}
        for peer in sorted(peers & set(state.peers)):
            with suppress(DsccError):
                async with self._locks[peer]:
                    await self._settle(peer, state.peers[peer])

    async def _settle(self, peer: str, address: Address) -> None:
        """Confirm keys of a peer that were derived before a crash, or give them up; tell it of those given up."""
        state = self._resources.state
        for held in [state.held[kid] for kid in state.pre_active if state.held[kid].peer == peer]:
            try:
                await self._confirm_stored(held, address)
            except Unreachable:
                raise
            except DsccError as error:
                state.give_up(held, error.reason)
        for sid, said in [(sid, said) for sid, (whom, said) in state.aborts.items() if whom == peer]:
            with suppress(RefusedByPeer):
                expect(Done, await self._direct.exchange(peer, address, said, _ANSWER_SECONDS))
            state.told(sid)

    async def _confirm_stored(self, held: Held, address: Address) -> None:
        answer = await self._direct.exchange(held.peer, address, held.d3, _CONFIRM_SECONDS)
        check_d4(held.d4, expect(D4, answer))
        self._resources.check_peer(held.peer)
        self._resources.state.put_active(held)

    async def _wait_for_turn(self, peer: str) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _TURN_SECONDS
        while self.responding.is_asked_by(peer) and loop.time() < until:
            await asyncio.sleep(0.02)

    async def _arrival(self, outgoing: _Outgoing, peer: str) -> Held | None:
        """The key that the peer is asking for; None if it is not asking any more, or takes longer than its turn."""
        loop = asyncio.get_running_loop()
        end, quiet = loop.time() + _TURN_SECONDS, loop.time() + _QUIET_SECONDS
        while loop.time() < min(end, quiet) and not outgoing.arrived.done():
            if self.responding.is_asked_by(peer):
                quiet = loop.time() + _QUIET_SECONDS
            await asyncio.wait([outgoing.arrived], timeout=0.02)
        return outgoing.arrived.result() if outgoing.arrived.done() else None

    async def _negotiate_once(
        self,
        outgoing: _Outgoing,
        peer: str,
        address: Address,
        wanted: Wanted,
        kem: bool,
        paths: tuple[int, int] | None,
    ) -> Held:
        resources, state = self._resources, self._resources.state
        keys = resources.config.keys
        least, offered = paths or (0, keys.offer)
        limits = keys.limits(wanted.purpose)
        limits = limits._replace(paths=max(limits.paths, least))
        base = state.turn(peer)
        first = Initiator(
            state.name,
            peer,
            wanted,
            resources.nearest(offered),
            secrets.token_bytes(NONCE_BYTES),
            limits=limits,
            chains=state.chains(peer),
            kem=KemKey(PAIR_KEM) if kem or keys.kem or keys.require_kem else None,
        )
        d2 = expect(D2, await self._direct.exchange(peer, address, first.d1, _ANSWER_SECONDS))
        first.on_d2(d2)
        outgoing.past_d2 = True
        received: set[str] = set()
        held: Held | None = None
        try:
            received = await self._shares(first, limits.paths)
            while True:
                held = self._derived(first, peer, base, held)
                answer = await self._confirm(peer, address, held.d3)
                if not isinstance(answer, Subset):
                    break
                first.on_subset(answer)
            check_d4(held.d4, expect(D4, answer))
            resources.check_peer(peer)
            state.put_active(held)
        except DsccError as error:
            await self._give_up(peer, address, first.sid, held, error, received)
            raise
        receipts(resources.links, held, received, initiator=True)
        return state.held[held.agreement.kid]

    async def _shares(self, first: Initiator, least: int) -> set[str]:
        done: asyncio.Future[DsccError | None] = asyncio.get_running_loop().create_future()
        shares = Shares(first, self._resources.links, least, done.set_result)
        try:
            error = await done
        finally:
            shares.stop()
        if error is not None:
            raise error
        return shares.received

    def _derived(self, first: Initiator, peer: str, base: int, instead: Held | None) -> Held:
        agreement, d3 = first.derive()
        now = int(self._resources.clock.now())
        held = Held(agreement, peer, KeyState.PRE_ACTIVE, now, base, d3, first.expected)
        self._resources.state.put_pre_active(held, instead)
        return held

    async def _confirm(self, peer: str, address: Address, d3: D3) -> Message:
        for last, wait in enumerate(_CONFIRM_WAITS, 1 - len(_CONFIRM_WAITS)):
            if wait:
                await asyncio.sleep(wait)
            try:
                return await self._direct.exchange(peer, address, d3, _CONFIRM_SECONDS)
            except Unreachable:
                if last == 0:
                    raise
        raise AssertionError("the last one raises or answers")

    async def _give_up(
        self, peer: str, address: Address, sid: bytes, held: Held | None, error: DsccError, received: set[str]
    ) -> None:
        """There will be no key: destroy what there is, and tell the peer, at the next contact if not now."""
        state = self._resources.state
        said = Abort(sid, error.reason.value, b"")
        if held is not None and held.agreement.kid in state.held:
            state.give_up(held, error.reason)
            said = state.aborts[sid][1]
        no_key(self._resources.links, sid, received, initiator=True)
        with suppress(DsccError):
            await self._direct.exchange(peer, address, said, _ANSWER_SECONDS)
            if sid in state.aborts:
                state.told(sid)


def _is_wanted(held: Held, wanted: Wanted) -> bool:
    agreed = held.agreement.wanted
    return (agreed.purpose, agreed.bits, agreed.algorithm) == (wanted.purpose, wanted.bits, wanted.algorithm)
