"""KMIP over HTTPS (KMIP Profiles 2.1 s3.2): POST /kmip, in the encoding that the content type names.

The same certificates, deadlines and budgets as on the TLS port. Bodies stay in memory and below the message limit,
whether their length is declared or not; a request that breaks HTTP is answered in plain text and its connection closed.
Other paths may be those of resources, behind the same safeguards.
"""

# twisted.web is not annotated.
# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http_headers import Headers
from zope.interface import implementer

from kmip_server.listeners.handler import Encoding, HttpAnswer, HttpRequest, Reply, Resource
from kmip_server.listeners.session import Session, Transport

if TYPE_CHECKING:
    from kmip_server.listeners.edge import Edge

_ENCODINGS: Final[Mapping[bytes, Encoding]] = {
    b"application/octet-stream": Encoding.TTLV,
    b"text/xml": Encoding.XML,
    b"application/xml": Encoding.XML,
    b"application/json": Encoding.JSON,
}
_METHODS: Final[Mapping[bytes, bytes]] = {b"/kmip": b"POST", b"/healthz": b"GET"}
_CHARSETS: Final = frozenset({b"utf-8", b"utf8"})
_HEADERS: Final = 64


class KmipRequest(http.Request):
    """One HTTP request. The channel calls the methods in the order in which they stand here."""

    channel: HttpsProtocol
    content: BytesIO
    _gone = False
    _resource: Resource | None = None
    _most_bytes = 0

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """The headers are there: refuse what is too large before it is sent, and never let a body touch the disk."""
        self.content = BytesIO()
        # twisted.web tells a request its path only when all of it is there.
        self._resource = resource = self.channel.edge.resource(self.channel._path)
        self._most_bytes = self.channel.message_bytes if resource is None else resource.body_bytes
        if length is not None and length > self._most_bytes:
            self._refuse_size()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Some of the body; its length may not have been declared."""
        if self.channel.session.closing:
            return
        if self.content.tell() + len(data) > self._most_bytes:
            self._refuse_size()
        elif self.channel.session.hold(self.content.tell() + len(data)):
            self.content.write(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        """The request is complete."""
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, query = path.partition(b"?")
        self.args: dict[bytes, list[bytes]] = {}
        if self.channel.session.closing:
            return
        if self._resource is not None:
            self._ask(self._resource, query)
            return
        allowed = _METHODS.get(self.path)
        if allowed is None or query:
            self._explain(404, "there is /kmip, and /healthz")
        elif command != allowed:
            self.setHeader(b"Allow", allowed)
            self._explain(405, f"the method is {allowed.decode()}")
        elif self.path == b"/healthz":
            self._explain(200, "ok")
        else:
            self._handle()

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The connection is gone before the answer is."""
        self._gone = True
        super().connectionLost(reason)

    def _refuse_size(self) -> None:
        text = f"a message has at most {self._most_bytes} bytes"
        self.channel.refuse(_plain(413, text) if self._resource is None else self._resource.refusal(text))

    def _ask(self, resource: Resource, query: bytes) -> None:
        session = self.channel.session
        if session.admitted():
            media_type, body = _media_type(self.requestHeaders), self.content.getvalue()
            asked = HttpRequest(session.caller, self.method, self.path, query, media_type, body)
            resource.respond(asked, self._give)

    def _give(self, answer: HttpAnswer) -> None:
        session = self.channel.session
        try:
            # The client may have been revoked while its answer was made.
            if not session.closing and session.admitted():
                self._respond(answer)
        except Exception as error:
            session.fail(error)

    def _handle(self) -> None:
        headers = self.requestHeaders
        if not headers.hasHeader(b"Content-Length") and not headers.hasHeader(b"Transfer-Encoding"):
            self._explain(411, "the body needs a Content-Length")
            return
        media_type = _media_type(headers)
        encoding = _ENCODINGS.get(media_type)
        if encoding is None:
            known = ", ".join(name.decode() for name in _ENCODINGS)
            self._explain(415, f"the content type is one of {known}, in UTF-8 and not compressed")
            return
        body = self.content.getvalue()
        if not body:
            self._explain(400, "the body is empty")
            return
        if not self.channel.session.admitted():
            return
        caller = self.channel.session.caller
        self.channel.edge.handler.handle(caller, body, encoding, partial(self._answer, media_type))

    def _answer(self, media_type: bytes, reply: Reply) -> None:
        try:
            self._respond(HttpAnswer(200, media_type, reply.data))
        except Exception as error:
            self.channel.session.fail(error)

    def _explain(self, status: int, text: str) -> None:
        self._respond(_plain(status, text))

    def _respond(self, answer: HttpAnswer) -> None:
        if self._gone or self.channel.session.closing:
            return
        self.setResponseCode(answer.status)
        self.setHeader(b"Content-Type", answer.media_type)
        self.setHeader(b"Content-Length", b"%d" % len(answer.body))
        self.setHeader(b"Cache-Control", b"no-store")
        self.setHeader(b"Date", http.datetimeToString())
        self.write(answer.body)
        self.finish()


