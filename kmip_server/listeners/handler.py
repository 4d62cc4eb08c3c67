"""What the listeners ask of the server behind them: who a certificate is, and an answer to each request.

What the HTTPS port answers beside KMIP is a resource, which gets whole requests of callers that are known.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol

from kmip_server.identity.caller import Caller


class Encoding(StrEnum):
    """The encodings of one message (KMIP 2.1 s10; Additional Message Encodings)."""

    TTLV = "ttlv"
    XML = "xml"
    JSON = "json"


class Reply(NamedTuple):
    """An encoded response. `close` says that the framing is lost: answer, then close the connection."""

    data: bytes
    close: bool = False


Answered = Callable[[Reply], None]
"""Is told the reply to a request, once, in the reactor's thread."""


class RequestHandler(Protocol):
    """The server as the listeners see it. All methods are called in the reactor's thread."""

    def caller(self, certificate: bytes) -> Caller:
        """Who presents this certificate (DER, verified by TLS). Raises IdentityError if it names nobody."""

    def admits(self, caller: Caller) -> bool:
        """False once the client is revoked or in quarantine. Cheap: asked for every message, and while it is idle."""

    def handle(self, caller: Caller, data: bytes, encoding: Encoding, answer: Answered) -> None:
        """Answer one request message, now or later, in the request's encoding. Never fails."""

    def framing_error(self, message: str) -> Reply:
        """The TTLV answer to bytes that are no message; `message` says why, and is safe to show."""


class HttpRequest(NamedTuple):
    """A request to a resource: who asks, and what. The path is as it was sent; the query stands after its first "?".

    `media_type` is that of the body, in lower case; empty if there is not exactly one, or the body is not in UTF-8 or
    is compressed.
    """

    caller: Caller
    method: bytes
    path: bytes
    query: bytes
    media_type: bytes
    body: bytes


class HttpAnswer(NamedTuple):
    """An answer on the HTTPS port."""

    status: int
    media_type: bytes
    body: bytes


class Resource(Protocol):
    """All that the HTTPS port answers under one path. All methods are called in the reactor's thread."""

    @property
    def prefix(self) -> bytes:
        """What its paths begin with."""

    @property
    def body_bytes(self) -> int:
        """The most bytes that the body of a request has; a longer one is refused before it is sent."""

    def refusal(self, message: str) -> HttpAnswer:
        """The answer to a request that cannot be taken; `message` says why, and is safe to show."""

    def respond(self, request: HttpRequest, answer: Callable[[HttpAnswer], None]) -> None:
        """Answer a request, now or later, once. Never fails."""
