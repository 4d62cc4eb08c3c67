"""What the listeners ask of the server behind them: who a certificate is, and an answer to each request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from twisted.internet.defer import Deferred

from kmip_server.identity.caller import Caller


class Encoding(Enum):
    """The encodings of one message (KMIP 2.1 s10; Additional Message Encodings)."""

    TTLV = "ttlv"
    XML = "xml"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Reply:
    """An encoded response. `close` says that the framing is lost: answer, then close the connection."""

    data: bytes
    close: bool = False


class RequestHandler(Protocol):
    """The server as the listeners see it. All methods are called in the reactor's thread."""

    def caller(self, certificate: bytes) -> Caller:
        """Who presents this certificate (DER, verified by TLS). Raises IdentityError if it names nobody."""

    def admits(self, caller: Caller) -> bool:
        """False once the client is revoked. Cheap: asked for every message, and again and again while it is idle."""

    def handle(self, caller: Caller, data: bytes, encoding: Encoding) -> Deferred[Reply]:
        """The answer to one request message, in the request's encoding. Never fails."""

    def framing_error(self, message: str) -> Reply:
        """The TTLV answer to bytes that are no message; `message` says why, and is safe to show."""
