"""The lease: until when a device may go on using keys without hearing from its nodes.

A revocation is acknowledged once so many nodes know of it that fewer than k are left. So of any k nodes one knows of
it; and while k nodes have answered within `lease_seconds` that they serve this device, it was not revoked before that.
Who is revoked, and cut off from the nodes, stops when its lease is over: at most that long after the revocation was
acknowledged. It counts from when a node was asked, not from when the answer came.

One node's word that the device is revoked ends the lease at once, until that node serves it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from dscc.device.framed import Unreachable
from dscc.device.resources import Resources
from dscc.errors import DsccError, Reason

_ROUNDS: Final = 3
"""How often a node is asked within the time that a lease lasts."""
_AGAIN_SECONDS: Final = 1.0
"""After how long a node is asked again that was not reached."""


class Lease:
    """The lease of a device. `ask` asks a node how the device stands with it; `on_lease` hears of each change."""

    def __init__(
        self, resources: Resources, ask: Callable[[str], Awaitable[object]], on_lease: Callable[[float], None]
    ) -> None:
        self._resources, self._ask, self._on_lease = resources, ask, on_lease
        self._heard: dict[str, float] = {}
        """When each node was asked that has answered."""
        self._refusing: set[str] = set()
        self._told = 0.0

    @property
    def until(self) -> float:
        """POSIX seconds; 0: there is none."""
        keys = self._resources.config.keys
        heard = sorted(self._heard.values(), reverse=True)
        if self._refusing or len(heard) < keys.paths:
            return 0.0
        return heard[keys.paths - 1] + keys.lease_seconds

    async def keep(self) -> None:
        """Renew it, at each node on its own: one that does not answer holds up no other. Ends when it is cancelled."""
        await asyncio.gather(*map(self._keep, self._resources.registered))

    def refused(self, node: str, error: DsccError) -> None:
        """A node does not serve the device."""
        if error.reason is Reason.REVOKED:
            self._refusing.add(node)
            self._tell()

    async def _keep(self, node: str) -> None:
        clock, seconds = self._resources.clock, self._resources.config.keys.lease_seconds / _ROUNDS
        while True:
            due = asyncio.ensure_future(clock.sleep(seconds))
            try:
                await self._renew(node)
                await due
            except Unreachable:
                await clock.sleep(min(seconds, _AGAIN_SECONDS))
            finally:
                due.cancel()

    async def _renew(self, node: str) -> None:
        """Ask a node. Raises Unreachable."""
        at = self._resources.clock.now()
        try:
            await self._ask(node)
        except Unreachable:
            raise
        except DsccError as error:
            self.refused(node, error)
        else:
            self._heard[node] = at
            self._refusing.discard(node)
            self._tell()

    def _tell(self) -> None:
        until = self.until
        if until != self._told:
            self._told = until
            self._on_lease(until)
