"""Receivers of notifications that are real servers on this machine: SMTP with STARTTLS, HTTPS, syslog over TCP."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Posted(NamedTuple):
    """What a webhook was sent."""

    path: str
    headers: Mapping[str, str]
    body: bytes


def certificate(pki: Path) -> ssl.SSLContext:
    """The TLS of a receiver that has a server's certificate for localhost and 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server-cert.pem", pki / "server-key.pem")
    return context


@contextmanager
def webhook(pki: Path, *statuses: int) -> Iterator[tuple[int, Queue[Posted]]]:
    """An HTTPS server: its port, and what comes. It answers with these statuses, the last one again and again."""
    came: Queue[Posted] = Queue()
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.put(Posted(self.path, dict(self.headers), body))
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.send_header("Location", "https://127.0.0.1:9/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = certificate(pki).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mailbox(pki: Path, user: str, password: str) -> Iterator[tuple[int, Queue[Any]]]:
    """An SMTP server that asks for STARTTLS and a login: its port, and the envelopes that come."""
    came: Queue[Any] = Queue()

    class Handler:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
            came.put(envelope)
            return "250 taken"

    def login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (user.encode(), password.encode()))

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(
        Handler(),
        hostname="127.0.0.1",
        port=port,
        tls_context=certificate(pki),
        require_starttls=True,
        auth_required=True,
        authenticator=login,
    )
    controller.start()
    try:
        yield port, came
    finally:
        controller.stop()


@contextmanager
def syslog_over_tcp() -> Iterator[tuple[int, Queue[bytes]]]:
    """A syslog server: its port, and the messages that come, without their octet counts (RFC 6587 s3.4.1)."""
    came: Queue[bytes] = Queue()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                count = bytearray()
                while (digit := stream.read(1)) != b" ":
                    count += digit
                came.put(stream.read(int(count)))

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], came
        thread.join(30)