@implementer(IHandshakeListener)
class HttpsProtocol(http.HTTPChannel):
    """One connection: twisted.web's HTTP/1.1 under the safeguards of a session. Nothing raises into the reactor."""

    requestFactory = KmipRequest  # noqa: N815
    maxHeaders = _HEADERS  # noqa: N815
    timeOut = None  # noqa: N815

    session: Session
    _transport: Transport

    def __init__(self, edge: Edge) -> None:
        super().__init__()
        self.edge = edge
        self.message_bytes = edge.settings.limits.message_bytes
        self._arriving = False
        self._working = False
        self._unread = False
        self._waiting = 0

    def connectionMade(self) -> None:  # noqa: N802
        """TCP is there; TLS begins."""
        self._transport = cast(Transport, self.transport)
        self.session = self.edge.opened(self._transport, self._settle)
        super().connectionMade()

    def handshakeCompleted(self) -> None:  # noqa: N802
        """TLS is there: who is it?"""
        try:
            self.session.authenticate()
        except Exception as error:
            self.session.fail(error)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Some bytes of requests; twisted.web keeps them while it is at work."""
        if self.session.closing:
            return
        try:
            if self._working:
                self._waiting += len(data)
                if not self.session.hold(self._waiting):
                    return
            elif not self._arriving:
                self._arriving = True
                self.session.await_rest()
            super().dataReceived(data)
            self._settle()
        except Exception as error:
            self.session.fail(error)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        """A header is too long."""
        self.refuse(_plain(431, "the headers are too large"))

    def allContentReceived(self) -> None:  # noqa: N802
        """A request is complete."""
        self._arriving = False
        self._working = True
        super().allContentReceived()

    def requestDone(self, request: http.Request) -> None:  # noqa: N802
        """A request is answered. Who pipelines without reading the answers gets no more of them."""
        self._working = False
        self._waiting = 0
        if self._unread or self.edge.stopping:
            self.persistent = 0
        if self.session.hold(0):
            super().requestDone(request)
            self._settle()

    def refuse(self, answer: HttpAnswer) -> None:
        """Answer what is not a request that can be answered otherwise, and close."""
        status, media_type, body = answer
        self._transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
            % (status, HTTPStatus(status).phrase.encode(), media_type, len(body), body)
        )
        self.loseConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802
        # twisted.web's own answer to broken HTTP has no body, which some clients wait for.
        self.refuse(_plain(400, "this is not an HTTP request"))

    def loseConnection(self) -> None:  # noqa: N802
        """Close after what was written."""
        self.session.finish(linger=not self.edge.stopping)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """TCP is gone."""
        self.edge.closed(self.session, reason)
        super().connectionLost(reason)

    def pauseProducing(self) -> None:  # noqa: N802
        """The peer does not read its answers."""
        self._unread = True
        self.session.await_reader()
        super().pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """The peer has read its answers."""
        self._unread = False
        super().resumeProducing()
        self._settle()

    def log(self, request: http.Request) -> None:
        """There is no access log; the audit trail is elsewhere."""

    def _settle(self) -> None:
        """Choose the deadline for the state the connection is in now."""
        if self.session.closing or self._unread:
            return
        if self._working:
            self.session.await_answer()
        elif self.edge.stopping:
            self.session.finish(linger=False)
        elif not self._arriving:
            self.session.await_request()


def _plain(status: int, text: str) -> HttpAnswer:
    return HttpAnswer(status, b"text/plain; charset=utf-8", f"{text}\n".encode())


def _media_type(headers: Headers) -> bytes:
    """The media type of a body in UTF-8 that is not compressed; empty if it is another, or there is not exactly one."""
    values = headers.getRawHeaders(b"Content-Type", [])
    if len(values) != 1 or headers.hasHeader(b"Content-Encoding"):
        return b""
    media_type, *parameters = (part.strip().lower() for part in values[0].split(b";"))
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name == b"charset" and value.strip(b'"') not in _CHARSETS:
            return b""
    return media_type
