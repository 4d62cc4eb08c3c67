"""The store as the gateway works on it: one piece of work after another, by the newest directory, in a lane.

What is asked for while a transaction is under way goes into the next one together, and is on record, all of it, before
any of it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from kmip_server.identity.directory import Directory, DirectorySource, StaleDirectory
from kmip_server.storage.group import Outcome
from kmip_server.storage.port import StorageConflict, StorageUnavailable, Unit
from kmip_server.storage.store import Store
from policy.model import PolicyError

_log: Final = structlog.stdlib.get_logger("kmip.gateway")
_T = TypeVar("_T")
_ATTEMPTS: Final = 8
Work = Callable[[Unit, Directory], _T]
"""It may be called more than once."""


class Storing:
    """Works on a store, in a running event loop. `StorageUnavailable` is for its callers: they do it later."""

    def __init__(self, store: Store, directories: DirectorySource) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._directories = directories
        self._lane = store.lanes(on_group_done=loop.call_soon_threadsafe, call_soon=loop.call_soon, count=1)

    async def write(self, work: Work[_T]) -> _T:
        """The answer of a piece of work that writes, after its commit. Raises what it raises; StorageUnavailable."""
        return await self._do(work, True)

    async def read(self, work: Work[_T]) -> _T:
        """The answer of a piece of work that reads."""
        return await self._do(work, False)

    def close(self) -> None:
        """Finish what is under way."""
        self._lane.close()

    async def _do(self, work: Work[_T], writes: bool) -> _T:
        for attempt in range(_ATTEMPTS):
            value, error = await self._carried_out(work, writes)
            if error is None:
                answer: _T = value
                return answer
            if not isinstance(error, (StaleDirectory, StorageConflict)):
                raise error
            _log.debug("another transaction was first", attempt=attempt)
            try:
                await asyncio.to_thread(self._directories.refresh)
            except PolicyError as error:
                raise StorageUnavailable(f"the policy was not read: {error}") from error
        raise StorageUnavailable("others change the same again and again")

    def _carried_out(self, work: Work[Any], writes: bool) -> asyncio.Future[Outcome]:
        outcome: asyncio.Future[Outcome] = self._loop.create_future()

        def done(found: Outcome) -> None:
            if not outcome.done():
                outcome.set_result(found)

        self._lane.submit(partial(_by, self._directories.current, work), done, writes=writes)
        return outcome


def _by(directory: Directory, work: Work[_T], unit: Unit) -> _T:
    if unit.epoch() != directory.epoch:
        raise StaleDirectory
    answer = work(unit, directory)
    unit.accept()
    return answer
