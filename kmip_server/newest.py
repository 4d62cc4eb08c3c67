"""The newest directory (clients, users, policies), as one worker keeps it: by it every request is decided."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Final

import structlog
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import LoopingCall

from kmip_server.asynchrony import InThread
from kmip_server.identity.directory import Directory, DirectorySource
from kmip_server.storage.port import StorageUnavailable
from policy.model import PolicyError

_log: Final = structlog.stdlib.get_logger("kmip.service")

_REFRESH_SECONDS: Final = 0.4


class Newest:
    """Keeps the newest directory. All methods run in the reactor's thread."""

    def __init__(self, reactor: ReactorBase, directories: DirectorySource, in_thread: InThread) -> None:
        self._directories, self._in_thread = directories, in_thread
        self.on_change: Callable[[], None] = lambda: None
        """Called when there is another directory, whoever has noticed it."""
        self._refreshing = LoopingCall(self._refresh)
        self._refreshing.clock = reactor

    def start(self) -> None:
        """Notice revocations and changed policies even when no request comes; connections are closed by them."""
        self._refreshing.start(_REFRESH_SECONDS, now=False)

    def stop(self) -> None:
        """Look no more."""
        self._refreshing.stop()

    def _refresh(self) -> Deferred[None]:
        return self.read().addErrback(
            lambda failure: _log.error("the directory was not read", reason=str(failure.value))
        )

    @inlineCallbacks
    def read(self) -> Generator[Deferred[Any], Any, None]:
        """Have the newest directory. Policies that cannot be used are reported, and the former ones stay."""
        before = self._directories.current
        try:
            yield self._in_thread(self._directories.refresh)
        except PolicyError as error:
            _log.error("the policy was not read", reason=str(error))
        if self._directories.current is not before:
            self.on_change()

    @inlineCallbacks
    def is_newest(self, directory: Directory) -> Generator[Deferred[Any], Any, bool]:
        """Whether nothing has changed since this directory was read; so it counts while the storage does not answer."""
        with suppress(StorageUnavailable):
            yield self.read()
        return self._directories.current is directory
