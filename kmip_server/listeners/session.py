"""One open connection as its safeguards see it: who it is, what it must do by when, and what it holds.

Deadlines are numbers that a sweep compares with the clock, not timers: a message costs no timer, and every connection
obeys the same few lines, whichever protocol it speaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from math import inf
from time import monotonic, time
from typing import Any, Final, Protocol

import structlog
from OpenSSL import SSL
from twisted.python.failure import Failure

from kmip_server.identity.caller import Caller
from kmip_server.identity.certificate import IdentityError
from kmip_server.listeners.budget import ByteBudget
from kmip_server.listeners.handler import RequestHandler
from kmip_server.listeners.settings import ListenerSettings
from kmip_server.listeners.tls import peer_certificate

_log: Final = structlog.stdlib.get_logger(__name__)
_NEXT_REQUEST: Final = "a request"


class Transport(Protocol):
    """What is used of a TLS transport."""

    def getPeer(self) -> Any:  # noqa: N802
        """The peer's address."""

    def getHandle(self) -> SSL.Connection:  # noqa: N802
        """The TLS connection."""

    def write(self, data: bytes) -> None:
        """Send."""

    def pauseProducing(self) -> None:  # noqa: N802
        """Stop reading."""

    def resumeProducing(self) -> None:  # noqa: N802
        """Read again."""

    def registerProducer(self, producer: object, streaming: bool) -> None:  # noqa: N802
        """Say who is to be told when what is written piles up."""

    def unregisterProducer(self) -> None:  # noqa: N802
        """Tell nobody any more."""

    def loseConnection(self) -> None:  # noqa: N802
        """Close after what was written."""

    def hang_up(self) -> None:
        """Close after what was written, whatever the peer does."""

    def abortConnection(self) -> None:  # noqa: N802
        """Close now."""


class Session:
    """The state of one connection. The protocol calls it for what happens; the edge sweeps it."""

    def __init__(
        self,
        transport: Transport,
        handler: RequestHandler,
        settings: ListenerSettings,
        memory: ByteBudget,
        settle: Callable[[], None],
    ) -> None:
        self.closing = False
        self._hung_up = False
        self._transport = transport
        self._handler = handler
        self._settings = settings
        self._memory = memory
        self._held = 0
        self._caller: Caller | None = None
        self._expires = inf
        self._settle = settle
        self._deadline = monotonic() + settings.handshake_seconds
        self._awaited = "the TLS handshake"

    @property
    def peer(self) -> str:
        """The peer's address, for the log."""
        return str(self._transport.getPeer().host)

    @property
    def caller(self) -> Caller:
        """Who it is. Only asked after the handshake."""
        if self._caller is None:
            raise RuntimeError("the TLS handshake is not finished")
        return self._caller

    def authenticate(self) -> None:
        """After the handshake, resumed or not: find out who it is, or drop the connection."""
        certificate = peer_certificate(self._transport.getHandle())
        if certificate is None:
            self.drop("no client certificate")
            return
        try:
            self._caller = replace(self._handler.caller(certificate.der), address=ip_address(self.peer))
        except IdentityError as error:
            self.drop(f"the client certificate names no client: {error}")
            return
        self._expires = certificate.expires
        if self.admitted():
            self.await_request()

    def admitted(self) -> bool:
        """True while the client may go on; otherwise the connection is dropped."""
        if self._caller is not None and self._handler.admits(self._caller) and time() < self._expires:
            return True
        self.drop("the client is not admitted any more")
        return False

    def await_request(self) -> None:
        """Nothing is under way."""
        self._await(self._settings.idle_seconds, _NEXT_REQUEST)

    def await_rest(self) -> None:
        """A request has begun to arrive."""
        self._await(self._settings.message_seconds, "the rest of a request")

    def await_reader(self) -> None:
        """An answer is waiting for the peer to read."""
        self._await(self._settings.message_seconds, "the reading of an answer")

    def await_answer(self) -> None:
        """The server is at work, and the peer owes nothing."""
        self._deadline = inf

    def hold(self, size: int) -> bool:
        """Account for what the connection's buffers hold now; False, after dropping it, if that is too much."""
        if size == self._held:
            return True
        if self._memory.move(self._held, size):
            self._held = size
            return True
        self.drop("the buffers of all connections are full")
        return False

    def finish(self, linger: bool = True) -> None:
        """Send what was written and close.

        To linger is to go on reading a moment, for the peer's close: closing a socket with unread bytes in it would
        take back what was sent.
        """
        if self.closing:
            return
        self.closing = True
        self._transport.resumeProducing()
        self._transport.unregisterProducer()
        self._transport.loseConnection()
        if linger:
            self._await(self._settings.linger_seconds, "the peer's close")
        else:
            self._hang_up()

    def drop(self, reason: str) -> None:
        """Close at once, whatever is under way."""
        _log.info("connection dropped", peer=self.peer, client=self._name(), reason=reason)
        self._abort()

    def fail(self, error: BaseException | None) -> None:
        """Our own fault: the details go to the log, and the peer sees a closed connection."""
        _log.error("connection failed", peer=self.peer, client=self._name(), exc_info=error)
        self._abort()

    def sweep(self, now: float) -> None:
        """Drop it if a deadline has passed, or the client is not admitted any more."""
        if now >= self._deadline:
            if self.closing:
                (self._transport.abortConnection if self._hung_up else self._hang_up)()
            elif self._awaited == _NEXT_REQUEST:
                _log.debug("connection idle", peer=self.peer, client=self._name())
                self.finish(linger=False)
            else:
                self.drop(f"waited too long for {self._awaited}")
        elif self._caller is not None and not self.closing:
            self.admitted()

    def settle(self) -> None:
        """Have the protocol look at where it stands; on a stop that closes what is idle."""
        self._settle()

    def lost(self, reason: Failure) -> None:
        """The connection is gone."""
        self.closing = True
        self._release()
        if self._caller is None and isinstance(reason.value, SSL.Error):
            _log.info("TLS handshake failed", peer=self.peer, reason=_reasons(reason.value))

    def _abort(self) -> None:
        self.closing = True
        self._release()
        self._transport.abortConnection()

    def _release(self) -> None:
        self._memory.move(self._held, 0)
        self._held = 0

    def _hang_up(self) -> None:
        self._hung_up = True
        self._await(self._settings.message_seconds, "the sending of the last answer")
        self._transport.hang_up()

    def _await(self, seconds: float, what: str) -> None:
        self._deadline = monotonic() + seconds
        self._awaited = what

    def _name(self) -> str | None:
        return self._caller.name if self._caller is not None else None


def _reasons(error: Any) -> str:
    """OpenSSL's own words for what went wrong; they hold nothing of the peer's."""
    queue = error.args[0] if error.args else ()
    return ", ".join(str(entry[-1]) for entry in queue) if isinstance(queue, list) and queue else "closed"
