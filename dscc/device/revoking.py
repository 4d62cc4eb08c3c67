"""Revocations: those that this device asks for, and what it does when nodes tell it of one.

What is revoked is used no more from then on, whichever node says so. A key is not erased for that, and the pair chain
stays: a node that lies is not to have anything destroyed or weakened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from dscc import drawing, paths
from dscc.agreement import KeyState
from dscc.device.groups import Groups
from dscc.device.resources import Resources
from dscc.device.responding import Responding
from dscc.errors import DsccError, Reason
from dscc.messages import Acknowledged, Event, RevokeKey

OnRevoked = Callable[[str, str], None]
_ENDS: Final = {"key compromise": KeyState.COMPROMISED}
"""What becomes of a key that is revoked, by the reason; Deactivated for every other one."""
_AT_ONCE: Final = 32
"""Of the 64 questions that a node lets a session have under way: the rest waits here, and is not refused there."""
_AGREED: Final = 0
"""The number of the agreed key itself, in RevokeKey."""


class Revoking:
    """The revocations of a device. `later` runs a coroutine until the device closes."""

    def __init__(
        self,
        resources: Resources,
        responding: Responding,
        groups: Groups,
        later: Callable[[Coroutine[Any, Any, None]], None],
        on_revoked: OnRevoked,
    ) -> None:
        self._resources, self._responding, self._groups = resources, responding, groups
        self._state = resources.state
        self._later, self._on_revoked = later, on_revoked
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def revoke_key(self, kid: bytes, reason: str) -> Acknowledged:
        """Use an agreed key no more, and have the nodes tell the peer. Raises DsccError if no node was reached."""
        held = self._state.held.get(kid)
        if held is None:
            raise DsccError(Reason.OUT_OF_ORDER, f"there is no key {kid.hex()}")
        self._state.move([kid], _ENDS.get(reason, KeyState.DEACTIVATED))
        initiator = held.agreement.initiator == self._state.name
        nodes = [paths.near(path, initiator=initiator) for path in held.agreement.nodes]
        return await self._ask(nodes, RevokeKey(kid, _AGREED, held.peer, reason))

    async def revoke_drawn(
        self, seed_kid: bytes, number: int, peer: str, nodes: Iterable[str], reason: str
    ) -> Acknowledged:
        """Have the nodes of an agreement tell the peer that a key drawn from it is revoked. Raises DsccError."""
        drawing.drawn_kid(seed_kid, number)
        # Who of the two asked which node of a path may be forgotten: one that has no receipt refuses.
        known = sorted({node for path in nodes for node in paths.nodes_of(path)} & set(self._resources.links))
        if not known:
            raise DsccError(Reason.INSUFFICIENT_PATHS, "the device is registered at none of the key's nodes")
        return await self._ask(known, RevokeKey(seed_kid, number, peer, reason))

    async def _ask(self, nodes: Iterable[str], said: RevokeKey) -> Acknowledged:
        """Ask all of them at once: how many nodes know of it by the one that has heard of the most."""
        async with self._gate:
            asked = [self._resources.links[node].request(Acknowledged, said) for node in nodes]
            answers = await asyncio.gather(*asked, return_exceptions=True)
        known = [answer for answer in answers if isinstance(answer, Acknowledged)]
        if not known:
            raise next(answer for answer in answers if isinstance(answer, BaseException))
        return max(known)

    # What nodes say of their own accord. ------------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Obey at once."""
        if event.kind == "device-revoked":
            self._on_device(event.subject, event.at)
            self._on_revoked("device", event.subject)
        elif event.kind == "key-revoked":
            self._state.move([kid for kid in self._state.held if kid.hex() == event.subject], KeyState.DEACTIVATED)
            self._on_revoked("key", event.subject)

    def _on_device(self, device: str, at: int) -> None:
        if device in self._state.revoked:
            return
        self._state.put_revoked(device, at)
        self._responding.forget_peer(device)
        theirs = [held for held in self._state.held.values() if held.peer == device]
        self._state.move([held.agreement.kid for held in theirs], KeyState.DEACTIVATED)
        pre_active = [held.agreement.kid for held in theirs if held.state is KeyState.PRE_ACTIVE]
        self._state.move(pre_active, KeyState.DESTROYED)
        for name, record in self._state.groups.items():
            if device in record.epoch.roster:
                self._later(self._left(name, device))

    def on_left(self, group: str, member: str) -> None:
        """A member says that it leaves a group that this device leads."""
        self._later(self._left(group, member))

    async def _left(self, name: str, member: str) -> None:
        """A member is gone: whoever leads the group, or is the next to, goes on without it."""
        record = self._state.groups.get(name)
        if record is None or member not in record.epoch.roster:
            return
        if record.leader == self._state.name:
            await self._groups.remove(name, frozenset({member}), _nobody)
        elif record.leader == member and min(set(record.epoch.roster) - {member}) == self._state.name:
            await self._groups.take_over(name, _nobody)


def _nobody(_who: str, _what: str) -> None:
    """Tell nobody."""
