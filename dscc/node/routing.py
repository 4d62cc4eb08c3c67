"""The gateway: what a device sends is passed on to a service behind the node, with its name, and the answer back.

The service is asked over TCP: two frames of four bytes of length and a body (the device's name, then what it sends);
it answers with one. What travels between node and service is theirs to protect: it belongs on the same machine, or in
the tunnel of the site.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure

from dscc.errors import DsccError, Reason

_SECONDS: Final = 10.0
_MOST: Final = 49_152


class _Asking(Int32StringReceiver):
    """One question to a service, and what becomes of it."""

    MAX_LENGTH = _MOST

    def __init__(self, device: str, body: bytes, answered: Deferred[bytes]) -> None:
        self._said = (device.encode(), body)
        self._answered = answered

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Ask."""
        for each in self._said:
            self.sendString(each)  # type: ignore[no-untyped-call]

    def stringReceived(self, string: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take the answer, and no more."""
        if not self._answered.called:
            self._answered.callback(string)
        self._end()

    def lengthLimitExceeded(self, length: int) -> None:  # noqa: N802 - Twisted's name
        """An answer that is too large is none."""
        self._end()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Without an answer it failed."""
        if not self._answered.called:
            self._answered.errback(DsccError(Reason.FAILED, "the service closed the connection"))

    def _end(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def route(reactor: ReactorBase, address: str, device: str, body: bytes) -> Deferred[bytes]:
    """Ask a service at "host:port" for a device. Fails with DsccError if it does not answer within ten seconds."""
    host, _, port = address.rpartition(":")
    answer: Deferred[bytes] = Deferred()
    factory = Factory.forProtocol(lambda: _Asking(device, body, answer))
    connecting = HostnameEndpoint(reactor, host, int(port)).connect(factory)
    connecting.addErrback(lambda _: _fail(answer))
    answer.addTimeout(_SECONDS, reactor, onTimeoutCancel=_timed_out)
    return answer


def _fail(answer: Deferred[bytes]) -> None:
    if not answer.called:
        answer.errback(_not_there())


def _timed_out(_: object, __: float) -> bytes:
    raise _not_there()


def _not_there() -> DsccError:
    return DsccError(Reason.FAILED, "the service does not answer")
