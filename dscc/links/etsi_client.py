"""A source of keys from a real key management entity: ETSI GS QKD 014 over HTTPS with mutual TLS.

It speaks with the standard library (`http.client`, `ssl`), as the server's webhooks do: no proxy, no redirection, no
cookie, no retry comes in between, a body is read up to a limit, and a deadline ends whatever the other side does. It
blocks; a node calls it from a thread. Each call is a connection of its own.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path
from threading import Event, Timer
from typing import NamedTuple

from dscc.links import etsi014
from dscc.links.etsi014 import MOST_ANSWER, Request
from dscc.links.source import (
    Key,
    KeySource,
    SourceAnswerError,
    SourceStatus,
    SourceUnreachableError,
    check_ids,
    check_request,
)

_OK = 200


class Credentials(NamedTuple):
    """How a node and its KME know each other: the node's certificate and key, and the authority of the KME's."""

    certificate: Path
    key: Path
    authority: Path

    def tls(self) -> ssl.SSLContext:
        """TLS 1.2 or later, with no other authority than this one. Raises OSError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cafile=self.authority)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Etsi014Client(KeySource):
    """One node's KME: a KeySource. A peer is named by its SAE ID."""

    def __init__(self, host: str, port: int, credentials: Credentials, timeout: float = 10.0) -> None:
        """`timeout` is in seconds, for a whole request. Raises OSError if the credentials cannot be read."""
        self._host, self._port, self._timeout = host, port, timeout
        self._tls = credentials.tls()

    def __repr__(self) -> str:
        return f"Etsi014Client({self._host}:{self._port})"

    def status(self, peer: str) -> SourceStatus:
        """What the KME has for a link with this peer."""
        return etsi014.read_status(self._ask(etsi014.ask_status(peer)), f"etsi014 {self._host}:{self._port}", peer)

    def get_key(self, peer: str, size: int, number: int = 1) -> list[Key]:
        """Draw fresh keys, as their master."""
        check_request(size, number)
        keys = etsi014.read_keys(self._ask(etsi014.ask_keys(peer, size, number)), number)
        return etsi014.check_size(keys, size)

    def get_by_id(self, peer: str, key_ids: tuple[str, ...]) -> list[Key]:
        """The keys that the peer drew, as their slave."""
        check_ids(key_ids)
        answer = self._ask(etsi014.ask_keys_by_id(peer, key_ids))
        return etsi014.in_order(etsi014.read_keys(answer, len(key_ids)), key_ids)

    def _ask(self, request: Request) -> bytes:
        """The body of the answer. Raises LinkError."""
        try:
            status, body = self._exchange(request)
        except ssl.SSLError as error:
            raise SourceUnreachableError(
                f"no TLS with {self._host}:{self._port}: {error.reason or 'cut off'}"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise SourceUnreachableError(
                f"no answer from {self._host}:{self._port} in {self._timeout} s: {type(error).__name__}"
            ) from None
        if len(body) > MOST_ANSWER:
            raise SourceAnswerError(f"the answer has more than {MOST_ANSWER} bytes")
        if status != _OK:
            raise etsi014.error(status, body)
        return body

    def _exchange(self, request: Request) -> tuple[int, bytes]:
        """Status and body, of which no more is read than MOST_ANSWER and one byte. Raises OSError, HTTPException."""
        raw = socket.create_connection((self._host, self._port), self._timeout)
        with self._tls.wrap_socket(raw, server_hostname=self._host, do_handshake_on_connect=False) as connected:
            # A timeout of the socket begins anew with each byte that drips in; this one does not.
            late = Event()
            deadline = Timer(self._timeout, _cut, (connected, late))
            deadline.daemon = True
            deadline.start()
            try:
                connected.do_handshake()
                found = self._speak(connected, request)
            finally:
                deadline.cancel()
            if late.is_set():
                raise TimeoutError
            return found

    def _speak(self, connected: ssl.SSLSocket, request: Request) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        connection.sock = connected
        headers = {"Accept": "application/json", "Connection": "close"}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        connection.request("GET" if request.body is None else "POST", request.path, request.body, headers)
        with connection.getresponse() as answer:
            if (answer.length or 0) > MOST_ANSWER:
                raise SourceAnswerError(f"the answer has more than {MOST_ANSWER} bytes")
            body = answer.read(MOST_ANSWER + 1)
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)
            return answer.status, body


def _cut(connected: ssl.SSLSocket, late: Event) -> None:
    """End a connection under the thread that reads from it, which then sees its end."""
    late.set()
    try:
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        return
