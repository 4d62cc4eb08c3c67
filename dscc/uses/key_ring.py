"""The keys of a use as they are now: asked for again and again, for whoever goes on with the newest one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from dscc.errors import DsccError, Reason
from dscc.uses.derivation import Keys, SharedKey, Use
from dscc.uses.sources import KeySource

_log: Final = structlog.stdlib.get_logger("dscc.uses")
ASK_SECONDS: Final = 5.0
_BLIND_SECONDS: Final = 60.0
"""How long keys are used of which nobody says any more that they hold: an agent may be started anew meanwhile.

Who says that they are not for this end is believed at once.
"""
_LATE_SECONDS: Final = 10.0
"""How long a peer's key is waited for that is not known here yet."""
_PAUSE_SECONDS: Final = 0.2
_NO_KEYS: Final = Keys(None, ())


class KeyRing:
    """Keeps the keys of a use. Call `start`, and `stop` in the end."""

    def __init__(self, source: KeySource, use: Use, *, every: float = ASK_SECONDS) -> None:
        self._source, self._use, self._every = source, use, every
        self._task: asyncio.Task[None] | None = None
        self._asking, self._questions = asyncio.Lock(), 0
        self.keys = _NO_KEYS
        self.listeners: set[Callable[[Keys], None]] = set()
        """Who is told when keys have changed."""

    async def start(self) -> None:
        """Ask for the first time, and from then on. Raises DsccError: there is no key."""
        await self.look()
        self.keys.to_protect()
        self._task = asyncio.create_task(self._keep())
        # However that ends, nobody says any more which keys hold.
        self._task.add_done_callback(lambda _: self._take(_NO_KEYS))

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Ask now. Raises DsccError, OSError as the source does."""
        async with self._asking:
            await self._ask()

    async def to_process(self, kid: str) -> SharedKey:
        """The key that a peer uses. Waits a while for one that is new. Raises DsccError (EXPIRED)."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _LATE_SECONDS
        while (found := self.keys.find(kid)) is None:
            if loop.time() >= until:
                raise DsccError(Reason.EXPIRED, f"key {kid}, which the peer uses, is not one to use here")
            await self._look_again()
        return found

    async def _look_again(self) -> None:
        """Ask for all who wait for a key: anybody can name one that does not exist, and none may cost a question."""
        seen = self._questions
        async with self._asking:
            if self._questions == seen:
                await self._ask()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _ask(self) -> None:
        self._take(await asyncio.to_thread(self._source.keys, self._use))
        self._questions += 1

    def _take(self, keys: Keys) -> None:
        changed, self.keys = keys != self.keys, keys
        if not changed:
            return
        for told in list(self.listeners):
            told(keys)
        _log.info("the keys have changed", protect=keys.protect and keys.protect.kid)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        known = loop.time()
        while True:
            await asyncio.sleep(self._every)
            try:
                async with asyncio.timeout(_BLIND_SECONDS):
                    await self.look()
                known = loop.time()
            except (DsccError, OSError, TimeoutError) as error:
                _log.warning("it cannot be found out which keys hold", reason=str(error) or "no answer")
                is_denied = isinstance(error, DsccError) and error.reason is Reason.POLICY_DENIED
                if is_denied or loop.time() - known >= _BLIND_SECONDS:
                    self._take(_NO_KEYS)
