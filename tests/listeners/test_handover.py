"""The worker's end of the socket to its supervisor."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.testing import MemoryReactor

from kmip_server.listeners.handover import Receiver, pair


def test_a_worker_that_is_there_when_the_supervisor_has_gone_stops() -> None:
    ours, theirs = pair()
    ours.close()
    stopped: list[bool] = []
    with theirs:
        reactor = MemoryReactor()
        Receiver(cast(Any, reactor), theirs, cast(Any, None), lambda: stopped.append(True), lambda: None)
    assert stopped == [True]
    assert not reactor.readers
