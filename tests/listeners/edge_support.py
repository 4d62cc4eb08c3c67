"""Edges that run for real, in a reactor of their own thread, with a small server behind and sockets before them."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from support.certificates import Authority, Issued
from twisted.internet.defer import Deferred, succeed
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.threads import blockingCallFromThread

from kmip_server.identity.caller import Caller
from kmip_server.identity.certificate import IdentityError
from kmip_server.listeners.edge import Edge, Port
from kmip_server.listeners.handler import Answered, Encoding, Reply, Resource
from kmip_server.listeners.settings import ListenerSettings, TlsSettings
from kmip_server.listeners.tls import ServerTls
from kmip_server.listeners.transport import bind

TIMEOUT = 20.0
REQUEST_TAG = b"\x42\x00\x78"
RESPONSE_TAG = b"\x42\x00\x7b"


def message(body: bytes, tag: bytes = REQUEST_TAG) -> bytes:
    """A framed message; the body is a multiple of 8 bytes."""
    return tag + b"\x01" + len(body).to_bytes(4, "big") + body


class ToyServer:
    """Answers each request with its own body, in a response's frame. What it does can be bent by a test."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes, Encoding]] = []
        self.framing_errors: list[str] = []
        self.revoked: set[str] = set()
        self.answer: Callable[[bytes], Reply | Deferred[Reply]] = lambda data: Reply(RESPONSE_TAG + data[3:])
        self.closed = False
        self.resources: tuple[Resource, ...] = ()

    def caller(self, certificate: bytes) -> Caller:
        names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if names[0].value == "nobody":
            raise IdentityError("nobody is no name")
        return Caller(str(names[0].value))

    def admits(self, caller: Caller) -> bool:
        return caller.name not in self.revoked

    def handle(self, caller: Caller, data: bytes, encoding: Encoding, answer: Answered) -> None:
        self.requests.append((caller.name, data, encoding))
        reply = self.answer(data) if encoding is Encoding.TTLV else Reply(encoding.value.encode() + b":" + data)
        if isinstance(reply, Deferred):
            reply.addCallback(answer)
        else:
            answer(reply)

    def framing_error(self, text: str) -> Reply:
        self.framing_errors.append(text)
        return Reply(message(b"REFUSED!", RESPONSE_TAG), close=True)

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)


class World:
    """An authority, a server's and a client's certificate, and edges that are stopped when the test ends."""

    def __init__(self, folder: Path, reactor: PosixReactorBase) -> None:
        self.authority = Authority(folder)
        self.server = self.authority.server()
        self.client = self.authority.issue("alice")
        self.reactor = reactor
        self.folder = folder

    def tls(self, **changes: Any) -> TlsSettings:
        settings = TlsSettings(
            certificate=self.server.cert_file, key=self.server.key_file, client_ca=self.authority.file
        )
        return replace(settings, **changes)

    def settings(self, **changes: Any) -> ListenerSettings:
        """Deadlines that a test can wait for, and that no good client notices."""
        patient = ListenerSettings(tls=self.tls(), sweep_seconds=0.05, linger_seconds=0.2)
        return replace(patient, **changes)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call it in the reactor's thread, and wait for its result."""
        return blockingCallFromThread(self.reactor, function, *arguments)

    @contextmanager
    def edge(self, toy: ToyServer | None = None, **changes: Any) -> Iterator[RunningEdge]:
        running = RunningEdge(self, toy or ToyServer(), self.settings(**changes))
        try:
            yield running
        finally:
            self.call(running.stop_now)

    def context(self, client: Issued | None = None, **options: Any) -> ssl.SSLContext:
        return client_context(self.authority, self.client if client is None else client, **options)


def client_context(
    authority: Authority, client: Issued | None, version: ssl.TLSVersion | None = None, ciphers: str | None = None
) -> ssl.SSLContext:
    """A client's context: its certificate, one TLS version only, one set of suites only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(authority.file)
    if client is not None:
        context.load_cert_chain(client.cert_file, client.key_file)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if ciphers is not None:
        context.set_ciphers(ciphers)
    return context


class RunningEdge:
    """An edge that listens on two free ports."""

    def __init__(self, world: World, toy: ToyServer, settings: ListenerSettings) -> None:
        self.world = world
        self.toy = toy
        self.tls = ServerTls(settings.tls)
        self.edge: Edge = world.call(lambda: Edge(world.reactor, settings, self.tls, toy))
        self.ports: dict[Port, int] = {}
        for port in Port:
            listening = bind("127.0.0.1", 0)
            self.ports[port] = listening.getsockname()[1]
            world.call(self.edge.listen, port, listening)

    def tcp(self, port: Port = Port.KMIP) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.ports[port]), TIMEOUT)

    def connect(
        self, context: ssl.SSLContext | None = None, port: Port = Port.KMIP, session: ssl.SSLSession | None = None
    ) -> ssl.SSLSocket:
        tcp = self.tcp(port)
        try:
            return (context or self.world.context()).wrap_socket(tcp, session=session)
        except BaseException:
            tcp.close()
            raise

    def stop_now(self) -> Deferred[None]:
        stopped = self.edge.stop()
        self.edge._cut()
        return stopped


def receive(connection: socket.socket) -> bytes:
    """One whole message."""
    header = receive_exactly(connection, 8)
    return header + receive_exactly(connection, int.from_bytes(header[4:], "big"))


def receive_exactly(connection: socket.socket, count: int) -> bytes:
    parts = b""
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            raise EOFError(parts)
        parts += part
    return parts


def exchange(connection: socket.socket, body: bytes = b"question") -> bytes:
    """Ask, and answer the body of the response."""
    connection.sendall(message(body))
    return receive(connection)[8:]


def rest_of(connection: socket.socket) -> bytes:
    """Everything until the connection is closed, in whichever way."""
    parts = b""
    try:
        while part := connection.recv(1 << 16):
            parts += part
    except (ConnectionError, ssl.SSLError):
        pass
    return parts


def is_closed(connection: socket.socket, within: float = TIMEOUT) -> bool:
    """Whether the peer closes the connection in time, without a word."""
    connection.settimeout(within)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except (ConnectionError, ssl.SSLError):
        return True


def eventually(condition: Callable[[], bool], within: float = TIMEOUT) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def start_reactor() -> PosixReactorBase:
    """The process's reactor, running in a thread that ends with the process."""
    from twisted.internet import reactor

    if not reactor.running:  # type: ignore[attr-defined]
        started = threading.Event()
        reactor.callWhenRunning(started.set)  # type: ignore[attr-defined]
        threading.Thread(target=reactor.run, args=(False,), daemon=True).start()  # type: ignore[attr-defined]
        started.wait(TIMEOUT)
    return reactor  # type: ignore[return-value]
