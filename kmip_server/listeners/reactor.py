"""The reactor of a process that serves: Twisted's for Linux, without a logging context around each event.

Twisted enters a context that names the connection before every read and every write, which costs a small request as
much as reading it does. Nothing here logs by that context: what is logged names its peer itself.
"""

# twisted.internet's reactors are not annotated.
# mypy: allow-untyped-calls
from __future__ import annotations

import sys
from typing import cast

from twisted.internet.main import installReactor
from twisted.internet.posixbase import PosixReactorBase


def install() -> PosixReactorBase:
    """The reactor, new: it is made in the process that serves, and nowhere at import time."""
    if sys.platform != "linux":
        from twisted.internet import reactor as default

        return cast(PosixReactorBase, default)
    from twisted.internet.epollreactor import EPollReactor

    class Reactor(EPollReactor):
        """Waits for events, and passes each to its connection."""

        def doPoll(self, timeout: float | None) -> None:  # noqa: N802
            """Serve what is ready, waiting for it up to `timeout` seconds, or without end if that is None."""
            for descriptor, event in self._poller.poll(timeout, len(self._selectables)):
                # An event before this one may have closed it.
                selectable = self._selectables.get(descriptor)
                if selectable is not None:
                    self._doReadOrWrite(selectable, descriptor, event)

        doIteration = doPoll  # noqa: N815

    reactor = Reactor()
    installReactor(reactor)
    return reactor
