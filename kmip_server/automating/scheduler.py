"""The scheduler of one worker: writes down who was heard, then has the automatic rules looked at, once a period.

Every worker has one; the claims make what they do happen once. Whom a worker heard is kept in memory and written once
an hour for each client, so that no request waits for it: the time on record may be an hour and a period too early, and
what was heard in the last period before a stop is lost.
"""

from __future__ import annotations

from typing import Final

import structlog
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from kmip_server.asynchrony import InThread, Now
from kmip_server.automating.automation import Automation
from kmip_server.storage.port import StorageUnavailable

_log: Final = structlog.stdlib.get_logger("kmip.automation")


class Scheduler:
    """Looks once a period. All methods run in the reactor's thread, the looking in another one.

    `heard` are the names of clients that have connected or asked for something since the last look.
    """

    def __init__(
        self, reactor: ReactorBase, automation: Automation, in_thread: InThread, now: Now, period: float
    ) -> None:
        self.heard: set[str] = set()
        self._automation = automation
        self._in_thread = in_thread
        self._now = now
        self._period = period
        self._stopping = False
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def start(self) -> None:
        """Look a period from now, and go on looking."""
        self._looking.start(self._period, now=False)

    def stop(self) -> None:
        """Begin nothing more. What is being done in a transaction ends with it."""
        self._stopping = True
        if self._looking.running:
            self._looking.stop()

    def _look(self) -> Deferred[None]:
        heard, self.heard = self.heard, set()

        def failed(failure: Failure) -> None:
            self.heard |= heard
            _report(failure)

        return self._in_thread(self._look_in_thread, heard).addErrback(failed)

    def _look_in_thread(self, heard: set[str]) -> None:
        now = self._now()
        self._automation.hear(heard, now)
        self._automation.look(now, most=_AT_ONCE, stopping=lambda: self._stopping)


_AT_ONCE: Final = 100
"""How much is done in one look: there may be much to do when a rule is new, and requests go first."""


def _report(failure: Failure) -> None:
    """It is tried again at the next look."""
    if isinstance(failure.value, StorageUnavailable):
        _log.warning("automatic rules wait for the storage", reason=str(failure.value))
    else:
        _log.error("automatic rules were not looked at", exc_info=failure.value)
