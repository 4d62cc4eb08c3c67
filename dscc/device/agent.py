"""The agent: a device that keeps sessions with its nodes, and keys with its peers, and serves local programs.

What it needs after a crash is in the device's folder: it opens it, finishes what was left open, and goes on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from dscc.agreement import KeyState
from dscc.device import rotation
from dscc.device.config import Keep
from dscc.device.device import Device
from dscc.device.keys import is_gateways
from dscc.device.records import Held
from dscc.device.serving import LocalServer
from dscc.enrolment import Address
from dscc.errors import DsccError, Reason

_log: Final = structlog.stdlib.get_logger("dscc.agent")
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_SYNC_SECONDS: Final = 30.0
_REMEMBERED_SECONDS: Final = 7 * 86_400
"""How long a destroyed key's record is kept."""


class Agent:
    """Runs a device. Call `start`, and `stop` in the end."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._server = LocalServer(device)
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self.address: Address | None = None
        """Where it listens for peers."""

    async def start(self) -> None:
        """Listen, connect, serve, and begin to keep keys. Raises DsccError."""
        device = self.device
        device.on_change = self._notice
        if device.config.listen is not None:
            self.address = await device.listen(device.config.listen.host, device.config.listen.port)
        await self._server.start()
        await device.connect()
        self._tasks = [asyncio.create_task(self._keep(keep)) for keep in device.config.keep if keep.address]
        self._tasks += [
            asyncio.create_task(each) for each in (device.settle(), self._tidy(), self._synchronise_groups())
        ]

    async def stop(self) -> None:
        """Keep keys no more, and close the device."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop()
        await self.device.close()

    def _notice(self) -> None:
        """Keys have changed: whoever waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _keep(self, keep: Keep) -> None:
        """Have a key with a peer, and the next one in time."""
        device, wait = self.device, _FIRST_WAIT
        # Both may keep the same key, if the peer can ask here.
        asks_first = device.name < keep.peer or device.config.listen is None
        since = device.clock.now()
        while True:
            now = device.clock.now()
            held = device.held(keep.peer, keep.purpose)
            due = rotation.next_key(keep, held, now, since if asks_first else since + keep.lead, asks_first=asks_first)
            if due.at > now:
                await self._wait(due.at - now)
                continue
            try:
                lifetime = keep.every + keep.overlap + keep.lead
                key = await device.negotiate(
                    keep.peer, keep.place, keep.purpose, keep.bits, lifetime=lifetime, activation=due.activation
                )
            except DsccError as error:
                if error.reason is Reason.REVOKED:
                    _log.warning("no more keys with a peer that was revoked", peer=keep.peer)
                    return
                _log.warning("no key", peer=keep.peer, purpose=keep.purpose, reason=str(error), again_in=wait)
                await self._wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                wait = _FIRST_WAIT
                _log.info("key", peer=keep.peer, purpose=keep.purpose, kid=key.kid, activates_at=key.activates_at)

    async def _tidy(self) -> None:
        """End what is over, and destroy what is superseded."""
        device = self.device
        while True:
            now = device.clock.now()
            old = [kid for keep in device.config.keep for kid in self._superseded(keep, now)]
            device.state.move(old, KeyState.DESTROYED)
            ended = rotation.over(self._kept_here(), now)
            device.state.move(ended, KeyState.EXPIRED)
            device.state.move(ended, KeyState.DESTROYED)
            gone = (KeyState.DESTROYED, KeyState.COMPROMISED)
            device.state.forget_keys(
                [
                    held.agreement.kid
                    for held in self._kept_here()
                    if held.state in gone and held.agreed_at < now - _REMEMBERED_SECONDS
                ]
            )
            at = rotation.next_change(self._kept_here(), device.config.keep, now)
            await self._wait(_LONGEST_WAIT if at is None else at - now)

    def _kept_here(self) -> list[Held]:
        """All agreements but those that a gateway ends itself."""
        return [held for held in self.device.held() if not is_gateways(held.purpose)]

    def _superseded(self, keep: Keep, now: float) -> list[bytes]:
        return rotation.superseded(keep, self.device.held(keep.peer, keep.purpose), now)

    async def _synchronise_groups(self) -> None:
        """Tell members that were not reached when the epoch was new."""
        device = self.device
        while True:
            for name, record in list(device.state.groups.items()):
                if record.behind:
                    with suppress(DsccError):
                        await device.groups.sync(name, lambda _who, _what: None)
            await device.clock.sleep(_SYNC_SECONDS)

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until keys have changed."""
        waits = [
            asyncio.ensure_future(self.device.clock.sleep(seconds)),
            asyncio.ensure_future(self._changed.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
