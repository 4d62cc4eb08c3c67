"""The store as the gateway works on it: one transaction after another, in a thread, by the newest directory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog

from kmip_server.identity.directory import Directory, DirectorySource
from kmip_server.storage.port import StorageConflict, StorageUnavailable, Unit
from kmip_server.storage.store import Store

_log: Final = structlog.stdlib.get_logger("kmip.gateway")
_T = TypeVar("_T")
_ATTEMPTS: Final = 8
Work = Callable[[Unit, Directory], _T]


class Storing:
    """Works on a store. `StorageUnavailable` is for its callers: what they do is done later."""

    def __init__(self, store: Store, directories: DirectorySource) -> None:
        self._store, self._directories = store, directories
        self._thread = ThreadPoolExecutor(1, "gateway store")

    async def write(self, work: Work[_T]) -> _T:
        """The answer of a piece of work that writes, after its commit. Raises what it raises; StorageUnavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work, True)

    async def read(self, work: Work[_T]) -> _T:
        """The answer of a piece of work that reads."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work, False)

    def close(self) -> None:
        """Finish what is under way."""
        self._thread.shutdown()

    def _do(self, work: Work[_T], writes: bool) -> _T:
        for attempt in range(_ATTEMPTS):
            directory = self._directories.current
            try:
                with self._store.unit(writes=writes) as unit:
                    if unit.epoch() == directory.epoch:
                        answer = work(unit, directory)
                        unit.accept()
                        return answer
            except StorageConflict:
                _log.debug("another transaction was first", attempt=attempt)
            self._directories.refresh()
        raise StorageUnavailable("others change the same again and again")
