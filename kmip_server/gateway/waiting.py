"""Who waits for what others answer to what was done to shared keys: a worker, for the client that has asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kmip_server.gateway.pending import MOST
from kmip_server.operations.negotiation import Settled


class Waiter(NamedTuple):
    """Somebody who waits for an answer, until then by the event loop's clock."""

    until: float
    settled: asyncio.Future[Settled]


class Waiting:
    """Those who wait, by the keys that they wait for. Runs in the gateway's event loop."""

    def __init__(self) -> None:
        self._waiters: dict[str, list[Waiter]] = {}
        self._acknowledged: dict[str, Settled] = {}
        """What nodes answered to revocations that nobody has waited for yet: a look may find them first."""

    def enter(self, unique_identifiers: Iterable[str], seconds: float) -> dict[str, Waiter]:
        """Wait for so long for what others answer about these keys."""
        loop = asyncio.get_running_loop()
        waiters = {each: Waiter(loop.time() + seconds, loop.create_future()) for each in unique_identifiers}
        for identifier, waiter in waiters.items():
            self._waiters.setdefault(identifier, []).append(waiter)
            if identifier in self._acknowledged:
                waiter.settled.set_result(self._acknowledged.pop(identifier))
        return waiters

    def leave(self, waiters: Mapping[str, Waiter]) -> None:
        """Wait no more."""
        for identifier, waiter in waiters.items():
            self._waiters[identifier].remove(waiter)
            if not self._waiters[identifier]:
                del self._waiters[identifier]

    def waited_for(self) -> frozenset[str]:
        """The keys for which somebody still waits."""
        return frozenset(filter(self.is_waited_for, self._waiters))

    def is_waited_for(self, identifier: str) -> bool:
        """Whether somebody still waits for a key."""
        now = asyncio.get_running_loop().time()
        return any(waiter.until > now for waiter in self._waiters.get(identifier, ()))

    def answer(self, identifier: str, settled: Settled) -> None:
        """Tell those who wait for a key what has become of it."""
        for waiter in self._waiters.get(identifier, ()):
            if not waiter.settled.done():
                waiter.settled.set_result(settled)

    def acknowledge(self, identifier: str, settled: Settled) -> None:
        """Tell them that nodes know of a revocation, or the first one who comes to wait for it."""
        if identifier not in self._waiters:
            while len(self._acknowledged) >= MOST:
                del self._acknowledged[next(iter(self._acknowledged))]
            self._acknowledged[identifier] = settled
        self.answer(identifier, settled)
