"""Connections to clients who listen: TLS in which both sides show who they are, before anything is sent.

1. The receiver's certificate is a client's: issued by an authority of `client_ca`, not revoked, and with the name of
   the client that the channel names. Its name is what counts, not the host's: a client may listen anywhere.
2. It is read as every client's certificate is, so it needs the extended key usage clientAuth, although it is the
   receiver who accepts the connection: a certificate keeps the usage of its owner's part in KMIP.
3. Each step (connect, handshake, send, receive) ends in time, however slowly the receiver's bytes come.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from OpenSSL import SSL

from kmip_server.announcing.messages import ANSWER_LIMITS
from kmip_server.identity.certificate import IdentityError, caller_from
from kmip_server.identity.directory import Directory
from kmip_server.listeners.settings import TlsSettings
from kmip_server.listeners.tls import TlsError, peer_certificate, receiver_context
from kmip_server.ttlv import binary
from kmip_server.ttlv.item import CodecError
from kmip_server.ttlv.tags import Tag
from notifying.transport import Delivery, NotDeliveredError
from policy.channels import announcement, place

_AT_ONCE: Final = 1 << 14

_T = TypeVar("_T")


class Peer:
    """A receiver that has shown who it is."""

    def __init__(self, connection: SSL.Connection, stream: socket.socket, timeout: float) -> None:
        self._connection, self._stream, self._timeout = connection, stream, timeout

    def exchange(self, request: bytes) -> bytes:
        """Send a message, and read one. Raises NotDeliveredError."""
        with _in_words():
            deadline = time.monotonic() + self._timeout
            while request:
                request = request[self._step(deadline, self._connection.send, request[:_AT_ONCE]) :]
            return self._message()

    def _message(self) -> bytes:
        deadline, data, size = time.monotonic() + self._timeout, b"", binary.HEADER_BYTES
        while len(data) < size:
            data += self._step(deadline, self._connection.recv, size - len(data))
            if len(data) == binary.HEADER_BYTES:
                size = binary.frame_bytes(data, Tag.RESPONSE_MESSAGE, ANSWER_LIMITS)
        return data

    def _step(self, deadline: float, function: Callable[..., _T], *arguments: Any) -> _T:
        return _until(deadline, self._stream, function, *arguments)


@dataclass(frozen=True, kw_only=True)
class Receivers:
    """How clients who listen are reached, and known. `directory` answers the newest one.

    `principal` and `require_client_auth_usage` are as the listeners have them.
    """

    tls: TlsSettings
    principal: str
    require_client_auth_usage: bool
    directory: Callable[[], Directory]

    @contextmanager
    def connected(self, delivery: Delivery) -> Iterator[Peer]:
        """A connection to the client of a channel. Raises NotDeliveredError, OSError; then nothing was sent."""
        to, timeout = place(delivery.channel), delivery.timeout
        try:
            context = receiver_context(self.tls)
        except TlsError as error:
            raise NotDeliveredError(str(error)) from None
        with closing(socket.create_connection((to.host, to.port), timeout)) as stream:
            stream.setblocking(False)
            connection = SSL.Connection(context, stream)
            connection.set_connect_state()
            with _in_words():
                _until(time.monotonic() + timeout, stream, connection.do_handshake)
            self._check(connection, announcement(delivery.channel).client)
            yield Peer(connection, stream, timeout)
            with suppress(SSL.Error):
                connection.shutdown()

    def greet(self, delivery: Delivery) -> str:
        """Find out whether the client of a channel is there, and send it nothing. Raises as `connected` does."""
        with self.connected(delivery):
            return f"{announcement(delivery.channel).client} is there; a test sends it nothing"

    def _check(self, connection: SSL.Connection, client: str) -> None:
        certificate = peer_certificate(connection)
        if certificate is None:
            raise NotDeliveredError("the receiver has no certificate")
        try:
            identity = caller_from(certificate.der, self.principal, self.require_client_auth_usage)
            caller = self.directory().caller(identity)
        except IdentityError as error:
            raise NotDeliveredError(f"the receiver is no client: {error}") from None
        if caller.name != client:
            raise NotDeliveredError(f"the receiver has the certificate of {caller.name!r}, not of {client!r}")


def _until(deadline: float, stream: socket.socket, function: Callable[..., _T], *arguments: Any) -> _T:
    """Call a function of a connection again and again until it need not wait for the stream any more."""
    while True:
        try:
            return function(*arguments)
        except SSL.WantReadError:
            wanted = select.POLLIN
        except SSL.WantWriteError:
            wanted = select.POLLOUT
        # Not select(), which knows the first 1024 files only.
        waiting = select.poll()
        waiting.register(stream, wanted)
        left = deadline - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            raise NotDeliveredError("the receiver did not answer in time")


@contextmanager
def _in_words() -> Iterator[None]:
    """What goes wrong on a connection, as NotDeliveredError."""
    try:
        yield
    except SSL.ZeroReturnError:
        raise NotDeliveredError("the receiver closed the connection without an answer") from None
    except SSL.SysCallError:
        raise NotDeliveredError("the connection to the receiver was lost") from None
    except SSL.Error as error:
        raise NotDeliveredError(f"the receiver and TLS: {_reason(error)}") from None
    except CodecError:
        raise NotDeliveredError("the receiver's answer is no Response Message") from None


def _reason(error: SSL.Error) -> str:
    """The library's words for the last thing that was wrong."""
    found = error.args[0] if error.args else ()
    return str(found[-1][-1]) if found else "the handshake failed"
